"""Photos that the tests draw. Standard library and numpy only: Blender 5's environment loads this too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pictures import landscape, write_png

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported; see `cinema_core.__main__.main`
os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # tests compare our OpenEXR files with OpenCV's


@pytest.fixture(scope="session")
def landscape_pixels() -> np.ndarray:
    """(200, 320, 3) uint8."""
    return landscape()


@pytest.fixture(scope="session")
def landscape_file(tmp_path_factory: pytest.TempPathFactory, landscape_pixels: np.ndarray) -> Path:
    """The landscape as a PNG. Tests share it and must not write to it."""
    return write_png(tmp_path_factory.mktemp("photo") / "landscape.png", landscape_pixels)
