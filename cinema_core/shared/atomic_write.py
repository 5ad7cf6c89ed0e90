"""Writing a file completely or not at all. Standard library only: Blender's process imports this module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Replace a file in one step when the ``with`` block ends without an error.

    A process that is killed, or a block that raises, leaves the old file as it was.

    Args:
        path: The file; replaced if it exists. Its folder must exist.

    Yields:
        The path that the block writes to: in the same folder, with the same suffix.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
