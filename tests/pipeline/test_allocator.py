"""Memory that is kept while a stage is made, and given back after it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cinema_core.pipeline.allocator import keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is done")

SIZE, COUNT = 24 << 20, 12  # bytes
USUAL = 80  # MB that glibc keeps by itself


def resident() -> int:
    """MB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20


def use_some() -> None:
    arrays = [np.ones(SIZE, np.uint8) for _ in range(COUNT)]
    del arrays


def test_what_is_freed_is_kept_as_long_as_anyone_asks_for_it():
    before = resident()
    with keep_freed_memory():
        with keep_freed_memory():
            use_some()
        assert resident() - before > 0.8 * (SIZE * COUNT >> 20) > 2 * USUAL
    assert resident() - before < USUAL
    use_some()
    assert resident() - before < USUAL


def test_it_is_given_back_after_an_error_too():
    before = resident()
    with pytest.raises(ZeroDivisionError), keep_freed_memory():
        use_some()
        1 / 0
    assert resident() - before < USUAL
