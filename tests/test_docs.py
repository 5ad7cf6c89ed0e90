"""The documentation says what the code does: the picture of the stages, and links that lead somewhere.

Run as a program, this file writes the picture into docs/architecture.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- stages: made by tests/test_docs.py -->\n", "<!-- end of stages -->"
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
            for name, later in getattr(item, "made_by", []):
                if (name, stage.name, later) not in self.arrows:
                    self.arrows.append((name, stage.name, later))
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

    def later(self: Cached) -> Cached:
        cached = Cached(lambda: "", lambda: None, lambda: None)
        cached.made_by = [(name, True) for name, _ in self.made_by]
        return cached

    monkeypatch.setattr(build, "given_file", given_file)
    monkeypatch.setattr(build, "either", either)
    monkeypatch.setattr(Cached, "later", property(later))
    names = ("photo file", "annotations", "depth map", "mask", "motion file")
    files = dict(zip(("photo", "annotations", "depth", "region", "flow"), map(Path, names)))
    recorder = Recorder()
    build.plan(Request(out=Path("job"), **files), recorder)
    lines = ["flowchart TD"]
    lines += [f'    {identifier(name)}[/"{name}"/]' for name in names]
    lines += [f'    {identifier(stage.name)}["{stage.name}"]' for stage in recorder.stages]
    lines += [f"    {identifier(a)} {'-.->' if later else '-->'} {identifier(b)}" for a, b, later in recorder.arrows]
    stored = ",".join(identifier(stage.name) for stage in recorder.stages if stage.stored is not None)
    lines += ["    classDef stored stroke-width:3px", f"    class {stored} stored"]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def identifier(name: str) -> str:
    return name.replace(" ", "_")


def test_the_picture_of_the_stages_is_that_of_the_code(monkeypatch):
    pytest.importorskip("torch")
    text = ARCHITECTURE.read_text(encoding="utf-8")
    picture = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert picture == draw_stages(monkeypatch), "run: python tests/test_docs.py"


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
        picture = draw_stages(patch)
    content = ARCHITECTURE.read_text(encoding="utf-8")
    begin, end = content.index(BEGIN) + len(BEGIN), content.index(END)
    ARCHITECTURE.write_text(content[:begin] + picture + content[end:], encoding="utf-8")
