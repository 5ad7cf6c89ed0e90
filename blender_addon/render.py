"""Render settings that keep the photo's colours; changed only on the user's request."""

from dataclasses import dataclass

import bpy

from .versions import write_video


@dataclass(frozen=True)
class RenderChoice:
    """Render settings that the user has chosen.

    Attributes:
        samples: Cycles samples per pixel.
        filter_width: Width of the Gaussian pixel filter, px.
        fps: Frames per second.
        path: Output file (MP4).
    """

    samples: int
    filter_width: float
    fps: int
    path: str


def set_up(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    """Set Cycles, colour management and an MP4 output."""
    _set_engine(scene, choice)
    _set_color(scene)
    _set_output(scene.render, choice)


def _set_engine(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples, cycles.use_adaptive_sampling, cycles.use_denoising = choice.samples, False, False
    cycles.pixel_filter_type, cycles.filter_width = "GAUSSIAN", choice.filter_width
    cycles.max_bounces = 0  # the points emit their colour
    cycles.use_animated_seed = False  # noise that changes with each frame would make still parts flicker
    scene.render.use_persistent_data = True  # still points are not rebuilt for every frame
    scene.render.use_motion_blur = False


def _set_color(scene: bpy.types.Scene) -> None:
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = "Standard", "None", 0.0, 1.0
    scene.render.dither_intensity = 0.0


def _set_output(render: bpy.types.RenderSettings, choice: RenderChoice) -> None:
    write_video(render.image_settings)
    video = render.ffmpeg
    video.format, video.codec = "MPEG4", "H264"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    render.fps, render.fps_base = choice.fps, 1.0
    render.use_file_extension = True
    render.filepath = choice.path
