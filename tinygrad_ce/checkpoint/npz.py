"""The .npz format: a zip of .npy arrays, which numpy.load reads too; texts are arrays `__name__` of one string.

    write(file, arrays, texts)          parsed(content) -> (arrays, texts)

Nothing is unpacked to a disk, no Python object is ever loaded, and no header is believed before the bytes that it
announces are there.
"""

from __future__ import annotations

import io
import zipfile
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .contents import Arrays, Texts, require_name

# What deflate can make of a byte, at the very most: an entry that claims more is lying.
_RATIO = 1100
_HEADER = 1 << 20


def write(file: BinaryIO, arrays: Arrays, texts: Texts) -> None:
    """Write an archive to an open file."""
    entries = {**{f"__{key}__": np.array(text) for key, text in texts.items()}, **arrays}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in entries.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def parsed(content: bytes) -> tuple[Arrays, Texts]:
    """The arrays and texts of an archive.

    Raises
    ------
    ValueError, or what zipfile or numpy stumbles over
        If it is damaged, or no such archive.
    """
    arrays: Arrays = {}
    texts: Texts = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                raise ValueError(f"it holds {info.filename!r:.80}, which is no array")
            name = info.filename.removesuffix(".npy")
            if info.file_size > _RATIO * info.compress_size + _HEADER:
                raise ValueError(f"'{name:.80}' claims {info.file_size:,} bytes and has {info.compress_size:,}")
            # Reading a whole entry checks its sum, which reading an array's bytes out of it may not.
            array = _array(archive.read(info))
            inner = name.removeprefix("__").removesuffix("__")
            if name == f"__{inner}__":
                texts[inner] = str(array)
                continue
            require_name(name)
            if name in arrays:
                raise ValueError(f"it holds '{name}' twice")
            arrays[name] = array
    return arrays, texts


def _array(entry: bytes) -> NDArray[Any]:
    """An array from the bytes of an .npy file, which must be all there, and all."""
    stream = io.BytesIO(entry)
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"an array of .npy version {version} is of a newer kind than these")
    shape, fortran, dtype = read[version](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded: allow_pickle=False")
    wanted, there = prod(shape) * dtype.itemsize, len(entry) - stream.tell()
    if wanted != there:
        raise ValueError(f"an array's header claims {wanted:,} bytes where there are {there:,}")
    flat: NDArray[Any] = np.frombuffer(entry, dtype, offset=stream.tell()) if there else np.zeros(prod(shape), dtype)
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")
