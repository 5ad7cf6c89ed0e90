"""Prints the network's figures: ``python -m training.evaluate --data FOLDER [--weights FILE]``.

Held-back renders, whose seeds training never saw, give the errors of depth (up to one factor), sky, edges and planes.
Photographs give the share of point pairs in the wrong order.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from cinema_core.depth.edges import clean_depth
from cinema_core.depth.network import WEIGHTS, load_network, predict
from cinema_core.depth.sky import segment_sky
from cinema_core.shared.data import FARTHEST

from .batches import make_sample
from .ordinal import is_wrong, read_pairs, summarise
from .sources import photo_file
from .views import list_views

MIN_EDGE_STEP = 0.3  # octaves between neighbouring pixels; a larger step is a depth edge
EDGE_TOLERANCE = 2  # px; a predicted edge this close to a true edge is correct
PLANE_TOLERANCE = 0.01  # relative residual below which a pixel belongs to a plane

Predictor = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # like `cinema_core.depth.network.predict`


def judge_renders(data: Path, predictor: Predictor, count: int) -> dict[str, float]:
    """Mean figures over held-back views. The number of a view determines its sky."""
    views = list_views(data, held_back=True)[:count]
    figures = []
    for number, path in enumerate(views):
        height, width = np.load(f"{path}.npy", mmap_mode="r").shape
        sample = make_sample(path, (width, height), np.random.default_rng((11, number)), plain=True)
        if sample is not None:
            figures.append(judge_view(*sample, *predictor(sample[0].transpose(1, 2, 0).astype(np.float32) / 255)))
    names = dict.fromkeys(name for view in figures for name in view)
    return {"views": len(figures)} | {name: float(np.mean([v[name] for v in figures if name in v])) for name in names}


def judge_view(
    image: np.ndarray, target: np.ndarray, label: np.ndarray, inverse: np.ndarray, sky: np.ndarray
) -> dict[str, float]:
    """Figures of one view; `inverse` and `sky` are predictions, the other arguments come from `make_sample`."""
    solid = label == 0
    error = inverse - target
    error = np.abs(error - np.median(error[solid]))[solid]
    figures = {
        "delta 1.25 %": 100 * float((error < np.log2(1.25)).mean()),
        "octaves": float(error.mean()),
        "sky right %": 100 * float(((sky > 0.5) == (label == 1))[label != 2].mean()),
        "edge F %": 100 * edge_score(_with_sky(inverse, sky > 0.5, solid), _with_sky(target, label == 1, solid)),
        "edge F % as built": 100
        * edge_score(_cleaned(image, inverse, sky > 0.5), _with_sky(target, label == 1, solid)),
    }
    plane = plane_error(target, solid, inverse)
    return figures if plane is None else figures | {"plane %": 100 * plane}


def _with_sky(inverse: np.ndarray, sky: np.ndarray, solid: np.ndarray) -> np.ndarray:
    return np.where(sky, np.quantile(inverse[solid], 0.01) - 3, inverse)


def _cleaned(image: np.ndarray, inverse: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """Log2 inverse depth with its edges cleaned in the same way as in a build."""
    nearest = np.quantile(inverse[~sky], 0.995) if not sky.all() else inverse.max()
    disparity = np.where(sky, 1 / FARTHEST, np.exp2(np.minimum(inverse - nearest, 0))).astype(np.float32)
    color = image.transpose(1, 2, 0).astype(np.float32) / 255
    return np.log2(clean_depth(disparity.clip(1 / FARTHEST), color, 1.0))


def edge_score(predicted: np.ndarray, true: np.ndarray) -> float:
    """F-score of the depth edges; an edge pixel counts if the other map has one within `EDGE_TOLERANCE` px."""
    found, sought = _edges(predicted), _edges(true)
    near = np.ones((2 * EDGE_TOLERANCE + 1,) * 2, np.uint8)
    precision = (found & cv2.dilate(sought, near)).sum() / max(found.sum(), 1)
    recall = (sought & cv2.dilate(found, near)).sum() / max(sought.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-6)) if sought.any() else float(not found.any())


def _edges(inverse: np.ndarray) -> np.ndarray:
    """(H, W) uint8: steps of more than `MIN_EDGE_STEP` between a pixel and its right or lower neighbour."""
    across = np.abs(np.diff(inverse, axis=1, append=inverse[:, -1:])) > MIN_EDGE_STEP
    return (across | (np.abs(np.diff(inverse, axis=0, append=inverse[-1:])) > MIN_EDGE_STEP)).astype(np.uint8)


def plane_error(target: np.ndarray, solid: np.ndarray, inverse: np.ndarray) -> float | None:
    """Mean relative distance of the predicted ground from its own best-fitting plane; None where no plain is visible.

    On a plane, inverse depth is linear in pixel coordinates for every camera.
    """
    truth = np.exp2(target)
    lower = solid & (np.arange(len(truth))[:, None] > 0.4 * len(truth))
    if lower.sum() < 100:
        return None
    flat = solid & (_plane_residual(truth, lower, rounds=8) < PLANE_TOLERANCE)
    if flat.mean() < 0.2:
        return None
    guess = np.exp2(inverse - np.median(inverse[flat]))
    return float(_plane_residual(guess, flat, rounds=3)[flat].mean())


def _plane_residual(values: np.ndarray, where: np.ndarray, rounds: int) -> np.ndarray:
    """(H, W) |values - plane| / values of a plane fitted to `where`; each round lowers the weight of outliers."""
    row, column = np.mgrid[: values.shape[0], : values.shape[1]]
    basis = np.stack([row, column, np.ones_like(row)], -1).astype(np.float64)
    weight = where / values
    for _ in range(rounds):
        plane = np.linalg.lstsq((basis * weight[..., None])[where], (values * weight)[where], rcond=None)[0]
        residual = np.abs(basis @ plane - values) / values
        weight = where / values / (1 + residual / PLANE_TOLERANCE)
    return residual


def judge_order(predictor: Predictor) -> str:
    """Shares of wrong pairs on real photographs. Sky counts as farthest."""
    pairs, results = read_pairs(), []
    for photo in dict.fromkeys(pair.photo for pair in pairs):
        image = cv2.imread(str(photo_file(photo)))[..., ::-1].astype(np.float32) / 255
        inverse, sky = predictor(image)
        nearness = np.where(sky > 0.5, inverse.min() - 1 - sky, inverse)
        results += [(pair, is_wrong(pair, nearness)) for pair in pairs if pair.photo == photo]
    return summarise(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--count", type=int, default=400, help="largest number of views to evaluate")
    chosen = parser.parse_args()
    network = load_network(chosen.weights)

    def predictor(color: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inverse, chance = predict(color, network)
        sky = segment_sky(chance, color)
        return inverse, np.where(sky, np.maximum(chance, 0.501), np.minimum(chance, 0.5))

    for name, value in judge_renders(chosen.data, predictor, chosen.count).items():
        print(f"{name}: {value:.3g}")
    print("photographs:", judge_order(predictor))


if __name__ == "__main__":
    main()
