"""The intact files and requests that are mutated: small ones of every format that the program reads."""

from __future__ import annotations

import base64
import io
import json
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pillow_heif
import tifffile
from pictures import landscape
from PIL import Image

from cinema_core.files.exr import encode_channels
from cinema_core.files.flow import write_flow
from cinema_core.shared.labelme import write_labelme
from cinema_core.shared.stroke_files import read_strokes

SIZE = (96, 60)  # px of the working photo
FILE_SIZE = (320, 200)  # px of its file


def photos() -> list[tuple[str, bytes]]:
    """(suffix, content) of a small photo in each format."""
    pixels = landscape(72, 44)
    deep, image = pixels.astype(np.uint16) * 257, Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 28
    icc = _profile()
    light = (pixels / 255).astype(np.float32) ** 2.2
    found = [
        (".png", _saved(image, "PNG", icc_profile=icc, exif=exif)),
        (".png", _saved(image.convert("P"), "PNG", transparency=3)),
        (".png", cv2.imencode(".png", deep)[1].tobytes()),
        (".jpg", _saved(image, "JPEG", exif=exif, icc_profile=icc)),
        (".jpg", _saved(image, "JPEG", progressive=True, quality=80)),
        (".jpg", _saved(image.convert("CMYK"), "JPEG")),
        (".webp", _saved(image, "WEBP", exif=exif)),
        (".webp", _saved(image.convert("RGBA"), "WEBP", lossless=True)),
        (".bmp", _saved(image, "BMP")),
        (".bmp", _saved(image.convert("P"), "BMP")),
        (".avif", _saved(image, "AVIF", exif=exif)),
        (".heic", _heic(image, exif)),
        (".exr", encode_channels({name: light[..., place] for place, name in enumerate("RGB")})),
        (".exr", _exr_of_parts(light)),
    ]
    for options in (
        {"compression": "deflate", "rowsperstrip": 16}, {"compression": "lzw", "predictor": True}, {"bigtiff": True},
        {"compression": "jpeg"}, {"planarconfig": "separate", "tile": (16, 16)}, {"compression": "webp"},
    ):  # fmt: skip
        planar = options.get("planarconfig") == "separate"
        found.append((".tif", _tiff(np.moveaxis(deep, -1, 0) if planar else pixels, photometric="rgb", **options)))
    found.append((".tif", _tiff(light, photometric="rgb", compression="zstd")))
    found.append((".tif", _saved(image.convert("CMYK"), "TIFF", compression="tiff_lzw")))
    return found


def depth_maps() -> list[tuple[str, bytes]]:
    """(suffix, content) of a depth map in each format, with disparity or distances."""
    depth = np.linspace(1, 30, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE[::-1])[::-1].copy()
    deep = (65535 / depth).astype(np.uint16)
    pfm = b"Pf\n%d %d\n-1.0\n" % SIZE + depth[::-1].tobytes()
    return [
        (".png", cv2.imencode(".png", deep)[1].tobytes()),
        (".png", cv2.imencode(".png", (deep >> 8).astype(np.uint8))[1].tobytes()),
        (".jpg", cv2.imencode(".jpg", (deep >> 8).astype(np.uint8))[1].tobytes()),
        (".tif", _tiff(depth)),
        (".tif", _tiff(deep, compression="deflate")),
        (".webp", cv2.imencode(".webp", np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, 2))[1].tobytes()),
        (".bmp", cv2.imencode(".bmp", (deep >> 8).astype(np.uint8))[1].tobytes()),
        (".exr", encode_channels({"ViewLayer.Depth.Z": depth})),
        (".exr", encode_channels({"Y": 1 / depth})),
        (".pfm", pfm),
        (".npy", _npy(depth)),
        (".npy", _npy((1 / depth).astype(np.float64)[None])),
        (".npz", _npz({"depth": depth, "other": deep})),
        (".npz", _npz({"arr_0": depth}, zipfile.ZIP_DEFLATED)),
    ]


def flows() -> list[tuple[str, bytes]]:
    """(suffix, content) of a motion field in each format."""
    flow = np.zeros((*SIZE[::-1], 2), np.float32)
    flow[30:50, 20:70] = (0.5, -0.25)
    vector = {f"ViewLayer.Vector.{name}": flow[..., place % 2] for place, name in enumerate("XYZW")}
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".flo", ".npy", ".exr"):
            write_flow(Path(folder) / f"flow{suffix}", flow)
            files.append((suffix, (Path(folder) / f"flow{suffix}").read_bytes()))
    return [*files, (".npy", _npy(flow.astype(np.float64))), (".exr", encode_channels(vector))]


def masks() -> list[tuple[str, bytes]]:
    """(suffix, content) of a mask in each format: painted, of labels, soft."""
    painted = np.zeros(SIZE[::-1], np.uint8)
    painted[30:50, 20:70] = 255
    labels = Image.fromarray(painted // 255 * 3).convert("P")
    labels.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 192, 128, 128])
    soft = cv2.GaussianBlur(painted, (0, 0), 3)
    encoded = [(suffix, cv2.imencode(suffix, soft)[1].tobytes()) for suffix in (".png", ".jpg", ".bmp")]
    rgba = np.dstack([painted, painted, painted, soft])
    return [
        *encoded,
        (".webp", cv2.imencode(".webp", rgba)[1].tobytes()),
        (".tif", _tiff(painted, compression="lzw")),
        (".png", _saved(labels, "PNG")),
        (".png", cv2.imencode(".png", rgba.astype(np.uint16) * 257)[1].tobytes()),
        (".npy", _npy(painted > 0)),
        (".npy", _npy((painted / 255).astype(np.float32))),
        (".npy", _npy(painted[None].astype(np.int64))),
    ]


def annotations() -> list[object]:
    """The content of stroke files, our own and labelme's, with every kind of stroke."""
    area = [[20, 90], [300, 90], [300, 190], [20, 190]]
    line = [[60, 150], [110, 152], [150, 140]]
    kinds = ("motion", "region", "still", "sway", "outlet", "same_depth", "nearer", "farther", "horizon", "flat",
             "upright", "depth_sky")  # fmt: skip
    closed = ("region", "sway", "flat", "upright", "depth_sky")
    strokes = [
        {"kind": kind, "points": area if kind in closed else line, "closed": kind in closed, "speed": 1.5}
        for kind in kinds
    ]
    strokes[0]["profile"] = [1, 0.5, 0.25]
    own = {"schema": 1, "width": FILE_SIZE[0], "height": FILE_SIZE[1], "strokes": strokes}
    motion = own | {"strokes": strokes[:4]}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "own.json").write_text(json.dumps(own))
        write_labelme(
            Path(folder) / "a.json", read_strokes(Path(folder) / "own.json", FILE_SIZE), FILE_SIZE, "photo.png"
        )
        labelme = json.loads((Path(folder) / "a.json").read_text())
    shapes = [
        {"label": "river", "shape_type": "rectangle", "points": [[20, 90], [300, 190]]},
        {"label": "pond", "shape_type": "circle", "points": [[160, 130], [180, 130]]},
        {"label": "lake", "shape_type": "mask", "points": [[20, 90], [60, 120]], "mask": _mask_text()},
        {"label": "hint0", "shape_type": "linestrip", "points": line, "description": "speed=2 profile=1,1,0.5"},
        {"label": "still", "shape_type": "point", "points": line[:1]},
        {"label": "cat", "shape_type": "points", "points": line},
    ]
    return [own, motion, labelme, labelme | {"shapes": shapes}]


def requests(folder: Path) -> list[object]:
    """Requests of every command of `serve` about the job in a folder, which `job` has made there."""
    photo, out = str(folder / "photo.png"), str(folder / "job")
    pose = np.eye(4).ravel().tolist()
    options = {"max_side": 64, "frames": 30, "speed": 1.5, "depth_kind": "auto", "thin": True, "depth_model": ""}
    build = {"id": 1, "photo": photo, "out": out, "annotations": str(folder / "a.json"), "depth": None,
             "region": None, "flow": None, "still": False, "options": options}  # fmt: skip
    lens = [80.0, 80.0, 48.0, 30.0, 0.01, 1e9]
    coverage = {"id": "c", "command": "coverage", "out": out, "poses": [pose, pose], "lenses": [lens, lens],
                "phases": [0.0, 0.5], "width": 96, "height": 60, "point_size": 1.4, "focal": 96.0, "limit": 0.01,
                "photo_pose": None, "masks": str(folder / "masks")}  # fmt: skip
    return [
        {"id": 7, "command": "open", "photo": photo, "out": str(folder / "open"), "max_side": 64, "focal": 50.5},
        *({"command": name} | build for name in ("build", "flow", "depth")),
        {"id": 10, "command": "suggest", "photo": photo, "out": out, "max_side": 64, "focal": None},
        {"id": 11, "command": "export", "out": out, "file": str(folder / "motion.npy")},
        coverage,
        coverage | {"photo_pose": pose},
        {"cancel": 8},
    ]


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _heic(image: Image.Image, exif: Image.Exif) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=60, exif=exif.tobytes())
    return file.getvalue()


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def _exr_of_parts(light: np.ndarray) -> bytes:
    """Two parts, in tiles and compressed with loss."""
    parts = [
        OpenEXR.Part(
            {"compression": compression, "type": OpenEXR.scanlineimage},
            {f"{name}.{channel}": np.ascontiguousarray(light[..., place]) for place, channel in enumerate("RGB")},
            name,
        )
        for name, compression in (("Combined", OpenEXR.PIZ_COMPRESSION), ("Other", OpenEXR.PXR24_COMPRESSION))
    ]
    file = io.BytesIO()
    OpenEXR.File(parts).write(file)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(arrays: dict[str, np.ndarray], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy(array), compression)
    return file.getvalue()


def _mask_text() -> str:
    covered = np.zeros((30, 40), np.uint8)
    covered[5:20, 8:30] = 255
    return base64.b64encode(cv2.imencode(".png", covered)[1].tobytes()).decode()
