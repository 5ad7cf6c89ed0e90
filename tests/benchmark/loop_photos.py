"""Figures of photos' loops: different frames, double exposure, look, seam, fidelity, still pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from loop_measures import beat, different_frames, look, luma, psnr
from loop_points import Builder, Loop

# No number of repeats within a loop divides 11, so the phases fall on 11 different moments of every cycle.
PHASES = tuple(n / 11 for n in range(11))
SPEEDS = (0.2, 0.7, 2.0, 6.0)  # px/frame, median of the moving pixels
DIFFER, BETWEEN = 0.1, (0.2, 0.8)  # sRGB and weights; a mix of two colours beyond them is a double exposure
WINDOW = 48  # px, sides of the window in which all frames are compared with each other
Row = tuple[str, str, dict[str, float]]


def photo_figures(photo: Path, annotations: Path | None, side: int) -> Iterator[Row]:
    """Yields (name, text, values for the table) of every figure of a photo.

    Args:
        photo: The photo.
        annotations: Its strokes; None takes the suggested ones.
        side: px, longest side of the working photo.
    """
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder), photo, annotations=annotations)
        loop = builder.build(max_side=side)
        if not loop.moving.any():
            yield "nothing moves", "", {}
            return
        size = f"{loop.photo.shape[1]}x{loop.photo.shape[0]}"
        share = 100 * loop.moving.mean()
        yield "size; moving, %; px/frame; cycles", f"{size}; {share:.0f}; {loop.speed:.2f}; {loop.cycles}", {}
        yield from _pictures(loop)
        yield from _frame_counts(builder, loop, side)


def _pictures(loop: Loop) -> Iterator[Row]:
    frames = {phase: loop.frame(phase) for phase in PHASES}
    yield _double(loop)
    yield from look_rows([look(frames[phase], loop.photo, loop.moving) for phase in PHASES])
    step = 1 / loop.frames
    inner = [_difference(frames[p], loop.frame(p + step), loop.moving) for p in PHASES[1::2]]
    seam = _difference(loop.frame(1 - step), frames[0.0], loop.moving) / np.median(inner)
    yield "seam", f"{seam:.2f}", {"seam": seam}
    whole = [loop.frame(phase, True) for phase in (0.0, *PHASES[2::3])]
    fidelity = psnr(whole[0], loop.photo, np.ones_like(loop.region))
    in_region = psnr(whole[0], loop.photo, loop.region)
    yield "fidelity at phase 0, dB", f"{fidelity:.1f}, in the region {in_region:.1f}", {"fidelity": fidelity}
    levels = np.rint(np.stack(whole) * 255)
    changed = (np.abs(levels - levels[0]) > 0).any((0, 3))
    away = changed & (cv2.dilate(loop.region.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    still = int((changed & ~loop.region).sum())
    yield (
        "still pixels that change",
        f"{still}, {away.sum()} of them over 2 px from the region",
        {"still": float(away.sum())},
    )


def _double(loop: Loop) -> Row:
    shares = [100 * loop.double(p, DIFFER, BETWEEN).sum() / loop.moving.sum() for p in PHASES]
    most, mean = max(shares), float(np.mean(shares))
    ratio = most / max(mean, 1e-9)
    text = f"most {most:.1f}, mean {mean:.1f}, ratio {ratio:.2f}; by phase {' '.join(f'{s:.0f}' for s in shares)}"
    return "double exposure, % of moving px", text, {"double": most, "pulse": ratio}


def look_rows(looks: list[dict[str, float]]) -> Iterator[Row]:
    """Rows of the look, least and greatest over frames, in % of the photo's."""
    worst = {}
    for name in looks[0]:
        values = [100 * each[name] for each in looks]
        worst[name] = max(values, key=lambda value: abs(value - 100))
        yield f"{name}, % of the photo's", f"{min(values):.0f} to {max(values):.0f}", {name: worst[name]}
    outside = np.mean([[abs(value - 1) > 0.1 for value in each.values()] for each in looks])
    yield "look beyond 10 %, % of figures", f"{100 * outside:.0f}", {"look": 100 * float(outside)}


def _frame_counts(builder: Builder, loop: Loop, side: int) -> Iterator[Row]:
    """Different frames at several speeds, and of a long loop at the speed of the strokes."""
    window = busiest_window(loop.moving)
    counts = {}
    for speed in SPEEDS:
        other = builder.build(max_side=side, speed=min(100.0, speed / loop.speed))
        counts[speed] = _count(other, window)
    text = ", ".join(f"{speed:g}: {found[0]} (beat {found[1]:.2f} at {found[2]})" for speed, found in counts.items())
    least = min(found[0] for found in counts.values())
    yield "different frames of 60, at px/frame", text, {"of 60": least, "beat": max(f[1] for f in counts.values())}
    count, strength, lag = _count(builder.build(max_side=side, frames=300), window)
    yield "different frames of 300", f"{count} (beat {strength:.2f} at {lag})", {"of 300": count}


def _count(loop: Loop, window: tuple[slice, slice]) -> tuple[int, float, int]:
    frames = loop.window_frames(window)[:, loop.moving[window]]
    return different_frames(frames), *beat(np.stack([luma(frame[None])[0] for frame in frames]))


def busiest_window(moving: np.ndarray) -> tuple[slice, slice]:
    """The window of `WINDOW` px a side with the most moving pixels."""
    share = cv2.boxFilter(moving.astype(np.float32), -1, (WINDOW, WINDOW), borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(share.argmax()), share.shape)
    starts = (max(0, min(int(at) - WINDOW // 2, side - WINDOW)) for at, side in zip((row, column), moving.shape))
    first, second = starts
    return slice(first, first + WINDOW), slice(second, second + WINDOW)


def _difference(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(a - b)[where].mean())
