import bpy

settings = bpy.context.scene.cinemagraph

settings.speed = 0.5
settings.frames = 90
