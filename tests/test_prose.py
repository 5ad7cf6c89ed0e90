"""The habits of the code that a count can hold: its words, and the size of its files and functions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "cinema_core"
ROOMS = [
    "blender_addon", "operators", "panels", "training", "tests", "demo", "cinema_core",
    *sorted(f"cinema_core/{path.name}" for path in CORE.iterdir() if (path / "__init__.py").exists()),
]  # fmt: skip
WHAT_PER_THOUSAND = 2.0  # codebases of this field have 0 to 0.5
LONG_FILE, LONG_FILES = 300, 5  # lines; files of the core that may have more
LONG_FUNCTION = 50  # lines
MANY_ARGUMENTS, FUNCTIONS_OF_MANY = 6, 6
FILES_IN_A_ROOM = 15  # beside __init__.py


def sources(room: str) -> list[Path]:
    """Python files of a room; of a package of rooms the files beside them."""
    folder = ROOT / room
    return sorted(folder.glob("*.py") if room == "cinema_core" else folder.rglob("*.py"))


def prose(path: Path) -> str:
    """Comments and docstrings of a file."""
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    nodes = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return "\n".join([*comments, *(ast.get_docstring(node) or "" for node in nodes)])


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ROOMS)
def test_sentences_have_nouns_for_subjects(room):
    words = re.findall(r"[A-Za-z']+", "\n".join(prose(path) for path in sources(room)))
    assert len(words) > 40
    share = 1000 * sum(word.lower() in ("what", "whatever", "what's") for word in words) / len(words)
    assert share <= WHAT_PER_THOUSAND


def test_occlusion_is_called_so():
    text = "\n".join(prose(path) for path in sources("cinema_core/layers"))
    assert len(re.findall("occlu", text)) > 50
    assert len(re.findall("discontinuit", text)) > 10


def test_few_files_are_long():
    files = {label(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CORE.rglob("*.py")}
    assert len([name for name, lines in files.items() if lines > LONG_FILE]) <= LONG_FILES


@pytest.mark.parametrize("folder", [CORE, *(path for path in CORE.iterdir() if path.is_dir())], ids=label)
def test_a_room_is_taken_in_at_a_glance(folder):
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= FILES_IN_A_ROOM


def test_no_function_is_long():
    """But the parser of the command line's arguments, which is a list."""
    lengths = {
        f"{label(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in CORE.rglob("*.py")
        for node in functions(path)
    }
    assert not [name for name, lines in lengths.items() if lines > LONG_FUNCTION and "parser" not in name]


def test_few_functions_take_many_arguments():
    def count(node: ast.FunctionDef) -> int:
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        return len([argument for argument in arguments if argument.arg not in ("self", "cls")])

    many = [
        f"{label(path)}:{node.name}"
        for path in CORE.rglob("*.py")
        for node in functions(path)
        if count(node) > MANY_ARGUMENTS
    ]
    assert len(many) <= FUNCTIONS_OF_MANY, many
