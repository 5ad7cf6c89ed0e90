"""The kinds of strokes: one row for each. Standard library only.

A new kind is a row here and a row in `blender_addon/hint_layers.py`, which says how Blender shows it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StrokeKind:
    """One kind of stroke.

    Attributes:
        name: Name of the kind in our stroke files, and `Stroke.kind`.
        label: Label of its shapes in a labelme file; on reading, the start of the label decides.
        encloses: The stroke is the outline of an area, even where it is drawn as an open line.
        of_depth: The stroke corrects the depth; all others are about the motion.
        any_label: On reading, takes the labelme areas whose label starts like that of no other kind.
    """

    name: str
    label: str
    encloses: bool = False
    of_depth: bool = False
    any_label: bool = False


_ROWS = (
    StrokeKind("motion", "hint"),
    # The label of a region is the one that the program of Li et al. (CVPR 2023) uses.
    StrokeKind("region", "motion", encloses=True, any_label=True),
    StrokeKind("sway", "sway", encloses=True),
    StrokeKind("still", "still"),
    StrokeKind("outlet", "outlet"),
    StrokeKind("same_depth", "depth_same", of_depth=True),
    StrokeKind("nearer", "depth_nearer", of_depth=True),
    StrokeKind("farther", "depth_farther", of_depth=True),
    StrokeKind("horizon", "depth_horizon", of_depth=True),
    StrokeKind("flat", "depth_flat", encloses=True, of_depth=True),
    StrokeKind("upright", "depth_upright", encloses=True, of_depth=True),
    StrokeKind("depth_sky", "depth_sky", encloses=True, of_depth=True),
)
STROKE_KINDS = {kind.name: kind for kind in _ROWS}  # name -> row

KINDS = tuple(STROKE_KINDS)
DEPTH_KINDS = tuple(kind.name for kind in _ROWS if kind.of_depth)
ENCLOSING_KINDS = tuple(kind.name for kind in _ROWS if kind.encloses)
DEPTH_AREAS = tuple(kind.name for kind in _ROWS if kind.of_depth and kind.encloses)
LABEL_STARTS = {kind.label: kind.name for kind in _ROWS if not kind.any_label}  # start of a labelme label -> kind
