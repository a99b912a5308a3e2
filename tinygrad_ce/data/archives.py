"""NPZ files, which np.savez writes, read as data sets."""

from __future__ import annotations

import os
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .dataset import Dataset
from .errors import DataError, listed, quoted
from .reading import fail, piecewise, reading

# The names by which such files call inputs and targets, when not told.
_PAIRS = (
    ("inputs", "targets"),
    ("x", "y"),
    ("X", "y"),
    ("images", "labels"),
    ("data", "target"),
    ("features", "labels"),
)
_MOST_BYTES = 1 << 31


def read_npz(
    path: str | os.PathLike[str],
    inputs: str | None = None,
    targets: str | None = None,
    *,
    class_names: tuple[str, ...] = (),
    dtype: DTypeLike = np.float64,
    max_bytes: int = _MOST_BYTES,
) -> Dataset:
    """Read inputs and targets from an NPZ file, two arrays by name.

    Integer targets are classes, named by `class_names`, else by the file's array ``class_names``, else by their
    numbers; floating ones are quantities. Pickled objects are never loaded.

    Parameters
    ----------
    path : str or path-like
        The file.
    inputs, targets : str, optional
        Names of arrays in it. Without them, one of the usual pairs: inputs and targets, x and y, X and y, images and
        labels, data and target, features and labels.
    class_names : tuple of str, optional
    dtype : dtype, optional
        The inputs' in the data set: float64 or float32.
    max_bytes : int, optional
        Arrays that claim to be larger are not read.

    Returns
    -------
    Dataset
        inputs (N, features...); an array (N,) of inputs becomes (N, 1).

    Raises
    ------
    DataError
        When the file is no such archive, is damaged, or claims more than it holds or than `max_bytes`; when an array is
        missing, of objects, or holds NaN or something infinite; when the data set does not fit together.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "points.npz")
    >>> np.savez(path, x=[[0.0, 1.0], [2.0, 3.0]], y=[0, 1])
    >>> read_npz(path)
    Dataset('points': 2 rows of 2 features, 2 classes: '0', '1')
    """
    with reading(path, "an NPZ file") as file:
        try:
            with zipfile.ZipFile(path) as archive:
                members = {name.removesuffix(".npy"): name for name in archive.namelist()}
                pair = _pair(file, list(members), inputs, targets)
                found = {name: _array(file, archive, name, members[name], max_bytes) for name in pair}
                if not class_names and "class_names" in members:
                    names = _array(file, archive, "class_names", members["class_names"], max_bytes)
                    class_names = tuple(str(name) for name in np.ravel(names))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            fail(file, f"not an NPZ file, or a damaged one ({error}): write it with np.savez")
    x, y = found[pair[0]], found[pair[1]]
    if not class_names and y.dtype.kind in "iu" and y.size:
        class_names = tuple(str(k) for k in range(_classes(file, pair[1], y)))
    try:
        data = Dataset(
            x[:, None] if x.ndim == 1 else x,
            y,
            class_names,
            name=Path(file).stem,
            source=f"the file {Path(file).name}",
            dtype=dtype,
        )
        return data.require_finite()
    except DataError as error:
        fail(file, str(error))


def _pair(file: str, names: list[str], inputs: str | None, targets: str | None) -> tuple[str, str]:
    if inputs is None and targets is None:
        for pair in _PAIRS:
            if set(pair) <= set(names):
                return pair
    elif inputs is not None and targets is not None:
        missing = [name for name in (inputs, targets) if name not in names]
        if not missing:
            return inputs, targets
        fail(file, f"no array {quoted(missing[0])}: it has {listed(names)}")
    fail(file, f"which arrays are inputs and targets? Name both: it has {listed(names)}")


def _array(file: str, archive: zipfile.ZipFile, name: str, member: str, most: int) -> NDArray[Any]:
    """Read one array: its header first, and the rest only when that can be true."""
    with archive.open(member) as stream:
        shape, fortran, dtype = _header(file, name, stream)
        if dtype.hasobject:
            fail(file, f"array {quoted(name)} holds Python objects, which are not loaded: save it as numbers")
        if dtype.itemsize == 0:
            fail(file, f"array {quoted(name)} is {dtype}, which holds nothing")
        size = prod(shape) * dtype.itemsize
        if size > most:
            fail(file, f"array {quoted(name)} claims {size} bytes, more than max_bytes={most}: raise it if that is so")
        content = piecewise(stream, size + 1)
    if len(content) != size:
        what = f"array {quoted(name)} claims {size} bytes and has {'more' if len(content) > size else len(content)}"
        fail(file, f"{what}: the file is damaged")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _header(file: str, name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except ValueError as error:
        fail(file, f"array {quoted(name)} has no readable header ({str(error).splitlines()[0]}): the file is damaged")
    if any(side < 0 for side in shape):
        fail(file, f"array {quoted(name)} claims the shape {shape}: the file is damaged")
    return shape, fortran, dtype


def _classes(file: str, name: str, labels: NDArray[Any]) -> int:
    """How many classes integer labels speak of, which must be counted from 0."""
    present = np.unique(labels)
    if present[0] < 0 or present[-1] >= max(2 * len(present), 2):
        what = f"labels in {quoted(name)} go from {present[0]} to {present[-1]}, with {len(present)} different ones"
        fail(file, f"{what}: number classes from 0, or make them floats if they are quantities")
    if present[0] == 1 and present[-1] == len(present):
        fail(file, f"labels in {quoted(name)} count from 1: subtract 1, as classes count from 0")
    return int(present[-1]) + 1
