"""The documentation agrees with the code: the picture of the stages, the table of options, links and names of files.

Run as a program, this file writes the picture and the table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE, COMMAND_LINE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "command_line.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("training/*.md")])


class Recorder:
    """Stands in for the runner of stages, and remembers how they are connected."""

    def __init__(self) -> None:
        self.stages: list[Any] = []
        self.arrows: list[tuple[str, str, bool]] = []
        self._names: dict[int, str] = {}

    def __call__(self, stage: Any, *inputs: Any) -> Any:
        from cinema_core.pipeline.stage import Cached

        if not any(known is stage for known in self.stages):
            self.stages.append(stage)
        cached = Cached(lambda: "", lambda: None, lambda: None)
        cached.made_by = [(stage.name, False)]
        for item in inputs:
            for name, deferred in getattr(item, "made_by", []):
                if (name, stage.name, deferred) not in self.arrows:
                    self.arrows.append((name, stage.name, deferred))
        return cached


def draw_stages(monkeypatch: pytest.MonkeyPatch) -> str:
    """The stages of `build.plan` as a Mermaid diagram."""
    from cinema_core.pipeline import build
    from cinema_core.pipeline.request import Request
    from cinema_core.pipeline.stage import Cached

    def given_file(path: Path) -> Cached:
        cached = Cached(lambda: "", lambda: None, lambda: None)
        cached.made_by = [(path.name, False)]
        return cached

    def either(condition: Cached, true: Cached, false: Cached) -> Cached:
        cached = Cached(lambda: "", lambda: None, lambda: None)
        cached.made_by = true.made_by + false.made_by
        return cached

    def deferred(self: Cached) -> Cached:
        cached = Cached(lambda: "", lambda: None, lambda: None)
        cached.made_by = [(name, True) for name, _ in self.made_by]
        return cached

    monkeypatch.setattr(build, "given_file", given_file)
    monkeypatch.setattr(build, "either", either)
    monkeypatch.setattr(Cached, "deferred", property(deferred))
    names = ("photo file", "annotations", "depth map", "mask", "motion file")
    files = dict(zip(("photo", "annotations", "depth", "region", "flow"), map(Path, names)))
    recorder = Recorder()
    build.plan(Request(out=Path("job"), **files), recorder)
    lines = ["flowchart TD"]
    lines += [f'    {identifier(name)}[/"{name}"/]' for name in names]
    lines += [f'    {identifier(stage.name)}["{stage.name}"]' for stage in recorder.stages]
    lines += [
        f"    {identifier(a)} {'-.->' if deferred else '-->'} {identifier(b)}" for a, b, deferred in recorder.arrows
    ]
    stored = ",".join(identifier(stage.name) for stage in recorder.stages if stage.stored is not None)
    lines += ["    classDef stored stroke-width:3px", f"    class {stored} stored"]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def identifier(name: str) -> str:
    return name.replace(" ", "_")


def list_options() -> str:
    """The options of a build as a Markdown table."""
    from cinema_core.shared.options import DEFAULTS, ROWS, describe_values

    lines = ["| argument | values | default | |", "|---|---|---|---|"]
    for name, row in ROWS.items():
        default = DEFAULTS[name]
        flag = f"--no-{name}" if default is True else f"--{name}"
        values = (
            ""
            if isinstance(default, bool)
            else describe_values(name) + (f" ({row.unit})" if row.unit and row.low is not None else "")
        )
        shown = "" if default in (None, "") or isinstance(default, bool) else f"{default}"
        text = f"Switch off: {row.help[0].lower()}{row.help[1:]}" if default is True else row.help
        lines.append(f"| `{flag.replace('_', '-')}` | {values} | {shown} | {text} |")
    return "\n".join(lines) + "\n"


def section(page: Path, name: str) -> tuple[str, str, str]:
    """Text before a generated section, the section, and the text after it."""
    text = page.read_text(encoding="utf-8")
    begin = f"<!-- {name}: made by tests/test_docs.py -->\n"
    start, end = text.index(begin) + len(begin), text.index(f"<!-- end of {name} -->")
    return text[:start], text[start:end], text[end:]


def test_the_picture_of_the_stages_is_that_of_the_code(monkeypatch):
    assert section(ARCHITECTURE, "stages")[1] == draw_stages(monkeypatch), "run: python tests/test_docs.py"


def test_the_table_of_options_is_that_of_the_code():
    assert section(COMMAND_LINE, "options")[1] == list_options(), "run: python tests/test_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    """Python files in backticks, by their path from the root, from cinema_core, or by a name that is there."""
    names = {path.name for path in ROOT.rglob("*.py") if not path.relative_to(ROOT).parts[0].startswith(".")}
    for name in re.findall(r"`([\w/.]+\.py)`", page.read_text(encoding="utf-8")):
        found = (ROOT / name).exists() or (ROOT / "cinema_core" / name).exists() or ("/" not in name and name in names)
        assert found, name


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    with pytest.MonkeyPatch.context() as patch:
        generated = {(ARCHITECTURE, "stages"): draw_stages(patch), (COMMAND_LINE, "options"): list_options()}
    for (page, name), content in generated.items():
        before, _, after = section(page, name)
        page.write_text(before + content + after, encoding="utf-8")
