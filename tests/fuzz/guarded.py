"""Runs mutations of one kind in a child process with limited memory, and starts another one where it ends.

Child: ``python -m fuzz.guarded KIND FIRST COUNT SEED``; prints a JSON line for each mutation.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("annotations", "depth", "flow", "masks", "photos", "requests")
LONGEST = 10.0  # seconds for one input
MEMORY = 2 * 2**30  # bytes that a process may grow by
START = 240.0  # seconds until a child is ready, on a busy machine
TESTS = Path(__file__).resolve().parents[1]
_STARTED = "started"


@dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        read, refused: Inputs that were read, and that ended in a sentence.
        escaped: Number of a mutation -> its fault.
        slowest: Seconds.
    """

    read: int = 0
    refused: int = 0
    escaped: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0


def fuzz(kind: str, count: int, seed: int = 0, first: int = 0) -> Outcome:
    """Try mutations `first` to `first + count - 1` of a kind."""
    found, following = Outcome(), first
    while following < first + count:
        following = _run_child(kind, following, first + count - following, seed, found)
    return found


def _run_child(kind: str, first: int, count: int, seed: int, found: Outcome) -> int:
    """Run a child until it ends or hangs; returns the number of the mutation that comes next."""
    command = [sys.executable, "-m", "fuzz.guarded", kind, str(first), str(count), str(seed)]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    errors: list[bytes] = []
    assert child.stdout is not None and child.stderr is not None
    os.set_blocking(child.stdout.fileno(), False)
    os.set_blocking(child.stderr.fileno(), False)
    text, number, deadline, started = b"", first, time.monotonic() + START, False
    hung = False
    while True:
        ready, _, _ = select.select([child.stdout, child.stderr], [], [], max(deadline - time.monotonic(), 0))
        if child.stderr in ready:
            errors.append(child.stderr.read() or b"")
        if child.stdout in ready:
            data = child.stdout.read()
            if not data:
                break
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                if line != _STARTED.encode():
                    _count(json.loads(line), number, found)
                    number += 1
                started, deadline = True, time.monotonic() + LONGEST
        elif time.monotonic() >= deadline:
            hung = True
            child.kill()
            break
    code = child.wait()
    if not started:
        raise RuntimeError(b"".join(errors).decode(errors="replace")[-3000:])
    if number < first + count:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = b"".join(errors).decode(errors="replace").strip().splitlines()[-1:]
        found.escaped[number] = f"no answer within {LONGEST:g} s" if hung else f"process ended: {name} {last}"
        number += 1
    return number


def _count(line: dict, number: int, found: Outcome) -> None:
    if line["fault"]:
        found.escaped[number] = line["fault"]
    elif line["read"]:
        found.read += 1
    else:
        found.refused += 1
    found.slowest = max(found.slowest, line["seconds"])


# The child


def make_input(kind: str, number: int, seed: int, folder: Path, given: list) -> Path:
    """Write mutation `number` of a kind, of one of the `given` originals."""
    from . import mutations

    rng = random.Random(f"{seed} {kind} {number}")
    original = rng.choice(given)
    if kind in ("annotations", "requests"):
        file, data = folder / "input.json", mutations.mutate_json(original, given, rng)
    else:
        suffix, content = original
        file = folder / f"input{suffix}"
        data = mutations.mutate_file(content, [other for _, other in given], rng)
    file.write_bytes(data)
    return file


def list_originals(kind: str, folder: Path) -> list:
    from . import originals

    make = {
        "annotations": originals.annotations, "depth": originals.depth_maps, "flow": originals.flows,
        "masks": originals.masks, "photos": originals.photos, "requests": lambda: originals.requests(folder),
    }  # fmt: skip
    return make[kind]()


def _serve(kind: str, first: int, count: int, seed: int, folder: Path) -> None:
    """Read inputs one after another and tell of each."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # prints of libraries
    from . import readers

    given = list_originals(kind, folder)
    if kind == "requests":
        read = readers.RequestReader(folder)
    else:
        by_kind = readers.Readers(folder)
        read = {"annotations": by_kind.annotations, "depth": by_kind.depth_map, "flow": by_kind.flow,
                "masks": by_kind.mask, "photos": by_kind.photo_file}[kind]  # fmt: skip
    _limit_memory()
    print(_STARTED, file=answers, flush=True)
    for number in range(first, first + count):
        file = make_input(kind, number, seed, folder, given)
        began, fault, done = time.monotonic(), "", False
        try:
            read(file)
            done = True
        except AssertionError as error:
            fault = str(error) or "a result out of its range"
        except Exception as error:
            fault = readers.find_fault(error)
        seconds = time.monotonic() - began
        if seconds > LONGEST:
            fault = fault or f"{seconds:.0f} s"
        print(json.dumps({"fault": fault, "read": done, "seconds": round(seconds, 3)}), file=answers, flush=True)
        file.unlink(missing_ok=True)


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + MEMORY
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def summarise(kind: str, count: int, found: Outcome) -> str:
    """A line of figures, and one for each kind of fault."""
    lines = [
        f"{kind:<12} {count:>6} mutations: {found.read} read, {found.refused} refused in a sentence, "
        f"{len(found.escaped)} escaped; the slowest {found.slowest:.1f} s"
    ]
    kinds = Counter(fault[:110] for fault in found.escaped.values())
    for fault, times in kinds.most_common():
        number = next(number for number, told in found.escaped.items() if told.startswith(fault))
        lines.append(f"    {times:>4} x {fault}  (as number {number})")
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        _serve(sys.argv[1], *map(int, sys.argv[2:5]), Path(place))
