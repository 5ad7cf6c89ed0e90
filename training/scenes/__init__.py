"""Landscapes for training: shapes, terrain and their arrangement, rendered with their depth."""
