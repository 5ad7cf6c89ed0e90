import bpy

settings = bpy.context.scene.cinemagraph

settings.path_name = "side"
settings.path_amplitude = 1.5
settings.path_loop = True
