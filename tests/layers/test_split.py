"""Layers, discontinuities, occluded bands, inpainting, and the moving surface behind occluders."""

import cv2
import numpy as np
import pytest
from pictures import landscape

from cinema_core.layers import depth_order, discontinuities
from cinema_core.layers.bands import OccludedBand, fill_bands
from cinema_core.layers.depth_order import order_occluded
from cinema_core.layers.discontinuities import (
    MIN_DISCONTINUITY,
    find_discontinuities,
    fit_background_planes,
    remove_specks,
)
from cinema_core.layers.inpaint import inpaint_hole
from cinema_core.layers.occluded import Canvas
from cinema_core.layers.split import Layers, split_layers
from cinema_core.points.moving_surface import find_flowing_surface
from cinema_core.points.still import FILL_OFFSET, still_points
from cinema_core.shared.camera import SIDE, UP_DOWN, Camera

WIDTH, HEIGHT, FOCAL = 160, 120, 160.0
NEAR, FAR = 0.9, 0.3  # disparities of the post and the wall
POST = slice(60, 90)  # columns of the post


def noise(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3)).astype(np.float32)


def inpaint(color: np.ndarray, hole: np.ndarray, *arguments: object) -> np.ndarray:
    """(H, W, 3) the picture, with its hole inpainted."""
    filled = np.array(color, np.float32)
    filled[hole] = inpaint_hole(color, hole, *arguments)
    return filled


def split(disparity: np.ndarray, color: np.ndarray | None = None) -> Layers:
    height, width = disparity.shape
    camera = Camera(width, height, float(width))
    return split_layers(noise(height, width) if color is None else color, (1 / disparity).astype(np.float32), camera)


@pytest.fixture(scope="module")
def cards() -> Layers:
    """A red post before a green wall, with a little noise in their colours."""
    disparity = np.full((HEIGHT, WIDTH), FAR)
    disparity[:, POST] = NEAR
    color = np.full((HEIGHT, WIDTH, 3), (0.1, 0.7, 0.2), np.float32)
    color[:, POST] = (0.9, 0.1, 0.1)
    return split(disparity, np.clip(color + 0.05 * (noise() - 0.5), 0, 1))


def photo_part(layers: Layers) -> tuple[np.ndarray, np.ndarray]:
    """Label and disparity of the photo's pixels."""
    return layers.label[layers.photo], layers.disparity[layers.photo]


def occluders_of(layers: Layers, band: OccludedBand) -> np.ndarray:
    """(H, W) bool: the photo's pixels that occlude a band."""
    mask = np.zeros(layers.valid.shape, bool)
    mask.ravel()[band.index] = True
    return mask[layers.photo]


@pytest.mark.parametrize("rows", [HEIGHT, 36], ids=["gentle", "steep"])
def test_a_slope_has_no_discontinuities_and_no_bands(rows):
    """Not even a slope so steep that neighbours differ by more than the smallest discontinuity."""
    down = np.clip((np.arange(HEIGHT) - 20) / rows, 0, 1)
    disparity = np.repeat((0.6 - 0.4 * np.cos(np.pi * down))[:, None], WIDTH, 1)
    assert rows == HEIGHT or np.diff(disparity, axis=0).max() > MIN_DISCONTINUITY
    layers = split(disparity)
    assert layers.label.max() >= 2  # it is split into layers
    assert not layers.bands
    nothing = find_flowing_surface(np.zeros((HEIGHT, WIDTH), bool), layers)
    points, names = still_points(layers, nothing)
    own = points.layer != names.index("Backing")
    # on the steep slope, more points close the gaps between its pixels
    assert own.sum() == layers.valid.sum() if rows == HEIGHT else own.sum() > layers.valid.sum()
    # all of them lie on the slope: between the disparities of their own row of the photo and of the adjacent rows
    row = np.floor(layers.camera.project(points.position[own])[:, 1]).astype(int) + layers.pad[1]
    around = np.stack([np.roll(layers.disparity[:, layers.pad[0]], by) for by in (-1, 0, 1)])
    away = np.clip(1 / points.position[own, 2], around.min(0)[row], around.max(0)[row]) * points.position[own, 2]
    assert (away - 1).min() > -1e-4 and (away - 1).max() < 1.1 * FILL_OFFSET  # or just behind it


def scenery(width: int) -> np.ndarray:
    """Disparity of a plane, a ball and a thin post on it, and a dune, at any resolution."""
    y, x = np.mgrid[: width * 9 // 16, :width] / width
    disparity = np.clip((y - 0.22) / 0.34, 0.01, 1)
    disparity[np.hypot(x - 0.6, 1.2 * (y - 0.3)) < 0.08] = 0.75
    disparity[(abs(x - 0.2) < 0.006) & (y > 0.1) & (y < 0.45)] = 0.9
    dune = 0.3 + 0.25 * np.tanh((y - 0.28) / 0.008)
    return np.where((x > 0.8) & (y > 0.25), np.maximum(disparity, dune), disparity).astype(np.float32)


def discontinuity_mask(disparity: np.ndarray) -> np.ndarray:
    return find_discontinuities(remove_specks(disparity), np.ones(disparity.shape, bool)) > 0


@pytest.mark.parametrize("width", [640, 1280, 2560])
def test_a_scene_has_the_same_discontinuities_at_any_resolution(width):
    def positions(size: int) -> np.ndarray:
        mask = discontinuity_mask(scenery(size)).astype(np.uint8)
        count, _, _, middle = cv2.connectedComponentsWithStats(mask, connectivity=8)
        return np.sort((middle[1:] / size)[:, 0]) if count > 1 else np.zeros(0)

    small, large = positions(320), positions(width)
    assert len(small) == len(large) >= 3 and np.abs(small - large).max() < 0.01


@pytest.mark.parametrize("width", [160, 640])
def test_specks_are_removed_and_thin_lines_stay(width):
    height = width // 2
    card = np.full((height, width), 0.3, np.float32)
    specked = card.copy()
    specked[np.random.default_rng(0).random(card.shape) < 0.01] = 1
    assert not discontinuity_mask(specked).any()
    layers = split(specked[: min(height, 90)])
    assert not layers.bands and (layers.disparity > 0.35).mean() < 1e-3
    line = card.copy()
    line[:, width // 2] = 0.9
    assert np.array_equal(remove_specks(line), line) and discontinuity_mask(line).sum() >= 2 * height - 4


def test_a_beach_continues_behind_a_rock():
    """Along its own slope, down to the foot of the rock, and nowhere else."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    beach = np.clip((y - 20) / 100, 0.01, 1)
    disparity = beach.copy()
    rock = (x >= POST.start) & (x < POST.stop) & (y > 30) & (beach < 0.7)
    disparity[rock] = 0.7
    layers = split(disparity)
    for band in layers.bands:
        row, column = np.divmod(band.index, layers.valid.shape[1])
        row, column = row - layers.pad[1], column - layers.pad[0]
        inside = (row >= 22) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
        assert rock[row[inside], column[inside]].mean() > 0.99
        assert np.abs(band.disparity[inside] - beach[row[inside], column[inside]]).max() < 0.03
    assert sum(occluders_of(layers, band).sum() for band in layers.bands) > 100


def test_in_a_large_picture_neighbouring_edge_pixels_share_a_plane_that_fits_each(monkeypatch):
    row, column = np.mgrid[:160, :4200]
    beach = (0.2 + (0.4 * row + 0.3 * column) / 4200).astype(np.float32)
    disparity = np.where(np.abs(column - 2000 - row / 3) < 500, np.float32(0.95), beach)
    edge = np.flatnonzero(find_discontinuities(disparity, np.ones(disparity.shape, bool)))
    fitted, fit = [], discontinuities._fit_robust_planes
    monkeypatch.setattr(
        discontinuities,
        "_fit_robust_planes",
        lambda disparity, edge, *rest: fitted.append(len(edge)) or fit(disparity, edge, *rest),
    )
    planes = fit_background_planes(disparity, edge)
    assert sum(fitted) < 0.6 * len(edge)
    monkeypatch.setattr(discontinuities, "PLANE_CELL", 0)
    off = np.abs(planes - fit_background_planes(disparity, edge)).max(0)
    assert off[0] < 1e-4 and off[1:].max() * 4200 < 0.1, off


def test_the_horizon_continues_behind_a_post():
    """Sky above it and sea below, without a bulge of the sea at the post's edge."""
    y = np.mgrid[:HEIGHT, :WIDTH][0]
    disparity = np.where(y < 60, 0.01, np.clip((y - 55) / 80, 0.01, 1))
    disparity[10:110, POST] = 0.9
    layers = split(disparity)
    nearest = np.zeros(layers.valid.shape)
    for band in layers.bands:
        nearest.ravel()[band.index] = np.maximum(nearest.ravel()[band.index], band.disparity)
    seen = nearest[layers.photo][10:110, POST.start : POST.start + 3]
    assert (seen[:45] <= 0.02).all() and (seen[54:] > 0.03).all()


def test_behind_two_occluders_there_are_two_surfaces():
    """A wall behind the ground behind a post: past the ground's occluded edge, too, the camera sees the wall."""
    disparity = np.full((HEIGHT, WIDTH), 0.1)
    disparity[60:, :] = 0.5
    disparity[20:, 70:100] = 1.0
    layers = split(disparity)
    both = np.sum([occluders_of(layers, band) for band in layers.bands], 0) > 1
    assert both[60:, 70:100].sum() > 10 and not both[:60].any()


def test_a_twig_behind_a_post_continues_as_a_twig():
    """The twig occludes the sky, so it is not copied, and all other pixels that are as far or farther are sky."""
    disparity, color = np.full((120, 200), 0.01, np.float32), np.full((120, 200, 3), (0.75, 0.8, 0.9), np.float32)
    disparity[50:56], color[50:56] = 0.4, (0.3, 0.2, 0.1)
    disparity[:, 80:110], color[:, 80:110] = 1.0, (0.5, 0.5, 0.5)
    valid, label = np.ones(disparity.shape, bool), np.int16(2) - (disparity > 0.1) - (disparity > 0.5)
    canvas = Canvas(Camera(200, 120, 200.0), disparity, valid, label, find_discontinuities(disparity, valid))
    bands = fill_bands(canvas, color, order_occluded(canvas), np.flatnonzero(disparity == np.float32(0.4)))
    (behind,) = [band.color for band in bands if band.layer == 1]
    assert len(behind) > 40
    assert np.abs(behind - (0.3, 0.2, 0.1)).max() < 0.05


def test_a_step_on_the_occluder_does_not_end_the_surface_behind_it():
    """The closest edge is that of the step, in the same layer, and opens little. The edge of the wall opens wider."""
    disparity = np.full((240, 480), 0.1, np.float32)
    disparity[120:], disparity[124:] = 0.3, 0.34
    valid = np.ones(disparity.shape, bool)
    one_layer, occluder = np.zeros(disparity.shape, np.int16), find_discontinuities(disparity, valid)
    canvas = Canvas(Camera(480, 240, 480.0), disparity, valid, one_layer, occluder)
    bands = fill_bands(canvas, noise(240, 480), order_occluded(canvas), np.zeros(0, np.int64))
    wall = np.zeros(disparity.shape, bool)
    for band in bands:
        assert len(np.unique(band.index)) == len(band.index)
        wall.ravel()[band.index[band.disparity < 0.15]] = True
    assert wall[120 : 120 + int(UP_DOWN * 480 * 0.24), 40:440].all()


def test_the_size_of_chunks_does_not_change_the_result(monkeypatch):
    """Discontinuities and depth order are found in chunks of the canvas."""
    disparity = np.full((120, 200), 0.1, np.float32)
    disparity[60:], disparity[20:, 80:120], disparity[40:44] = 0.3, 1.0, 0.6
    valid = np.ones(disparity.shape, bool)
    found = []
    for rows, pixels in ((64, 1 << 18), (20, 901)):  # with the second pair, a chunk ends at an edge
        monkeypatch.setattr(discontinuities, "SCANNED_ROWS", rows)
        monkeypatch.setattr(depth_order, "RANKED_PIXELS", pixels)
        occluder = find_discontinuities(disparity, valid)
        canvas = Canvas(Camera(200, 120, 200.0), disparity, valid, np.int16(disparity < 0.5), occluder)
        found.append(
            [
                occluder,
                *(
                    getattr(part, name)
                    for rank in order_occluded(canvas)
                    for part in rank
                    for name in ("index", "source", "disparity")
                ),
            ]
        )
    assert len(found[0]) == len(found[1]) > 6 and all(map(np.array_equal, *found))


def test_occluders_are_not_copied_even_where_the_surface_behind_them_is_dropped():
    disparity = np.full((120, 200), 0.1, np.float32)
    disparity[:, 80:120] = 1.0
    color, beside = np.full((120, 200, 3), 0.3, np.float32), np.zeros(disparity.shape, bool)
    color[:, 80:120], color[:, 56:76], beside[:, 56:76] = (0, 1, 0), (1, 0, 0), True
    valid = np.ones(disparity.shape, bool)
    canvas = Canvas(
        Camera(200, 120, 200.0), disparity, valid, np.int16(disparity < 0.5), find_discontinuities(disparity, valid)
    )
    red = []
    for occluding in (np.zeros(0, np.int64), np.flatnonzero(beside)):
        (band,) = fill_bands(canvas, color, order_occluded(canvas), occluding)
        red.append((band.color[:, 0] > 0.5).mean())
    assert red[0] > 0.3 and red[1] < 0.05, red


@pytest.mark.parametrize("shape", [(64, 64), (200, 50), (40, 160)], ids=["small", "portrait", "panorama"])
@pytest.mark.parametrize("scene", ["card", "sky", "noise"])
def test_unusual_photos_have_layers_too(shape, scene):
    rough = np.random.default_rng(0).uniform(0.01, 1, shape)
    disparity = {"card": np.full(shape, 1.0), "sky": np.full(shape, 0.01), "noise": rough}[scene]
    layers = split(disparity)
    label, _ = photo_part(layers)
    assert label.max() == 0 or scene == "noise"
    assert np.isfinite(layers.color).all() and (layers.disparity > 0).all() and layers.disparity.max() <= 1
    for band in layers.bands:
        assert np.isfinite(band.color).all() and (band.disparity > 0).all()
        assert (band.disparity < layers.disparity.ravel()[band.index]).all()


def test_reach_scales_the_occluded_surfaces(cards):
    disparity = 1 / np.where((np.arange(WIDTH) >= POST.start) & (np.arange(WIDTH) < POST.stop), 1 / NEAR, 1 / FAR)
    camera = Camera(WIDTH, HEIGHT, FOCAL)
    depth = np.repeat((1 / disparity)[None], HEIGHT, 0).astype(np.float32)
    short = split_layers(noise(), depth, camera, reach=0.5)
    assert short.pad[0] < cards.pad[0] and 0 < len(short.bands[0].index) < 0.8 * len(cards.bands[0].index)


def test_a_fill_function_replaces_the_exemplar_based_inpainting():
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[:, POST] = NEAR
    masks = []

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        masks.append(mask)
        return np.where(mask[..., None], np.float32((1, 0, 1)), image)

    layers = split_layers(noise(), 1 / disparity, Camera(WIDTH, HEIGHT, FOCAL), fill=fill)
    assert len(masks) == 2 and np.median(layers.bands[0].color, 0) == pytest.approx((1, 0, 1))
    beyond = layers.valid.copy()
    beyond[layers.photo] = False
    assert np.median(layers.color[beyond], 0) == pytest.approx((1, 0, 1))


def test_each_flat_card_is_a_layer_and_occludes_the_next():
    disparity = np.full((HEIGHT, WIDTH), 0.2)
    disparity[40:, 20:] = 0.5
    disparity[70:, 60:110] = 1.0
    layers = split(disparity)
    label, _ = photo_part(layers)
    for value, number in ((1.0, 0), (0.5, 1), (0.2, 2)):
        assert (label[disparity == value] == number).all()
    assert {band.layer for band in layers.bands} == {1, 2}
    behind = {band.layer: occluders_of(layers, band) for band in layers.bands}
    assert behind[1][70, 60:110].all() and behind[1][70:, 60].all() and behind[1][70:, 109].all()
    assert behind[2][40, 20:].all() and behind[2][40:, 20].all()
    assert not behind[1][:70].any() and not behind[2][:40].any() and not behind[2][:, :20].any()


def test_the_number_of_layers_does_not_depend_on_the_resolution():
    counts = []
    for width, height in ((96, 60), (192, 120), (384, 240)):
        y, x = np.mgrid[:height, :width] / height
        disparity = np.clip((y - 0.4) / 0.6, 0.01, 1)
        disparity[np.hypot(x - 1, 1.2 * (y - 0.6)) < 0.2] = 0.7
        layers = split(disparity, landscape(width, height).astype(np.float32) / 255)
        counts.append(int(photo_part(layers)[0].max()) + 1)
    assert 3 <= counts[0] <= 8 and np.ptp(counts) <= 1


def test_a_band_lies_behind_its_occluder_as_wide_as_the_presets_disocclude(cards):
    (band,) = cards.bands
    _, disparity = photo_part(cards)
    mask = occluders_of(cards, band)
    assert (
        (disparity[mask] == np.float32(NEAR)).all()
        and not mask[:, : POST.start].any()
        and not mask[:, POST.stop :].any()
    )
    disoccluded = SIDE * FOCAL * (NEAR - FAR)  # px, at the ends of the sideways path
    width = mask[HEIGHT // 2, POST].sum() / 2
    assert disoccluded <= width <= 1.2 * disoccluded + 4
    assert np.abs(band.disparity - FAR).max() < 0.01


def test_a_band_continues_the_farther_surface_only(cards):
    (band,) = cards.bands
    found = band.color
    assert np.abs(found - (0.1, 0.7, 0.2)).max() < 0.1  # without the post's red
    assert cards.label.ravel()[band.source].min() == band.layer


def test_the_photo_is_outpainted_as_far_as_the_presets_move(cards):
    pad_x, pad_y = cards.pad
    row, column = pad_y + HEIGHT // 2, pad_x + (POST.start + POST.stop) // 2
    left = cards.valid[row, :pad_x].sum()
    above = cards.valid[:pad_y, column].sum()
    assert left >= SIDE * FOCAL * FAR and above >= SIDE * FOCAL * NEAR  # near pixels move farther
    assert cards.valid[cards.photo].all() and np.isfinite(cards.color).all()
    assert np.abs(cards.color[pad_y - 3, column] - (0.9, 0.1, 0.1)).max() < 0.15
    assert np.abs(cards.color[row, pad_x - 3] - (0.1, 0.7, 0.2)).max() < 0.15


def test_the_photo_itself_stays_as_it_is():
    color = noise()
    disparity = np.full((HEIGHT, WIDTH), FAR)
    disparity[:, POST] = NEAR
    layers = split(disparity, color)
    assert np.array_equal(layers.color[layers.photo], color)
    assert np.abs(layers.disparity[layers.photo] - disparity).max() < 1e-6


@pytest.fixture(scope="module")
def holed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Green and blue noise that may be copied, red that may not, and a hole with yellow in it."""
    color = noise(96, 128) * (0, 0.5, 0.5)
    source, hole = np.ones((96, 128), bool), np.zeros((96, 128), bool)
    hole[30:60, 40:70] = True
    hole[70:73, 5:8] = True
    source[:, 70:] = False
    color[:, 70:] = (1, 0, 0)
    color[hole] = (1, 1, 0)
    return color.astype(np.float32), hole, source & ~hole


def test_only_source_pixels_are_copied_and_the_whole_hole_is_filled(holed):
    color, hole, source = holed
    filled = inpaint(color, hole, source, np.zeros(hole.shape, np.float32))
    assert filled.dtype == np.float32 and np.isfinite(filled).all()
    assert filled[hole][:, 0].max() < 0.01  # neither the red outside nor the yellow inside
    assert (filled[hole].sum(1) > 0).mean() > 0.99  # noise may be black in a few pixels
    assert np.array_equal(filled[~hole], color[~hole])


def test_in_large_pictures_only_source_pixels_are_copied_too(holed):
    """There whole blocks are matched, some pixels of which may not be copied."""
    color, hole, source = (array.repeat(6, 0).repeat(6, 1) for array in holed)
    poison = np.random.default_rng(1).random(hole.shape) < 0.02
    color[poison & source] = (1, 0, 0)
    filled = inpaint(color, hole, source & ~poison, np.zeros(hole.shape, np.float32))
    assert filled[hole][:, 0].max() < 0.01 and filled[hole][:, 1].mean() > 0.1


def test_the_hole_is_filled_with_texture_not_with_a_blur(holed):
    color, hole, source = holed
    filled = inpaint(color, hole, source, np.zeros(hole.shape, np.float32))
    assert filled[40:50, 48:62, 1].std() > 0.4 * color[source][:, 1].std()


def test_stripes_continue_through_a_hole():
    stripes = np.repeat((np.arange(96) // 12 % 2)[None, :, None] * np.float32(0.8), 96, 0).repeat(3, 2) + np.float32(
        0.1
    )
    hole = np.zeros((96, 96), bool)
    hole[36:60, 30:66] = True
    filled = inpaint(np.where(hole[..., None], 0, stripes), hole, ~hole, np.zeros((96, 96), np.float32))
    assert (np.abs(filled - stripes)[hole].max(-1) < 0.3).mean() > 0.85


def test_the_guide_selects_the_surface_that_is_copied():
    """Two surfaces of different depth lie beside a hole; the guide has the depth of one of them in the hole."""
    color, guide = np.zeros((64, 96, 3), np.float32), np.zeros((64, 96), np.float32)
    color[:, :48, 1], color[:, 48:, 2] = 0.8, 0.8
    guide[:, 48:] = 0.6
    hole = np.zeros((64, 96), bool)
    hole[20:44, 34:62] = True
    guide[hole] = 0.6
    filled = inpaint(color, hole, ~hole, guide)[24:40, 38:58]
    assert filled[..., 2].mean() > 5 * filled[..., 1].mean()


def test_inpainting_is_deterministic(holed):
    color, hole, source = holed
    guide = np.zeros(hole.shape, np.float32)
    assert np.array_equal(inpaint(color, hole, source, guide, 3), inpaint(color, hole, source, guide, 3))


@pytest.mark.parametrize("case", ["no hole", "no source", "one source pixel", "larger than the search"])
def test_holes_of_all_kinds(case):
    shape = (40, 1100) if case == "larger than the search" else (20, 30)
    color, hole = np.full((*shape, 3), 0.4, np.float32), np.zeros(shape, bool)
    hole[5:15, 5:25] = case != "no hole"
    source = np.zeros(shape, bool) if case == "no source" else ~hole
    if case == "one source pixel":
        source = np.zeros(shape, bool)
        source[0, 0] = True
    filled = inpaint(
        np.where(hole[..., None], 0.9, color).astype(np.float32), hole, source, np.zeros(shape, np.float32)
    )
    assert np.allclose(filled[hole], 0.9 if case == "no source" else 0.4, atol=1e-3)


def test_the_surface_continues_beyond_the_border_and_behind_the_post(cards):
    region = np.ones((HEIGHT, WIDTH), bool)
    region[:, POST] = False
    surface = find_flowing_surface(region, cards)
    (band,) = cards.bands
    row = cards.pad[1] + HEIGHT // 2
    assert surface.region[row, cards.pad[0] - 3] and surface.visible[row, cards.pad[0] - 3]
    assert surface.region.ravel()[band.index].all() and not surface.visible.ravel()[band.index].any()
    assert np.abs(surface.disparity[surface.region] - FAR).max() < 0.01
    assert np.abs(surface.color.reshape(-1, 3)[band.index] - (0.1, 0.7, 0.2)).max() < 0.1
    assert np.array_equal(surface.visible[cards.photo], region)


def test_an_occluded_surface_rests_beside_a_visible_one_that_rests(cards):
    """Only the wall left of the post moves, so only the left part of the band behind the post does."""
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[:, : POST.start] = True
    surface = find_flowing_surface(region, cards)
    columns = np.flatnonzero((surface.region[cards.photo] & occluders_of(cards, cards.bands[0])).any(0))
    assert len(columns) and columns.min() == POST.start and columns.max() < (POST.start + POST.stop) / 2


def test_an_empty_region_has_no_surface(cards):
    surface = find_flowing_surface(np.zeros((HEIGHT, WIDTH), bool), cards)
    assert not surface.region.any() and not surface.visible.any()


def test_a_far_flowing_surface_does_not_open_the_edge_of_a_near_one():
    """Sky and the fog in front of it are one drawn region. The sky continues behind the land, below the fog's edge."""
    disparity = np.full((160, 240), 0.01)
    disparity[60:] = 0.6
    layers, region = split(disparity), np.zeros((160, 240), bool)
    region[:70] = True
    surface = find_flowing_surface(region, layers)
    photo = surface.region[layers.photo]
    assert surface.occluded[layers.photo][71:75, 20:220].any() and not photo[70, 20:220].any()
