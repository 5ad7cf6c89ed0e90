"""The error that a user can cause and fix. Standard library only: Blender's process imports this module."""

from __future__ import annotations

_LONGEST_REASON = 200  # characters of another library's message that are shown


class CinemaError(Exception):
    """The user's input cannot be used as it is.

    Args:
        text: The problem: one sentence without a full stop, in the user's words.
        hint: The remedy: one sentence without a full stop.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.text = text
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.text}. {self.hint}." if self.hint else f"{self.text}."


def first_line(error: BaseException) -> str:
    """The first line of another library's error, to be quoted in a message; its type's name where it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST_REASON]
