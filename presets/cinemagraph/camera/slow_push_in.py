import bpy

settings = bpy.context.scene.cinemagraph

settings.path_name = "zoom-in"
settings.path_amplitude = 0.8
settings.path_loop = False
