"""Freed memory stays with the process during a stage and returns to the system after it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cinema_core.pipeline.allocator import keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="keep_freed_memory does nothing on other systems")

ARRAY_BYTES, ARRAY_COUNT = 24 << 20, 12
USUALLY_KEPT = 80  # MB of freed memory that glibc may keep by itself


def resident_memory() -> int:
    """Resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20


def use_and_free() -> None:
    arrays = [np.ones(ARRAY_BYTES, np.uint8) for _ in range(ARRAY_COUNT)]
    del arrays


def test_freed_memory_is_kept_until_the_outermost_context_ends():
    before = resident_memory()
    with keep_freed_memory():
        with keep_freed_memory():
            use_and_free()
        assert resident_memory() - before > 0.8 * (ARRAY_BYTES * ARRAY_COUNT >> 20) > 2 * USUALLY_KEPT
    assert resident_memory() - before < USUALLY_KEPT
    use_and_free()
    assert resident_memory() - before < USUALLY_KEPT


def test_freed_memory_is_returned_after_an_error_too():
    before = resident_memory()
    with pytest.raises(ZeroDivisionError), keep_freed_memory():
        use_and_free()
        raise ZeroDivisionError
    assert resident_memory() - before < USUALLY_KEPT
