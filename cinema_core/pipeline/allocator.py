"""Tuning of the memory allocator: memory that a stage frees stays with the process until the stage is done.

A stage allocates large arrays again and again. The C library of Linux returns each to the system as soon as it is
freed, and the system fills new pages with zeros, which takes a sixth of the time of splitting a large photo into
layers. The allocators of Windows and macOS keep freed memory for a while by themselves; nothing is changed there.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..shared.cancellation import shielded

# Parameters of glibc's mallopt.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8
# KEPT: all memory comes from one heap, which hardly ever shrinks. USUAL: large blocks come from the system, with the
# thresholds that glibc reaches by itself.
KEPT = {ARENA_MAX: 1, MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}
USUAL = {MMAP_MAX: 1 << 16, MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 26}
_changing = threading.Lock()
_keeping = 0  # number of contexts that are open now


@contextmanager
@shielded  # a cancelled request closes its context too
def keep_freed_memory() -> Iterator[None]:
    """Keep freed memory with the process; the end of the outermost context returns it to the system."""
    library = _library()
    if library is None:
        yield
        return
    _count(library, 1)
    try:
        yield
    finally:
        _count(library, -1)


def _count(library: ctypes.CDLL, more: int) -> None:
    global _keeping
    with _changing:
        _keeping += more
        for parameter, value in (KEPT if _keeping else USUAL).items():
            library.mallopt(parameter, value)
        if not _keeping:
            library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    """The C library that the process runs with, if it is glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
