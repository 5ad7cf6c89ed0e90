"""Render settings that show the photo's colours as they were. Only ever on the user's request."""

from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class RenderChoice:
    """What the user chose.

    Attributes:
        samples: Cycles samples per pixel.
        filter_width: px of the Gaussian pixel filter.
        fps: Frames per second.
        path: Output file (mp4).
    """

    samples: int
    filter_width: float
    fps: int
    path: str


def set_up(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    """Set Cycles, colour management and an mp4 output."""
    _set_engine(scene, choice)
    _set_color(scene)
    _set_output(scene.render, choice)


def _set_engine(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples, cycles.use_adaptive_sampling, cycles.use_denoising = choice.samples, False, False
    cycles.pixel_filter_type, cycles.filter_width = "GAUSSIAN", choice.filter_width
    cycles.max_bounces = 0  # the points shine by themselves
    cycles.use_animated_seed = False  # grain that changes from frame to frame would move what stands still
    scene.render.use_persistent_data = True  # the still points are not built anew for every frame
    scene.render.use_motion_blur = False


def _set_color(scene: bpy.types.Scene) -> None:
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "Standard", "None", 0.0, 1.0
    scene.render.dither_intensity = 0.0


def _set_output(render: bpy.types.RenderSettings, choice: RenderChoice) -> None:
    image = render.image_settings
    if hasattr(image, "media_type"):  # Blender 5 asks for it before it knows of FFMPEG
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    video = render.ffmpeg
    video.format, video.codec = "MPEG4", "H264"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    render.fps, render.fps_base = choice.fps, 1.0
    render.use_file_extension = True
    render.filepath = choice.path
