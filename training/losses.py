"""What training asks for: the right depth up to a factor, in the right place, with planes as planes; and the sky."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FORGIVEN = 0.8  # of the median offset of a photo: the whole scale means nothing, yet must not run away
PLANE, SKY = 0.25, 0.5  # weights beside the mean error in octaves
GRADIENT = {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3, 16: 0.3}  # distance, px: weight; the shortest makes edges steps
BENDS = (5, 20)  # px over which planes are asked to be planes
EDGE = 0.4  # octaves between neighbours that make an edge
EDGE_WEIGHT = 3.0


def depth_loss(prediction: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and its parts.

    Args:
        prediction: (N, 2, H, W): log2 inverse depth, logit of sky.
        target: (N, H, W) log2 inverse depth over its median.
        label: (N, H, W) 0 solid, 1 sky, 2 ignored.
    """
    solid = label == 0
    error = prediction[:, 0] - target
    offset = _medians(error.detach(), solid)
    error = error - FORGIVEN * offset
    weight = solid * (1 + (EDGE_WEIGHT - 1) * _near_edges(target, label))
    absolute = (error.abs().clamp(max=6) * weight).sum() / weight.sum().clamp(min=1)
    gradient = sum(weight * _gradient(error, solid, step) for step, weight in GRADIENT.items())
    plane = sum(_plane(prediction[:, 0] - offset, target, solid, step) for step in BENDS)
    sky = F.binary_cross_entropy_with_logits(prediction[:, 1], (label == 1).to(prediction.dtype), reduction="none")
    sky = (sky * (label != 2)).mean()
    total = absolute + gradient + PLANE * plane + SKY * sky
    parts = {"octaves": absolute, "gradient": gradient, "plane": plane, "sky": sky}
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _medians(values: Tensor, solid: Tensor) -> Tensor:
    """(N, 1, 1) median over the solid pixels of each photo, within two octaves."""
    medians = [v[s].median() if s.any() else v.new_zeros(()) for v, s in zip(values, solid, strict=True)]
    return torch.stack(medians).view(-1, 1, 1).clamp(-2, 2)


def _near_edges(target: Tensor, label: Tensor) -> Tensor:
    """(N, H, W) float: 1 within a pixel of a step in depth or of the sky's border."""
    steps = torch.where(label == 1, -12.0, target)[:, None]
    span = F.max_pool2d(steps, 3, 1, 1) + F.max_pool2d(-steps, 3, 1, 1)
    return (span[:, 0] > EDGE).to(target.dtype)


def _gradient(error: Tensor, solid: Tensor, step: int) -> Tensor:
    """Mean difference of the error between solid pixels `step` apart: relief and edges, wherever the whole lies."""
    total = error.new_zeros(())
    for axis in (1, 2):
        length = error.shape[axis] - step
        first, second = error.narrow(axis, 0, length), error.narrow(axis, step, length)
        both = solid.narrow(axis, 0, length) & solid.narrow(axis, step, length)
        total = total + ((first - second).abs().clamp(max=6) * both).sum() / both.sum().clamp(min=1)
    return total / 2


def _plane(prediction: Tensor, target: Tensor, solid: Tensor, step: int) -> Tensor:
    """Second differences of inverse depth, which are 0 on every plane, over inverse depth."""
    total = prediction.new_zeros(())
    guess, truth = torch.exp2(prediction.clamp(-8, 8)), torch.exp2(target)
    for axis in (1, 2):
        length = target.shape[axis] - 2 * step
        parts = [(v.narrow(axis, 0, length), v.narrow(axis, step, length), v.narrow(axis, 2 * step, length))
                 for v in (guess, truth, solid)]
        bend, true_bend = (v[0] - 2 * v[1] + v[2] for v in parts[:2])
        scale = torch.stack(parts[1]).amax(0)
        both = parts[2][0] & parts[2][1] & parts[2][2]
        total = total + (((bend - true_bend).abs() / scale).clamp(max=1) * both).sum() / both.sum().clamp(min=1)
    return total
