"""Fields of a JSON request, each checked when it is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ..pipeline.request import CHOICES, RANGES
from ..shared.data import BuildOptions
from ..shared.errors import CinemaError


class Fields:
    """A JSON request's fields, each checked when it is asked for.

    Raises:
        CinemaError: It is missing, or not what it should be.
    """

    def __init__(self, fields: dict) -> None:
        self._fields = fields

    def _get(self, name: str, kinds: tuple[type, ...], default: object, wanted: str) -> object:
        value = self._fields.get(name)
        if value is None and default is not ...:
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise CinemaError(f'The request\'s "{name}" is {json.dumps(value)}', f"Give {wanted}")
        return value

    def path(self, name: str, default: object = ...) -> Path | None:
        value = self._get(name, (str,), default, "the name of a file or folder")
        return None if value is None else Path(value)

    def number(self, name: str, default: float | None, kinds: tuple[type, ...] = (int, float)) -> float | None:
        """A number in its range."""
        low, high = RANGES[name]
        wanted = f"{'a whole number' if kinds == (int,) else 'a number'} from {low:g} to {high:g}"
        value = self._get(name, kinds, default, wanted)
        if value is not None and not low <= value <= high:
            raise CinemaError(f'The request\'s "{name}" is {json.dumps(value)}', f"Give {wanted}")
        return value

    def choice(self, name: str, default: str) -> str:
        """One of the words it may be."""
        wanted = ", ".join(CHOICES[name])
        value = self._get(name, (str,), default, f"one of {wanted}")
        if value not in CHOICES[name]:
            raise CinemaError(f'The request\'s "{name}" is {json.dumps(value)}', f"Give one of {wanted}")
        return value

    def flag(self, name: str) -> bool:
        return self._get(name, (bool,), False, "true or false")

    def options(self) -> BuildOptions:
        """The request's options, each of its field's type; the others are the defaults.

        The photo's may stand beside them, as they do where there are no others.
        """
        beside = {name: self._fields[name] for name in ("max_side", "focal") if name in self._fields}
        given = beside | self._get("options", (dict,), {}, "an object of options")
        known = {field.name: field for field in dataclasses.fields(BuildOptions)}
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            raise CinemaError(f'There is no option "{unknown}"', f"There are {', '.join(known)}")
        return BuildOptions(**{name: self._option(given, name, getattr(BuildOptions, name)) for name in given})

    def _option(self, given: dict, name: str, default: object) -> object:
        part = Fields(given)
        if isinstance(default, bool):
            return part._get(name, (bool,), default, "true or false")
        if name in CHOICES:
            return part.choice(name, default)
        if isinstance(default, str):
            return part._get(name, (str,), default, "a name")
        return part.number(name, default, (int,) if isinstance(default, int) else (int, float))
