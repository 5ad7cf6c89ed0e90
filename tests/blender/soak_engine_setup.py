"""Random faults in the set-up of the engine: python soak_engine_setup.py --zip EXTENSION [--count 50] [--seed 1].

Each round sets a small engine up in a Blender of its own, and something goes wrong at a random moment. Afterwards the
engine is ready or one sentence is told; nothing is half there, nothing runs on, and the next set-up succeeds. Disks
that fill up are tried where root may mount one. Prints one line a round, and ends with 1 after a round that failed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from small_engine import Index, contents, home, make_engine, outcome, start_guest

LASTING = 20.0  # seconds after which no process may be left


class Soak:
    """The rounds.

    Args:
        extension: The extension's zip, with pip.
        folder: Folder for all that is written.
        seed: Seed of the random choices.
    """

    def __init__(self, extension: Path, folder: Path, seed: int) -> None:
        self.extension, self.folder, self.random = extension, folder, random.Random(seed)
        self.locks, self.wheels = make_engine(folder / "engine", count=4, size=300_000, files=25)
        self.faults: list[Callable[[Path], str]] = [
            self.kill_unpacking, self.kill_downloading, self.kill_alone, self.cut_network, self.damage_wheel,
            self.damage_download, self.two_at_once, self.one_of_two_killed,
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            self.faults.append(self.fill_disk)

    def round(self, number: int) -> tuple[str, str]:
        """Try one fault; gives its name and what was told."""
        fault = self.faults[number % len(self.faults)]
        user = self.folder / f"user {number} ünï"
        user.mkdir()
        told = fault(user)
        self.check(user)
        answer = outcome(self.start(user))
        if fault != self.fill_disk:
            assert answer.startswith("READY READY"), answer
            assert len(contents(user)) == 1, contents(user)
        return fault.__name__, told

    def start(self, user: Path, wheels: Path | None = None, **variables: str) -> subprocess.Popen:
        return start_guest(user, self.extension, self.locks, self.wheels if wheels is None else wheels, **variables)

    def check(self, user: Path) -> None:
        """Nothing is half there but parts of a killed process, and nothing runs on."""
        deadline = time.monotonic() + LASTING
        while self.running(user):
            assert time.monotonic() < deadline, self.running(user)
            time.sleep(0.2)
        for name in contents(user):
            folder = home(user) / name
            assert name == "wheels" or ".part-" in name or (folder / "complete.json").exists(), contents(user)

    def running(self, user: Path) -> list[str]:
        """Command lines of the processes that work on a user folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                paths = (place / "environ").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if int(place.name) != os.getpid() and str(user) in command + paths:
                found.append(command)
        return found

    # Faults

    def kill_unpacking(self, user: Path) -> str:
        return self.kill(self.start(user), everything=True)

    def kill_downloading(self, user: Path) -> str:
        with Index(self.wheels, delay=0.03) as index:
            return self.kill(self.start(user, "", **index.variables), everything=True)

    def kill_alone(self, user: Path) -> str:
        """Blender alone is killed: its child processes have to notice."""
        with Index(self.wheels, delay=0.03) as index:
            told = self.kill(self.start(user, "", **index.variables), everything=False)
            self.check(user)
            return told

    def kill(self, guest: subprocess.Popen, everything: bool) -> str:
        moment, last = self.random.uniform(0.0, 1.0), ""
        for line in guest.stdout:
            last = line.strip()
            if line.startswith("PROGRESS") and float(line.split()[-1]) >= moment:
                break
        if guest.poll() is None:
            time.sleep(self.random.uniform(0.0, 0.3))
            (os.killpg if everything else os.kill)(guest.pid, signal.SIGKILL)
        guest.stdout.close()
        guest.wait()
        return last

    def cut_network(self, user: Path) -> str:
        with Index(self.wheels, cut=self.random.random(), failures=9, delay=0.005) as index:
            for file in self.random.sample(sorted(self.wheels.iterdir()), self.random.randrange(3)):
                index.broken[file.name] = 9  # these come through
            told = outcome(self.start(user, "", **index.variables))
        assert told.startswith("ERROR The package index cannot be reached"), told
        return told

    def damage_wheel(self, user: Path) -> str:
        wheels = user / "wheels"
        wheels.mkdir()
        for file in self.wheels.iterdir():
            (wheels / file.name).write_bytes(file.read_bytes())
        damage(self.random.choice(sorted(wheels.iterdir())), self.random)
        told = outcome(self.start(user, wheels))
        assert told.startswith("ERROR made_up_") and "is damaged" in told, told
        return told

    def damage_download(self, user: Path) -> str:
        """A wheel that was complete is damaged on the disk between two set-ups."""
        with Index(self.wheels, cut=0.3, failures=1) as index:
            files = sorted(self.wheels.iterdir())
            for file in files[:-1]:
                index.broken[file.name] = 1
            outcome(self.start(user, "", **index.variables))
            damage(self.random.choice(sorted((home(user) / "wheels").iterdir())), self.random)
            told = outcome(self.start(user, "", **index.variables))
        assert told.startswith("READY"), told
        return told

    def two_at_once(self, user: Path) -> str:
        self.install(user)
        told = [outcome(guest) for guest in [self.start(user), self.start(user)]]
        assert all(each.startswith("READY") for each in told), told
        return told[0]

    def one_of_two_killed(self, user: Path) -> str:
        self.install(user)
        first, second = self.start(user), self.start(user)
        self.kill(first, everything=True)
        told = outcome(second)
        assert told.startswith("READY"), told
        return told

    def fill_disk(self, user: Path) -> str:
        """Another program fills the disk at a random moment."""
        mount = ["mount", "-t", "tmpfs", "-o", "size=220m", "tmpfs", str(user)]
        subprocess.run(mount, check=True)
        guest = self.start(user)
        moment = self.random.uniform(0.0, 0.9)
        output = []
        for line in guest.stdout:
            output.append(line)
            if line.startswith("PROGRESS") and float(line.split()[-1]) >= moment:
                break
        filler = user / "filler"
        try:
            with filler.open("wb") as stream:
                while stream.write(bytes(1 << 20)):
                    stream.flush()
        except OSError:
            pass
        output += guest.stdout.readlines()
        guest.wait()
        told = next(line.strip() for line in reversed(output) if line.startswith(("READY", "ERROR")))
        assert told.startswith("READY") or "full" in told or "needs" in told, told
        filler.unlink()
        self.check(user)
        assert outcome(self.start(user)).startswith("READY")
        subprocess.run(["umount", "-l", str(user)], check=True)
        return told

    def install(self, user: Path) -> None:
        """Install the extension without an engine."""
        outcome(self.start(user, self.locks))


def damage(file: Path, chance: random.Random) -> None:
    """Change a byte of a file, or cut it off."""
    contents = bytearray(file.read_bytes())
    place = chance.randrange(len(contents))
    if chance.random() < 0.5:
        contents[place] ^= 0xFF
    else:
        del contents[place:]
    file.write_bytes(contents)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed, counts = 0, Counter()
    with tempfile.TemporaryDirectory(prefix="cinemagraph-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(arguments.zip.resolve(), Path(folder), arguments.seed)
        for number in range(arguments.count):
            try:
                name, told = soak.round(number)
                counts[name] += 1
                print(f"{number:3} {name}: {told}", flush=True)
            except (AssertionError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"{number:3} FAILED {soak.faults[number % len(soak.faults)].__name__}: {error}", flush=True)
    print(f"{arguments.count} rounds, {failed} failed: {dict(counts)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
