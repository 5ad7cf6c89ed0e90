"""Training losses: depth up to one factor, its gradients, flatness of planes, both surfaces at depth edges, and sky."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinema_core.depth.network import SURFACE_RADIUS

from .photographs import POINT, SKY_POINT

# Share of a photo's median offset that costs nothing. The scale is arbitrary; the rest keeps it from drifting away.
FORGIVEN_OFFSET = 0.8
PLANE_WEIGHT, SKY_WEIGHT = 0.25, 0.5  # relative to the mean error in octaves
# Distance in px: weight of the gradient loss. The shortest distance makes depth edges sharp.
GRADIENT_WEIGHTS = {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3, 16: 0.3}
PLANE_DISTANCES = (5, 20)  # px between the three pixels whose second difference is 0 on a plane
MIN_DISCONTINUITY = 0.4  # octaves between neighbouring pixels; a larger step is a depth discontinuity
EDGE_WEIGHT = 3.0  # of pixels next to a depth discontinuity or the sky's boundary; all others count 1
SURFACE_WEIGHT, CHOICE_WEIGHT = 0.3, 0.3  # of the two surfaces at a pixel, and of the choice between them
ORDER_WEIGHT, POINT_SKY_WEIGHT = 3.0, 0.3  # of the points of photographs: their order and their sky
MIN_JUDGED_RATIO = 0.2  # octaves; two points whose judged distances differ by less are not compared
# Bounds of the predicted ratio in octaves; they are wide because distances judged by eye are rough.
LOWER_RATIO_FACTOR = 0.5  # of the judged ratio
UPPER_RATIO_FACTOR, UPPER_RATIO_EXTRA = 2.0, 0.5  # of the judged ratio, and octaves added to it


def depth_loss(prediction: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and its parts by name.

    Args:
        prediction: (N, 5, H, W), the output of the network.
        target: (N, H, W) log2 inverse depth relative to its median.
        label: (N, H, W) 0 solid, 1 sky, 2 ignored, or a label of a photograph's point (see `photographs`).
    """
    solid = label == 0
    inverse, sky_logit, *surfaces = prediction.unbind(1)
    offset = _medians((inverse - target).detach(), solid)
    weight = solid * (1 + (EDGE_WEIGHT - 1) * _near_edges(target, label))
    absolute, gradient, plane = _shape_loss(inverse, target, weight, offset)
    missed, choice = _surface_loss(*surfaces, target + FORGIVEN_OFFSET * offset, solid)
    steps = sum(_shape_loss(choose_surface(*surfaces), target, weight, offset))
    sky = F.binary_cross_entropy_with_logits(sky_logit, (label == 1).to(prediction.dtype), reduction="none")
    sky = (sky * (label < 2)).mean()
    order, point_sky = _point_loss(inverse, sky_logit, target, label)
    total = (
        absolute
        + gradient
        + plane
        + SKY_WEIGHT * sky
        + steps
        + SURFACE_WEIGHT * missed
        + CHOICE_WEIGHT * choice
        + ORDER_WEIGHT * order
        + POINT_SKY_WEIGHT * point_sky
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
    """Log2 of inverse depth between two surfaces; `choice` is the logit of the near one's share."""
    return far + (near - far) * torch.sigmoid(choice)


def _shape_loss(inverse: Tensor, target: Tensor, weight: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted loss of each pixel's error in octaves, of the gradients of the error, and of bent planes."""
    solid = weight > 0
    error = inverse - target - FORGIVEN_OFFSET * offset
    absolute = (error.abs().clamp(max=6) * weight).sum() / weight.sum().clamp(min=1)
    gradient = sum(share * _gradient_loss(error, solid, step) for step, share in GRADIENT_WEIGHTS.items())
    plane = sum(_plane_loss(inverse - offset, target, solid, step) for step in PLANE_DISTANCES)
    return absolute, gradient, PLANE_WEIGHT * plane


def _surface_loss(near: Tensor, far: Tensor, choice: Tensor, target: Tensor, solid: Tensor) -> tuple[Tensor, Tensor]:
    """Error of the two surfaces in octaves, and cross entropy of the choice between them.

    The true surfaces of a pixel are the nearest and the farthest within `SURFACE_RADIUS` pixels.
    """
    nothing = torch.where(solid, 0, torch.inf)
    nearest, farthest = (
        sign * F.max_pool2d((sign * target - nothing)[:, None], 2 * SURFACE_RADIUS + 1, 1, SURFACE_RADIUS)[:, 0]
        for sign in (1, -1)
    )
    nearest, farthest = (torch.where(solid, value, 0) for value in (nearest, farthest))
    missed = ((near - nearest).abs().clamp(max=6) + (far - farthest).abs().clamp(max=6)) * solid
    gap = nearest - farthest
    split = solid & (gap > MIN_DISCONTINUITY)
    share = torch.where(split, ((target - farthest) / gap.clamp(min=MIN_DISCONTINUITY)).clamp(0, 1), 0)
    entropy = F.binary_cross_entropy_with_logits(choice, share, reduction="none")
    # The difference is 0 where the predicted share is correct.
    choice_error = (entropy - F.binary_cross_entropy(share, share, reduction="none")) * split
    return missed.sum() / solid.sum().clamp(min=1), choice_error.sum() / split.sum().clamp(min=1)


def _point_loss(inverse: Tensor, sky: Tensor, target: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Mean octaves by which pairs of points leave their permitted range, and mean cross entropy of the points' sky."""
    orders, skies = [inverse.new_zeros(())], [inverse.new_zeros(())]
    for guess, chance, truth, kind in zip(inverse, sky, target, label, strict=True):
        point = kind == POINT
        if not point.any():
            continue
        # All pairs; positive where the first point is nearer.
        predicted, judged = (v[point][:, None] - v[point] for v in (guess, truth))
        sure = judged >= MIN_JUDGED_RATIO
        short = (LOWER_RATIO_FACTOR * judged).clamp(max=1) - predicted
        long = predicted - UPPER_RATIO_FACTOR * judged - UPPER_RATIO_EXTRA
        orders.append(((short.relu() + long.relu()).clamp(max=4) * sure).sum() / sure.sum().clamp(min=1))
        chosen = point | (kind == SKY_POINT)
        skies.append(F.binary_cross_entropy_with_logits(chance[chosen], (kind == SKY_POINT)[chosen].to(guess.dtype)))
    return tuple(torch.stack(values).sum() / max(1, len(values) - 1) for values in (orders, skies))


def _medians(values: Tensor, solid: Tensor) -> Tensor:
    """(N, 1, 1) median over the solid pixels of each photo, clipped to two octaves."""
    medians = [v[s].median() if s.any() else v.new_zeros(()) for v, s in zip(values, solid, strict=True)]
    return torch.stack(medians).view(-1, 1, 1).clamp(-2, 2)


def _near_edges(target: Tensor, label: Tensor) -> Tensor:
    """(N, H, W) float: 1 within a pixel of a depth discontinuity or of the sky's boundary."""
    steps = torch.where(label == 1, -12.0, target)[:, None]
    span = F.max_pool2d(steps, 3, 1, 1) + F.max_pool2d(-steps, 3, 1, 1)
    return (span[:, 0] > MIN_DISCONTINUITY).to(target.dtype)


def _gradient_loss(error: Tensor, solid: Tensor, step: int) -> Tensor:
    """Mean difference of the error between solid pixels `step` apart; a constant offset costs nothing."""
    total = error.new_zeros(())
    for axis in (1, 2):
        length = error.shape[axis] - step
        first, second = error.narrow(axis, 0, length), error.narrow(axis, step, length)
        both = solid.narrow(axis, 0, length) & solid.narrow(axis, step, length)
        total = total + ((first - second).abs().clamp(max=6) * both).sum() / both.sum().clamp(min=1)
    return total / 2


def _plane_loss(prediction: Tensor, target: Tensor, solid: Tensor, step: int) -> Tensor:
    """Error of the second differences of inverse depth, relative to inverse depth; they are 0 on every plane."""
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
