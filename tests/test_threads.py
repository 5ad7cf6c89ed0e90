"""Steps in parallel threads."""

import threading

import pytest

from cinema_core.threads import map_threads


def test_two_at_a_time_and_the_results_in_order():
    meet = threading.Barrier(2, timeout=10)  # raises when one step waits for the other to end

    def step(number: int) -> int:
        meet.wait()
        return number * number

    assert map_threads(step, range(6)) == [0, 1, 4, 9, 16, 25]


def test_an_error_of_a_step_is_raised():
    def step(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        map_threads(step, (1, 0, 2))
    assert map_threads(step, ()) == []
