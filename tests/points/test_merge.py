"""Merging: where four occluded pixels, or four beyond the border, become one point."""

from dataclasses import replace

import numpy as np
import pytest
from empty_points import NONE

from cinema_core.layers.split import Layers, split_layers
from cinema_core.points.backing import BACKING_LAYER
from cinema_core.points.footprint import POINT_DIAMETER
from cinema_core.points.merge import MERGED_RADIUS, SIMILAR_COLOR, border_squares, count_points, find_squares
from cinema_core.points.moving_surface import find_flowing_surface
from cinema_core.points.still import still_points
from cinema_core.shared.camera import Camera
from cinema_core.view.splatting import Splatter

WIDTH, HEIGHT = 192, 108


def layers_of(noise: float) -> Layers:
    """A post before a wall, in plain colours with noise of that amplitude."""
    disparity = np.full((HEIGHT, WIDTH), 0.3)
    disparity[:, 80:120] = 0.9
    color = np.full((HEIGHT, WIDTH, 3), (0.3, 0.5, 0.7))
    color[:, 80:120] = (0.8, 0.3, 0.2)
    color += noise * (np.random.default_rng(0).random((HEIGHT, WIDTH, 1)) - 0.5)
    return split_layers(
        color.astype(np.float32), (1 / disparity).astype(np.float32), Camera(WIDTH, HEIGHT, float(WIDTH))
    )


@pytest.fixture(scope="module")
def even() -> Layers:
    return layers_of(0.0)


def points_of(layers: Layers):
    points, names = still_points(layers, find_flowing_surface(np.zeros((HEIGHT, WIDTH), bool), layers))
    return points, points.layer != names.index(BACKING_LAYER)


def test_plain_surfaces_take_few_points_and_textured_ones_one_a_pixel(even):
    for layers, shares in ((even, (0.25, 0.5)), (layers_of(0.4), (0.95, 1))):
        hidden, border = count_points(layers)
        pixels = sum(len(band.index) for band in layers.bands), int(layers.valid.sum()) - WIDTH * HEIGHT
        assert min(pixels) > 1000
        for points, count in zip((hidden, border), pixels):
            assert shares[0] * count <= points <= shares[1] * count


def test_points_are_as_many_as_counted_and_each_pixel_of_the_photo_keeps_its_own(even):
    points, own = points_of(even)
    hidden, border = count_points(even)
    rims = len(even.mixed_pixels) - int(even.mixed_pixels.front.sum())
    assert own.sum() == WIDTH * HEIGHT + hidden + border + rims
    wide = own & (points.radius_factor > 1)
    pixels = even.camera.project(points.position[wide])
    assert np.abs((pixels + even.pad) % 2 - 1).max() < 0.01  # in the middle of their four pixels
    inside = ((pixels > 0) & (pixels < (WIDTH, HEIGHT))).all(1)
    assert wide.sum() > 500 and np.allclose(points.radius_factor[wide], MERGED_RADIUS)
    assert (points.position[wide][inside, 2] > 3).all()  # occluded ones alone: behind the post, as far as the wall


def test_squares_are_whole_flat_even_and_never_of_mixed_pixels(even):
    height, width = even.valid.shape
    index = np.flatnonzero(np.ones((height, width), bool))
    disparity, color = np.full(len(index), 0.3, np.float32), np.full((len(index), 3), 0.5, np.float32)
    bare = replace(even, mixed_pixels=even.mixed_pixels.chosen(np.zeros(len(even.mixed_pixels), bool)))
    squares = find_squares(bare, index, disparity, color)
    assert squares.shape[1] == (height // 2) * (width // 2) and len(np.unique(squares)) == squares.size
    down, right = np.divmod(index[squares] - index[squares[0]], width)
    assert (down == [[0], [0], [1], [1]]).all() and (right == [[0], [1], [0], [1]]).all()
    gone = np.ones(len(index), bool)
    gone[index[squares[3, ::2]]] = False  # every other square lacks its last pixel
    assert find_squares(bare, index[gone], disparity[gone], color[gone]).shape[1] == squares.shape[1] // 2
    spotted = color.copy()
    spotted[squares[1, ::2], 2] += 1.1 * SIMILAR_COLOR
    assert find_squares(bare, index, disparity, spotted).shape[1] == squares.shape[1] // 2
    steep = disparity.copy()
    steep[squares[2, ::2]] += 0.05
    assert find_squares(bare, index, steep, color).shape[1] == squares.shape[1] // 2
    mixed = replace(
        even.mixed_pixels.chosen(np.arange(len(even.mixed_pixels)) < 2),
        front=np.ones(2, bool),
        index=index[squares[0, [3, 50]]],
    )
    assert find_squares(replace(even, mixed_pixels=mixed), index, disparity, color).shape[1] == squares.shape[1] - 2
    assert not find_squares(bare, index[:0], disparity[:0], color[:0]).size


def test_border_squares_lie_beyond_the_photo(even):
    squares = border_squares(even, even.valid)
    inside = np.zeros(even.valid.shape, bool)
    inside[even.photo] = True
    assert squares.size and not inside.ravel()[squares].any() and even.valid.ravel()[squares].all()


def test_a_camera_sees_no_difference(even):
    """There is no crack between merged points, nor between them and single ones, and no other colour."""
    bands = [replace(band, color=np.full_like(band.color, 0.5)) for band in even.bands]
    layers = replace(even, bands=bands)
    points, own = points_of(layers)
    still = {
        f"still_{name}": getattr(points, name)[own] for name in ("position", "color", "radius_factor")
    }  # without backing points
    splatter = Splatter(still | NONE, layers.camera, POINT_DIAMETER)
    pose = np.eye(4)
    pose[0, 3] = 0.08
    picture, covered = splatter.render(0.0, pose)
    assert covered.all()
    row = picture[HEIGHT // 2]
    gap = np.flatnonzero(np.abs(row - 0.5).max(-1) < 0.01)
    # the disocclusion beside the post: 0.6 disparity times 0.08 times 192 px
    assert 6 <= len(gap) <= 12 and len(gap) == np.ptp(gap) + 1
