"""Arrays in a safetensors file: read and written without pickle, so that a file can only ever hold numbers.

The format: eight bytes with the length of a JSON header, the header (name -> type, shape, byte range), the bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name.

    Raises:
        ValueError: Damaged, or of a type that is not in TYPES.
    """
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or start > len(data):
        raise ValueError(f"{path.name} ends within its header")
    header = json.loads(data[8:start])
    return {
        name: _array(data, start, entry, f"{path.name}: {name}")
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _array(data: bytes, start: int, entry: dict, name: str) -> np.ndarray:
    if entry["dtype"] not in TYPES:
        raise ValueError(f"{name} has the type {entry['dtype']}; {', '.join(TYPES)} can be read")
    low, high = (start + offset for offset in entry["data_offsets"])
    values = np.frombuffer(data[low:high], TYPES[entry["dtype"]])
    if high > len(data) or values.size != np.prod(entry["shape"], dtype=int):
        raise ValueError(f"{name} is not whole")
    return values.reshape(entry["shape"])


def write_tensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write float16 and float32 arrays; the same arrays give the same bytes."""
    names = {dtype: name for name, dtype in TYPES.items()}
    header, parts, offset = {}, [], 0
    for name, values in sorted(arrays.items()):
        part = np.ascontiguousarray(values).tobytes()
        header[name] = {
            "dtype": names[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(part)],
        }
        offset += len(part)
        parts.append(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
