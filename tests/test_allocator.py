"""What is freed stays with the process until it is given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource
import numpy as np
from cinema_core.allocator import give_memory_back, keep_memory

keep_memory()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(50_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

first, again = faults(), faults()
kept = resident()
give_memory_back()
print(first, again, kept - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_a_second_large_array_takes_the_pages_of_the_first():
    script = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(script, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    first, again, back = map(int, run.stdout.split())
    assert first > 20 > again, run.stdout
    assert back > 10_000, run.stdout  # pages of 4 KB, of 12,207
