"""The photo becomes moving points: the core of 3D Cinemagraph. Never imports bpy.

``python -m cinema_core`` is the command line and the engine that Blender starts. Blender's process imports
`cinema_core.shared` alone, which needs only the standard library and numpy. All other rooms may import torch, OpenCV
and scipy. Importing this package imports none of them.
"""

__version__ = "0.1.0"
