"""The environments that `make` sets up: their pins, and when one is made anew."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def environment(monkeypatch) -> ModuleType:
    """`.ci/environment.py`, which installs nothing here and lists its steps in `steps`."""
    found = importlib.util.spec_from_file_location("environment", ROOT / ".ci" / "environment.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.steps = []
    monkeypatch.setattr(module, "works", lambda python: python.parent.parent.exists())
    monkeypatch.setattr(module, "create", lambda folder: module.steps.append("create") or folder.mkdir(exist_ok=True))
    monkeypatch.setattr(module, "run", lambda python, *arguments: module.steps.append(arguments[1]))
    monkeypatch.setattr(module, "provide_libraries", lambda python, modules: None)
    return module


@pytest.mark.parametrize(("blender", "engine"), [("4.5", True), ("5.2", True), ("5.3", False)])
def test_each_blender_has_its_pins(environment, blender, engine):
    pins = environment.read_pins(blender)
    names = [environment.name_of(pin) for pin in pins]
    assert [pin for pin in pins if pin.startswith(f"bpy=={blender}.")] and "pytest" in names
    assert {"torch", "scikit-learn", "imageio", "transformers"} <= set(names) if engine else "torch" not in names
    assert blender in environment.SIZES


def test_an_environment_is_set_up_once(environment, tmp_path):
    environment.main(tmp_path / "one", "5.3")
    assert environment.steps[:2] == ["create", "pip"]
    environment.steps.clear()
    environment.main(tmp_path / "one", "5.3")
    assert environment.steps == []


@pytest.mark.parametrize(
    ("change", "anew"),
    [(("==5.3.0", "==5.3.9"), False), (("openexr==", "openexr-of-old=="), True), (("bpy==", "sklearn\nbpy=="), True)],
)
def test_it_is_made_anew_where_a_package_has_left(environment, tmp_path, change, anew):
    environment.main(tmp_path / "one", "5.3")
    stamp = tmp_path / "one" / "pins.txt"
    stamp.write_text(stamp.read_text().replace(*change))
    environment.steps.clear()
    environment.main(tmp_path / "one", "5.3")
    assert ("create" in environment.steps) == anew and "pip" in environment.steps
    assert stamp.read_text() == "\n".join(environment.read_pins("5.3"))
