"""Choice of the torch device."""

from __future__ import annotations

import torch

from .shared.errors import CinemaError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> str:
    """The torch device to use.

    Args:
        name: "cpu", "cuda", "mps", or "auto" for the fastest that torch finds.

    Raises:
        CinemaError: This computer does not have the device.
    """
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if found[device])
    if not found.get(name):
        raise CinemaError(f'torch finds no device "{name}" here', "Use auto or cpu")
    return name
