"""The state of an optimiser as named numbers and arrays, and back: what files keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def prefix(group: int) -> str:
    """What stands before the names of a group's options: nothing for the first, "group1." for the second."""
    return f"group{group}." if group else ""


def kept(value: Any) -> bool:
    """Whether an option is made of numbers, and so belongs in a state."""
    return isinstance(value, bool | int | float | tuple)


def written(value: Any) -> Any:
    """Return an entry as a number, or as an array of its own."""
    return np.array(value) if hasattr(value, "shape") or isinstance(value, tuple) else value


def read(key: str, value: Any, like: Any) -> Any:
    """Return a loaded entry as the type, dtype and shape of what is kept under its key.

    Raises
    ------
    ValueError
        When it has another shape, is not real numbers, or is no whole number where one is.
    """
    array, shape = np.asarray(value), np.shape(like)
    if array.dtype.kind not in "biuf" or array.shape != shape:
        raise ValueError(f"state {key!r} has shape {shape}, but what was loaded is {array.dtype} {array.shape}")
    if hasattr(like, "shape"):
        return array.astype(like.dtype)
    if isinstance(like, tuple):
        return tuple(array.astype(np.float64).tolist())
    number = array.item()
    if isinstance(like, int) and (number != number // 1 or number < 0):
        raise ValueError(f"state {key!r} counts steps, but what was loaded is {number}")
    return type(like)(number)


def read_all(what: str, entries: Mapping[str, Any], expected: Mapping[str, Any], optional: set[str]) -> dict[str, Any]:
    """Return every loaded entry in the form of the one `expected`; those `optional` may be missing.

    Raises
    ------
    ValueError
        When keys are missing or unknown, or as `read`.
    """
    missing = [key for key in expected if key not in entries and key not in optional]
    unknown = [key for key in entries if key not in expected]
    if missing or unknown:
        raise ValueError(f"not a state of this {what}: missing {_some(missing)}; unknown {_some(unknown)}")
    return {key: read(key, entries[key], like) if key in entries else like for key, like in expected.items()}


def _some(keys: list[str]) -> str:
    return ", ".join(map(repr, keys[:5])) + ", …" * (len(keys) > 5) or "nothing"
