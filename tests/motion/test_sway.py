"""Swaying areas: the amplitude of every pixel, and the swaying points."""

import numpy as np
import pytest

from cinema_core.layers.split import Layers, split_layers
from cinema_core.motion.sway import MAX_STRETCH, solve_sway
from cinema_core.points.moving import join_points
from cinema_core.points.moving_surface import MovingSurface, find_swaying_surface
from cinema_core.points.still import still_points
from cinema_core.points.sway import sway_points
from cinema_core.shared.camera import Camera
from cinema_core.view.splatting import Splatter

WIDTH, HEIGHT, KEYS, POINT_SIZE = 160, 120, 12, 1.4
AREA = (slice(20, 110), slice(30, 130))
EXTENT = (6.0, 0.0)  # px from one end of the swing to the other
HERE = np.eye(4)


class Meadow:
    """Stripes on a wall that faces the camera. An area of it sways, pinned along a line near its lower edge."""

    def __init__(self) -> None:
        x = np.mgrid[:HEIGHT, :WIDTH][1]
        grain = np.random.default_rng(0).normal(0, 0.03, (HEIGHT, WIDTH, 3))
        self.photo = np.clip(np.where((x // 6 % 2)[..., None], (0.2, 0.6, 0.2), (0.5, 0.7, 0.2)) + grain, 0, 1).astype(
            np.float32
        )
        self.layers: Layers = split_layers(
            self.photo, np.full((HEIGHT, WIDTH), 2.0, np.float32), Camera(WIDTH, HEIGHT, WIDTH)
        )
        self.area = np.zeros((HEIGHT, WIDTH), bool)
        self.area[AREA] = True
        self.pins = np.stack([np.arange(30, 130), np.full(100, 95)], 1).astype(np.float32) + 0.5
        self.surface: MovingSurface = find_swaying_surface(self.area, self.layers)
        self.amplitude = self.solve([(80, 50)], [EXTENT], self.pins)

    def solve(self, pixels: list, extents: list, pins: np.ndarray | None = None) -> np.ndarray:
        pixels, extents = np.float32(pixels).reshape(-1, 2) + self.layers.pad, np.float32(extents).reshape(-1, 2)
        pins = None if pins is None else pins + np.float32(self.layers.pad)
        return solve_sway(self.surface.region, pixels, extents, self.surface.color, self.surface.disparity, pins)

    def on_photo(self, amplitude: np.ndarray) -> np.ndarray:
        return amplitude[self.layers.photo]


@pytest.fixture(scope="module")
def meadow() -> Meadow:
    return Meadow()


@pytest.fixture(scope="module")
def splatter(meadow) -> Splatter:
    moving = sway_points(meadow.layers, meadow.surface, meadow.amplitude, KEYS)
    still, _ = still_points(meadow.layers, meadow.surface)
    tables = {"still": still, "moving": moving}
    arrays = {
        f"{kind}_{name}": getattr(table, name) for kind, table in tables.items() for name in table.__dataclass_fields__
    }
    return Splatter(arrays, meadow.layers.camera, POINT_SIZE)


def test_a_stroke_is_the_swing_from_end_to_end(meadow):
    assert np.allclose(meadow.on_photo(meadow.amplitude)[50, 80], np.array(EXTENT) / 2, atol=0.3)


def test_nothing_swings_at_the_border_nor_outside_nor_at_pins(meadow):
    size = np.linalg.norm(meadow.on_photo(meadow.amplitude), axis=-1)
    assert size[~meadow.area].max() == 0
    assert max(size[20].max(), size[109].max(), size[:, 30].max(), size[:, 129].max()) < 0.05
    column, row = meadow.pins.astype(int).T
    assert size[row, column].max() < 0.35 < 0.2 * size.max()


def test_at_the_photos_border_it_swings_on(meadow):
    area = np.zeros((HEIGHT, WIDTH), bool)
    area[20:110, 80:] = True
    surface = find_swaying_surface(area, meadow.layers)
    at, extent = np.float32([(140, 60)]) + meadow.layers.pad, np.float32([EXTENT])
    amplitude = meadow.on_photo(solve_sway(surface.region, at, extent, surface.color, surface.disparity))
    at_both = np.linalg.norm(amplitude[60, [WIDTH - 1, 82]], axis=-1)
    assert at_both[0] > 2 and at_both[1] < 1


def test_without_a_stroke_it_swings_gently_sideways(meadow):
    size = np.linalg.norm(meadow.on_photo(meadow.solve([], [])), axis=-1)
    across, down = meadow.on_photo(meadow.solve([], []))[np.unravel_index(size.argmax(), size.shape)]
    assert 0.2 < across < 3 and abs(down) < 0.05


def test_a_swing_too_wide_for_its_area_is_reduced(meadow):
    amplitude = meadow.solve([(80, 60)], [(90, 0)])
    steps = [np.linalg.norm(np.diff(amplitude, axis=axis), axis=-1).max() for axis in (0, 1)]
    assert np.abs(amplitude).max() > 4 and max(steps) <= MAX_STRETCH


def test_two_areas_swing_each_its_own_way(meadow):
    area = np.zeros((HEIGHT, WIDTH), bool)
    area[20:110, 5:75] = area[20:110, 85:155] = True
    surface = find_swaying_surface(area, meadow.layers)
    at = np.float32([(40, 60), (120, 60)]) + meadow.layers.pad
    amplitude = meadow.on_photo(
        solve_sway(surface.region, at, np.float32([(4, 0), (0, 4)]), surface.color, surface.disparity)
    )
    assert amplitude[60, 40, 0] > 1.7 and amplitude[60, 120, 1] > 1.7 and abs(amplitude[60, 40, 1]) < 0.1


def test_phase_0_and_the_loops_end_are_the_photo(meadow, splatter):
    for phase in (0.0, 1 - 1e-6):
        picture = splatter.render(phase, HERE)[0]
        assert np.abs(np.rint(picture * 255) - np.rint(meadow.photo * 255)).max() <= 2


def test_it_swings_to_both_sides_and_pixels_outside_stay(meadow, splatter):
    rows, columns = slice(48, 53), slice(72, 88)

    def shift(phase: float) -> int:
        here, there = splatter.render(phase, HERE)[0][rows, :, 1], meadow.photo[rows, :, 1]
        return min(range(-8, 9), key=lambda way: np.abs(here - np.roll(there, way, 1))[:, columns].sum())

    ways = [shift(phase) for phase in np.arange(0, 1, 1 / 12)]
    assert max(ways) - min(ways) == pytest.approx(EXTENT[0], abs=2.01)
    assert np.array_equal(splatter.render(0.3, HERE)[0][~meadow.area], splatter.render(0.0, HERE)[0][~meadow.area])


def test_no_hole_opens_and_no_second_picture_shows(meadow, splatter):
    """The swaying pixels are not among the still points as well."""
    on_photo = np.floor(meadow.layers.camera.project(splatter.points["still_position"].numpy())).astype(int)
    fine = splatter.points["still_radius_factor"].numpy() == 1
    column, row = on_photo[fine & ((on_photo >= 0) & (on_photo < (WIDTH, HEIGHT))).all(1)].T
    assert not meadow.area[row, column].any() and len(row) == (~meadow.area).sum()
    bare = {
        name: values[fine] if name.startswith("still_") else values.numpy() for name, values in splatter.points.items()
    }
    without_backing = Splatter(bare, meadow.layers.camera, POINT_SIZE)
    assert max(without_backing.uncovered(phase, HERE) for phase in (0.1, 0.25, 0.5, 0.75)) < 1e-4


def test_it_keeps_its_colour_and_swings_as_often_as_told(meadow):
    moving = sway_points(meadow.layers, meadow.surface, meadow.amplitude, KEYS, 3)
    assert (moving.cycles == 3).all() and moving.cycles.dtype == np.int16
    start, end = moving.colors[0]
    assert moving.colors.shape[0] == 1 and np.array_equal(start, end) and (start[:, 3] == 255).all()
    shown = np.rint(meadow.layers.color[meadow.surface.visible] * 255)
    assert np.array_equal(start[:, :3], shown)
    assert not moving.displacement[[0, -1]].any() and (moving.birth == 0).all() and (moving.death == 2).all()
    assert moving.radius_factor.min() == 1 and moving.radius_factor.max() > 1.02  # larger where neighbours move apart
    both = join_points([moving, moving])
    assert both.displacement.shape == (KEYS + 1, 2 * len(moving.position), 3)
