"""A stage of the build as a row of a table, and how its value is found again: in memory, in the job folder, or made.

The key of a value is derived, never written by hand: it is the digest of the stage's name, the program, the keys of its
inputs and the values of the options that its row names. A stage sees those options alone, so that one which the row
forgets is an error at once and not a stale result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from ..depth.model_location import model_key
from ..device import choose_device
from ..shared.errors import CinemaError
from ..shared.options import ROWS, BuildOptions
from . import cache
from .allocator import keep_freed_memory
from .cache import DiskCache, MemoryCache, digest, digest_file

T = TypeVar("T")
Timer = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Stored(Generic[T]):
    """How a stage's value lies in the job folder.

    Attributes:
        places: (entry of stages.json, its files); a value is read from the first place that holds it.
        files: Names of all files of a value, those of the first place among them.
        write: Writes a value's files into a folder.
        read: Reads a value from the job folder: given the folder, the names of the place's files, the key, and the
            value of the stage's first input. None where the value is only written.
    """

    places: tuple[tuple[str, tuple[str, ...]], ...]
    files: Callable[[T], list[str]]
    write: Callable[[Path, T], None]
    read: Callable[[Path, tuple[str, ...], str, Any], T] | None = None

    @property
    def entry(self) -> str:
        return self.places[0][0]


@dataclass(frozen=True)
class Stage(Generic[T]):
    """A row of the table of stages.

    Attributes:
        name: Name in the key, and in memory.
        make: Makes a value of the inputs' values, in their order; the options come last, where it has any.
        options: Names of the options that the value depends on.
        stored: How it lies in the job folder; None where it is remade.
        timed: The stage of `timing.STAGES` that making it counts as; None where it takes no time.
        by_content: The key is that of the value itself. For cheap extracts of a larger input: where the extract stays
            the same, nothing that follows is remade.
        kept: Whether memory keeps the value.
    """

    name: str
    make: Callable[..., T]
    options: tuple[str, ...] = ()
    stored: Stored[T] | None = None
    timed: str | None = None
    by_content: bool = False
    kept: bool = True


class Cached(Generic[T]):
    """A stage's value that is made when it is asked for.

    Args:
        key: Gives the key.
        value: Gives the value.
        find: Gives the value where it need not be made, else None.
    """

    def __init__(self, key: Callable[[], str], value: Callable[[], T], find: Callable[[], T | None]) -> None:
        self._key, self._value, self.find = key, value, find

    @cached_property
    def key(self) -> str:
        return self._key()

    @property
    def value(self) -> T:
        return self._value()

    @property
    def deferred(self) -> Cached[Callable[[], T]]:
        """The same input, passed as a function: the stage calls it only if it needs the value."""
        return Cached(lambda: self.key, lambda: lambda: self.value, lambda: lambda: self.value)


def given(value: T, key: object) -> Cached[T]:
    """An input that no stage makes; `key` is every value that it depends on."""
    return Cached(lambda: digest(key), lambda: value, lambda: value)


def given_file(path: Path | None) -> Cached[Path | None]:
    """A file from outside, known by its contents. A pipe is read once, into a temporary file of the same name.

    Raises:
        CinemaError: It is a device, which has no end.
    """
    if path is None or not path.exists() or path.is_file() or path.is_dir():
        return Cached(lambda: digest(digest_file(path)), lambda: path, lambda: path)
    if not path.is_fifo():
        raise CinemaError(f"{path} is not a regular file", "Save its content as a file first")
    folder = tempfile.TemporaryDirectory(prefix="cinemagraph_")  # lives as long as the functions that refer to it
    copy = Path(folder.name) / path.name
    copy.write_bytes(path.read_bytes())

    def get() -> Path:
        assert folder.name
        return copy

    return Cached(lambda: digest(digest_file(get())), get, get)


def either(condition: Cached[Any], true: Cached[T], false: Cached[T]) -> Cached[T]:
    """One of two values, by whether a third is empty."""

    def chosen() -> Cached[T]:
        return true if condition.value else false

    return Cached(lambda: chosen().key, lambda: chosen().value, lambda: chosen().find())


class Runner:
    """Runs stages for one request, and repeats none whose value is still there.

    Args:
        memory: Values of the requests before.
        disk: Values in the job folder.
        options: The request's options.
        timer: Gives a context that times a stage; entered only for stages whose value is computed.
    """

    def __init__(self, memory: MemoryCache, disk: DiskCache, options: BuildOptions, timer: Timer) -> None:
        self.disk = disk
        self._memory, self._options, self._timer = memory, options, timer

    def __call__(self, stage: Stage[T], *inputs: Cached[Any]) -> Cached[T]:
        """The stage's value of these inputs."""
        if stage.by_content:

            def extract() -> T:
                return stage.make(*(item.value for item in inputs))

            return Cached(lambda: digest(stage.name, extract()), extract, extract)
        cached: Cached[T] = Cached(
            lambda: self._key(stage, inputs),
            lambda: self._value(stage, cached.key, inputs),
            lambda: self._find(stage, cached.key, inputs),
        )
        return cached

    def _key(self, stage: Stage[Any], inputs: tuple[Cached[Any], ...]) -> str:
        options = {name: key_of_option(name, getattr(self._options, name)) for name in stage.options}
        return digest(stage.name, cache.CODE, [item.key for item in inputs], options)

    def _value(self, stage: Stage[T], key: str, inputs: tuple[Cached[Any], ...]) -> T:
        found = self._find(stage, key, inputs)
        if found is not None:
            return found
        values = [item.value for item in inputs]
        if stage.options:
            values.append(SimpleNamespace(**{name: getattr(self._options, name) for name in stage.options}))
        with self._timer(stage.timed) if stage.timed else nullcontext(), keep_freed_memory():
            return self._keep(stage, key, stage.make(*values))

    def _find(self, stage: Stage[T], key: str, inputs: tuple[Cached[Any], ...]) -> T | None:
        """The value from memory, else from the job folder; None where it has to be made."""
        found: T | None = self._memory.find(stage.name, key)
        if found is not None:
            return found
        self._memory.forget(stage.name)
        stored = stage.stored
        if stored is None or stored.read is None:
            return None
        for entry, files in stored.places:
            value = self.disk.load(entry, key, partial(_read, stored.read, files, key, inputs[0].value), *files)
            if value is not None:
                return self._keep(stage, key, value)
        return None

    def _keep(self, stage: Stage[T], key: str, value: T) -> T:
        if stage.kept:
            self._memory.keep(stage.name, key, value)
        return value


def _read(read: Callable[..., T], files: tuple[str, ...], key: str, first: object, job: Path) -> T:
    return read(job, files, key, first)


def key_of_option(name: str, value: Any) -> Any:
    """An option's part of a key: a model by the path, size and time of its files, a device by the one that is there."""
    if name == "device":
        return choose_device(value)
    return model_key(value) if ROWS[name].is_model and value else value
