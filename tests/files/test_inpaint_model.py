"""Inpainting models that users have: tiny TorchScript files of LaMa's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cinema_core.files.inpaint_model import load_inpainter
from cinema_core.shared.errors import CinemaError

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def script(path: Path, module: torch.nn.Module) -> Path:
    torch.jit.save(torch.jit.script(module), str(path))
    return path


class Identity(torch.nn.Module):
    """Takes one picture, as depth models do."""

    def forward(self, x):
        return x


class Lama(torch.nn.Module):
    """Fills holes with the mean of the known pixels; checks the sizes that it is given."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def forward(self, image, mask):
        assert image.shape[2] % 8 == 0 and image.shape[3] % 8 == 0 and image.shape[2] <= 1024 and image.shape[3] <= 1024
        known = 1 - mask
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return (image * known + mean * mask) * self.scale


@pytest.mark.parametrize("scale", [1.0, 255.0])
@pytest.mark.parametrize("shape", [(80, 120), (81, 119), (7, 9), (200, 1500)])
def test_holes_are_filled_and_other_pixels_stay(tmp_path, shape, scale):
    image = np.full((*shape, 3), (0.2, 0.5, 0.8), np.float32)
    mask = np.zeros(shape, bool)
    mask[2:5, 3:6] = True
    image[mask] = 1
    image[0, 0] = 0.3
    filled = load_inpainter(script(tmp_path / "lama.pt", Lama(scale)))(image, mask)
    assert filled.dtype == np.float32 and np.array_equal(filled[~mask], image[~mask])
    assert np.abs(filled[mask] - (0.2, 0.5, 0.8)).max() < 0.02


def test_without_holes_the_model_is_not_run(tmp_path):
    image = np.zeros((16, 16, 3), np.float32)
    assert load_inpainter(script(tmp_path / "lama.pt", Identity()))(image, np.zeros((16, 16), bool)) is image


def test_a_model_of_another_form_says_so(tmp_path):
    fill = load_inpainter(script(tmp_path / "one.pt", Identity()))
    with pytest.raises(CinemaError, match="does not take image and mask"):
        fill(np.zeros((16, 16, 3), np.float32), np.ones((16, 16), bool))
    with pytest.raises(CinemaError, match="not an inpainting model"):
        load_inpainter(tmp_path / "a.safetensors")
