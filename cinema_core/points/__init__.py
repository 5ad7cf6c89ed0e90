"""Points of the scene, unprojected from the layers: still points, moving points along trajectories, backing points.

Imported by other rooms:

* backing: `BACKING_LAYER`
* footprint: `POINT_DIAMETER`, `covered_share`
* gaps: `LARGEST_CLOSING`
* merge: `count_points`
* moving: `join_points`, `moving_points`
* moving_surface: `MovingSurface`, `find_flowing_surface`, `find_swaying_surface`
* still: `still_points`
* sway: `sway_points`
"""
