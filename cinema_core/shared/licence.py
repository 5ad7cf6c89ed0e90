"""The licence that a model card states. Standard library only: Blender's process imports this module."""

from __future__ import annotations

import re
from pathlib import Path

NOT_STATED = "not stated; look at where the model comes from"
_CARD_CHARACTERS = 20_000  # read at most; the licence stands in the card's first lines


def read_licence(folder: Path) -> str:
    """The licence in the model card of a folder: `license:` in the YAML header of README.md.

    Args:
        folder: The model's folder.

    Returns:
        The licence's identifier; `license_name` where `license` is "other"; NOT_STATED without a card or an entry.
    """
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:_CARD_CHARACTERS]
    except OSError:
        return NOT_STATED
    header = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL)
    if header is None:
        return NOT_STATED
    entries = re.findall(r"^(license|license_name):[ \t]*[\"']?([^\s\"'#]+)", header.group(1), re.MULTILINE)
    stated: dict[str, str] = dict(entries)
    licence = stated.get("license", "")
    if licence == "other":
        return stated.get("license_name", licence)
    return licence or NOT_STATED
