"""Scenes for training: their shapes, terrain and arrangement, rendered together with their depth."""
