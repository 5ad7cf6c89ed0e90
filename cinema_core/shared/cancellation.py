"""Cancelling the main thread's work from another thread. Standard library only: Blender's process imports this package.

A cancelled request ends with `Cancelled`, which is raised in the main thread at its current instruction. The interrupt
waits while the main thread is inside an import (a half-loaded extension module cannot be loaded again) or inside a
function marked `shielded` (publishing, writing a message). Code that swallows exceptions, such as a destructor, may
swallow this one too; therefore `Interrupts.interrupt_repeatedly` repeats it.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

PAUSE = 0.05  # seconds between two interrupts
# Simulated in this process, not sent by the system. Not SIGINT: Ctrl-C must not look like a cancelled request.
_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
_SHIELDED: set[CodeType] = set()


class Cancelled(BaseException):
    """The user cancelled the work. Not an `Exception`, so that `except Exception` does not catch it."""


def shielded(function: Callable) -> Callable:
    """Mark a function: while it runs, no interrupt is raised in it or in the functions it calls."""
    _SHIELDED.add(function.__code__)
    return function


class Interrupts:
    """Raises `Cancelled` in the main thread. Create one instance, in the main thread.

    Args:
        wanted: Whether the running work is to be cancelled. Called from several threads; must not block.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._interrupting = threading.Lock()  # one thread at a time, so that there is a pause after each interrupt
        signal.signal(_SIGNAL, self._handle)

    def interrupt_repeatedly(self) -> None:
        """Interrupt the main thread again and again until nothing is to be cancelled. Call it from another thread."""
        with self._interrupting:
            while self._wanted():
                _thread.interrupt_main(_SIGNAL)
                time.sleep(PAUSE)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: Python runs it in the main thread, between two instructions."""
        if self._wanted() and not _is_shielded(frame):
            raise Cancelled


def _is_shielded(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _SHIELDED or frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
