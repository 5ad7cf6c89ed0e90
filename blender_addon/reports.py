"""Figures of builds that arrive after the undo step of their build.

A report is measured after the points have come into the scene. Undo steps hold it as it was before; after each undo and
redo a scene therefore gets the complete report of its build again.
"""

import bpy
from bpy.app.handlers import persistent

_complete: dict[str, str] = {}  # report as the undo step holds it -> complete report, as JSON


def complete(scene: bpy.types.Scene, before: str, report: str) -> None:
    """Replace a scene's report by the complete one, now and after every undo.

    Args:
        scene: The scene that the build was for.
        before: Its `report_json` when the points came in; a different one belongs to another build, and stays.
        report: The complete report, as JSON.
    """
    _complete[before] = report
    if scene.cinemagraph.report_json == before:
        scene.cinemagraph.report_json = report


@persistent
def _complete_again(*_arguments: object) -> None:
    for scene in bpy.data.scenes:
        report = _complete.get(scene.cinemagraph.report_json)
        if report is not None:
            scene.cinemagraph.report_json = report


_HANDLERS = (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post)


def register() -> None:
    for handlers in _HANDLERS:
        handlers.append(_complete_again)


def unregister() -> None:
    for handlers in _HANDLERS:
        handlers.remove(_complete_again)
    _complete.clear()
