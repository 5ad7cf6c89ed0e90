"""Order of depth in real photographs: the point pairs of pairs.txt, and the share that a depth map gets wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

PAIRS = Path(__file__).with_name("pairs.txt")
LEVEL_TOLERANCE = 4.5  # percent of the height; points that differ by less are at equal height


@dataclass(frozen=True)
class Pair:
    """Two points of a photograph, as shares of its width and height. `near` is nearer than `far`."""

    photo: str
    near: tuple[float, float]
    far: tuple[float, float]
    thin: bool

    @property
    def kind(self) -> str:
        """One of "thin", "equal height", "upper nearer" and "lower nearer"."""
        if self.thin:
            return "thin"
        fall = 100 * (self.near[1] - self.far[1])
        return "equal height" if abs(fall) < LEVEL_TOLERANCE else "lower nearer" if fall > 0 else "upper nearer"


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """Pairs of a file in the format of pairs.txt.

    Its percentages may have decimals, since a pixel of a photograph is 0.14 % of its width.
    """
    pairs = []
    for line in path.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        photo, entries = line.split(":")
        for entry in entries.split(","):
            words = entry.split()
            x, y, far_x, far_y = (float(word) / 100 for word in words[:4])
            pairs.append(Pair(photo, (x, y), (far_x, far_y), words[4:] == ["t"]))
    return pairs


def is_wrong(pair: Pair, nearness: np.ndarray) -> bool:
    """True if the map ((H, W), larger is nearer) does not put the first point nearer; points are 3 x 3 medians."""
    return bool(_median_at(nearness, pair.near) <= _median_at(nearness, pair.far))


def _median_at(values: np.ndarray, point: tuple[float, float]) -> float:
    height, width = values.shape
    column, row = int(point[0] * width), int(point[1] * height)
    return float(np.median(values[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]))


def summarise(wrong: list[tuple[Pair, bool]]) -> str:
    """Shares of wrong pairs as text, overall and by kind."""
    kinds: dict[str, list[bool]] = {}
    for pair, failed in wrong:
        kinds.setdefault(pair.kind, []).append(failed)
    parts = [f"{kind} {100 * np.mean(failed):.1f} % of {len(failed)}" for kind, failed in sorted(kinds.items())]
    return f"{100 * np.mean([failed for _, failed in wrong]):.1f} % of {len(wrong)} pairs wrong ({', '.join(parts)})"
