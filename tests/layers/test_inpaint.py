"""Inpainting: how often a source is copied."""

from pathlib import Path

import cv2
import numpy as np

from cinema_core.layers import inpaint, patch_copy

PHOTO = Path(__file__).parents[2] / "demo" / "sea3.jpg"


def test_a_fill_comes_from_many_places(monkeypatch):
    photo = cv2.resize(cv2.imread(str(PHOTO)), (480, 240), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    hole = np.zeros(photo.shape[:2], bool)
    hole[190:] = True
    copier, searches = patch_copy._Copier, []

    def watched(color, source, guide, search, factor):
        searches.append(search)
        return copier(color, source, guide, search, factor)

    monkeypatch.setattr(patch_copy, "_Copier", watched)
    inpaint.inpaint_hole(photo, hole, ~hole, np.zeros(hole.shape, np.float32))
    (search,) = searches
    copies = search._count_copies()[search._flat(search.match)].numpy()
    assert np.quantile(copies, 0.9) < 6, "much of the fill is one place of the photo, again and again"
