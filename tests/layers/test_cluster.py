"""The clustering of disparities, with scikit-learn as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from cinema_core.layers.split import QUANTILES, WARD_THRESHOLD, _cluster


def random_values(seed: int) -> np.ndarray:
    """Ascending numbers, scaled to 0..1 like the quantiles of a photo: lumps, plateaus and equal values."""
    random = np.random.default_rng(seed)
    count = int(random.choice([2, 3, 50, QUANTILES]))
    centres = random.random(random.integers(1, 9))
    values = random.choice(centres, count) + random.normal(0, random.choice([0.0, 0.003, 0.05, 0.3]), count)
    if seed % 2:
        values = values.round(int(random.integers(1, 4)))  # ties in values and in distances
    values = np.sort(values)
    return (values - values[0]) / max(values[-1] - values[0], 1e-6)


def boundaries(clusters: np.ndarray) -> np.ndarray:
    """Places where one cluster follows another; the clusters' numbers have no meaning."""
    return np.flatnonzero(np.diff(clusters))


@pytest.mark.parametrize("seed", range(60))
def test_clusters_are_those_of_scikit_learn(seed):
    values = random_values(seed)
    oracle = AgglomerativeClustering(None, distance_threshold=WARD_THRESHOLD).fit_predict(values[:, None])
    np.testing.assert_array_equal(boundaries(_cluster(values)), boundaries(oracle))


def test_the_cases_have_one_and_several_clusters():
    counts = [len(boundaries(_cluster(random_values(seed)))) + 1 for seed in range(60)]
    assert min(counts) == 1 and max(counts) >= 5


def test_clusters_at_the_threshold_stay_apart():
    """Two numbers have Ward's distance |a - b|; scikit-learn merges what is closer than the threshold."""
    assert len(boundaries(_cluster(np.array([0.0, WARD_THRESHOLD])))) == 1
    assert len(boundaries(_cluster(np.array([0.0, np.nextafter(WARD_THRESHOLD, 0)])))) == 0
