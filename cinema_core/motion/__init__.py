"""Motion of a photo: hints and regions read from strokes, and the motion fields solved from them.

Imported by other rooms:

* flowing: `FlowingPart`, `find_flowing`
* flow_maps: `FlowMaps`, `trace_flow_maps`
* hints: `Hints`, `read_hints`
* solve: `MotionConstraints`, `feather`, `solve_motion`
* streamlines: `join_streamlines`, `trace_streamlines`, `trace_swings`
* suggest: `suggest_strokes`
* sway: `phase_lag`, `solve_sway`, `stretch`
* trajectories: `Paths`, `Trajectories`, `trace_paths`
"""
