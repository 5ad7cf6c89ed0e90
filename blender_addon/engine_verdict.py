"""The verdict on the engine's packages: a child process imports all of them and computes a tensor."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..cinema_core.shared.cancellation import Cancelled
from ..cinema_core.shared.errors import CinemaError
from . import engine_log, engine_python
from .engine_download import PIP
from .engine_python import Runner
from .engine_unpack import Cancel

VERDICT = "verdict.json"
_PATIENCE = 600.0  # seconds; a virus scanner reads each library at the first import
_TICK = 0.05
# Exit codes of a process that met an instruction its processor lacks: POSIX's SIGILL, Windows' status.
_ILLEGAL_INSTRUCTION = (-4, 0xC000001D, 0xC000001D - (1 << 32))


@dataclass(frozen=True)
class Verdict:
    """Packages that work.

    Attributes:
        program: The Python that imported them, or Blender.
        is_blender: Whether it was Blender.
        python: Version of Python.
        device: Device that torch computes on: "cpu", "cuda" or "mps".
        packages: Package -> version.
    """

    program: str
    is_blender: bool
    python: str
    device: str
    packages: dict[str, str]

    @property
    def runner(self) -> Runner:
        """The runner of the engine: the program that passed the check, or its successor after an update of Blender."""
        same = [runner for runner in engine_python.runners() if runner.is_blender == self.is_blender]
        return same[0] if same else Runner(self.program, self.is_blender)


def check(packages: Path | None, runners: Sequence[Runner], cancelled: Cancel, log: Path) -> Verdict:
    """Let each runner check the packages until one succeeds.

    Args:
        packages: Folder of the packages; None for those that the runners have.
        runners: The programs to try, the best first.
        cancelled: Asked many times a second.
        log: File that gets the output of the check.

    Raises:
        CinemaError: No runner can use the packages; the error is that of the first.
        Cancelled: It was cancelled.
    """
    failure = CinemaError("Blender brings no Python that can run the engine", "Name a Python under Advanced")
    for number, runner in enumerate(runners):
        try:
            fields = _run_check(packages, runner, cancelled, log)
        except CinemaError as error:
            failure = error if number == 0 else failure
            continue
        versions = fields["packages"]
        return Verdict(runner.program, runner.is_blender, fields["python"], fields["device"], versions)
    raise failure


def save(packages: Path, verdict: Verdict) -> None:
    """Keep the verdict beside the packages."""
    part = packages / (VERDICT + ".part")
    part.write_text(json.dumps(asdict(verdict)), encoding="utf-8")
    part.replace(packages / VERDICT)


def load(packages: Path) -> Verdict | None:
    """Read the verdict; None where the packages have not been checked."""
    with suppress(OSError, ValueError, TypeError):
        return Verdict(**json.loads((packages / VERDICT).read_text(encoding="utf-8")))
    return None


def start_pip(runners: Sequence[Runner]) -> Callable[..., subprocess.Popen]:
    """Make the function that starts the pip of the extension with arguments and options of `subprocess.Popen`.

    Raises:
        CinemaError: The extension has no pip.
    """
    pip = next((engine_python.FOLDER / "engine").glob(PIP), None)
    if pip is None or not runners:
        raise CinemaError("This zip of the extension cannot download", "Press From Folder, or install the full zip")
    return lambda *arguments, **options: engine_python.start(
        runners[0].command("pip", *arguments), engine_python.environment(pip), **options
    )


def _run_check(packages: Path | None, runner: Runner, cancelled: Cancel, log: Path) -> dict:
    variables = engine_python.environment(packages)
    command = runner.command("cinema_core.engine.requirements")
    try:
        with log.open("ab") as stderr:
            child = engine_python.start(command, variables, stdout=subprocess.PIPE, stderr=stderr)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CinemaError(f'"{runner.program}" does not start ({reason})', "Name a Python under Advanced") from error
    output = _read_output(child, cancelled)
    engine_log.append(log, f"{' '.join(command)}\n{output}")
    for line in reversed(output.splitlines()):
        with suppress(ValueError, AttributeError):
            message = json.loads(line)
            if message.get("type") == "done":
                return message
            if message.get("type") in ("error", "fatal"):
                raise CinemaError(message["text"], message.get("hint") or "See Show Log")
    raise _explain_end(child.returncode, runner)


def _read_output(child: subprocess.Popen, cancelled: Cancel) -> str:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=_TICK)[0].decode("utf-8", "replace")
        if cancelled() or time.monotonic() > deadline:
            child.kill()
            child.communicate()
            if cancelled():
                raise Cancelled
            raise CinemaError("The engine's check did not end", "Check that no virus scanner holds it, then try again")


def _explain_end(code: int, runner: Runner) -> CinemaError:
    if code in _ILLEGAL_INSTRUCTION:
        text = "This computer's processor lacks instructions that the engine's packages need"
        return CinemaError(text, "Use a computer whose processor has AVX2, or name a Python under Advanced")
    if code == 0:
        return CinemaError(f'"{runner.program}" is no Python that can run the engine', "Name a Python under Advanced")
    return CinemaError(f'The engine\'s check by "{runner.program}" stopped ({code})', "See Show Log")
