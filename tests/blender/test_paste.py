"""A photo on the clipboard: a copied file, a picture, and neither."""

from importlib import import_module
from types import SimpleNamespace

import bpy
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH


@pytest.fixture
def clipboard(addon):
    return import_module(f"{MODULE}.blender_addon.clipboard")


def copied(monkeypatch, clipboard, text="", size=None):
    """Put a text and a picture of a size onto the clipboard."""
    take = clipboard.photo_file
    manager = SimpleNamespace(window_manager=SimpleNamespace(clipboard=text), window=None)
    monkeypatch.setattr(clipboard, "photo_file", lambda _context: take(manager))
    if size:
        monkeypatch.setattr(clipboard, "_paste", lambda _context: bpy.data.images.new("Clipboard", *size))


def test_a_copied_file_is_opened_where_it_is(scene, clipboard, photo_file, monkeypatch):
    copied(monkeypatch, clipboard, f"x-special/nautilus-clipboard\ncopy\n{photo_file.as_uri()}", (40, 30))
    assert bpy.ops.cinemagraph.paste_photo() == {"FINISHED"}
    settings = scene.cinemagraph
    assert settings.photo_path == str(photo_file) and (settings.width, settings.height) == (WIDTH, HEIGHT)
    assert len(bpy.data.images) == 1


def test_names_of_files_are_found_in_texts(clipboard, tmp_path):
    photo = tmp_path / "a b #1 海.JPG"
    photo.write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    for text in (str(photo), f'"{photo}"\n', photo.as_uri(), f"{tmp_path / 'notes.txt'}\n{photo}"):
        assert clipboard.find_named(text) == photo
    for text in (
        "",
        "a b #1 海.JPG",
        str(tmp_path / "gone.jpg"),
        "x" * 5000 + ".jpg",
        "/a\0.jpg",
        "https://a.org/b.jpg",
    ):
        assert clipboard.find_named(text) is None


def test_a_picture_is_saved_beside_the_file(scene, clipboard, tmp_path, monkeypatch):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    copied(monkeypatch, clipboard, size=(60, 40))
    for name in ("Pasted Photo.png", "Pasted Photo 2.png"):
        assert bpy.ops.cinemagraph.paste_photo() == {"FINISHED"}
        settings = bpy.context.scene.cinemagraph
        assert settings.photo_path == str(tmp_path / name) and (settings.width, settings.height) == (60, 40)
    assert [image.name for image in bpy.data.images] == ["Pasted Photo 2.png"]


def test_a_picture_of_an_unsaved_file_goes_to_the_users_folder(scene, clipboard):
    file = clipboard.save(bpy.data.images.new("Clipboard", 8, 8))
    assert file.is_file() and file.parent.name == "photos" and not bpy.data.images
    file.unlink()


def test_no_photo_is_one_sentence_and_no_change(scene, clipboard, monkeypatch):
    copied(monkeypatch, clipboard, "some words")
    with pytest.raises(RuntimeError, match="There is no photo on the clipboard"):
        bpy.ops.cinemagraph.paste_photo()
    assert scene.cinemagraph.photo is None and not bpy.data.images


def test_the_key_belongs_to_our_tab_alone(addon):
    viewport = import_module(f"{MODULE}.blender_addon.viewport")
    for kind, tab, ours in (("UI", "Cinemagraph", True), ("UI", "Item", False), ("WINDOW", "Cinemagraph", False)):
        region = SimpleNamespace(type=kind, active_panel_category=tab)
        assert viewport.is_over_tab(SimpleNamespace(region=region)) == ours
