"""What a picture says of an array: its shape and dtype, and its numbers, or their range and a small map of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import numpy as np

from ..node import plain

Number = int | float | complex  # and bool, which is an int
Grid = tuple[tuple[float, ...], ...]

SMALL = 6  # so many elements are shown one by one
ROWS, COLUMNS = 6, 12  # the largest map


@dataclass(frozen=True, slots=True)
class Summary:
    """An array in a few plain numbers.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    values : tuple of numbers, or None
        The elements in C order, where there are few.
    low, mean, high : float or None
        Of the finite elements (of complex ones, of their absolute values), where there are many.
    nans, infs : int
        How many elements are not finite, where there are many.
    norm : float or None
        √Σ|x|², where there are many elements.
    grid : tuple of tuples of float
        Where there are many elements: the array as a map of at most 6 × 12 cells, each the mean of a block of them (of
        the last two axes; the axes before are below each other). nan where no element of a block is finite.
    """

    shape: tuple[int, ...]
    dtype: str
    values: tuple[Number, ...] | None = None
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    nans: int = 0
    infs: int = 0
    norm: float | None = None
    grid: Grid = ()

    @property
    def size(self) -> int:
        """How many elements the array has."""
        return prod(self.shape)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which numbers a map has its colours: around zero where there are both signs."""
        low, high = self.low or 0.0, self.high or 0.0
        if not low < 0.0 < high:
            return low, high
        high = max(-low, high)
        return -high, high

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON: complex numbers as pairs, what is not finite as text."""
        numbers = {"shape": list(self.shape), "dtype": self.dtype}
        if self.values is not None:
            return {**numbers, "values": [_json(x) for x in self.values]}
        spread = {"low": _json(self.low), "mean": _json(self.mean), "high": _json(self.high)}
        counts = {"nans": self.nans, "infs": self.infs, "norm": _json(self.norm)}
        return {**numbers, **spread, **counts, "grid": [[_json(x) for x in row] for row in self.grid]}


def _json(x: Number | None) -> Any:
    if isinstance(x, complex):
        return [_json(x.real), _json(x.imag)]
    return x if x is None or isfinite(x) else str(x)


def summarise(x: Any) -> Summary:
    """Summary of a number, an array or a Value, which is only read.

    >>> summarise(2.0).values
    (2.0,)
    >>> s = summarise(np.arange(10.0))
    >>> s.values, s.low, s.mean, s.high
    (None, 0.0, 4.5, 9.0)
    """
    x = plain(x)
    if type(x) is float:
        return Summary((), "float64", (x,))
    try:
        array = np.asarray(x)
    except Exception:  # an array library that does not become NumPy (data on a device): its numbers stay there
        array = np.asarray(None)
    if array.dtype.kind not in "biufc":
        return Summary(tuple(np.shape(x)), str(getattr(x, "dtype", type(x).__name__)))
    if array.size <= SMALL:
        return Summary(array.shape, str(array.dtype), tuple(_python(array).ravel().tolist()))
    return _spread(array)


def _python(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same where its elements become Python numbers by themselves; wider ones would stay NumPy's."""
    wide = {"f": np.float64, "c": np.complex128}.get(array.dtype.kind)
    return array if wide is None or array.dtype.itemsize <= np.dtype(wide).itemsize else array.astype(wide)


def _spread(array: np.ndarray[Any, Any]) -> Summary:
    shape, dtype = array.shape, str(array.dtype)
    finite = np.isfinite(array)
    whole = bool(finite.all())
    size = np.abs(array) if array.dtype.kind == "c" else array
    kept = size if whole else size[finite]
    lost = size.size - kept.size
    nans = int(np.isnan(array).sum()) if lost else 0
    if not kept.size:
        return Summary(shape, dtype, nans=nans, infs=lost - nans)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(kept, dtype=np.float64))
        if not isfinite(mean):  # the sum was too large, the mean need not be
            mean = float(np.sum(np.divide(kept, kept.size, dtype=np.float64)))
        norm = float(np.linalg.norm(np.ravel(kept).astype(np.float64)))
    grid = _grid(size, finite)
    return Summary(shape, dtype, None, float(kept.min()), mean, float(kept.max()), nans, lost - nans, norm, grid)


def _grid(array: np.ndarray[Any, Any], finite: np.ndarray[Any, Any]) -> Grid:
    """Means of blocks: what a heat map of a few cells shows."""
    width = array.shape[-1]
    table = array.reshape(-1, width)
    rows, columns = min(len(table), ROWS), min(width, COLUMNS)
    kept = finite.reshape(-1, width)
    # Where each block begins; a large array is looked at in some places of each block only.
    down, across = _picked(len(table), rows), _picked(width, columns)
    picked, there = table[np.ix_(down, across)], kept[np.ix_(down, across)]
    deep, wide = len(down) // rows, len(across) // columns
    blocks = np.where(there, picked, 0).astype(np.float64).reshape(rows, deep, columns, wide)
    counts = there.reshape(rows, deep, columns, wide).sum(axis=(1, 3))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = blocks.sum(axis=(1, 3)) / counts
    return tuple(tuple(float(x) for x in row) for row in means)


def _picked(length: int, blocks: int, most: int = 8) -> np.ndarray[Any, Any]:
    """Indices into an axis: the same number, spread evenly, from each of its blocks."""
    each = min(-(-length // blocks), most)
    return np.minimum((np.arange(blocks * each) + 0.5) * length / (blocks * each), length - 1).astype(int)
