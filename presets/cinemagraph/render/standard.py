import bpy

scene = bpy.context.scene

scene.cycles.samples = 16
scene.render.resolution_percentage = 100
