"""The layers of the hints object: one row for each kind of stroke, with everything that Blender shows of it.

Facts that hold without Blender (whether a kind encloses an area, whether it is about depth) are in the row of the same
kind in `cinema_core/shared/stroke_kinds.py`. A new kind needs one row in each table.
"""

from dataclasses import dataclass

from ..cinema_core.shared.stroke_kinds import STROKE_KINDS, StrokeKind

ARROWHEADS, AREA, START = "ARROWHEADS", "AREA", "START"  # marks: along the stroke, a tint inside, a dot at its start
CYCLIC, NEARLY = "CYCLIC", "NEARLY"  # an outline if cyclic or filled; also if its ends nearly meet

Color = tuple[float, float, float]


@dataclass(frozen=True)
class HintLayer:
    """One layer of the hints object, and the kind of stroke that is drawn on it.

    Attributes:
        kind: The kind of its strokes, a name in `STROKE_KINDS`.
        name: Name of the layer and label of its button. Layers in .blend files are found by it: never change it.
        icon: Icon of its button.
        button_row: Row of its button, from the top: in the panel Depth for kinds about depth, else in Hints.
        color: Scene-linear tint of its strokes.
        tooltip: Tooltip of its button.
        mark: `ARROWHEADS`, `AREA`, `START`, or "" for no marks.
        closed_if: When a stroke that need not enclose an area does: `CYCLIC`, `NEARLY`, or "" for never.
    """

    kind: str
    name: str
    icon: str
    button_row: int
    color: Color
    tooltip: str
    mark: str = ""
    closed_if: str = ""

    @property
    def kind_row(self) -> StrokeKind:
        """The row of its kind in the core's table."""
        return STROKE_KINDS[self.kind]


# The order is that of the layers, from top to bottom.
_ROWS = (
    HintLayer(
        "motion", "Motion", "TRACKING_FORWARDS", 0, (1.0, 0.33, 0.03),
        "Draw along the flow with all its bends; a longer stroke flows faster",
        mark=ARROWHEADS, closed_if=CYCLIC,
    ),
    HintLayer(
        "region", "Region", "MOD_FLUIDSIM", 1, (0.2, 0.9, 0.35),
        "Draw the outline of flowing water, clouds or smoke",
        mark=AREA,
    ),
    HintLayer(
        "sway", "Sway", "FORCE_WIND", 1, (0.85, 0.3, 1.0),
        "Draw the outline of grass, branches or flags that swing to and fro; a Motion stroke across it sets the swing",
        mark=AREA,
    ),
    HintLayer(
        "still", "Still", "FREEZE", 2, (0.25, 0.6, 1.0),
        "Draw the outline of an area without motion, or a line or dot at which the motion comes to rest",
        closed_if=NEARLY,
    ),
    HintLayer(
        "outlet", "Outlet", "TRACKING_CLEAR_FORWARDS", 2, (1.0, 0.85, 0.05),
        "Draw along a border that the flow can cross, such as a weir or the mouth of a river",
    ),
    HintLayer(
        "same_depth", "Same Depth", "ALIGN_JUSTIFY", 1, (1.0, 1.0, 1.0),
        "Start on a surface whose depth is right, and draw over surfaces at the same distance",
        mark=START,
    ),
    HintLayer(
        "nearer", "Nearer", "SORT_ASC", 0, (1.0, 0.06, 0.12),
        "Start on a surface whose depth is right, and draw over surfaces nearer than it",
        mark=START,
    ),
    HintLayer(
        "farther", "Farther", "SORT_DESC", 0, (0.12, 0.1, 1.0),
        "Start on a surface whose depth is right, and draw over surfaces farther away than it",
        mark=START,
    ),
    HintLayer(
        "horizon", "Horizon", "REMOVE", 1, (0.0, 1.0, 0.9),
        "Draw along the horizon, even where an object hides it; the ground reaches up to it, and sky begins far above",
    ),
    HintLayer(
        "flat", "Flat", "MESH_PLANE", 2, (0.7, 0.4, 0.12),
        "Draw the outline of ground or water that is one plane",
        mark=AREA,
    ),
    HintLayer(
        "upright", "Upright", "EMPTY_SINGLE_ARROW", 2, (1.0, 0.3, 0.65),
        "Draw the outline, foot included, of an object that stands upright on the ground: a tree, a house, a person",
        mark=AREA,
    ),
    HintLayer(
        "depth_sky", "Sky", "OUTLINER_OB_VOLUME", 2, (0.45, 0.75, 1.0),
        "Draw the outline of sky and of everything else at infinite distance",
        mark=AREA,
    ),
)  # fmt: skip
LAYERS = {layer.name: layer for layer in _ROWS}  # name of the layer -> row
MOTION_LAYER = next(layer.name for layer in _ROWS if layer.kind == "motion")
# Names of the layers about motion, and about depth; the latter lie in a layer group.
MOTION_HINTS = tuple(layer.name for layer in _ROWS if not layer.kind_row.of_depth)
DEPTH_HINTS = tuple(layer.name for layer in _ROWS if layer.kind_row.of_depth)
DEPTH_GROUP = "Depth"


def layers_marked(mark: str) -> tuple[HintLayer, ...]:
    """Give the layers whose strokes get a mark."""
    return tuple(layer for layer in _ROWS if layer.mark == mark)


def button_rows(names: tuple[str, ...]) -> list[list[HintLayer]]:
    """Arrange layers in the rows of their buttons.

    Args:
        names: `MOTION_HINTS` or `DEPTH_HINTS`.
    """
    rows: dict[int, list[HintLayer]] = {}
    for name in names:
        rows.setdefault(LAYERS[name].button_row, []).append(LAYERS[name])
    return [rows[number] for number in sorted(rows)]
