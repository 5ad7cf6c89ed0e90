"""The splatter on single points: occlusion, lives of points, motion, and mixed colours."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.points.footprint import POINT_DIAMETER
from cinema_core.shared.camera import Camera
from cinema_core.shared.job_files import POINTS_DTYPES
from cinema_core.view.quality import sample_step
from cinema_core.view.splatting import Splatter

CAMERA = Camera(40, 40, 40.0)
STILL = np.eye(4)


def points(still=(), **moving) -> dict[str, np.ndarray]:
    """Still points (x, y, z, r, g, b), and moving points with the given arrays; others have defaults."""
    table = np.array(still, np.float32).reshape(-1, 6)
    count = len(moving.get("position", ()))
    defaults = {
        "position": np.zeros((0, 3)), "displacement": np.zeros((2, count, 3)), "birth": np.zeros(count),
        "death": np.full(count, 2), "radius_factor": np.full(count, 8), "cycles": np.ones(count),
        "colors": np.full((1, 2, count, 4), 128),
    }  # fmt: skip
    filled = {f"moving_{name}": np.asarray(moving.get(name, value)) for name, value in defaults.items()}
    filled = {name: a.astype(POINTS_DTYPES.get(name, "float32")) for name, a in filled.items()}
    return filled | {
        "still_position": table[:, :3], "still_color": table[:, 3:],
        "still_radius_factor": np.full(len(table), 8, np.float32), "still_layer": np.zeros(len(table), np.int16),
    }  # fmt: skip


def drawn(table: dict[str, np.ndarray], phase: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    return Splatter(table, CAMERA, POINT_DIAMETER).render(phase, STILL)


def test_of_a_large_photo_a_bounded_number_of_pixels_is_measured():
    assert sample_step(1920, 1080) == sample_step(2048, 2048) == 1
    for width, height in ((3840, 2160), (6016, 4012), (16384, 12000)):
        assert 0.4e6 < width * height / sample_step(width, height) ** 2 < 2.2e6


def test_the_nearer_point_occludes_the_farther():
    for order in (1, -1):
        picture, _ = drawn(points([(0, 0, 1, 1, 0, 0), (0, 0, 2, 0, 1, 0)][::order]))
        assert np.allclose(picture[20, 20], (1, 0, 0), atol=1e-3)


def test_points_behind_the_camera_are_not_drawn():
    assert not drawn(points([(0, 0, -1, 1, 0, 0), (0, 0, 0, 1, 0, 0)]))[1].any()


def test_a_point_lives_from_birth_to_death():
    table = points(position=[(0, 0, 1)], birth=[0.25], death=[0.75])
    alive = [drawn(table, phase)[1].any() for phase in (0.0, 0.2, 0.25, 0.5, 0.74, 0.75, 0.9)]
    assert alive == [False, False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("cycles", "phase", "share"), [(1, 0.25, 0.25), (1, 0.75, 0.75), (2, 0.25, 0.5), (3, 0.5, 0.5), (2, 0.6, 0.2)]
)
def test_a_point_moves_with_its_own_phase(cycles, phase, share):
    table = points(
        position=[(-0.25, 0, 1)],
        displacement=[[(0, 0, 0)], [(0.25, 0, 0)], [(0.5, 0, 0)]],
        cycles=np.array([cycles], np.int16),
    )
    columns = np.flatnonzero(drawn(table, phase)[1].any(0))
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(10 + 20 * share, abs=0.6)


def linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def test_colours_change_in_their_window_and_mix_in_linear_light():
    """The window is from 51 to 153 of 255: from phase 0.2 to 0.6."""
    colors = [[[(51, 51, 51, 51)], [(204, 204, 204, 153)]]]
    table = points(position=[(0, 0, 1)], colors=colors)
    found = {phase: float(drawn(table, phase)[0][20, 20, 0]) for phase in (0.0, 0.19, 0.4, 0.5, 0.61, 0.99)}
    assert [found[phase] for phase in (0.0, 0.19)] == pytest.approx([0.2, 0.2], abs=1e-3)
    assert [found[phase] for phase in (0.61, 0.99)] == pytest.approx([0.8, 0.8], abs=1e-3)
    for phase, share in ((0.4, 0.5), (0.5, 0.75)):
        assert linear(found[phase]) == pytest.approx(linear(0.2) * (1 - share) + linear(0.8) * share, abs=1e-3)


def test_each_cycle_has_its_own_colours_and_further_ones_begin_again():
    grey = [[[(value, value, value, 255)]] * 2 for value in (51, 102, 153)]  # which never change within a cycle
    for cycles, levels in ((3, (51, 102, 153)), (6, (51, 102, 153, 51, 102, 153))):
        table = points(position=[(0, 0, 1)], colors=grey, cycles=[cycles])
        found = [drawn(table, (n + 0.5) / cycles)[0][20, 20, 0] * 255 for n in range(cycles)]
        assert found == pytest.approx(levels, abs=0.5)
