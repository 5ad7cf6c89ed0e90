import bpy

scene = bpy.context.scene

scene.cycles.samples = 4
scene.render.resolution_percentage = 50
