"""Links between properties and the functions that act on them, by name.

`settings` declares the properties and lies below all behaviour. `reactions` lies above it and connects the functions
while the extension is enabled. A property without a connected function stores its value, or reads its default.
"""

from collections.abc import Callable
from typing import Any

import bpy

Owner = bpy.types.PropertyGroup
Update = Callable[[Owner, bpy.types.Context], None]
Getter = Callable[[Owner], Any]
Setter = Callable[[Owner, Any], None]

_declared: set[str] = set()
_updates: dict[str, Update] = {}
_values: dict[str, tuple[Getter, Setter]] = {}


def on_update(name: str) -> Update:
    """Make the `update` function of a property.

    Args:
        name: Name of the link, unique in the extension.
    """
    _declared.add(name)

    def update(owner: Owner, context: bpy.types.Context) -> None:
        if name in _updates:
            _updates[name](owner, context)

    return update


def computed(name: str, default: float = 0) -> dict[str, Callable]:
    """Make the `get` and `set` functions of a property whose value is stored outside its group.

    Args:
        name: Name of the link, unique in the extension.
        default: The value while no functions are connected.
    """
    _declared.add(name)

    def read(owner: Owner) -> Any:
        return _values[name][0](owner) if name in _values else default

    def write(owner: Owner, value: Any) -> None:
        if name in _values:
            _values[name][1](owner, value)

    return {"get": read, "set": write}


def connect(updates: dict[str, Update], values: dict[str, tuple[Getter, Setter]]) -> None:
    """Connect functions to properties.

    Args:
        updates: Name of a link -> function called after the property has changed.
        values: Name of a link -> functions that read and write the property's value.

    Raises:
        ValueError: The names are not those that the properties declare.
    """
    if {*updates, *values} != _declared:
        raise ValueError(f"Properties and functions differ in {sorted({*updates, *values} ^ _declared)}")
    _updates.update(updates)
    _values.update(values)


def disconnect() -> None:
    """Disconnect all functions."""
    _updates.clear()
    _values.clear()
