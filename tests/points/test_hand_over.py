"""The schedule of hand-overs: who shows which texture when, and that no pulse runs through it."""

import numpy as np
import pytest

from cinema_core.motion.flow_maps import trace_flow_maps
from cinema_core.points.hand_over import EARLIEST, HAND_OVER, Schedule, make_schedule

HEIGHT, WIDTH, FRAMES, STEPS = 120, 200, 60, 16
REGION = np.ones((HEIGHT, WIDTH), bool)


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    motion = np.full((HEIGHT, WIDTH, 2), (0.3, 0.1), np.float32)
    return make_schedule(REGION, trace_flow_maps(motion, REGION, REGION, FRAMES / STEPS, STEPS))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    return (np.stack([column, row], -1).reshape(-1, 2) + 0.5).astype(np.float32)


@pytest.mark.parametrize("lives", [1, 2, 4])
@pytest.mark.parametrize("more", [0.0, 0.3, 1.0])
def test_the_loop_begins_and_ends_with_the_photo(schedule, pixels, lives, more):
    more = np.full(len(pixels), more, np.float32)
    first, last = (schedule.change(pixels, now, lives, more) for now in (0, STEPS))
    for shares in (first.shares(0), first.coarse_shares(0)):
        assert np.allclose(shares[0], 1) and not first.source[0].any()
    for shares in (last.shares(STEPS), last.coarse_shares(STEPS)):
        assert np.allclose(shares[2], 1, atol=1e-5) and (last.source[2] == STEPS).all()


def test_shares_add_up_and_are_not_negative(schedule, pixels):
    more = np.linspace(0, 1, len(pixels), dtype=np.float32)
    for lives in (1, 2):
        for now in range(STEPS):
            change = schedule.change(pixels, now, lives, more)
            for shares in (change.shares(now), change.coarse_shares(now)):
                assert np.allclose(shares.sum(0), 1, atol=1e-5) and shares.min() > -1e-5


@pytest.mark.parametrize("lives", [1, 2])
def test_at_every_time_the_same_small_part_changes_hands(schedule, pixels, lives):
    none = np.zeros(len(pixels), np.float32)
    changing = []
    for now in np.arange(0.5, STEPS, 0.5):
        shares = schedule.change(pixels, int(now), lives, none).shares(now)
        changing.append((shares.max(0) < 0.8).mean())
    assert 0.5 * HAND_OVER < np.max(changing) < HAND_OVER / (1 - 2 * EARLIEST)
    assert max(changing) < 1.1 * np.median([share for share in changing if share > 0.02])


def test_neighbours_change_hands_nearly_together(schedule, pixels):
    change = schedule.change(pixels, 8, 1, np.zeros(len(pixels), np.float32))
    middle = change.middle[0].reshape(HEIGHT, WIDTH) / STEPS
    steps = np.abs(np.diff(middle, axis=1))
    assert np.quantile(steps, 0.99) < 0.1 and 0.55 < np.ptp(middle) <= 1 - 2 * EARLIEST + 1e-6


def test_between_one_number_of_lives_and_its_double_the_schedule_is_continuous(schedule, pixels):
    zero, one = np.zeros(len(pixels), np.float32), np.ones(len(pixels), np.float32)
    for now in (1, 3, 6, 9, 13):
        double, twice = schedule.change(pixels, now, 1, one), schedule.change(pixels, now, 2, zero)
        for name in ("shares", "coarse_shares"):
            shown = [
                (getattr(change, name)(now) * change.source).sum(0) for change in (double, twice)
            ]  # the mean source time stands for the picture
            assert np.abs(shown[0] - shown[1]).max() < 0.02, (now, name)
