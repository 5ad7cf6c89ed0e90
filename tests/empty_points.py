"""Arrays of a job without moving points, for tests that draw still points alone."""

import numpy as np

NONE = {
    "moving_position": np.zeros((0, 3), np.float32),
    "moving_displacement": np.zeros((2, 0, 3), np.float32),
    "moving_birth": np.zeros(0, np.float32),
    "moving_death": np.zeros(0, np.float32),
    "moving_colors": np.zeros((1, 2, 0, 4), np.uint8),
    "moving_radius_factor": np.zeros(0, np.float32),
    "moving_cycles": np.zeros(0, np.int16),
}
