"""Shape: reshape, transpose and their kin. All linear, each with its transpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..forms import linear
from ..node import plain
from ..registry import composed, implements


def _one(shape: tuple[int, ...], **params: Any) -> Any:
    return lambda rng: [((rng.normal(size=shape),), params)]


@linear(
    transpose=lambda g, x, *, shape, order: _reshape_back(g, x, order),
    samples=lambda rng: [
        ((rng.normal(size=(2, 6)),), {"shape": (3, 4)}),
        ((rng.normal(size=(2, 6)),), {"shape": (-1, 3), "order": "F"}),
        ((rng.normal(size=(0, 3)),), {"shape": (3, 0)}),
        ((rng.normal(size=()),), {"shape": (1, 1)}),
    ],
    formula="g in x's shape",
)
def reshape(a: Any, *, shape: tuple[int, ...] | int, order: str = "C") -> Any:
    """`a` in another shape, its elements in the same order."""
    return np.reshape(a, shape, order=order)  # type: ignore[call-overload]


def _reshape_back(g: Any, x: Any, order: str) -> Any:
    return reshape(g, shape=np.shape(x), order=order)


def _layout(a: Any, order: str) -> str:
    """C or F for the orders that ask how the array lies in memory."""
    data = plain(a)
    f = isinstance(data, np.ndarray) and data.flags.f_contiguous and not data.flags.c_contiguous
    return order if order not in "KA" else "F" if f else "C"


@implements(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    return reshape(a, shape=newshape if shape is None else shape, order=_layout(a, order))


@composed(np.ravel, samples=lambda rng: [((rng.normal(size=(2, 3)),), p) for p in ({}, {"order": "F"})])
def _ravel(a: Any, order: str = "C") -> Any:
    data = plain(a)
    if order == "K" and isinstance(data, np.ndarray) and not (data.flags.c_contiguous or data.flags.f_contiguous):
        axes = sorted(range(data.ndim), key=lambda i: -abs(data.strides[i]))
        return np.reshape(np.transpose(a, axes), (-1,))
    return reshape(a, shape=(-1,), order=_layout(a, order))


@linear(
    np.transpose,
    transpose=lambda g, x, *, axes: np.transpose(g, None if axes is None else _inverse(axes)),
    samples=lambda rng: [
        ((rng.normal(size=(2, 3, 4)),), {}),
        ((rng.normal(size=(2, 3, 4)),), {"axes": (1, -1, 0)}),
        ((rng.normal(size=()),), {}),
    ],
    formula="g, axes put back",
)
def transpose(a: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    """`a` with its axes permuted, reversed by default."""
    return np.transpose(a, axes)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


@linear(
    np.swapaxes,
    transpose=lambda g, x, *, axis1, axis2: np.swapaxes(g, axis1, axis2),
    samples=_one((2, 3, 4), axis1=0, axis2=-1),
    formula="g, the two axes swapped back",
)
def swapaxes(a: Any, *, axis1: int, axis2: int) -> Any:
    """`a` with two axes exchanged."""
    return np.swapaxes(a, axis1, axis2)


@linear(
    np.squeeze,
    transpose=lambda g, x, *, axis: np.reshape(g, np.shape(x)),
    samples=lambda rng: [
        ((rng.normal(size=(2, 1, 3, 1)),), {}),
        ((rng.normal(size=(2, 1, 3, 1)),), {"axis": -1}),
    ],
    formula="g in x's shape",
)
def squeeze(a: Any, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """`a` without its axes of length one, or without those in `axis`."""
    return np.squeeze(a, axis)


@linear(
    np.expand_dims,
    transpose=lambda g, x, *, axis: np.reshape(g, np.shape(x)),
    samples=lambda rng: [
        ((rng.normal(size=(2, 3)),), {"axis": (0, -1)}),
        ((rng.normal(size=()),), {"axis": 0}),
    ],
    formula="g in x's shape",
)
def expand_dims(a: Any, *, axis: int | tuple[int, ...]) -> Any:
    """`a` with new axes of length one at `axis`."""
    return np.expand_dims(a, axis)


# -- permutations of axes --------------------------------------------------------------------------------------


def _permuting(function: Callable[..., Any], *calls: tuple[Any, ...]) -> None:
    """A function that permutes axes, as a transpose: it is asked what it does to an array of shape (0, 1, 2, …)."""

    @composed(function, samples=lambda rng: [((rng.normal(size=(2, 3, 4)), *c), {}) for c in calls])
    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        axes = function(np.broadcast_to(0.0, tuple(range(np.ndim(a)))), *args, **kwargs).shape
        return transpose(a, axes=axes)


_permuting(np.moveaxis, (0, -1), ([0, 2], [1, 0]))
_permuting(np.rollaxis, (2,), (0, 3), (-1, 1))
for _name in ("matrix_transpose",):
    _permuting(getattr(np, _name), ())
    _permuting(getattr(np.linalg, _name), ())


# -- at least so many axes -------------------------------------------------------------------------------------


def _at_least(function: Callable[..., Any]) -> None:
    def samples(rng: np.random.Generator) -> Any:
        return [(tuple([rng.normal(size=s) for s in shapes]), {}) for shapes in (((),), ((3,), (2, 3), (2, 1, 3, 1)))]

    @composed(function, samples=samples)
    def call(*arys: Any) -> Any:
        shaped = [np.reshape(a, function(np.broadcast_to(0.0, np.shape(a))).shape) for a in arys]
        return shaped[0] if len(shaped) == 1 else tuple(shaped)


for _function in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    _at_least(_function)


# -- broadcasting ----------------------------------------------------------------------------------------------


@composed(np.broadcast_arrays, samples=lambda rng: [((rng.normal(size=(3, 1)), rng.normal(size=4)), {})])
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*[np.shape(a) for a in args])
    return tuple([np.broadcast_to(a, shape) for a in args])


def _grids(rng: np.random.Generator) -> Any:
    for params in ({}, {"indexing": "ij"}, {"sparse": True}):
        yield (rng.normal(size=3), rng.normal(size=2), rng.normal(size=())), params


@composed(np.meshgrid, samples=_grids)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    grids = []
    for i, x in enumerate(xi):
        at = 1 - i if indexing == "xy" and len(xi) > 1 and i < 2 else i
        grids.append(np.reshape(x, [-1 if k == at else 1 for k in range(len(xi))]))
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


@composed(np.full_like, samples=lambda rng: [((rng.normal(size=(2, 3)), rng.normal(size=3)), {})])
def _full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    if fill_value is plain(fill_value):
        return np.full_like(plain(a), fill_value, dtype, order, subok, shape)
    dtype = np.result_type(a) if dtype is None else np.dtype(dtype)
    filled = np.broadcast_to(fill_value, np.shape(a) if shape is None else shape)
    return filled.astype(dtype) if dtype.kind in "fc" else filled
