"""The photo becomes moving points: the core of 3D Cinemagraph. Never imports bpy.

``python -m cinema_core`` is the command line and the engine that Blender starts. Modules that Blender's own
process imports (``errors``, ``data``, ``camera``, ``storage``, ``strokes``) need the standard library and
numpy only; all others may import torch, OpenCV and scikit-learn. Importing this package imports none of them.
"""

__version__ = "0.1.0"
