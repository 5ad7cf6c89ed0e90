"""The error a user can cause and mend. Standard library only: Blender's process imports this module."""

from __future__ import annotations


class CinemaError(Exception):
    """Something the user gave cannot be used as it is.

    Args:
        text: What is wrong, one sentence without a full stop, in the user's words.
        hint: What to do about it, one sentence without a full stop.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.text}. {self.hint}." if self.hint else f"{self.text}."
