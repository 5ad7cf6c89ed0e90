"""Depth from the Z pass in Blender's OpenEXR files. Blender 5's environment has no engine but numpy and OpenEXR."""

import bpy
import numpy as np
import pytest

from cinema_core.files.exr import list_channels, read_channels


@pytest.fixture(scope="module")
def rendered() -> bpy.types.Scene:
    """A slanted plane in front of an empty world, rendered with the Z pass."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=2, location=(0, 6, 0), rotation=(1.0, 0, 0))
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.rotation_euler = (np.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 48, 32, 100
    scene.view_layers[0].use_pass_z = True
    bpy.ops.render.render()
    return scene


def saved(scene: bpy.types.Scene, path, codec: str) -> bytes:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # since Blender 5.0
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.exr_codec, settings.color_depth = "OPEN_EXR_MULTILAYER", codec, "32"
    bpy.data.images["Render Result"].save_render(str(path), scene=scene)
    return path.read_bytes()


@pytest.mark.parametrize("codec", ["NONE", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "DWAA", "DWAB"])
def test_the_z_pass_is_found_and_read(rendered, tmp_path, codec):
    data = saved(rendered, tmp_path / "z.exr", codec)
    channels = list_channels(data)
    (name,) = (name for name in channels if "Depth" in name)
    (depth,) = read_channels(data, [channels[name]])
    assert depth.shape == (32, 48) and depth[0, 0] > 1e9  # no surface
    middle = depth[10:22, 24]  # farther up is farther away
    assert (np.diff(middle) < 0).all() and 4 < middle[-1] < 6 < middle[0] < 9


@pytest.mark.parametrize("length", [0, 3, 9, 60, 400, -100])
def test_a_damaged_file_raises_value_error(rendered, tmp_path, length):
    data = saved(rendered, tmp_path / "z.exr", "ZIP")[:length]
    with pytest.raises(ValueError):
        read_channels(data, list(list_channels(data).values()))
