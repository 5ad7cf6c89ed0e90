"""Motion of a photo: hints and regions from strokes, and the fields that are solved for from them.

Imported by other rooms:

* hints: `Hints`, `read_hints`
* solve: `feather`, `solve_motion`
* streamlines: `join_streamlines`, `trace_streamlines`, `trace_swings`
* suggest: `suggest_strokes`
* sway: `phase_lag`, `solve_sway`, `stretch`
* trajectories: `Paths`, `Trajectories`, `trace_paths`
"""
