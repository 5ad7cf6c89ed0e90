"""Fields of a JSON request, each checked when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..shared.errors import CinemaError, quoted
from ..shared.options import ROWS, BuildOptions, check, is_name, names


class Fields:
    """A JSON request.

    Raises:
        CinemaError: From every method: the field is missing, or not of its kind.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def path(self, name: str) -> Path:
        value = self.optional_path(name)
        if value is None:
            raise self._wrong(name, "the name of a file or folder")
        return value

    def optional_path(self, name: str) -> Path | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong(name, "the name of a file or folder")
        if not is_name(value):
            raise self._wrong(name, "a name without characters that no file may have")
        return Path(value)

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return bool(value)

    def options(self) -> BuildOptions:
        """The options, of which the missing ones have their defaults.

        Those of the photo may stand beside the object of options, as they do in requests that have no other.
        """
        given = self._fields.get("options")
        if given is not None and not isinstance(given, dict):
            raise self._wrong("options", "an object of options")
        given = {name: self._fields[name] for name in names("photo") if name in self._fields} | (given or {})
        unknown = next((name for name in given if name not in ROWS), None)
        if unknown is not None:
            raise CinemaError(f"There is no option {quoted(unknown)}", f"There are {', '.join(ROWS)}")
        return BuildOptions(**{name: check(name, value) for name, value in given.items()})

    def _wrong(self, name: str, wanted: str) -> CinemaError:
        return CinemaError(f'The request\'s "{name}" is {quoted(self._fields.get(name))}', f"Give {wanted}")
