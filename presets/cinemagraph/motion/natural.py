import bpy

settings = bpy.context.scene.cinemagraph

settings.speed = 1.0
settings.frames = 60
