"""Breaking off the main thread's work from another thread, at a good moment only. Standard library only.

A request that is cancelled ends by `Cancelled`, raised in the main thread wherever it is. Where it must not be, inside
an import (a half-loaded extension module cannot be loaded again) or in a function marked `shielded` (publishing,
writing a message), the interrupt waits. Code that swallows exceptions, such as a destructor, may swallow this one too:
whoever asks repeats asking, see `Interrupts.nag`.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

PAUSE = 0.05  # seconds between two tries
# Only simulated, never sent by the system: Ctrl-C and a polite kill must not be taken for a cancelled request.
_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
_SHIELDED: set[CodeType] = set()


class Cancelled(BaseException):
    """Work was broken off on demand; no `except Exception` stops it."""


def shielded(function: Callable) -> Callable:
    """Mark a function in which, and in all that it calls, no interrupt is raised."""
    _SHIELDED.add(function.__code__)
    return function


class Interrupts:
    """Raises `Cancelled` in the main thread. To be made there, once.

    Args:
        wanted: Asked in the main thread and in others, without waiting: is what runs now to be broken off?
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._nagging = threading.Lock()  # one at a time: whoever was interrupted has a pause to come to rest in
        signal.signal(_SIGNAL, self._handle)

    def nag(self) -> None:
        """From another thread: interrupt the main thread until nothing is to be broken off any more."""
        with self._nagging:
            while self._wanted():
                _thread.interrupt_main(_SIGNAL)
                time.sleep(PAUSE)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Runs in the main thread, between two steps of whatever it does."""
        if self._wanted() and not _is_shielded(frame):
            raise Cancelled


def _is_shielded(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _SHIELDED or frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
