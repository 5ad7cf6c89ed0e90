"""Timing and progress of a build, and the memory that it takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Stage -> rough seconds, in the order of the progress bar.
STAGES = {
    "photo": 1,
    "hints": 1,
    "depth": 2,
    "depth strokes": 1,
    "layers": 12,
    "motion": 2,
    "points": 3,
    "save": 1,
    "report": 8,
}
Progress = Callable[[str, float], None]


class StageClock:
    """Measures the seconds of each stage, and reports the progress of the build."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.start = progress, time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        before = sum(STAGES[earlier] for earlier in list(STAGES)[: list(STAGES).index(name)])
        self.progress(name, before / sum(STAGES.values()))
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def timing(self) -> dict:
        return {
            "stages": [{"name": name, "seconds": round(taken, 3)} for name, taken in self.seconds.items()],
            "seconds": round(time.perf_counter() - self.start, 3),
            "peak_memory_gb": peak_memory(),
        }


def peak_memory() -> float | None:
    """Largest resident memory of the process so far, GB; None where the system does not report it."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    if sys.platform == "linux":  # where getrusage includes the memory of the process that started this one
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e9, 3)
