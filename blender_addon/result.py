"""Import of a finished job: its points become objects under the root that play by themselves."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bpy
import numpy as np

from ..cinema_core.shared import job_folder
from . import material, meshes, nodes
from . import scene as scene_objects

PART, KEY = "cinemagraph_part", "cinemagraph_key"  # custom properties of meshes: name of the part, id of its points
# Inputs of the modifiers that the artist sets, and a part of a later build takes over.
LIVE_INPUTS = ("Point Size", "Loop Length", "Start Frame", "Speed", "Offset", "Stop After")
Part = tuple[bpy.types.Object, bpy.types.NodesModifier]  # an object of points, and the modifier that plays it


def import_result(scene: bpy.types.Scene, job: Path, timing: dict | None = None) -> dict:
    """Bring a finished job into the scene in place of the previous one, and give its report.

    Objects of the previous build are reused with new meshes, so that the user's keyframes, modifiers and inputs on
    them stay. Meshes of identical points stay too. All new meshes are made before anything in the scene changes.

    Args:
        scene: A scene with a photo.
        job: The job folder.
        timing: Fields of the engine's answer that are added to the report.

    Raises:
        CinemaError: There is no finished job.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    settings = scene.cinemagraph
    still = _still_meshes(scene, report, points)
    playing, moving = _moving_meshes(scene, report, points)
    scene_objects.ensure_root(scene)
    _ensure_nodes(scene)
    before, now = (_defaults(one, settings) for one in (settings.report, report))
    _restore_modifiers(scene, before or now)
    for name in LIVE_INPUTS if before else ():
        chosen = get_input(scene, name, before[name])
        if _differs(chosen, before[name]):
            now[name] = chosen  # the user's own value, for new parts as well
    _assign_meshes(scene, still, settings.still_nodes, (before, now))
    for (_, modifier), inputs in zip(_assign_meshes(scene, moving, settings.moving_nodes, (before, now)), playing):
        nodes.set_inputs(modifier, inputs)
    settings.report_json = json.dumps((timing or {}) | report)
    scene_objects.extend_clipping(scene, max([1.0, *(layer["farthest"] for layer in report["layers"])]))
    return report


def parts(scene: bpy.types.Scene, moving_only: bool = False) -> list[Part]:
    """Give the objects of the last build that still exist, each with the modifier that plays it."""
    settings = scene.cinemagraph
    groups = (settings.moving_nodes,) if moving_only else (settings.still_nodes, settings.moving_nodes)
    found = []
    for part in settings.parts:
        if scene_objects.in_scene(part.object, scene):
            found += [
                (part.object, modifier)
                for modifier in part.object.modifiers
                if modifier.type == "NODES" and modifier.node_group is not None and modifier.node_group in groups
            ]
    return found


def get_input(scene: bpy.types.Scene, name: str, default: float = 0.0) -> float:
    """Give an input of the first modifier that has it, `default` while nothing is built."""
    values = (nodes.get_inputs(modifier).get(name) for _, modifier in parts(scene))
    return next((value for value in values if value is not None), default)


def set_input(scene: bpy.types.Scene, name: str, value: float) -> None:
    """Set an input on all modifiers that have it."""
    for _, modifier in parts(scene):
        nodes.set_inputs(modifier, {name: value})


def remove_result(scene: bpy.types.Scene) -> None:
    """Remove the points from the scene, and their node groups and material if nothing else uses them."""
    settings = scene.cinemagraph
    for part in settings.parts:
        if part.object is not None:
            _delete(part.object)
    settings.parts.clear()
    settings.report_json = ""
    for name, store in (("still_nodes", "node_groups"), ("moving_nodes", "node_groups"), ("material", "materials")):
        block = getattr(settings, name)
        setattr(settings, name, None)
        if block is not None and block.users == 0:
            getattr(bpy.data, store).remove(block)


def _still_meshes(scene: bpy.types.Scene, report: dict, points: dict[str, np.ndarray]) -> list[bpy.types.Mesh]:
    """One mesh for each layer."""
    layer = points["still_layer"]
    named = [(report["layers"][layer[chosen.start]]["name"], chosen) for chosen in _equal_slices(layer)]
    return _meshes(scene, named, _points_id(report, "still"), partial(meshes.still_mesh, points))


def _moving_meshes(
    scene: bpy.types.Scene, report: dict, points: dict[str, np.ndarray]
) -> tuple[list[dict], list[bpy.types.Mesh]]:
    """One mesh for each number of cycles, and the inputs that play it.

    The stored positions and colours are selected for a whole mesh, not for each point.
    """
    cycles = points["moving_cycles"]
    named = _moving_parts(report, cycles)
    made = _meshes(scene, named, _points_id(report, "moving"), partial(meshes.moving_mesh, points))
    return [
        {"Cycles": int(cycles[chosen.start]), "Pictures": meshes.pictures(points, chosen)} for _, chosen in named
    ], made


def _points_id(report: dict, kind: str) -> str:
    """Identify the points of a kind by their content and the version that stored them; "" if the report has no id."""
    known = report.get(f"{kind}_id")
    return f"{report['version']} {known}" if known else ""


def _meshes(
    scene: bpy.types.Scene, named: list[tuple[str, slice]], key: str, make: Callable[[str, slice], bpy.types.Mesh]
) -> list[bpy.types.Mesh]:
    """One mesh for each part; meshes of the last build with identical points are reused."""
    have = {item.data.get(KEY): item.data for item, _ in parts(scene)}
    found = []
    for name, chosen in named:
        own = f"{key} {name} {chosen.start}:{chosen.stop}" if key else ""
        mesh = have.get(own) if own else None
        if mesh is None:
            mesh = make(f"Cinemagraph {name}", chosen)
            mesh[PART], mesh[KEY] = name, own
        found.append(mesh)
    return found


def _moving_parts(report: dict, cycles: np.ndarray) -> list[tuple[str, slice]]:
    """Name and slice of the points that play together: of one kind of motion and one number of cycles."""
    found, start = [], 0
    for part in report.get("moving_parts") or [{"name": "Motion", "points": len(cycles)}]:
        end = start + part["points"]
        runs = _equal_slices(cycles[start:end])
        found += [(part["name"], slice(start + run.start, start + run.stop)) for run in runs]
        start = end
    return found


def _equal_slices(values: np.ndarray) -> list[slice]:
    """Slices of equal values; a build writes the points of a part one after the other."""
    borders = np.flatnonzero(np.diff(values)) + 1
    return [
        slice(start, stop)
        for start, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(values)])
        if start < stop
    ]


def _ensure_nodes(scene: bpy.types.Scene) -> None:
    settings = scene.cinemagraph
    settings.still_nodes = settings.still_nodes or nodes.create_still_group()
    if settings.moving_nodes is None or not nodes.plays_pictures(settings.moving_nodes):
        _replace_group(scene)
    settings.material = settings.material or material.create_material(nodes.COLOR)


def _replace_group(scene: bpy.types.Scene) -> None:
    """A new group for moving points, also in place of an earlier version's; the inputs of its modifiers stay.

    Sockets have the same identifiers in both, so that keyframes and drivers on inputs stay too.
    """
    settings, played = scene.cinemagraph, parts(scene, moving_only=True)
    old, settings.moving_nodes = settings.moving_nodes, nodes.create_moving_group()
    for _, modifier in played:
        inputs = nodes.get_inputs(modifier)
        modifier.node_group = settings.moving_nodes
        nodes.set_inputs(modifier, inputs)
    if old is not None and old.users == 0:
        bpy.data.node_groups.remove(old)


def _restore_modifiers(scene: bpy.types.Scene, inputs: dict) -> None:
    """Let objects play again whose modifier, or its node group, was removed by hand. Others' modifiers stay alone."""
    settings = scene.cinemagraph
    for part in settings.parts:
        item = part.object
        if not scene_objects.in_scene(item, scene) or item.type != "MESH":
            continue
        if all(one.type == "NODES" and one.node_group is None for one in item.modifiers):
            modifier = next(iter(item.modifiers), None) or item.modifiers.new("Cinemagraph", "NODES")
            moves = meshes.BIRTH in item.data.attributes
            modifier.node_group = settings.moving_nodes if moves else settings.still_nodes
            nodes.set_inputs(modifier, inputs)


def _defaults(report: dict, settings: bpy.types.PropertyGroup) -> dict:
    """The inputs that a build sets on its modifiers; {} before the first build."""
    if not report:
        return {}
    return {
        "Loop Length": report["frames"],
        "Start Frame": 1.0,
        "Speed": 1.0,
        "Offset": 0.0,
        "Stop After": 0,
        "Point Size": report["point_size"],
        "Keys": report["keys"],
        "Focal": settings.focal,
        "Built Focal": report["focal"],
        "Material": settings.material,
    }


def _assign_meshes(
    scene: bpy.types.Scene, new: list[bpy.types.Mesh], group: bpy.types.NodeTree, defaults: tuple[dict, dict]
) -> list[Part]:
    """Give the new meshes to the objects that play `group`; missing objects are made, surplus ones deleted."""
    settings = scene.cinemagraph
    have = [(item, modifier) for item, modifier in parts(scene) if modifier.node_group == group]
    filled = []
    for mesh, part in zip(new, _match_objects(new, have)):
        if part is None:
            item = _create(scene, mesh)
            modifier = item.modifiers.new("Cinemagraph", "NODES")
            modifier.node_group = group
            nodes.set_inputs(modifier, defaults[1])
            settings.parts.add().object = item
        else:
            item, modifier = part
            have.remove(part)
            _update_inputs(modifier, *defaults)
            if item.data != mesh:
                old, item.data = item.data, mesh
                _drop_mesh(old)
        filled.append((item, modifier))
    for item, _ in have:
        _delete(item)
    for index in reversed(range(len(settings.parts))):
        if not scene_objects.in_scene(settings.parts[index].object, scene):
            settings.parts.remove(index)
    return filled


def _match_objects(new: list[bpy.types.Mesh], have: list[Part]) -> list[Part | None]:
    """For each new mesh the object that takes it: one that showed the same part before, else any remaining one."""
    left, found = list(have), {}
    for same in (True, False):
        for index, mesh in enumerate(new):
            fits = [part for part in left if not same or part[0].data.get(PART) == mesh[PART]]
            if index not in found and fits:
                found[index] = fits[0]
                left.remove(fits[0])
    return [found.get(index) for index in range(len(new))]


def _update_inputs(modifier: bpy.types.NodesModifier, before: dict, now: dict) -> None:
    """Set the inputs to those of the new build, except inputs that the user has changed since the last one."""
    chosen = nodes.get_inputs(modifier)
    own = {name for name, value in chosen.items() if name in before and _differs(value, before[name])}
    own -= {"Keys", "Focal", "Built Focal"}  # these describe the mesh and its photo
    nodes.set_inputs(modifier, {name: value for name, value in now.items() if name not in own})


def _differs(a: object, b: object) -> bool:
    return abs(a - b) > 1e-5 * max(1.0, abs(b)) if isinstance(b, (int, float)) else a != b


def _create(scene: bpy.types.Scene, mesh: bpy.types.Mesh) -> bpy.types.Object:
    settings = scene.cinemagraph
    item = bpy.data.objects.new(mesh.name, mesh)
    item.parent = settings.root
    settings.collection.objects.link(item)
    return item


def _delete(item: bpy.types.Object) -> None:
    mesh = item.data
    bpy.data.objects.remove(item)
    _drop_mesh(mesh)


def _drop_mesh(mesh: bpy.types.Mesh) -> None:
    if mesh is not None and mesh.users == 0:
        bpy.data.meshes.remove(mesh)
