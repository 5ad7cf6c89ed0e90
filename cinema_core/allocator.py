"""Memory that the process keeps while it works.

glibc gives every large block back to the system as soon as it is free, and has each page of the next one cleared anew: of
the layering of a large picture that was a quarter. What is free is kept instead, until it is given back after the work.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MOST_MAPPED, _MOST_ARENAS = -1, -4, -8  # parameters of mallopt, <malloc.h>
_MOST_KEPT = 2**31 - 1  # bytes


def keep_memory() -> None:
    """Let the process keep what it frees; early, before there are threads. Other C libraries are left as they are."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_MOST_ARENAS, 1)  # others than the first cannot hold large blocks
        libc.mallopt(_MOST_MAPPED, 0)
        libc.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def give_memory_back() -> None:
    """Give back what is kept: the work is done, and who waits for more must not hold it."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
