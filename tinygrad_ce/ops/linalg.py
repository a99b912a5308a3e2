"""Linear algebra: matmul in every case that NumPy has."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from ..forms import primitive, unbroadcast
from ..invariants import homogeneous
from ..node import Node


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for a, b in [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((2, 1, 2, 3), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 2)),
        ((1, 1), (1, 1)),
    ]:
        yield (rng.normal(size=a), rng.normal(size=b)), {}


def _to_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1 and b.ndim == 1:
        return g * b
    if b.ndim == 1:
        return unbroadcast(np.expand_dims(g, -1) * b, a)
    if a.ndim == 1:  # g: (..., m), b: (..., k, m)
        return unbroadcast(np.squeeze(np.matmul(b, np.expand_dims(g, -1)), -1), a)
    return unbroadcast(_product(g, np.swapaxes(b, -1, -2)), a)


def _to_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1 and b.ndim == 1:
        return g * a
    if a.ndim == 1:
        return unbroadcast(np.expand_dims(a, -1) * np.expand_dims(g, -2), b)
    if b.ndim == 1:  # g: (..., n), a: (..., n, k)
        return unbroadcast(np.squeeze(np.matmul(np.expand_dims(g, -2), a), -2), b)
    if b.ndim == 2 < a.ndim:  # the sum over the batch is part of the product
        return np.matmul(np.transpose(_rows(a)), _rows(g))
    return unbroadcast(np.matmul(np.swapaxes(a, -1, -2), g), b)


def _rows(x: Any) -> Any:
    """(..., k) as a matrix of k columns."""
    return np.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))


def _product(a: Any, b: Any) -> Any:
    """a @ b; of many matrices with the same right factor one large product, which is faster than many small ones."""
    if getattr(b, "ndim", 0) != 2 or getattr(a, "ndim", 0) < 3 or isinstance(a, Node):
        return np.matmul(a, b)
    return np.reshape(np.matmul(_rows(a), b), (*a.shape[:-1], b.shape[1]))


def _push(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    (ta, tb), (a, b) = tangents, inputs
    if ta is None:
        return np.matmul(a, tb)
    if tb is None:
        return np.matmul(ta, b)
    return np.matmul(ta, b) + np.matmul(a, tb)


@primitive(
    np.matmul,
    vjps=(_to_left, _to_right),
    pushforward=_push,
    samples=_samples,
    formula="g yᵀ, xᵀ g",
    invariants=[homogeneous("x1"), homogeneous("x2")],
)
def matmul(x1: Any, x2: Any) -> Any:
    """x1 @ x2 with NumPy's rules: 1-D operands are vectors, leading axes broadcast."""
    return _product(x1, x2)
