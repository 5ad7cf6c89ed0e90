"""Data and files that Blender's process and the engine share. Standard library and numpy only."""
