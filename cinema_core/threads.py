"""Independent steps in parallel threads: numpy, OpenCV and torch release the interpreter lock while they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

WORKERS = 2  # threads; more would take more memory, and the longest step alone is nearly half of the work
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call a function with each item, in parallel.

    Args:
        function: Must not change data that another call reads.
        items: Its arguments.

    Returns:
        The function's results, in the order of the items. Its exceptions propagate.
    """
    items = list(items)
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(function, items))
