import bpy

scene = bpy.context.scene

scene.cycles.samples = 64
scene.render.resolution_percentage = 100
