"""What a file holds, whatever its format: arrays by name, and texts that say the rest.

A state's numbers and arrays become arrays; its mappings, lists and texts (a random generator's state, a history) become
JSON. The texts of a file are

    format      that it is one of these
    meta        what the user said about it, as JSON
    state       the part of the state that is no array, as JSON
    parts       the names of the things whose states these are, as JSON; absent where it is one thing's
    digest      a hash of everything else
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FORMAT = "tinygrad_ce checkpoint 1"
_ARRAY = "__array__"

Arrays = dict[str, NDArray[Any]]
Texts = dict[str, str]


class Checkpoint(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    state : dict
        Arrays by name; what is no array as plain data.
    meta : dict
        What was said about them.
    parts : tuple of str
        Of several things' states: their names, with which the names in `state` begin.
    """

    state: dict[str, Any]
    meta: dict[str, Any]
    parts: tuple[str, ...] = ()

    def part(self, name: str) -> dict[str, Any]:
        """The state of one part, under its own names.

        >>> Checkpoint({"model.weight": 1, "rng.state": 2}, {}, ("model", "rng")).part("model")
        {'weight': 1}

        Raises
        ------
        ValueError
            If there is no such part.
        """
        if name not in self.parts:
            there = f"the parts {', '.join(map(repr, self.parts))}" if self.parts else "one state, without parts"
            raise ValueError(f"it has no part '{name}': it has {there}")
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.state.items() if key.startswith(prefix)}


def described(checkpoint: Checkpoint) -> tuple[Arrays, Texts]:
    """Arrays and texts, with a digest, that say what a checkpoint holds.

    Raises
    ------
    TypeError
        If `meta` is not for JSON.
    ValueError
        If an array is not of numbers, or a name is no name for an array.
    """
    arrays: Arrays = {}
    rest: dict[str, Any] = {}
    for name, value in checkpoint.state.items():
        require_name(name)
        if isinstance(value, Mapping | str | list | tuple | None):
            rest[name] = value
        else:
            arrays[name] = _array(name, value)
    texts = {"format": FORMAT, "meta": _json(checkpoint.meta)}
    texts |= {"state": _json(rest)} if rest else {}
    texts |= {"parts": json.dumps(checkpoint.parts)} if checkpoint.parts else {}
    return arrays, {**texts, "digest": digest(arrays, texts)}


def understood(arrays: Arrays, texts: Texts) -> Checkpoint:
    """The checkpoint that arrays and texts describe; those of a foreign file have no texts, or others.

    Raises
    ------
    ValueError
        If they are damaged or make no sense.
    """
    ours = {key: text for key, text in texts.items() if key in ("format", "meta", "state", "parts", "digest")}
    if "format" in ours and ours["format"] != FORMAT:
        raise ValueError(f"it is of the format {ours['format']!r:.60}, not {FORMAT!r}")
    if ("format" in ours) != ("digest" in ours):
        raise ValueError("it is damaged: its digest is missing")
    told = ours.pop("digest", None)
    if told is not None and told != digest(arrays, ours):
        raise ValueError("it is damaged: its digest is not that of its content")
    meta = json.loads(ours.get("meta", "{}"), object_hook=_as_array)
    rest = json.loads(ours.get("state", "{}"), object_hook=_as_array)
    parts = json.loads(ours.get("parts", "[]"))
    if not isinstance(meta, dict) or not isinstance(rest, dict):
        raise ValueError("its meta or state is no mapping")
    return Checkpoint({**arrays, **rest}, meta, tuple(map(str, parts)))


def require_name(name: object) -> None:
    """Refuse what no file could hold, and what would climb out of a folder that an archive is unpacked into.

    Raises
    ------
    ValueError
    """
    if not isinstance(name, str) or not name or name.startswith("__") or "\0" in name:
        raise ValueError(f"{name!r:.80} is no name for an array")
    if name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in name.replace("\\", "/").split("/"):
        raise ValueError(f"{name!r:.80} is no name for an array: it is a path that climbs out")


def digest(arrays: Arrays, texts: Texts) -> str:
    """A hash of names, dtypes, shapes, numbers and texts, whatever the file's format.

    >>> digest({"a": np.zeros(2)}, {}) == digest({"a": np.zeros(2)}, {})
    True
    >>> digest({"a": np.zeros(2)}, {}) == digest({"a": np.zeros((2, 1))}, {})
    False
    """
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        found.update(json.dumps([name, little.dtype.str, array.shape]).encode())
        found.update(little.tobytes())
    found.update(json.dumps(sorted(texts.items())).encode())
    return found.hexdigest()


# -- pieces -------------------------------------------------------------------------------------------------


def _array(name: str, value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"'{name}' holds {array.dtype}: only arrays of real numbers are saved")
    return array


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), default=_as_plain)


def _as_plain(thing: Any) -> Any:
    """NumPy's numbers and arrays as JSON; a generator's state may hold some."""
    if isinstance(thing, np.generic):
        return thing.item()
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiub":
        return {_ARRAY: thing.tolist(), "dtype": thing.dtype.str}
    raise TypeError(f"{type(thing).__name__} cannot be saved as JSON: {thing!r:.60}")


def _as_array(found: dict[str, Any]) -> Any:
    return np.array(found[_ARRAY], dtype=found["dtype"]) if found.keys() == {_ARRAY, "dtype"} else found
