import bpy

settings = bpy.context.scene.cinemagraph

settings.path_name = "circle"
settings.path_amplitude = 0.5
settings.path_loop = True
