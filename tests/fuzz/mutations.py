"""Mutations of files and requests, seeded: the same number gives the same mutation. Standard library only."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import random
import struct
import zlib
from collections.abc import Callable

_INTEGERS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 4095, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, -1, -2, 2**63 - 1)
_HEADER = 320  # bytes; half of the mutations fall there, where formats state sizes
_PNG_START = b"\x89PNG\r\n\x1a\n"
_VALUES: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.0, 1e-320, 1e9, 1e10, 1e38, 1e308, -1e308, float("nan"), float("inf"),
    2**31, 2**63, 10**30, 10**400, "", "a", "0", "\0", "\ud800", "line\nbreak\x1b[31m", "..", "/", "滝" * 3000,
    "x" * 10**5, [], {}, [[]], [None], [[0, 0]], [0] * 5000, {"a": {"b": []}},
)  # fmt: skip
_DEPTH = 200  # of nested lists


def mutate_file(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """One to four mutations of a file's bytes; of a PNG, half of the time with right checksums afterwards."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(_BYTES)(data, others, rng)
    return _mend_png(data) if data.startswith(_PNG_START) and rng.random() < 0.5 else data


def mutate_json(content: object, others: list[object], rng: random.Random) -> bytes:
    """One to four mutations of a JSON file's content, and sometimes of its text."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _mutate_value(content, others, rng)
    text = json.dumps(content).encode()
    if rng.random() < 0.25:
        text = mutate_file(text, [json.dumps(other).encode() for other in others], rng)
    return text


def _place(data: bytes, rng: random.Random) -> int:
    reach = min(_HEADER, len(data)) if rng.random() < 0.5 else len(data)
    return rng.randrange(max(reach, 1))


def _flip(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_byte(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    changed[_place(data, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(changed)


def _set_integer(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place, size = _place(data, rng), rng.choice((2, 4, 4, 8))
    order = rng.choice(("little", "big"))
    value = (rng.choice(_INTEGERS) % 2 ** (8 * size)).to_bytes(size, order)
    return data[:place] + value + data[place + size :]


def _set_float(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place, value = _place(data, rng) // 4 * 4, rng.choice((0.0, -1.0, 1e-40, 1e9, 3e38, float("inf"), float("nan")))
    return data[:place] + struct.pack("<f", value) + data[place + 4 :]


def _fill_run(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place, length = _place(data, rng), rng.choice((4, 16, 64, 512))
    length = min(length, len(data) - place)
    run = rng.choice((b"\0" * length, b"\xff" * length, rng.randbytes(length)))
    return data[:place] + run + data[place + length :]


def _cut(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _delete(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + rng.choice((1, 2, 4, 32, 256)) :]


def _repeat(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place, length = _place(data, rng), rng.choice((1, 4, 32, 256))
    return data[: place + length] + data[place:]


def _insert(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + rng.randbytes(rng.choice((1, 2, 4, 32))) + data[place:]


def _splice(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return data[: _place(data, rng)] + other[_place(other, rng) :]


_BYTES: list[Callable[[bytes, list[bytes], random.Random], bytes]] = [
    _flip, _flip, _set_byte, _set_byte, _set_integer, _set_integer, _set_integer, _set_float, _fill_run, _cut, _delete,
    _repeat, _insert, _splice,
]  # fmt: skip


def _mend_png(data: bytes) -> bytes:
    """The same chunks with right checksums, so that a decoder reads on to the mutation."""
    mended, place = bytearray(data), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


def _mutate_value(content: object, others: list[object], rng: random.Random) -> object:
    """The content with one of its values replaced, removed, repeated or wrapped."""
    holder: list[object] = [content]
    places = list(_places(holder))
    parent, key = rng.choice(places[1:] or places) if rng.random() < 0.97 else places[0]
    action, value = rng.randrange(10), parent[key]
    if action == 0 and parent is not holder:
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent[key:key] = [copy.deepcopy(value) for _ in range(rng.choice((1, 2, 200)))]
    elif action == 2:
        for _ in range(rng.choice((1, 2, _DEPTH))):
            parent[key] = [parent[key]]
    elif action == 3:
        parent[key] = copy.deepcopy(rng.choice(others))
    elif action == 4 and isinstance(value, str) and len(value) > 40:
        parent[key] = _mutate_base64(value, rng)
    elif action == 5 and isinstance(value, (int, float)) and not isinstance(value, bool):
        factor = rng.choice((-1, 0, 0.01, 100, 1e4, 1e6, 1e9))
        parent[key] = value * factor if abs(value) < 1e300 else -value
    elif action == 6 and isinstance(value, str):
        parent[key] = mutate_file(value.encode(errors="replace"), [b"hint", b"depth_same", b"\xff"], rng).decode(
            errors="replace"
        )
    elif action == 7 and isinstance(parent, dict):
        parent[rng.choice([*parent, "new", ""])] = parent.pop(key)
    else:
        parent[key] = copy.deepcopy(rng.choice(_VALUES))
    return holder[0]


def _places(parent: list | dict) -> list[tuple]:
    """Every value of a JSON content by the list or object that holds it, and its place there."""
    found: list[tuple] = []
    for key, value in enumerate(parent) if isinstance(parent, list) else parent.items():
        found.append((parent, key))
        if isinstance(value, (list, dict)):
            found += _places(value)
    return found


def _mutate_base64(text: str, rng: random.Random) -> str:
    try:
        data = base64.b64decode(text)
    except (ValueError, binascii.Error):
        return text[: rng.randrange(len(text))]
    return base64.b64encode(mutate_file(data, [data], rng)).decode()
