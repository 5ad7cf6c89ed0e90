"""Set-up of the engine's packages: all or nothing, whatever happens meanwhile. Real processes, small wheels."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
from extension import MODULE
from small_engine import Index, contents, home, make_engine, make_lock, make_wheel, outcome, start_guest

pytest.importorskip("torch", reason="the check needs the engine's packages in this Python")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Folders of the lock and of the wheels."""
    return make_engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def modules(addon, monkeypatch):
    """The modules of the set-up in this Blender, without a Python of the user's choice."""
    monkeypatch.delenv("CINEMAGRAPH_PYTHON", raising=False)
    names = ("engine_state", "engine_setup", "engine_unpack", "engine_lock", "engine_download", "engine_verdict")
    found = {name: import_module(f"{MODULE}.blender_addon.{name}") for name in names}
    yield type("Modules", (), found)
    found["engine_state"].remove()
    found["engine_state"].locks.cache_clear()


def quiet(_fraction):
    pass


def never():
    return False


@pytest.fixture
def unpacked(modules, engine, tmp_path):
    """Unpacks the small engine into a folder."""
    locks, wheels = engine
    lock = modules.engine_lock.find_locks(locks)["cpu"]

    def unpack(home=tmp_path / "home", wheels=wheels, progress=quiet, cancelled=never):
        found = {wheel.file: Path(wheels) / wheel.file for wheel in lock.wheels}
        return modules.engine_unpack.unpack(lock, found, home, progress, cancelled)

    unpack.lock = lock
    return unpack


# Unpacking


def test_the_packages_lie_in_one_folder(unpacked, modules, tmp_path):
    shares = []
    folder = unpacked(progress=shares.append)
    assert folder == tmp_path / "home" / unpacked.lock.key and folder.parent.joinpath(folder.name, "made_up_1").is_dir()
    assert not (folder / "made_up_0" / "tests").exists()
    assert os.access(folder / "made_up_0" / "bin" / "tool", os.X_OK) or os.name == "nt"
    record = json.loads((folder / "complete.json").read_text())
    assert record["packages"] == {f"made_up_{k}": "1.0" for k in range(3)}
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name != "complete.json"]
    assert modules.engine_unpack.read_size(folder) == sum(sizes)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_a_folder_with_spaces_and_other_scripts(unpacked, modules, tmp_path):
    place = tmp_path / "Ünï 漢字 e\u0301 x" / "home"
    folder = unpacked(home=place)
    assert modules.engine_unpack.find_packages(place, unpacked.lock) == folder


def test_a_damaged_wheel_is_named_and_leaves_nothing(unpacked, modules, engine, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for file in engine[1].iterdir():
        (wheels / file.name).write_bytes(file.read_bytes())
    damaged = sorted(wheels.iterdir())[-1]
    contents = bytearray(damaged.read_bytes())
    contents[len(contents) // 2] ^= 1
    damaged.write_bytes(contents)
    with pytest.raises(Exception, match=rf"{damaged.name} is damaged"):
        unpacked(wheels=wheels)
    assert list((tmp_path / "home").iterdir()) == []
    damaged.unlink()
    with pytest.raises(Exception, match=rf"{damaged.name} is missing"):
        unpacked(wheels=wheels)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_cancel_leaves_nothing(unpacked, modules, tmp_path):
    calls = []
    with pytest.raises(BaseException) as caught:
        unpacked(cancelled=lambda: calls.append(0) or len(calls) > 30)
    assert type(caught.value).__name__ == "Cancelled" and list((tmp_path / "home").iterdir()) == []


def test_too_little_room_is_told_in_gigabytes(unpacked, monkeypatch, tmp_path, modules):
    usage = type("Usage", (), {"free": 50_000_000})()
    monkeypatch.setattr(modules.engine_unpack.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(Exception, match=r"needs 0\.1 GB on the disk of .*, which has 0\.1 GB\. Free some space"):
        unpacked()


def test_members_that_lead_out_of_the_folder_are_left_out(modules, tmp_path):
    wheel = make_wheel(
        tmp_path,
        "evil",
        {"../outside.py": b"", "/absolute.py": b"", "evil.py": b"", "C:/x.py": b"",
         "evil-1.0.data/purelib/inside.py": b"", "evil-1.0.data/scripts/run": b""},
    )  # fmt: skip
    lock = modules.engine_lock.read_lock(make_lock(tmp_path / "lock", [wheel]))
    folder = modules.engine_unpack.unpack(lock, {wheel.name: wheel}, tmp_path / "home", quiet, never)
    assert {path.name for path in folder.iterdir()} == {"evil.py", "inside.py", "evil-1.0.dist-info", "complete.json"}
    assert not (tmp_path / "home" / "outside.py").exists() and not (tmp_path / "outside.py").exists()


def test_another_lock_replaces_the_packages(unpacked, modules, engine, tmp_path):
    folder = unpacked()
    other = modules.engine_lock.Lock(unpacked.lock.platform, unpacked.lock.abi, "cuda", unpacked.lock.wheels[:1])
    assert other.key != unpacked.lock.key
    (tmp_path / "home" / "windows-x64-cp39-cpu-0123456789ab").mkdir()
    modules.engine_unpack.remove_others(tmp_path / "home", other)
    assert not folder.exists() and [entry.name for entry in (tmp_path / "home").iterdir()] == [
        "windows-x64-cp39-cpu-0123456789ab"
    ]


def test_paths_beyond_260_characters_have_windows_prefix(modules, monkeypatch):
    unpack = modules.engine_unpack
    monkeypatch.setattr(unpack.sys, "platform", "win32")
    monkeypatch.setattr(unpack.os.path, "abspath", str)
    assert unpack._long(r"C:\Users\a\b") == r"\\?\C:\Users\a\b"
    assert unpack._long(r"\\server\share\b") == r"\\?\UNC\server\share\b"
    assert unpack._long(r"\\?\C:\b") == r"\\?\C:\b"


# The set-up


def test_a_full_zip_sets_itself_up_at_the_first_photo(modules, engine, photo_file, scene, monkeypatch):
    import bpy

    state = modules.engine_state
    monkeypatch.setattr(state, "LOCKS", engine[0])
    monkeypatch.setattr(state, "WHEELS", engine[1])
    state.locks.cache_clear()
    assert state.status().kind == state.MISSING and state.bundled()
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert scene.cinemagraph.photo is not None
    status = state.status()
    assert status.kind == state.READY and status.verdict.device in ("cpu", "cuda", "mps")
    assert status.verdict.packages["torch"].startswith("2.") and not status.verdict.is_blender
    assert import_module(f"{MODULE}.blender_addon.engine_python").runners()[0].program == sys.executable
    bpy.ops.cinemagraph.remove_engine()
    assert state.status().kind == state.MISSING
    with pytest.raises(RuntimeError, match="downloaded|not set up"):
        monkeypatch.setattr(state, "WHEELS", engine[0])
        bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))


def test_without_online_access_nothing_is_downloaded(modules, engine, monkeypatch):
    import bpy

    state = modules.engine_state
    monkeypatch.setattr(state, "LOCKS", engine[0])
    state.locks.cache_clear()
    assert not bpy.app.online_access and not state.bundled()
    with pytest.raises(RuntimeError, match="online access is off.*Allow Online Access, or press From Folder"):
        bpy.ops.cinemagraph.set_up_engine()
    with pytest.raises(RuntimeError, match=r"lacks 3 of 3 wheels: made_up_0 1\.0.* and 1 more\. Choose"):
        bpy.ops.cinemagraph.set_up_engine_from_folder(directory=str(engine[0]))
    assert state.status().kind == state.FAILED and "lacks 3 of 3 wheels" in state.status().error
    bpy.ops.cinemagraph.set_up_engine_from_folder(directory=str(engine[1].parent))  # sub-folders count
    assert state.status().kind == state.READY


def test_a_computer_without_wheels_is_told(modules, tmp_path, monkeypatch):
    import bpy

    state = modules.engine_state
    monkeypatch.setattr(state, "LOCKS", tmp_path)
    state.locks.cache_clear()
    with pytest.raises(RuntimeError, match=r"no engine packages for \S+ with Python 3\.1\d\. The README's Support"):
        bpy.ops.cinemagraph.set_up_engine()


def test_packages_that_do_not_work_are_not_ready(modules, tmp_path, monkeypatch):
    """A package that shadows numpy and fails stands for one of the wrong Python; the next try unpacks nothing again."""
    import bpy

    state, text = modules.engine_state, b"raise ImportError('DLL load failed while importing _multiarray_umath')"
    wheel = make_wheel(tmp_path, "numpy", {"numpy/__init__.py": text})
    make_lock(tmp_path / "lock", [wheel])
    monkeypatch.setattr(state, "LOCKS", tmp_path / "lock")
    monkeypatch.setattr(state, "WHEELS", tmp_path)
    state.locks.cache_clear()
    with pytest.raises(RuntimeError, match=r"Visual C\+\+ runtime that \w+ needs.*Redistributable"):
        bpy.ops.cinemagraph.set_up_engine()
    assert state.status().kind == state.FAILED
    (folder,) = (entry for entry in modules.engine_setup.home().iterdir() if entry.is_dir())
    shutil.rmtree(folder / "numpy")
    wheel.unlink()
    make_wheel(tmp_path, "other", {})
    bpy.ops.cinemagraph.set_up_engine()
    assert state.status().kind == state.READY


def test_the_log_is_kept_and_rotated(modules, addon):
    log = import_module(f"{MODULE}.blender_addon.engine_log")
    file = log.path()
    assert ".user" in file.parts and file.name == "engine.log"
    file.write_text("x" * (2 << 20))
    assert log.path() == file and not file.exists() and file.with_name("engine.1.log").stat().st_size == 2 << 20
    for _ in range(4):
        file.write_text("y" * (2 << 20))
        log.path()
    assert sorted(path.name for path in file.parent.iterdir()) == ["engine.1.log", "engine.2.log", "engine.3.log"]
    log.append(file, "text")
    assert file.read_text().endswith("\ntext\n")


# Downloads, from an index on the loopback


def test_a_download_sets_up_and_leaves_no_wheels(engine, extension_zip, tmp_path):
    locks, wheels = engine
    with Index(wheels) as index:
        answer = outcome(start_guest(tmp_path, extension_zip, locks, "", **index.variables))
    assert answer.startswith("READY READY") and sorted(index.served) == sorted(file.name for file in wheels.iterdir())
    assert len(contents(tmp_path)) == 1
    log = home(tmp_path).parent / "log" / "engine.log"
    assert "Saved" in log.read_text() and "Progress" not in log.read_text()


def test_a_broken_download_goes_on_after_the_complete_files(engine, extension_zip, tmp_path):
    locks, wheels = engine
    names = sorted(file.name for file in wheels.iterdir())
    with Index(wheels, cut=0.5, failures=1) as index:
        index.broken[names[0]] = 1  # the first file comes through
        answer = outcome(start_guest(tmp_path, extension_zip, locks, "", **index.variables))
        assert answer.startswith("ERROR The package index cannot be reached. Check the connection, then press Set Up")
        assert contents(tmp_path) == ["wheels"]
        assert [file.name for file in (home(tmp_path) / "wheels").iterdir()] == names[:1]
        index.failures = 0
        assert outcome(start_guest(tmp_path, extension_zip, locks, "", **index.variables)).startswith("READY")
    assert sorted(index.served) == names and len(contents(tmp_path)) == 1


def test_another_file_under_the_same_name_is_refused(engine, extension_zip, tmp_path):
    locks, wheels = engine
    others = tmp_path / "others"
    others.mkdir()
    for file in wheels.iterdir():
        (others / file.name).write_bytes(file.read_bytes() + b"more")
    with Index(others) as index:
        answer = outcome(start_guest(tmp_path / "user", extension_zip, locks, "", **index.variables))
    assert "is another file than the extension was made with. Try another network" in answer
    assert contents(tmp_path / "user") in ([], ["wheels"]) and not [*(home(tmp_path / "user") / "wheels").iterdir()]


def test_an_index_that_is_not_there_is_told(engine, extension_zip, tmp_path):
    with Index(engine[1]) as index:
        variables = index.variables
    answer = outcome(start_guest(tmp_path, extension_zip, engine[0], "", **variables))
    assert answer.startswith("ERROR The package index cannot be reached")
    with Index(tmp_path) as index:  # it has none of the packages
        answer = outcome(start_guest(tmp_path, extension_zip, engine[0], "", **index.variables))
    assert answer.startswith("ERROR The package index has no made_up_0-1.0-py3-none-any.whl")


# Faults, in Blenders of their own


def sane(user, locks):
    """The engine's folder has complete packages alone, and downloads that are complete."""
    for name in contents(user):
        assert name == "wheels" or (home(user) / name / "complete.json").exists(), contents(user)


def stop_at(guest, fraction):
    """Kill a guest, with its child processes, once its progress has passed a share."""
    for line in guest.stdout:
        if line.startswith("PROGRESS") and float(line.split()[-1]) >= fraction:
            break
    os.killpg(guest.pid, signal.SIGKILL)
    guest.communicate()


@pytest.mark.skipif(os.name == "nt", reason="kills a group of processes")
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.7, 0.76])
def test_a_kill_leaves_nothing_half(engine, extension_zip, tmp_path, fraction):
    locks, wheels = engine
    stop_at(start_guest(tmp_path, extension_zip, locks, wheels), fraction)
    assert outcome(start_guest(tmp_path, extension_zip, locks, wheels)).startswith("READY READY cpu")
    assert len(contents(tmp_path)) == 1
    sane(tmp_path, locks)


def test_two_blenders_at_once(engine, extension_zip, tmp_path):
    locks, wheels = engine
    assert outcome(start_guest(tmp_path, extension_zip, locks, locks)).startswith("ERROR")  # installs the extension
    both = [start_guest(tmp_path, extension_zip, locks, wheels) for _ in range(2)]
    answers = []
    threads = [threading.Thread(target=lambda guest=guest: answers.append(outcome(guest))) for guest in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.split()[:2] for answer in answers] == [["READY", "READY"]] * 2
    assert len(contents(tmp_path)) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk(engine, extension_zip, tmp_path):
    locks, wheels = engine
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no disk can be mounted")
    try:
        answer = outcome(start_guest(disk, extension_zip, locks, wheels))
        assert answer.startswith("ERROR The engine needs 0.1 GB") and answer.endswith("then try again.")
        assert contents(disk) == []
    finally:
        time.sleep(0.2)
        subprocess.run(["umount", "-l", str(disk)], check=True)
