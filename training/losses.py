"""What training asks for: the right depth up to a factor, in the right place, with planes as planes; and the sky."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .photographs import POINT, SKY_POINT

FORGIVEN = 0.8  # of the median offset of a photo: the whole scale means nothing, yet must not run away
PLANE, SKY = 0.25, 0.5  # weights beside the mean error in octaves
GRADIENT = {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3, 16: 0.3}  # distance, px: weight; the shortest makes edges steps
BENDS = (5, 20)  # px over which planes are asked to be planes
EDGE = 0.4  # octaves between neighbours that make an edge
EDGE_WEIGHT = 3.0
ORDER, POINT_SKY = 3.0, 0.3  # weights of the points of photographs
CERTAIN = 0.2  # octaves; two points that were judged closer than this are not compared
STRICT, LOOSE = 0.5, (2.0, 0.5)  # a judged ratio may be felt as its half, or as (twice, and octaves more): guesses are rough


def depth_loss(prediction: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and its parts.

    Args:
        prediction: (N, 2, H, W): log2 inverse depth, logit of sky.
        target: (N, H, W) log2 inverse depth over its median.
        label: (N, H, W) 0 solid, 1 sky, 2 ignored, and the points of photographs.
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
    sky = (sky * (label < 2)).mean()
    order, point_sky = _point_loss(prediction, target, label)
    total = absolute + gradient + PLANE * plane + SKY * sky + ORDER * order + POINT_SKY * point_sky
    parts = {"octaves": absolute, "gradient": gradient, "plane": plane, "sky": sky, "order": order, "points": point_sky}
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _point_loss(prediction: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Octaves by which pairs of points leave the range that was judged, and cross entropy of their sky; means."""
    orders, skies = [prediction.new_zeros(())], [prediction.new_zeros(())]
    for guess, truth, kind in zip(prediction, target, label, strict=True):
        point = kind == POINT
        if not point.any():
            continue
        felt, judged = (v[point][:, None] - v[point] for v in (guess[0], truth))  # all pairs: the first is nearer
        sure = judged >= CERTAIN
        short, long = (STRICT * judged).clamp(max=1) - felt, felt - LOOSE[0] * judged - LOOSE[1]
        orders.append(((short.relu() + long.relu()).clamp(max=4) * sure).sum() / sure.sum().clamp(min=1))
        chosen = point | (kind == SKY_POINT)
        skies.append(F.binary_cross_entropy_with_logits(guess[1][chosen], (kind == SKY_POINT)[chosen].to(guess.dtype)))
    return tuple(torch.stack(values).sum() / max(1, len(values) - 1) for values in (orders, skies))


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
