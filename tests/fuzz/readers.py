"""The program's readers, each as a build calls it, and the judgement of their errors."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pictures import landscape

from cinema_core.depth.find import depth_from_map
from cinema_core.depth.network import Prediction
from cinema_core.depth_strokes.apply import apply_depth_strokes
from cinema_core.engine.outcome import Failure, attempt
from cinema_core.engine.serve import Engine
from cinema_core.files.flow import read_flow
from cinema_core.files.mask import read_mask
from cinema_core.files.photo import read_photo, write_png
from cinema_core.motion.hints import read_hints
from cinema_core.pipeline import build as building
from cinema_core.pipeline.request import Request
from cinema_core.shared.data import Depth, Photo
from cinema_core.shared.errors import CinemaError, explain
from cinema_core.shared.options import BuildOptions, is_name
from cinema_core.shared.stroke_files import read_strokes, write_strokes

from . import originals

LONGEST = 700  # characters of a sentence; a longer one quotes a file's content
_WRITTEN = ("out", "file", "masks")  # fields of requests that name outputs


def find_fault(error: BaseException) -> str:
    """ "" for an error that tells the user in a sentence what to mend; else the fault."""
    if isinstance(error, OSError):
        error = explain(error) or error
    if isinstance(error, MemoryError):
        return "memory"
    if not isinstance(error, CinemaError):
        return f"traceback: {type(error).__name__}: {str(error)[:200]}"
    return find_bad_sentence(error.text, error.hint)


def find_bad_sentence(text: str, hint: str) -> str:
    """ "" for one sentence and a hint; else the fault."""
    for part in (text, hint):
        if not part or len(part) > LONGEST or not part.isprintable():
            return f"sentence: {part[:200]!r} ({len(part)} characters)"
    if text.endswith(".") or re.search(r"Traceback|\bObject at 0x|Error:|Exception", text):
        return f"sentence: {text[:200]!r}"
    return ""


def _check_warning(text: str) -> None:
    fault = find_bad_sentence(text, "a warning")
    assert not fault, fault


class Readers:
    """The readers by kind of input; each takes a file, and raises what a build would raise.

    Args:
        folder: An empty folder for files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pixels = landscape(*originals.SIZE).astype(np.float32) / 255
        self.photo = Photo(pixels, 96.0, None, "photo.png", False, originals.FILE_SIZE)
        rows = np.linspace(0.01, 1, originals.SIZE[1], dtype=np.float32)
        disparity = np.repeat(rows[:, None], originals.SIZE[0], 1)
        self.depth = np.ascontiguousarray(1 / disparity).clip(1, 100).astype(np.float32)
        sky = np.zeros(disparity.shape, bool)
        sky[:10] = True
        self.prediction = Prediction(np.log2(disparity), sky)

    def annotations(self, file: Path) -> None:
        strokes = read_strokes(file, originals.SIZE, originals.FILE_SIZE, warn=_check_warning)
        apply_depth_strokes(self.depth, strokes, self.photo)
        write_strokes(self.folder / "out.json", strokes, originals.SIZE)
        read_hints(strokes, self.photo, find_parts=list)

    def depth_map(self, file: Path) -> None:
        depth = depth_from_map(self.photo, lambda: self.prediction, file, BuildOptions())
        assert np.isfinite(depth.values).all() and depth.values.min() >= 1 and depth.values.max() <= 100.01

    def flow(self, file: Path) -> None:
        flow = read_flow(file, originals.SIZE, _check_warning)
        assert flow.shape == (*originals.SIZE[::-1], 2) and np.isfinite(flow).all()

    def mask(self, file: Path) -> None:
        mask = read_mask(file, originals.SIZE, _check_warning)
        assert mask.shape == originals.SIZE[::-1] and 0 <= mask.min() <= mask.max() <= 1

    def photo_file(self, file: Path) -> None:
        photo = read_photo(file, originals.SIZE[0])
        assert np.isfinite(photo.color).all() and 0 <= photo.color.min() <= photo.color.max() <= 1


class _Heard:
    """The receiver of an engine's messages."""

    def __init__(self) -> None:
        self.faults: list[str] = []  # one of each error, "" where it is none

    def about(self, **fields: object) -> _Heard:
        json.dumps(fields)
        return self

    def error(self, text: str, hint: str, **fields: object) -> None:
        self.faults.append(find_bad_sentence(text, hint))

    def fatal(self, text: str) -> None:
        self.faults.append(f"fatal: {text}")

    def ignore(self, *_: object) -> None:
        pass

    progress = warning = done = ready = ignore


class _NoBuild:
    """Stands in for the builder of a build, whose files are read by the other kinds of input."""

    def build(self, request: Request, *_: object) -> dict[str, Any]:
        return {"still_points": 0, "moving_points": 0, "seconds": 0.0, "quality": {}}

    def flow(self, request: Request, *_: object) -> Path:
        return request.out

    def depth(self, request: Request, *_: object) -> Depth:
        return Depth(np.ones((2, 2), np.float32), "file", "")

    def suggest(self, request: Request) -> tuple[Any, list]:
        return SimpleNamespace(width=2, height=2), []


class RequestReader:
    """Takes lines as `serve` does; opens photos, exports and measures coverage of a small job, but builds nothing."""

    def __init__(self, folder: Path) -> None:
        make_job(folder)
        self._folder = folder.resolve()
        os.chdir(folder)  # relative names lead there
        self._heard = _Heard()
        self._engine = Engine(self._heard)
        self._engine._builder = _NoBuild()

    def __call__(self, file: Path) -> None:
        engine, self._heard.faults = self._engine, []
        for line in file.read_bytes().split(b"\n"):
            engine._take(line)
        while engine._waiting:
            task = engine._waiting.popleft()
            if not self._stays_inside(task.fields):
                continue
            answer = attempt(partial(engine._work, task))
            if isinstance(answer, Failure):
                fault = f"fatal: {answer.text}" if answer.hint is None else find_bad_sentence(answer.text, answer.hint)
                self._heard.faults.append("memory" if "not enough memory" in answer.text else fault)
        faults = [fault for fault in self._heard.faults if fault]
        assert not faults, faults[0]
        if self._heard.faults:
            raise CinemaError("It is refused", "See the answers")

    def _stays_inside(self, fields: dict[str, Any]) -> bool:
        """Whether a request writes into the folder alone: a mutated name must not harm the machine's other files."""
        for name in _WRITTEN:
            value = fields.get(name)
            if isinstance(value, str) and is_name(value):
                place = Path(value).resolve()
                if place == self._folder or not place.is_relative_to(self._folder):
                    return False
        return True


def make_job(folder: Path) -> None:
    """A photo, strokes and a finished job in a folder, for requests."""
    write_png(folder / "photo.png", landscape(*originals.SIZE))
    (folder / "a.json").write_text(json.dumps(originals.annotations()[1]))
    request = Request(folder / "photo.png", folder / "job", BuildOptions(max_side=64), folder / "a.json")
    building.Builder().build(request)
