"""Joining and splitting: concatenate, stack and all that is written in them; split and its kin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..forms import linear
from ..registry import composed, implements


def _join_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), rng.normal(size=(0, 3))), {}
    yield (rng.normal(size=(2, 1)), rng.normal(size=(2, 3))), {"axis": -1}
    yield (rng.normal(size=(2, 1)), rng.normal(size=3)), {"axis": None}


def _split(g: Any, *arrays: Any, axis: int | None) -> list[Any]:
    pieces = []
    start = 0
    for x in arrays:
        if axis is None:
            stop = start + int(np.size(x))
            pieces.append(np.reshape(g[start:stop], np.shape(x)))
        else:
            stop = start + np.shape(x)[axis]
            index = (slice(None),) * (axis % np.ndim(g)) + (slice(start, stop),)
            pieces.append(g[index])
        start = stop
    return pieces


@linear(transpose=_split, samples=_join_samples, formula="g, split")
def concatenate(*arrays: Any, axis: int | None = 0) -> Any:
    """The arrays joined along an axis that they have; flattened first where `axis` is None."""
    return np.concatenate(arrays, axis=axis)


def _typed(joined: Any, dtype: Any) -> Any:
    return joined if dtype is None else joined.astype(dtype)


@implements(np.concatenate)
def _concatenate(
    arrays: Any, axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    return _typed(concatenate(*arrays, axis=axis), dtype)


def _stack_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {}
    yield (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {"axis": -1}
    yield (rng.normal(size=()), rng.normal(size=())), {}


def _unstack(g: Any, *arrays: Any, axis: int) -> list[Any]:
    before = (slice(None),) * (axis % np.ndim(g))
    return [g[(*before, i)] for i in range(len(arrays))]


@linear(transpose=_unstack, samples=_stack_samples, formula="g, taken apart")
def stack(*arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis: how an array is made of Values."""
    return np.stack(arrays, axis=axis)


@implements(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _typed(stack(*arrays, axis=axis), dtype)


# -- written in these ------------------------------------------------------------------------------------------


def _columns(*shapes: tuple[int, ...]) -> Any:
    return lambda rng: [(([rng.normal(size=s) for s in shapes],), {})]


def _rows(arrays: Any, at_least: Callable[..., Any]) -> Any:
    return [at_least(a) for a in arrays]


@composed(np.hstack, samples=lambda rng: [*_columns((3,), (2,), ())(rng), *_columns((2, 1), (2, 3))(rng)])
def _hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    arrays = _rows(tup, np.atleast_1d)
    return _typed(np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1), dtype)


@composed(np.vstack, samples=lambda rng: [*_columns((3,), (2, 3))(rng), *_columns((), ())(rng)])
def _vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _typed(np.concatenate(_rows(tup, np.atleast_2d), 0), dtype)


@composed(np.dstack, samples=lambda rng: [*_columns((3,), (3,))(rng), *_columns((2, 3), (2, 3, 2))(rng)])
def _dstack(tup: Any) -> Any:
    return np.concatenate(_rows(tup, np.atleast_3d), 2)


@composed(np.column_stack, samples=_columns((3,), (3, 2), (3,)))
def _column_stack(tup: Any) -> Any:
    return np.concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], 1)


@composed(
    np.append,
    samples=lambda rng: [
        ((rng.normal(size=(2, 3)), rng.normal(size=(1, 3))), p) for p in ({}, {"axis": 0}, {"axis": -2})
    ],
)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis)


@composed(np.block, samples=lambda rng: [(([[rng.normal(size=(2, 2)), rng.normal(size=(2, 1))], [np.ones(3)]],), {})])
def _block(arrays: Any) -> Any:
    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    def leaves(x: Any) -> list[Any]:
        return [leaf for item in x for leaf in leaves(item)] if isinstance(x, list) else [x]

    def joined(x: Any, axis: int) -> Any:
        if not isinstance(x, list):
            return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))
        return np.concatenate([joined(item, axis + 1) for item in x], axis)

    nested = depth(arrays)
    ndim = max(nested, *[np.ndim(x) for x in leaves(arrays)])
    return joined(arrays, -nested)


def array(data: Any, dtype: Any = None) -> Any:
    """An array of numbers, arrays and Values in nested lists: np.array, through which gradients flow.

    Parameters
    ----------
    data : number, array, Value, or nested list or tuple of them
        Of one shape at each level, as for np.array.
    dtype : floating or complex dtype, optional

    Returns
    -------
    Value, or array where `data` holds no Value

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> x = tg.Value(2.0)
    >>> y = array([[x, x * x], [1.0, 0.0]])
    >>> y.shape
    (2, 2)
    >>> y.sum().backward(); x.grad
    5.0
    """
    if isinstance(data, (list, tuple)) and data:
        parts = [array(item) for item in data]
        shapes = {np.shape(x) for x in parts}
        if len(shapes) > 1:
            raise ValueError(f"array() of parts of different shapes {sorted(shapes)}; join those with np.concatenate")
        return _typed(np.stack(parts), dtype)
    return _typed(data if hasattr(data, "dtype") else np.asarray(data, dtype=float), dtype)


# -- splitting -------------------------------------------------------------------------------------------------


def _pieces(function: Callable[..., Any], ary: Any, sections: Any, axis: int) -> list[Any]:
    """The parts that a splitting function cuts an axis into: it is asked to cut the numbers of its rows."""
    before = (slice(None),) * (axis % np.ndim(ary))
    rows = function(np.arange(np.shape(ary)[axis]), sections)
    starts = [int(r[0]) if r.size else 0 for r in rows]
    return [ary[(*before, slice(s, s + r.size))] for s, r in zip(starts, rows, strict=True)]


def _cuts(*calls: tuple[Any, ...]) -> Any:
    return lambda rng: [((rng.normal(size=shape), *rest), {}) for shape, *rest in calls]


@composed(np.split, samples=_cuts(((4, 2), 2), ((5,), [1, 3]), ((2, 6), 3, 1), ((3,), [0, 5])))
def _split_evenly(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return _pieces(np.split, ary, indices_or_sections, axis)


@composed(np.array_split, samples=_cuts(((5, 2), 3), ((2, 5), [1, 3], -1), ((2,), 3)))
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return _pieces(np.array_split, ary, indices_or_sections, axis)


@composed(np.hsplit, samples=_cuts(((4,), 2), ((2, 4), [1])))
def _hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return np.split(ary, indices_or_sections, 0 if np.ndim(ary) == 1 else 1)


@composed(np.vsplit, samples=_cuts(((4, 2), 2)))
def _vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if np.ndim(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return np.split(ary, indices_or_sections, 0)


@composed(np.dsplit, samples=_cuts(((2, 1, 4), [1, 3])))
def _dsplit(ary: Any, indices_or_sections: Any) -> Any:
    if np.ndim(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return np.split(ary, indices_or_sections, 2)


if hasattr(np, "unstack"):  # NumPy 2.1

    @composed(np.unstack, samples=lambda rng: [((rng.normal(size=(2, 3)),), p) for p in ({}, {"axis": -1})])
    def _unstacked(x: Any, /, *, axis: int = 0) -> Any:
        return tuple(np.moveaxis(x, axis, 0))
