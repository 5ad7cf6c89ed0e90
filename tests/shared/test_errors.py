"""Errors of the operating system in the user's words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cinema_core.shared.errors import CinemaError, cannot_read, cannot_write, explain, find_system_error, quoted


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "disk that holds a/b.mp4 is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "Cannot write a/b.mp4 (Permission denied)"),
        (errno.ENAMETOOLONG, "b.mp4 is too long"),
        (errno.ENOENT, "Cannot write a/b.mp4"),
        (errno.ENOTDIR, "Cannot write a/b.mp4"),
        (errno.EMFILE, "Too many files"),
        (errno.EIO, "reports an error"),
    ],
)
def test_an_error_of_the_system_has_a_remedy(number, text):
    answer = cannot_write(Path("a/b.mp4"), OSError(number, os.strerror(number), "a/.1-2.partial"))
    assert text.replace("/", os.sep) in answer.text and answer.hint and ".partial" not in answer.text


def test_the_place_is_the_error_s_own_where_none_is_given():
    assert "x.png" in explain(OSError(errno.EACCES, "Permission denied", "x.png")).text
    assert "x.png" in explain(OSError(errno.EACCES, "Permission denied", b"x.png")).text
    assert explain(OSError(errno.ENOSPC, "No space left on device")).text == "The disk that holds the file is full"


def test_a_long_name_is_cut_short():
    assert len(cannot_write("x" * 300, OSError(errno.ENAMETOOLONG, "File name too long")).text) < 150


@pytest.mark.parametrize("error", [OSError("an error without a number"), OSError(errno.EINVAL, "Invalid argument")])
def test_another_error_is_a_bug_unless_a_file_was_to_be_written_or_read(error):
    assert explain(error) is None
    assert "Cannot write a" in cannot_write("a", error).text and "Cannot read a" in cannot_read("a", error).text


def test_the_error_that_another_program_quotes():
    text = f"[out#0/mp4] Error writing trailer: {os.strerror(errno.ENOSPC)}"
    assert find_system_error(text) == errno.ENOSPC and find_system_error("Unknown encoder") is None


def test_sentences_hold_no_characters_that_command_a_terminal():
    error = CinemaError("a\nb\x1b[31m\udcff.png does not exist", "Look\tfor 滝.png")
    assert error.text == "a?b?[31m?.png does not exist" and error.hint == "Look?for 滝.png"
    assert str(error) == f"{error.text}. {error.hint}."


def test_values_are_quoted_short():
    assert quoted("a b") == '"a b"' and quoted(None) == "null" and quoted([1, "滝"]) == '[1, "滝"]'
    assert quoted("x" * 10**6) == '"' + "x" * 59 + "…"
    assert quoted(10**5000) == '"int"' and quoted({1}) == '"set"'
    nested = last = []
    for _ in range(10**5):
        last.append([])
        last = last[0]
    assert quoted(nested) in ('"list"', "[" * 60 + "…")
