"""Steps that do not need each other, side by side: numpy, OpenCV and torch let go of the interpreter while they work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

WORKERS = 2  # more would take more memory, and the longest step is nearly half of what there is to do
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What the function makes of each item, in their order; what it raises is raised here.

    Args:
        function: Of an item. It must change nothing that another call reads.
        items: What it is called with.
    """
    items = list(items)
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(function, items))
