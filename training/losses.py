"""What training asks for: the right depth up to a factor, in the right place, with planes as planes; and the sky."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinema_core.depth.network import SURFACE_RADIUS

from .photographs import POINT, SKY_POINT

FORGIVEN = 0.8  # of the median offset of a photo: the whole scale means nothing, yet must not run away
PLANE, SKY = 0.25, 0.5  # weights beside the mean error in octaves
GRADIENT = {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3, 16: 0.3}  # distance, px: weight; the shortest makes edges steps
BENDS = (5, 20)  # px over which planes are asked to be planes
EDGE = 0.4  # octaves between neighbours that make an edge
EDGE_WEIGHT = 3.0
SURFACES, CHOICE = 0.3, 0.3  # weights of the two surfaces of a pixel and of which of them it is
ORDER, POINT_SKY = 3.0, 0.3  # weights of the points of photographs
CERTAIN = 0.2  # octaves; two points that were judged closer than this are not compared
STRICT, LOOSE = (
    0.5,
    (2.0, 0.5),
)  # a judged ratio may be felt as its half, or as (twice, and octaves more): guesses are rough


def depth_loss(prediction: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and its parts.

    Args:
        prediction: (N, 5, H, W), as the network answers.
        target: (N, H, W) log2 inverse depth over its median.
        label: (N, H, W) 0 solid, 1 sky, 2 ignored, and the points of photographs.
    """
    solid = label == 0
    inverse, sky_logit, *surfaces = prediction.unbind(1)
    offset = _medians((inverse - target).detach(), solid)
    weight = solid * (1 + (EDGE_WEIGHT - 1) * _near_edges(target, label))
    absolute, gradient, plane = _shape_loss(inverse, target, weight, offset)
    missed, choice = _surface_loss(*surfaces, target + FORGIVEN * offset, solid)
    steps = sum(_shape_loss(choose_surface(*surfaces), target, weight, offset))
    sky = F.binary_cross_entropy_with_logits(sky_logit, (label == 1).to(prediction.dtype), reduction="none")
    sky = (sky * (label < 2)).mean()
    order, point_sky = _point_loss(inverse, sky_logit, target, label)
    total = (
        absolute
        + gradient
        + plane
        + SKY * sky
        + steps
        + SURFACES * missed
        + CHOICE * choice
        + ORDER * order
        + POINT_SKY * point_sky
    )
    parts = {
        "octaves": absolute,
        "gradient": gradient,
        "plane": plane,
        "sky": sky,
        "steps": steps,
        "surfaces": missed,
        "choice": choice,
        "order": order,
        "points": point_sky,
    }
    return total, {name: float(value.detach()) for name, value in parts.items()}


def choose_surface(near: Tensor, far: Tensor, choice: Tensor) -> Tensor:
    """Log2 of inverse depth where `choice`, a logit, lies between two surfaces."""
    return far + (near - far) * torch.sigmoid(choice)


def _shape_loss(inverse: Tensor, target: Tensor, weight: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Octaves of error, pixel by pixel weighted, of its gradients, and how far planes are bent; each as it counts."""
    solid = weight > 0
    error = inverse - target - FORGIVEN * offset
    absolute = (error.abs().clamp(max=6) * weight).sum() / weight.sum().clamp(min=1)
    gradient = sum(share * _gradient(error, solid, step) for step, share in GRADIENT.items())
    plane = sum(_plane(inverse - offset, target, solid, step) for step in BENDS)
    return absolute, gradient, PLANE * plane


def _surface_loss(near: Tensor, far: Tensor, choice: Tensor, target: Tensor, solid: Tensor) -> tuple[Tensor, Tensor]:
    """Octaves by which the two surfaces miss the nearest and farthest beside each pixel, and the choice the right one."""
    nothing = torch.where(solid, 0, torch.inf)
    nearest, farthest = (
        sign * F.max_pool2d((sign * target - nothing)[:, None], 2 * SURFACE_RADIUS + 1, 1, SURFACE_RADIUS)[:, 0]
        for sign in (1, -1)
    )
    nearest, farthest = (torch.where(solid, value, 0) for value in (nearest, farthest))
    missed = ((near - nearest).abs().clamp(max=6) + (far - farthest).abs().clamp(max=6)) * solid
    gap = nearest - farthest
    torn = solid & (gap > EDGE)
    share = torch.where(torn, ((target - farthest) / gap.clamp(min=EDGE)).clamp(0, 1), 0)
    crossed = F.binary_cross_entropy_with_logits(choice, share, reduction="none")
    astray = (crossed - F.binary_cross_entropy(share, share, reduction="none")) * torn  # 0 where the share is right
    return missed.sum() / solid.sum().clamp(min=1), astray.sum() / torn.sum().clamp(min=1)


def _point_loss(inverse: Tensor, sky: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Octaves by which pairs of points leave the range that was judged, and cross entropy of their sky; means."""
    orders, skies = [inverse.new_zeros(())], [inverse.new_zeros(())]
    for guess, chance, truth, kind in zip(inverse, sky, target, label, strict=True):
        point = kind == POINT
        if not point.any():
            continue
        felt, judged = (v[point][:, None] - v[point] for v in (guess, truth))  # all pairs: the first is nearer
        sure = judged >= CERTAIN
        short, long = (STRICT * judged).clamp(max=1) - felt, felt - LOOSE[0] * judged - LOOSE[1]
        orders.append(((short.relu() + long.relu()).clamp(max=4) * sure).sum() / sure.sum().clamp(min=1))
        chosen = point | (kind == SKY_POINT)
        skies.append(F.binary_cross_entropy_with_logits(chance[chosen], (kind == SKY_POINT)[chosen].to(guess.dtype)))
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
        parts = [
            (v.narrow(axis, 0, length), v.narrow(axis, step, length), v.narrow(axis, 2 * step, length))
            for v in (guess, truth, solid)
        ]
        bend, true_bend = (v[0] - 2 * v[1] + v[2] for v in parts[:2])
        scale = torch.stack(parts[1]).amax(0)
        both = parts[2][0] & parts[2][1] & parts[2][2]
        total = total + (((bend - true_bend).abs() / scale).clamp(max=1) * both).sum() / both.sum().clamp(min=1)
    return total
