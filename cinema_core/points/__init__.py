"""Points of the scene, unprojected from the layers: still, moving along trajectories, and backing.

Imported by other rooms:

* footprint: `covered_share`
* merge: `count_points`
* moving: `join_points`, `moving_points`
* moving_surface: `MovingSurface`, `find_flowing_surface`, `find_swaying_surface`
* still: `still_points`
* sway: `sway_points`
"""
