"""Freed memory stays with the process during a stage and returns to the system after it.

A process of its own is measured: the heap of the tests' process holds free memory of earlier tests.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USED = 288  # MB that the program allocates and frees, 12 arrays of 24 MB
USUALLY_KEPT = 80  # MB of freed memory that glibc may keep by itself

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="keep_freed_memory does nothing on other systems")

# Prints the resident memory in MB, beyond that at the start: within the contexts, after them, after an error.
PROGRAM = """
import json
import numpy as np
from contextlib import suppress
from pathlib import Path
from cinema_core.pipeline.allocator import keep_freed_memory

def resident_memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

def use_and_free():
    arrays = [np.ones(24 << 20, np.uint8) for _ in range(12)]
    del arrays

before = resident_memory()
with keep_freed_memory():
    with keep_freed_memory():
        use_and_free()
    within = resident_memory() - before
after = resident_memory() - before
use_and_free()
later = resident_memory() - before
with suppress(ZeroDivisionError), keep_freed_memory():
    use_and_free()
    raise ZeroDivisionError
print(json.dumps([within, after, later, resident_memory() - before]))
"""


@pytest.fixture(scope="module")
def measured() -> list[int]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_freed_memory_is_kept_until_the_outermost_context_ends(measured):
    within, after, later, _ = measured
    assert within > 0.8 * USED > 2 * USUALLY_KEPT
    assert after < USUALLY_KEPT and later < USUALLY_KEPT


def test_freed_memory_is_returned_after_an_error_too(measured):
    assert measured[3] < USUALLY_KEPT
