"""Depth corrected by the user's strokes.

Imported by other rooms:

* apply: `apply_depth_strokes`
"""
