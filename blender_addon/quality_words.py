"""The quality report in words: a verdict first, and for each fault a remedy.

The limits are those that tests and docs/benchmarks.md hold good builds to, with room for photos that are harder.
"""

from dataclasses import dataclass

from ..cinema_core.shared.camera import PRESETS

HOLES = 0.001  # share of a view; the default Tolerance of the camera's check
SEAM = 1.3  # frame difference at the restart over the usual one; 1.0 to 1.05 in good builds
CONTRAST = 0.8, 1.2  # share of the photo's contrast in moving parts; 0.93 to 1.03 in good builds
FIDELITY = 30.0  # dB, frame 1 against the photo; 40 in good builds
BENT, TORN, SHREDS = 0.06, 2.0, 20  # share of the lines' length, longer sides, pieces; at a path's end
ANGLE = 20.0  # degrees between the strokes and the motion; at most 0.1 where strokes agree with one another
PACE = 0.5  # relative error of the speed at the strokes
# Sentences of the engine that name an argument of the command line -> the same with the name of the button
ARGUMENTS = {"use --still for a still photo": "switch on Still Photo"}


@dataclass(frozen=True)
class Finding:
    """One line of the verdict.

    Attributes:
        text: The verdict, or one fault.
        remedy: How to mend the fault; "" where nothing is wrong.
    """

    text: str
    remedy: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.remedy

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


def judge(report: dict) -> list[Finding]:
    """Judge a build.

    Args:
        report: The report; its figures may still be missing, because they are measured after the points are shown.

    Returns:
        One good finding, or one for each fault; none before the build is measured.
    """
    quality = report.get("quality") or {}
    if not is_measured(report):
        return []
    faults = [*_holes(quality), *_distortion(report), *_loop(quality), *_strokes(quality)]
    if faults:
        return faults
    loop = ", the loop closes" if quality.get("seam") is not None else ", a still photo"
    return [Finding(f"Good: no holes{loop}")]


def is_measured(report: dict) -> bool:
    """Tell whether the figures are complete."""
    return (report.get("quality") or {}).get("measured", True)


def in_blender(warning: str) -> str:
    """Give a warning of the engine with the names of Blender's buttons in place of arguments."""
    for argument, button in ARGUMENTS.items():
        warning = warning.replace(argument, button)
    return warning


def _holes(quality: dict) -> list[Finding]:
    holes = quality.get("holes") or {}
    worst = max(holes, key=lambda name: holes[name], default=None)
    if worst is None or holes[worst] <= HOLES:
        return []
    text = f"Holes on the path {PRESETS[worst].label if worst in PRESETS else worst}, up to {holes[worst]:.1%}"
    return [Finding(text, "raise Point Size, or press Limit to Safe Range after adding the path")]


def safe_amplitude(report: dict) -> float:
    """Factor on the size of camera paths up to which the build's lines stay straight and its surfaces whole."""
    return 1.0 if _is_given(report) else (report.get("quality") or {}).get("amplitude") or 1.0


def _is_given(report: dict) -> bool:
    """Tell whether the depth is the user's own; it may be true, and true depth of foliage has cuts too."""
    return report.get("depth_source") == "file"


def _distortion(report: dict) -> list[Finding]:
    quality = report.get("quality") or {}
    bent, torn, shreds = (quality.get(name) or 0 for name in ("bent", "torn", "shreds"))
    if _is_given(report) or (bent <= BENT and torn <= TORN and shreds <= SHREDS):
        return []
    text = f"Camera moves bend {bent:.0%} of the straight lines" if bent > BENT else "Camera moves tear surfaces"
    amplitude = quality.get("amplitude") or 1.0
    return [Finding(text, f"lower Amplitude to {amplitude:.2g}, or correct the depth with strokes")]


def _loop(quality: dict) -> list[Finding]:
    found = []
    contrast, most = quality.get("contrast"), quality.get("contrast_max")
    if (quality.get("seam") or 0) > SEAM:
        found.append(Finding("The loop jumps where it restarts", "raise Loop Length, or lower Overall Speed"))
    if contrast is not None and contrast < CONTRAST[0]:
        found.append(Finding(f"Moving parts blur to {contrast:.0%} of their contrast", "lower Overall Speed"))
    if most is not None and most > CONTRAST[1]:
        found.append(Finding(f"Moving parts sharpen to {most:.0%} of their contrast", "lower Overall Speed"))
    if (quality.get("fidelity_db") or FIDELITY) < FIDELITY:
        found.append(Finding("Frame 1 differs from the photo", "lower Point Size, and check the depth"))
    return found


def _strokes(quality: dict) -> list[Finding]:
    if (quality.get("hint_angle_deg") or 0) > ANGLE:
        return [Finding("The flow leaves the strokes' direction", "press Show Flow, and draw where it goes wrong")]
    if (quality.get("hint_speed") or 0) > PACE:
        return [Finding("The flow leaves the strokes' speed", "press Show Flow, and adjust Stroke Speed")]
    return []
