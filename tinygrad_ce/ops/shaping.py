"""Shape: reshape, transpose and their kin; concatenate and stack. All linear, each with its transpose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import linear
from ..registry import implements


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


@implements(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C") -> Any:
    return reshape(a, shape=shape, order=order)


@implements(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, shape=(-1,), order=order)


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


# -- joining ---------------------------------------------------------------------------------------------------


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


@implements(np.concatenate)
def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    return concatenate(*arrays, axis=axis)


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
def _stack(arrays: Any, axis: int = 0) -> Any:
    return stack(*arrays, axis=axis)
