"""IDX files, the format of MNIST and of what is made after it, plain or gzipped.

A file is a magic number (two zero bytes, the dtype's code, the number of axes), the sizes of the axes, each four
bytes, most significant first, and the numbers (Y. LeCun, "The MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .dataset import Dataset
from .errors import DataError
from .reading import Stream, fail, piecewise, reading, shown

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_BYTES = 1 << 31
# No gzip stream is longer than this many times its file: deflate makes 258 bytes of two bits at best.
_MOST_EXPANSION = 1032
_GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def mnist(folder: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> tuple[Dataset, Dataset]:
    """Read handwritten digits, MNIST, from the four files in a folder of the user's.

    They are called train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte;
    a point before "idx", and ".gz" at the end, are as good. Nothing is downloaded.

    Parameters
    ----------
    folder : str or path-like
        Where they are, or where MNIST/raw is in which they are.
    dtype : dtype, optional
        float32, as the pixels are bytes, or float64, which takes 376 MB.

    Returns
    -------
    train, test : Dataset
        inputs (N, 1, rows, columns), from 0 to 1; classes "0" to "9".

    Raises
    ------
    DataError
        When a file is missing, is no IDX file of bytes, is truncated or too long, or has a label that is no class.
    """
    return _parts(folder, "MNIST", tuple(str(k) for k in range(10)), dtype)


def fashion_mnist(folder: str | os.PathLike[str], *, dtype: DTypeLike = np.float32) -> tuple[Dataset, Dataset]:
    """Read pictures of clothes, Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), from files called as MNIST's.

    As `mnist`, but for the folder FashionMNIST/raw and the names of the classes.
    """
    return _parts(folder, "FashionMNIST", _GARMENTS, dtype)


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = _MOST_BYTES) -> NDArray[Any]:
    """Read an array from an IDX file, gzipped or not.

    Parameters
    ----------
    path : str or path-like
    max_bytes : int, optional
        A file that claims to hold more is not read.

    Returns
    -------
    ndarray
        In native byte order.

    Raises
    ------
    DataError
        When it is no such file, or its numbers are fewer or more than its header says.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "labels.gz")
    >>> _ = path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    with reading(path, "an IDX file") as file, Path(path).open("rb") as raw:
        length = os.fstat(raw.fileno()).st_size
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            if zipped:
                with gzip.open(raw) as stream:
                    return _read(file, stream, length * _MOST_EXPANSION, max_bytes)
            return _read(file, raw, length, max_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fail(file, f"damaged or cut short ({error}): download it again")


def _read(file: str, stream: Stream, possible: int, most: int) -> NDArray[Any]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not magic[3]:
        what = f"the magic number is 0x{magic.hex()}" if magic else "it is empty"
        fail(file, f"not an IDX file ({what}): it begins with two zero bytes, a dtype and the number of axes")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        fail(file, "cut short within its header: download it again")
    shape = tuple(int(side) for side in np.frombuffer(header, ">u4"))
    dtype = np.dtype(_DTYPES[magic[2]])
    size = prod(shape) * dtype.itemsize
    claim = f"its header claims {' × '.join(map(str, shape))} numbers, {size} bytes"
    if size > possible:
        fail(file, f"{claim}, more than the file can hold: it is cut short, or its header is wrong")
    if size > most:
        fail(file, f"{claim}, more than max_bytes={most}: raise it if that is so")
    content = piecewise(stream, size + 1)
    if len(content) != size:
        found = "there are more" if len(content) > size else f"there are {len(content)}"
        fail(file, f"{claim}, and {found}: download it again")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _parts(
    folder: str | os.PathLike[str], name: str, class_names: tuple[str, ...], dtype: DTypeLike
) -> tuple[Dataset, Dataset]:
    root = Path(folder)
    inner = root / name / "raw"
    place = inner if inner.is_dir() else root
    return (
        _part(place, "train", f"{name} train", class_names, dtype),
        _part(place, "t10k", f"{name} test", class_names, dtype),
    )


def _part(folder: Path, part: str, name: str, class_names: tuple[str, ...], dtype: DTypeLike) -> Dataset:
    images_path, labels_path = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    images, labels = _bytes(images_path, 3, "images"), _bytes(labels_path, 1, "labels")
    if len(images) != len(labels):
        fail(shown(labels_path), f"{len(labels)} labels for the {len(images)} images of {images_path.name}")
    scaled = np.divide(images[:, None], 255.0, dtype=np.dtype(dtype))
    source = f"the files {images_path.name} and {labels_path.name}"
    try:
        return Dataset(scaled, labels, class_names, name=name, source=source, dtype=dtype)
    except DataError as error:
        fail(shown(labels_path), str(error))


def _find(folder: Path, start: str, axes: int) -> Path:
    names = [f"{start}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    what = "has no" if folder.is_dir() else "is no folder, so there is no"
    fail(shown(folder), f"{what} {names[0]} (or {names[1]}): name the folder where the four files are")


def _bytes(path: Path, axes: int, what: str) -> NDArray[np.uint8]:
    array = read_idx(path)
    if array.ndim != axes or array.dtype != np.uint8:
        sort = f"{array.ndim} axes of {array.dtype}"
        fail(shown(path), f"{what} have {axes} {'axis' if axes == 1 else 'axes'} of bytes, not {sort}: another file?")
    if not array.size:
        fail(shown(path), f"it holds no {what}")
    return array
