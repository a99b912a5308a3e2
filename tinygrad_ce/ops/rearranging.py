"""Functions that only move elements about: flip, roll, rot90, tile, repeat, diag, tril, sliding windows, delete.

Where a function has no simple transpose, it is asked what it does to the numbers of the elements: `rearranging` runs
it on 1, 2, 3, … and adds the gradient up at the numbers that come out; a 0 is a zero that the function put there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..forms import Sampler, linear, unbroadcast
from ..node import plain
from ..op import Op
from ..registry import composed, implements
from .indexing import scatter_add


def frozen(x: Any) -> Any:
    """Lists and integer arrays as nested tuples of Python numbers: options are hashable constants."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = x.tolist()
    return tuple([frozen(item) for item in x]) if isinstance(x, (list, tuple)) else x


def numbered(shape: tuple[int, ...], start: int = 1) -> Any:
    """An array whose entries are the numbers of their places."""
    return np.arange(start, start + int(np.prod(shape, dtype=int))).reshape(shape)


def rearranging(*functions: Any, samples: Sampler) -> Callable[[Callable[..., Any]], Op]:
    """Register a function whose results are entries of its first argument, or zeros."""

    def declare(function: Callable[..., Any]) -> Op:
        def transpose(g: Any, x: Any, **params: Any) -> Any:
            shape = np.shape(x)
            places = np.ravel(function(numbered(shape), **params))
            size = int(np.prod(shape, dtype=int)) + 1
            return np.reshape(scatter_add(np.ravel(g), places, key=(("array", 0),), shape=(size,))[1:], shape)

        op = linear(transpose=transpose, samples=samples, formula="g, added up where the entries came from")(function)

        @implements(*functions)
        def call(a: Any, *args: Any, **kwargs: Any) -> Any:
            return op(a, *[frozen(x) for x in args], **{k: frozen(v) for k, v in kwargs.items()})

        return op

    return declare


def _calls(*calls: tuple[tuple[int, ...], dict[str, Any]]) -> Any:
    return lambda rng: [((rng.normal(size=shape),), params) for shape, params in calls]


# -- turned ----------------------------------------------------------------------------------------------------


@linear(
    np.flip,
    transpose=lambda g, x, *, axis: np.flip(g, axis),
    samples=_calls(((2, 3), {}), ((2, 3, 2), {"axis": (0, -1)}), ((3,), {"axis": 0}), ((0, 2), {}), ((), {})),
    formula="g, flipped back",
)
def flip(m: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """`m` with the order of its entries reversed along `axis` (every axis by default)."""
    return np.flip(m, axis)


@composed(np.flipud, samples=_calls(((3, 2), {})))
def _flipud(m: Any) -> Any:
    return np.flip(m, 0)


@composed(np.fliplr, samples=_calls(((3, 2), {})))
def _fliplr(m: Any) -> Any:
    return np.flip(m, 1)


@composed(np.rot90, samples=_calls(*[((2, 3), {"k": k}) for k in (-1, 0, 1, 2)], ((2, 3, 4), {"axes": (2, 0)})))
def _rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    first, second = axes
    if k % 4 == 0:
        return np.copy(m)
    if k % 4 == 2:
        return np.flip(m, (first, second))
    return (
        np.swapaxes(np.flip(m, second), first, second) if k % 4 == 1 else np.flip(np.swapaxes(m, first, second), second)
    )


def _minus(shift: int | tuple[int, ...]) -> Any:
    return tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift


@linear(
    transpose=lambda g, x, *, shift, axis: np.roll(g, _minus(shift), axis),
    samples=_calls(((2, 3), {"shift": 2}), ((2, 3), {"shift": (1, -4), "axis": (0, 1)}), ((0,), {"shift": 1})),
    formula="g, rolled back",
)
def roll(a: Any, *, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Any:
    """`a` with entries moved round along `axis` (round all of it by default)."""
    return np.roll(a, shift, axis)


@implements(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return roll(a, shift=frozen(shift), axis=frozen(axis))


@linear(
    np.copy,
    transpose=lambda g, x: g,
    samples=_calls(((2, 3), {}), ((), {})),
    formula="g",
)
def copy(a: Any) -> Any:
    """A copy of `a`, as a node of its own."""
    return a if type(a) is float else np.copy(a)


# -- repeated --------------------------------------------------------------------------------------------------


@composed(
    np.tile,
    samples=lambda rng: [
        ((rng.normal(size=s), r), {})
        for s, r in (((3,), 2), ((2, 3), (2, 1, 2)), ((2, 1, 2), (2,)), ((), (2, 2)), ((2,), 0))
    ],
)
def _tile(A: Any, reps: Any) -> Any:
    reps = frozen(reps) if np.ndim(reps) else (int(reps),)
    ndim = max(len(reps), np.ndim(A))
    shape = (1,) * (ndim - np.ndim(A)) + np.shape(A)
    reps = (1,) * (ndim - len(reps)) + tuple(reps)
    between = [n for s in shape for n in (1, s)]
    spread = np.broadcast_to(np.reshape(A, between), [n for r, s in zip(reps, shape, strict=True) for n in (r, s)])
    return np.reshape(spread, [r * s for r, s in zip(reps, shape, strict=True)])


@rearranging(
    np.repeat,
    samples=_calls(
        ((2, 3), {"repeats": 2}),
        ((2, 3), {"repeats": (1, 0, 2), "axis": 1}),
        ((), {"repeats": 3}),
        ((0, 2), {"repeats": 2}),
    ),
)
def repeat(a: Any, *, repeats: int | tuple[int, ...], axis: int | None = None) -> Any:
    """Each entry of `a` so many times."""
    return np.repeat(a, repeats, axis)


@rearranging(np.resize, samples=_calls(((2, 3), {"new_shape": (4, 2)}), ((3,), {"new_shape": 2})))
def resize(a: Any, *, new_shape: int | tuple[int, ...]) -> Any:
    """The entries of `a`, repeated as often as it takes to fill `new_shape`."""
    return np.resize(a, new_shape)


@rearranging(
    np.lib.stride_tricks.sliding_window_view,
    samples=_calls(
        ((5,), {"window_shape": 3}), ((3, 4), {"window_shape": (2, 2)}), ((3, 4), {"window_shape": 2, "axis": 1})
    ),
)
def sliding_window_view(
    x: Any,
    *,
    window_shape: int | tuple[int, ...],
    axis: int | tuple[int, ...] | None = None,
    subok: bool = False,
    writeable: bool = False,
) -> Any:
    """Every window of that shape in `x`, as new last axes."""
    return np.lib.stride_tricks.sliding_window_view(x, window_shape, axis)


# -- diagonals and triangles -----------------------------------------------------------------------------------


@rearranging(
    np.diag,
    samples=_calls(((3,), {}), ((2,), {"k": -1}), ((3, 3), {"k": 1}), ((2, 4), {}), ((4, 2), {"k": -2}), ((0,), {})),
)
def diag(v: Any, *, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or a matrix with that diagonal."""
    return np.diag(v, k)


@rearranging(np.diagflat, samples=_calls(((2, 2), {}), ((3,), {"k": 1}), ((), {})))
def diagflat(v: Any, *, k: int = 0) -> Any:
    """A matrix whose k-th diagonal is `v`, flattened."""
    return np.diagflat(v, k)


@rearranging(
    np.diagonal,
    samples=_calls(((3, 3), {}), ((2, 4), {"offset": 1}), ((2, 3, 4), {"offset": -1, "axis1": 2, "axis2": 0})),
)
def diagonal(a: Any, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries a[i, i + offset] of two axes, as a new last axis."""
    return np.diagonal(a, offset, axis1, axis2)


@composed(
    np.trace,
    samples=_calls(
        ((3, 3), {}), ((2, 4), {"offset": 1}), ((2, 3, 4), {"axis1": 2, "axis2": 0}), ((4, 2), {"offset": -9})
    ),
)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@composed(np.linalg.diagonal, samples=_calls(((2, 3, 3), {"offset": 1})))
def _matrix_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@composed(np.linalg.trace, samples=_calls(((2, 3, 3), {"offset": 1})))
def _matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.trace(x, offset, -2, -1, dtype=dtype)


@linear(
    np.tril,
    transpose=lambda g, x, *, k: unbroadcast(np.tril(g, k), x),
    samples=_calls(((3, 3), {}), ((2, 4), {"k": 1}), ((2, 3, 2), {"k": -1}), ((0, 2), {}), ((3,), {})),
    formula="the same triangle of g",
)
def tril(m: Any, *, k: int = 0) -> Any:
    """The lower triangle of matrices, zeros above."""
    return np.tril(m, k)


@linear(
    np.triu,
    transpose=lambda g, x, *, k: unbroadcast(np.triu(g, k), x),
    samples=_calls(((3, 3), {}), ((2, 4), {"k": 1}), ((2, 3, 2), {"k": -1}), ((0, 2), {}), ((3,), {})),
    formula="the same triangle of g",
)
def triu(m: Any, *, k: int = 0) -> Any:
    """The upper triangle of matrices, zeros below."""
    return np.triu(m, k)


# -- taken out and put in --------------------------------------------------------------------------------------


@composed(
    np.delete,
    samples=lambda rng: [
        ((rng.normal(size=s), *rest), {})
        for s, *rest in (((4,), 1), ((3, 2), [0, 2], 0), ((2, 3), slice(0, 2), 1), ((2, 2), 3))
    ],
)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    kept = np.delete(np.arange(np.shape(arr)[axis]), obj)
    return np.take(arr, kept, axis=axis)


@composed(
    np.insert,
    samples=lambda rng: [
        ((rng.normal(size=(2, 3)), 1, rng.normal(size=3), 0), {}),
        ((rng.normal(size=(2, 3)), [0, 2], rng.normal(size=(2, 1)), 1), {}),
        ((rng.normal(size=(2, 3)), [1, 1], rng.normal(size=2)), {}),
    ],
)
def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    # NumPy puts the numbers of the entries in their places; then the entries follow.
    size = int(np.size(arr))
    places = np.insert(numbered(np.shape(arr), 0), obj, numbered(np.shape(values), size), axis)
    return np.concatenate([np.ravel(arr), np.ravel(values)])[places]


@composed(
    np.trim_zeros,
    samples=lambda rng: [((np.array([1.5, 0.0, 2.0]),), {})],
)
def _trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    data = np.asarray(plain(filt))
    axes = range(data.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    keys = [slice(None)] * data.ndim
    for axis in axes:
        others = tuple([i for i in range(data.ndim) if i != axis % data.ndim])
        there = np.flatnonzero(np.any(data != 0, axis=others))
        n = data.shape[axis]
        first, last = (int(there[0]), int(there[-1]) + 1) if there.size else (n, n)
        keys[axis] = slice(first if "f" in trim.lower() else 0, last if "b" in trim.lower() or first == n else n)
    return filt[tuple(keys)]
