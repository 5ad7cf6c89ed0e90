"""Names of the files in a job folder, and the arrays of its points."""

from __future__ import annotations

# Version of the report and the points. Raise it when job folders of earlier versions would be read wrongly; they are
# then built again. 2: "spread" became "radius_factor". 3: moving points carry colours for every cycle.
SCHEMA = 3
RECORD_SCHEMA = 1  # version of the journal and of the list of the job's own files
REPORT, TIMING, STAGES, STROKES = "report.json", "timing.json", "stages.json", "strokes.json"
PHOTO, DEPTH, MOTION, REGION, LAYERS = "photo.png", "depth.npy", "motion.npy", "region.png", "layers.npz"
FLOW, DEPTH_PREVIEW = "flow_preview.npz", "depth_preview.npz"
DEPTH_NOTE, DEPTH_BASE, DEPTH_BASE_NOTE = "depth.json", "depth_base.npy", "depth_base.json"
# Arrays of the points: name -> shape with S still points and M moving points; "K" stands for the K + 1 stored phases,
# "J" for the cycles. Core frame, float32, colours sRGB 0..1 unless `POINTS_DTYPES` says otherwise. Meaning:
# `data.StillPoints`, `data.MovingPoints`.
POINTS = {
    "still_position": ("S", 3),
    "still_color": ("S", 3),
    "still_radius_factor": ("S",),
    "still_layer": ("S",),
    "moving_position": ("M", 3),
    "moving_displacement": ("K", "M", 3),
    "moving_birth": ("M",),
    "moving_death": ("M",),
    "moving_colors": ("J", 2, "M", 4),
    "moving_radius_factor": ("M",),
    "moving_cycles": ("M",),
}
POINTS_DTYPES = {"still_layer": "int16", "moving_cycles": "int16", "moving_colors": "uint8"}  # float32 where not named
# Axis of each array that counts its points.
POINT_AXES = {
    name: next(axis for axis, size in enumerate(shape) if size in ("S", "M")) for name, shape in POINTS.items()
}
POINTS_FILES = {name: f"points/{name}.npy" for name in POINTS}
NAMES = (REPORT, TIMING, STAGES, STROKES, PHOTO, DEPTH, DEPTH_NOTE, DEPTH_BASE, DEPTH_BASE_NOTE, DEPTH_PREVIEW, MOTION,
         REGION, LAYERS, FLOW, *POINTS_FILES.values())  # fmt: skip
