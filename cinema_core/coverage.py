"""Coverage: what a camera sees of which the photo tells nothing, and how far its path can be trusted.

Input: a job's points and the views of any perspective camera. Output: for each view how much of its frame is a *hole*,
where there is no point at all, and how much is *invented*, a surface that the photo's own camera does not see: what was
continued behind nearer things and beyond the photo's border.

The frame is looked at in samples, about `SAMPLES` along its longer side, and each is a hole if no point's disc covers
just that place. Discs keep their true size, so a coarse grid sees the same holes as a fine one: none too many, none too
few, only with less certainty how large they are (at 0.1 % of the frame, to a tenth of that).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from . import storage
from .camera import Camera, are_rigid
from .device import choose_device
from .errors import CinemaError
from .splatting import Cloud

HOLE, INVENTED, SEEN = 0, 1, 2
# Along the longer side; with OFFSET (of a sample's cell) chosen so that no common size puts the samples on the corners
# of the lattice of points, where discs just meet.
SAMPLES, OFFSET = 477.3, 0.38
BEHIND = 0.01  # of the depth; a point that much behind what the photo's camera sees at its pixel is invented
BED_BEHIND = 0.06  # the same for the bed, which lies behind what is seen to close its cracks, and is no invention there
ALIKE = 0.01  # of the depth; where an invented point is no nearer than this, what is seen beside it counts
COARSE = 64  # views looked at first; then those between them that matter
FINEST = 1 / 256  # of the path; how finely its safe size is found
LIMIT = 0.001  # share of holes up to which a frame is good, where nothing else is asked for
TRIES = 3  # to scale a path, should smaller moves not always be safer
COLORS = {HOLE: (255, 0, 70, 205), INVENTED: (40, 150, 255, 105), SEEN: (0, 0, 0, 0)}  # of the masks, RGBA
_CHUNK = 1 << 22  # samples within reach of discs that are looked at at once
_VIEWS = "Give poses (16 numbers each), lenses (focal x, y, centre x, y, near, far; px) and phases, one of each a view"


_Hit = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # cells of samples, depths, and points that cover them


@dataclass(frozen=True, eq=False)
class Views:
    """What is to be looked at.

    Attributes:
        width: px of the rendered frame.
        height: px of the rendered frame.
        poses: (N, 4, 4) float64 camera-to-world, core axes.
        lenses: (N, 6) float64: focal length across and down and principal point, px of the frame; nearest and farthest
            depth that is drawn, scene units.
        phases: (N,) float64, 0..1 of the loop.
    """

    width: int
    height: int
    poses: np.ndarray
    lenses: np.ndarray
    phases: np.ndarray

    def __len__(self) -> int:
        return len(self.poses)


@dataclass(frozen=True, eq=False)
class Coverage:
    """What was found.

    Attributes:
        uncovered: (N,) float64, share of each frame that is hole; between frames looked at, on the line between them.
        invented: (N,) float64, the same of what is invented.
        looked: Which views were looked at, ascending.
        factor: What the path was scaled to, 1 = as it was.
        masks: Labels of the views looked at, (rows, columns) uint8 each.
    """

    uncovered: np.ndarray
    invented: np.ndarray
    looked: list[int]
    factor: float = 1.0
    masks: dict[int, np.ndarray] = field(default_factory=dict)


class Inspector(Cloud):
    """Looks at a job's points and tells holes from what is invented and from what the photo shows.

    Args:
        points: Arrays as in points.npz.
        camera: The photo's camera.
        point_size: Diameter of a point in its own pixel footprints.
        bed: Layers of the still points that lie behind what is seen to close its cracks.
        device: torch device.
    """

    def __init__(
        self,
        points: dict[str, np.ndarray],
        camera: Camera,
        point_size: float,
        bed: Sequence[int] = (),
        device: str = "cpu",
    ) -> None:
        placed = {name: array for name, array in points.items() if "_color" not in name and "_mean" not in name}
        super().__init__(placed, camera, point_size, device)
        self._still_invented, self._moving_invented = self._invented(list(bed))

    def look(self, views: Views, index: int, pose: np.ndarray | None = None) -> np.ndarray:
        """Look at one view.

        Args:
            views: The views.
            index: Which one.
            pose: (4, 4), in place of the view's own.

        Returns:
            (rows, columns) uint8: `HOLE`, `INVENTED` or `SEEN`.
        """
        pitch = max(views.width, views.height) / SAMPLES
        columns, rows = (int(size / pitch - OFFSET) + 1 for size in (views.width, views.height))
        alive = self.alive(float(views.phases[index]))
        position, radius = self.place(alive)
        invented = torch.cat([self._still_invented, *(self._moving_invented[chosen] for _, chosen in alive)])
        lens = views.lenses[index] / (pitch, pitch, pitch, pitch, 1, 1) - (0, 0, OFFSET, OFFSET, 0, 0)
        pose = views.poses[index] if pose is None else pose
        nearest = torch.full((2 * rows * columns,), float("inf"), device=self.device)  # of what is seen, then invented
        for cell, depth, own in self._hits(position, radius, pose, lens, (rows, columns)):
            nearest.scatter_reduce_(0, cell + invented[own] * (rows * columns), depth, "amin")
        seen, made = nearest.view(2, rows, columns)
        label = torch.where(seen <= made * (1 + ALIKE), SEEN, INVENTED)
        return torch.where(torch.isinf(torch.minimum(seen, made)), HOLE, label).to(torch.uint8).cpu().numpy()

    def _invented(self, bed: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(S,) and (M,) int64: 1 for points that the photo's camera does not see at the start of the loop."""
        position = torch.cat([self.points["still_position"], self.points["moving_position"]])
        count, width, height = len(self.points["still_position"]), self.camera.width, self.camera.height
        middle = torch.tensor([width / 2, height / 2], device=self.device)
        depth = position[:, 2].clamp(min=1e-6)
        place = (position[:, :2] * (self.camera.focal / depth)[:, None] + middle).floor().long()
        inside = (place >= 0).all(1) & (place[:, 0] < width) & (place[:, 1] < height)
        pixel = torch.where(inside, place[:, 1] * width + place[:, 0], 0)
        nearest = torch.full((height * width,), float("inf"), device=self.device)
        nearest.scatter_reduce_(0, pixel[inside], depth[inside], "amin")
        behind = torch.full_like(depth, BEHIND)
        for layer in bed:
            behind[:count][self.points["still_layer"] == layer] = BED_BEHIND
        # those that are born later, on their way in from elsewhere, are as good as what they flow into
        late = torch.zeros_like(inside)
        late[count:] = self.points["moving_birth"] > 0
        invented = ~inside | ((depth > nearest[pixel] * (1 + behind)) & ~late)
        return invented[:count].long(), invented[count:].long()

    def _hits(
        self, position: torch.Tensor, radius: torch.Tensor, pose: np.ndarray, lens: np.ndarray, shape: tuple[int, int]
    ) -> Iterator[_Hit]:
        """Which samples are covered: their cells, at which depth, and by which points."""
        turn = torch.tensor(pose[:3, :3].T.copy(), dtype=torch.float32, device=self.device)
        away = turn @ torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)
        across, down, depth = torch.addmm(-away[:, None], turn, position.T)
        drawn = (depth > float(lens[4])) & (depth < float(lens[5]))
        near = 1 / depth.clamp(min=1e-6)
        across, down = (at * near * float(lens[axis]) + float(lens[2 + axis]) for axis, at in enumerate((across, down)))
        wide = radius * near * float(lens[0])
        tall = wide * float(lens[1] / lens[0])
        left, right = torch.ceil(across - wide).clamp(min=0), torch.floor(across + wide).clamp(max=shape[1] - 1)
        top, bottom = torch.ceil(down - tall).clamp(min=0), torch.floor(down + tall).clamp(max=shape[0] - 1)
        kept = torch.nonzero((right >= left) & (bottom >= top) & drawn).flatten()
        told = (across, down, wide, tall, left, top, right, bottom, depth)
        disc = torch.stack([torch.index_select(array, 0, kept) for array in told])
        several = (disc[6] > disc[4]) | (disc[7] > disc[5])
        one = torch.nonzero(~several).flatten()
        if len(one):  # most of a fine photo's points: no sample but one is near
            yield self._within(torch.index_select(disc, 1, one), 0, 0, torch.index_select(kept, 0, one), shape[1])
        several = torch.nonzero(several).flatten()
        disc, kept = torch.index_select(disc, 1, several), torch.index_select(kept, 0, several)
        columns, rows = (disc[6] - disc[4] + 1).long(), (disc[7] - disc[5] + 1).long()
        for part in _chunks(columns * rows):
            count = columns[part] * rows[part]
            own = torch.repeat_interleave(torch.arange(len(count), device=self.device), count)
            first, wide = torch.cumsum(count, 0) - count, columns[part][own]
            number = torch.arange(len(own), device=self.device) - first[own]
            down = torch.div(number, wide, rounding_mode="floor")
            box = torch.index_select(disc[:, part], 1, own)
            yield self._within(box, number - down * wide, down, kept[part][own], shape[1])

    @staticmethod
    def _within(
        disc: torch.Tensor, right: torch.Tensor | int, down: torch.Tensor | int, point: torch.Tensor, width: int
    ) -> _Hit:
        """Of samples so far right and down in the boxes around discs, those within the discs."""
        column, row = disc[4] + right, disc[5] + down
        off = ((column - disc[0]) / disc[2]) ** 2 + ((row - disc[1]) / disc[3]) ** 2
        hit = torch.nonzero(off < 1).flatten()
        cell = (row[hit].long() * width) + column[hit].long()
        return cell, disc[8][hit], point[hit]


def _chunks(counts: torch.Tensor) -> list[slice]:
    """Runs of discs that have about `_CHUNK` samples around them together: memory is bounded before a near surface."""
    if not len(counts):
        return []
    number = torch.cumsum(counts, 0) // _CHUNK
    borders = torch.nonzero(torch.diff(number)).flatten() + 1
    ends = [0, *borders.tolist(), len(counts)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def check_views(
    inspector: Inspector,
    views: Views,
    limit: float,
    home: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Coverage:
    """Look along a path, and with `home` scale it towards there until nothing is amiss.

    Args:
        inspector: Looks at the points.
        views: The path. Of a long one, `COARSE` views are looked at and then those between them where it is worst and
            where it turns bad.
        limit: Share of holes up to which a frame is good.
        home: (4, 4) pose of the photo's camera: the path is scaled towards it by the largest factor for which every
            frame is good. None leaves the path as it is.
        progress: Told the fraction done.

    Raises:
        CinemaError: Not even from `home` would every frame be good.
    """
    walk = _Walk(inspector, views, 1 if home is None else 3, progress)
    found = walk.along(limit)
    if home is None or found.uncovered.max() <= limit:
        return found
    walk.home = home
    for _ in range(TRIES):
        factor = _safe_factor(walk.share, walk.worst_first(found), limit, walk.factor)
        if factor is None:
            break
        walk.factor = factor
        found = walk.along(limit)
        if found.uncovered.max() <= limit:
            return found
    walk.factor = 0.0
    least = max(walk.share(index, 0.0) for index in found.looked)
    if least <= limit:  # smaller moves were not safer; none at all is
        return walk.along(limit)
    text = f"Even from the photo's own place this camera sees {least:.2%} of the frame where nothing is"
    raise CinemaError(text, "Give it a longer lens, or render in the photo's shape")


class _Walk:
    """Looks at views of one path, of any size."""

    def __init__(self, inspector: Inspector, views: Views, walks: int, progress: Callable[[float], None]) -> None:
        self.inspector, self.views = inspector, views
        self.home, self.factor = None, 1.0
        self._progress, self._done = progress, 0
        self._expected = walks * min(len(views), COARSE)  # how many looks; what comes on top nobody knows yet

    def along(self, limit: float) -> Coverage:
        """Look along the path at its present size."""
        masks: dict[int, np.ndarray] = {}

        def share(index: int) -> float:
            masks[index] = self._look(index, self.factor)
            return _share(masks[index], HOLE)

        shares = _look_along(len(self.views), share, limit)
        looked = sorted(shares)
        uncovered, invented = (
            np.interp(np.arange(len(self.views)), looked, values)
            for values in ([shares[index] for index in looked], [_share(masks[index], INVENTED) for index in looked])
        )
        return Coverage(uncovered, invented, looked, self.factor, masks)

    def share(self, index: int, factor: float) -> float:
        """Share of holes in a view of the path at that size."""
        return _share(self._look(index, factor), HOLE)

    @staticmethod
    def worst_first(found: Coverage) -> list[int]:
        return sorted(found.looked, key=lambda index: -found.uncovered[index])

    def _look(self, index: int, factor: float) -> np.ndarray:
        pose = self.views.poses[index]
        label = self.inspector.look(self.views, index, pose if factor == 1 else blend(self.home, pose, factor))
        self._done += 1
        self._progress(min(0.9 * self._done / self._expected, 1 - 0.1 * self._expected / self._done))
        return label


def _share(label: np.ndarray, kind: int) -> float:
    return float((label == kind).mean())


def _look_along(count: int, share: Callable[[int], float], limit: float) -> dict[int, float]:
    """Shares of the views that matter: spread evenly, then beside the worst one and where good ones turn bad."""
    step = -(-count // COARSE)
    shares = {index: share(index) for index in sorted({*range(0, count, step), count - 1})}
    fresh = True
    while fresh:
        known, worst = sorted(shares), max(shares, key=shares.get)
        fresh = {
            index: share(index)
            for index in (
                (a + b) // 2
                for a, b in itertools.pairwise(known)
                if b - a > 1 and (worst in (a, b) or (shares[a] > limit) != (shares[b] > limit))
            )
        }
        shares |= fresh
    return shares


def _safe_factor(
    share: Callable[[int, float], float], order: list[int], limit: float, factor: float
) -> float | None:
    """The largest factor, of steps of `FINEST`, up to `factor` for which all views are good; None where there is none.

    Most of the work is for the first, worst view: the others mostly are good at its factor.
    """
    high = round(factor / FINEST)
    for index in order:
        if share(index, high * FINEST) <= limit:
            continue
        if share(index, 0.0) > limit:
            return None
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if share(index, middle * FINEST) <= limit else (low, middle)
        high = low
    return high * FINEST


def blend(home: np.ndarray, pose: np.ndarray, factor: float) -> np.ndarray:
    """A pose on the straight way from `home` (factor 0) to `pose` (1), turning evenly.

    Args:
        home: (4, 4) camera-to-world.
        pose: (4, 4) camera-to-world.
        factor: 0..1.

    Returns:
        (4, 4) float64.
    """
    turn = cv2.Rodrigues(home[:3, :3].T @ pose[:3, :3])[0]
    mixed = np.eye(4)
    mixed[:3, :3] = home[:3, :3] @ cv2.Rodrigues(factor * turn)[0]
    mixed[:3, 3] = (1 - factor) * home[:3, 3] + factor * pose[:3, 3]
    return mixed


# A job


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about a job.

    Attributes:
        views: A function that gives the views once the photo's camera is known.
        limit: Share of holes up to which a frame is good.
        home: (4, 4) pose towards which the path is to be scaled; None leaves it.
        point_size: Diameter of the points in pixel footprints; None takes the build's.
        focal: px; where it is not the build's, all points stand wider or narrower, at the same pixels of the photo.
    """

    views: Callable[[Camera], Views]
    limit: float
    home: np.ndarray | None
    point_size: float | None
    focal: float | None


def answer(job: Path, question: Question, progress: Callable[[float], None] = lambda fraction: None) -> Coverage:
    """Look at a finished job.

    Raises:
        CinemaError: There is no finished job, the views are none, or not even from home all is well.
    """
    inspector = open_job(job, question.point_size, question.focal)
    return check_views(inspector, question.views(inspector.camera), question.limit, question.home, progress)


def open_job(job: Path, point_size: float | None = None, focal: float | None = None, device: str = "auto") -> Inspector:
    """An inspector of a finished job; arguments as in `Question`.

    Raises:
        CinemaError: There is no finished job.
    """
    report, points = storage.read_report(job), storage.read_points(job)
    camera = Camera(report["width"], report["height"], focal or report["focal"])
    scale = np.array((report["focal"] / camera.focal,) * 2 + (1,), np.float32)
    if (scale != 1).any():
        moved = ("still_position", "moving_position", "moving_displacement")
        points = points | {name: points[name] * scale for name in moved}
    bed = [number for number, layer in enumerate(report["layers"]) if layer["hidden"]]
    return Inspector(points, camera, point_size or report["point_size"], bed, choose_device(device))


def read_question(fields: dict) -> Question:
    """What a request asks: see `Question` and `read_views` for its fields; "limit" is 0.001 where it is left out.

    Raises:
        CinemaError: A field is not what it should be.
    """
    try:
        limit = float(fields.get("limit", LIMIT))
        size, focal = (None if fields.get(name) is None else float(fields[name]) for name in ("point_size", "focal"))
        home = None if fields.get("home") is None else np.array(fields["home"], np.float64).reshape(4, 4)
    except (TypeError, ValueError) as error:
        raise CinemaError("The request is none about coverage", "Give its fields as numbers") from error
    if not 0 <= limit <= 1 or any(value is not None and not 0 < value < 1e6 for value in (size, focal)):
        raise CinemaError("A number of the request is out of range", "limit is a share, point_size and focal are px")
    if home is not None and not are_rigid(home[None]):
        raise CinemaError("The home pose does more than turn and move", "Leave scale and shear out of it")
    return Question(lambda camera: read_views(fields, camera), limit, home, size, focal)


def photo_lens(camera: Camera, width: int, height: int) -> tuple[float, ...]:
    """The lens of `Views` of the photo's camera when it renders a frame of another size, as Blender fits it."""
    focal = camera.focal * max(width, height) / max(camera.width, camera.height)
    return focal, focal, width / 2, height / 2, 0.01, 1e9


def read_views(fields: dict, camera: Camera) -> Views:
    """The views of a request.

    Args:
        fields: poses ([16 numbers, ...], row by row), width and height; where they are left out, the lenses ([6
            numbers, ...]) are the photo camera's and the phases 0.
        camera: The photo's camera.

    Raises:
        CinemaError: They are no views.
    """
    try:
        width, height = (int(fields.get(name) or getattr(camera, name)) for name in ("width", "height"))
        poses = np.array(fields["poses"], np.float64).reshape(-1, 4, 4)
        lenses = np.array(fields.get("lenses") or [photo_lens(camera, width, height)] * len(poses), np.float64)
        phases = np.array(fields.get("phases") or [0.0] * len(poses), np.float64) % 1.0
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CinemaError("The request has no views", _VIEWS) from error
    fits = len(poses) and lenses.shape == (len(poses), 6) and phases.shape == (len(poses),) and min(width, height) > 0
    if not fits or not (np.isfinite(lenses).all() and np.isfinite(phases).all() and (lenses[:, :2] > 0).all()):
        raise CinemaError("The request's views are incomplete", _VIEWS)
    if not are_rigid(poses):
        raise CinemaError("A pose does more than turn and move", "Leave scale and shear out of the poses")
    return Views(width, height, poses, lenses, phases)


def write_masks(folder: Path, found: Coverage) -> list[str]:
    """Write a picture for every view, 0001.png and on: holes and what is invented in `COLORS`, all else transparent.

    A view that was not looked at gets the picture of the nearest one that was. Earlier pictures go.

    Returns:
        Their names.

    Raises:
        CinemaError: The folder cannot be written.
    """
    looked = np.array(found.looked)
    colors = np.zeros((256, 4), np.uint8)
    for kind, (red, green, blue, alpha) in COLORS.items():
        colors[kind] = blue, green, red, alpha
    pictures = {index: cv2.imencode(".png", colors[found.masks[index]])[1].tobytes() for index in found.looked}
    files = [folder / f"{index + 1:04d}.png" for index in range(len(found.uncovered))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9][0-9][0-9][0-9].png"):
            old.unlink()
        for index, file in enumerate(files):
            file.write_bytes(pictures[int(looked[np.abs(looked - index).argmin()])])
    except OSError as error:
        raise CinemaError(f"Cannot write to {folder} ({error.strerror or error})", "Choose another folder") from error
    return [str(file.absolute()) for file in files]
