"""Makes the depth network: scenes rendered by Blender, training, evaluation. Not part of the extension."""
