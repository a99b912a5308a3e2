"""Indexing: x[key], take_along_axis, and the two scatters that are their transposes.

Every array in a key is an input of the op; what is left of the key (slices, integers, …) is a constant:
x[1:, idx] is getitem(x, idx, key=(("slice", 1, None, None), ("array", 0))).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import as_array
from ..forms import linear
from ..node import Node
from ..registry import implements

Key = tuple[Any, ...]
ROWS: Key = (("array", 0),)  # x[indices]


def encode(key: Any) -> tuple[list[Any], Key]:
    """Split an index into its arrays and a hashable rest."""
    arrays: list[Any] = []
    parts: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Node):
            part = part.data
        if isinstance(part, slice):
            parts.append(
                ("slice", *[None if s is None else operator.index(s) for s in (part.start, part.stop, part.step)])
            )
        elif part is None or part is Ellipsis:
            parts.append(part)
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            parts.append(int(part))
        else:
            parts.append(("array", len(arrays)))
            arrays.append(_index_array(part))
    return arrays, tuple(parts)


def decode(key: Key, arrays: Any) -> tuple[Any, ...]:
    """The index that `encode` split."""
    parts = []
    for part in key:
        if isinstance(part, tuple):
            parts.append(slice(*part[1:]) if part[0] == "slice" else arrays[part[1]])
        else:
            parts.append(part)
    return tuple(parts)


def _index_array(part: Any) -> Any:
    array = as_array(part)
    if array.size == 0 and array.dtype.kind == "f" and not isinstance(part, np.ndarray):
        return array.astype(np.intp)  # x[[]]
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"getitem: an index is a slice, integers or a boolean mask, not {array.dtype} {part!r:.40}; "
            f"indices are plain arrays, not Values"
        )
    return array


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    keys = (
        ...,
        1,
        (slice(None, None, -2), None, 0),
        (Ellipsis, -1),
        np.array([2, 0, 2, 2]),
        (np.array([0, 2, 0]), np.array([1, 3, 1])),
        (slice(1, None), np.array([[0, 0], [1, 3]])),
        np.array([True, False, True]),
        np.zeros((3, 4), dtype=bool),
        np.array([], dtype=int),
    )
    for key in keys:
        arrays, rest = encode(key)
        yield (rng.normal(size=(3, 4)), *arrays), {"key": rest}


def _scatter_samples(rng: np.random.Generator) -> Iterable[Any]:
    for (x, *arrays), params in _samples(rng):
        y = x[decode(params["key"], arrays)]
        yield (rng.normal(size=np.shape(y)), *arrays), {**params, "shape": x.shape}


@linear(
    transpose=lambda g, x, *indices, key: _scattered(g, x, *indices, key=key),
    samples=_samples,
    formula="g, added up at the indices",
)
def getitem(x: Any, *indices: Any, key: Key) -> Any:
    """x[key]; an index given twice gets both gradients."""
    return (x if hasattr(x, "__getitem__") else np.asarray(x))[decode(key, indices)]


@linear(
    transpose=lambda g, x, *indices, key, shape: getitem(g, *indices, key=key),
    samples=_scatter_samples,
    formula="g[key]",
)
def scatter_add(x: Any, *indices: Any, key: Key, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `x` added at [key]: the transpose of x[key]."""
    where = decode(key, indices)
    if not isinstance(x, _WRITABLE):
        return _added_up(x, _places(shape)[where], shape)
    out = np.zeros(shape, dtype=np.result_type(x))
    if indices and repeats_rows(key, indices[0], np.ndim(x), shape[0]):
        add_rows(out, indices[0].ravel(), np.reshape(x, (indices[0].size, *shape[1:])))
    elif any(i.dtype.kind != "b" for i in indices):
        np.add.at(out, where, x)  # repeats add up
    else:
        out[where] = x
    return out


def repeats_rows(key: Key, index: Any, ndim: int, rows: int) -> bool:
    """Whether whole rows are added up, more of them than there are places: then `add_rows` is the faster way."""
    return key == ROWS and index.dtype.kind != "b" and math.prod(index.shape) > rows and ndim > len(index.shape)


def add_rows(out: Any, places: Any, rows: Any) -> None:
    """out[places] += rows where places come often: sorted, so that each place's rows are added up in one go."""
    places = np.where(places < 0, places + len(out), places)
    order = np.argsort(places, kind="stable")
    places = places[order]
    starts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    out[places[starts]] = np.add.reduceat(rows[order], starts, axis=0)


def index(x: Any, key: Any) -> Any:
    """x[key] as an op."""
    arrays, rest = encode(key)
    return getitem(x, *arrays, key=rest)


# -- along an axis ---------------------------------------------------------------------------------------------


def _along_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.integers(0, 4, size=(3, 6))), {"axis": 1}
    yield (rng.normal(size=(3, 4)), rng.integers(0, 3, size=(2, 4))), {"axis": 0}
    yield (rng.normal(size=(3, 4)), rng.integers(0, 4, size=(1, 2))), {"axis": -1}
    yield (rng.normal(size=5), rng.integers(0, 5, size=3)), {"axis": None}


def _scatter_along_samples(rng: np.random.Generator) -> Iterable[Any]:
    for (x, indices), params in _along_samples(rng):
        y = np.take_along_axis(x, indices, **params)
        yield (rng.normal(size=y.shape), indices), {**params, "shape": x.shape}


@linear(
    transpose=lambda g, x, indices, *, axis: _scattered_along(g, x, indices, axis=axis),
    constants=("indices",),
    samples=_along_samples,
    formula="g, added up at the indices",
)
def take_along_axis(arr: Any, indices: Any, *, axis: int | None = -1) -> Any:
    """Entries of `arr` at `indices` along `axis`."""
    return np.take_along_axis(arr, indices, axis)


@implements(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    return take_along_axis(arr, indices, axis=axis)


@linear(
    transpose=lambda g, x, indices, *, axis, shape: take_along_axis(g, indices, axis=axis),
    constants=("indices",),
    samples=_scatter_along_samples,
    formula="g at the indices",
)
def scatter_along_axis(x: Any, indices: Any, *, axis: int | None, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `x` added at `indices` along `axis`: the transpose of `take_along_axis`."""
    if axis is not None and axis % len(shape) == len(shape) - 1:
        return _scattered_rows(x, indices, shape)
    grid: list[Any] = list(np.ix_(*[np.arange(n) for n in shape]))
    if axis is not None:
        grid[axis] = indices
    if not isinstance(x, _WRITABLE):
        return _added_up(x, indices if axis is None else _places(shape)[tuple(grid)], shape)
    out = np.zeros(shape, dtype=np.result_type(x))
    if axis is None:
        np.add.at(out.reshape(-1), indices, x)
    else:
        np.add.at(out, tuple(grid), x)
    return out


def _scattered_rows(x: Any, indices: Any, shape: tuple[int, ...]) -> Any:
    """`scatter_along_axis` along the last axis: np.bincount is several times as fast as np.add.at."""
    *lead, n = shape
    rows = math.prod(lead)
    begins = np.reshape(np.arange(rows) * n, (*lead, 1))
    if not isinstance(x, _WRITABLE) or not isinstance(indices, np.ndarray):
        return _added_up(x, np.where(indices < 0, indices + n, indices) + begins, shape)
    least = np.minimum.reduce(indices, axis=None, initial=0)
    if least < -n or np.maximum.reduce(indices, axis=None, initial=-1) >= n:
        raise IndexError(f"an index is out of range for an axis of size {n}")
    places = begins + (indices if least == 0 else np.where(indices < 0, indices + n, indices))
    dtype = np.result_type(x)
    if dtype in _COUNTED:
        sums = np.bincount(places.ravel(), np.broadcast_to(x, places.shape).ravel(), minlength=rows * n)
        return sums.astype(dtype, copy=False).reshape(shape)
    out = np.zeros(rows * n, dtype=dtype)
    np.add.at(out, places, x)
    return out.reshape(shape)


_WRITABLE = (np.ndarray, np.generic, float)
_COUNTED = (np.dtype(np.float64), np.dtype(np.float32))  # what np.bincount adds up, in float64


def _places(shape: tuple[int, ...]) -> Any:
    """The number of every entry of an array of that shape."""
    return np.arange(math.prod(shape)).reshape(shape)


def _added_up(x: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """What np.add.at does, of functions that other array libraries have as well."""
    flat = np.ravel(x)
    if flat.dtype.kind == "c":
        return _added_up(np.real(x), places, shape) + 1j * _added_up(np.imag(x), places, shape)
    at = np.ravel(places) + np.zeros_like(flat, dtype=np.intp)  # an array of that library
    sums = np.bincount(at, weights=flat, minlength=math.prod(shape))
    return np.reshape(sums, shape).astype(flat.dtype)


def _scattered(g: Any, x: Any, *indices: Any, key: Key) -> Any:
    return scatter_add(g, *indices, key=key, shape=np.shape(x))


def _scattered_along(g: Any, x: Any, indices: Any, *, axis: int | None) -> Any:
    return scatter_along_axis(g, indices, axis=axis, shape=np.shape(x))
