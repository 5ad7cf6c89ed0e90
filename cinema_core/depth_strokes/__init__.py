"""Depth corrected by strokes that the user draws over the photo.

Imported by other rooms:

* apply: `apply_depth_strokes`
"""
