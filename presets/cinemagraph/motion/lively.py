import bpy

settings = bpy.context.scene.cinemagraph

settings.speed = 2.0
settings.frames = 40
