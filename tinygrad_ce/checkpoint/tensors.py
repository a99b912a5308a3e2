"""The safetensors format (extra `safetensors`): its texts are the strings of the header's `__metadata__`.

write(file, arrays, texts)          parsed(content) -> (arrays, texts)
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..extras import extra
from .contents import Arrays, Texts, require_name

_NAMES = {
    "bool": "BOOL",
    **{f"int{n}": f"I{n}" for n in (8, 16, 32, 64)},
    **{f"uint{n}": f"U{n}" for n in (8, 16, 32, 64)},
    **{f"float{n}": f"F{n}" for n in (16, 32, 64)},
}
_DTYPES = {theirs: np.dtype(ours) for ours, theirs in _NAMES.items()}


def write(file: BinaryIO, arrays: Arrays, texts: Texts) -> None:
    """Write a safetensors file to an open file.

    Raises
    ------
    ValueError
        For a dtype that the format does not have.
    """
    library = extra("safetensors.numpy", "safetensors")
    for name, array in arrays.items():
        if array.dtype.name not in _NAMES:
            raise ValueError(f"'{name}' is {array.dtype}, which safetensors has not: save an .npz file")
    plain = {name: np.require(a, a.dtype.newbyteorder("="), ["C"]) for name, a in arrays.items()}
    file.write(library.save(plain, metadata=texts))


def parsed(content: bytes) -> tuple[Arrays, Texts]:
    """The arrays and texts of a safetensors file.

    Raises
    ------
    ValueError, or what safetensors stumbles over
        If it is damaged, or no such file.
    """
    library = extra("safetensors", "safetensors")
    # The library holds the header's claims against the length of the file before anything is made of them.
    entries: list[tuple[str, dict[str, Any]]] = library.deserialize(content)
    arrays: Arrays = {}
    for name, entry in entries:
        require_name(name)
        arrays[name] = _array(name, entry)
    length = int.from_bytes(content[:8], "little")
    texts = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    return arrays, {str(key): str(text) for key, text in texts.items()}


def _array(name: str, entry: dict[str, Any]) -> NDArray[Any]:
    kind, data = entry["dtype"], entry["data"]
    if kind == "BF16":  # the upper halves of float32
        halves = np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)
        return halves.view(np.float32).reshape(entry["shape"])
    if kind not in _DTYPES:
        raise ValueError(f"'{name}' is {kind}, which NumPy has not")
    return np.frombuffer(data, _DTYPES[kind].newbyteorder("<")).astype(_DTYPES[kind]).reshape(entry["shape"])
