"""Linear algebra: matmul in every case that NumPy has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import primitive, unbroadcast
from ..invariants import homogeneous


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
    return unbroadcast(np.matmul(g, np.swapaxes(b, -1, -2)), a)


def _to_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1 and b.ndim == 1:
        return g * a
    if a.ndim == 1:
        return unbroadcast(np.expand_dims(a, -1) * np.expand_dims(g, -2), b)
    if b.ndim == 1:  # g: (..., n), a: (..., n, k)
        return unbroadcast(np.squeeze(np.matmul(np.expand_dims(g, -2), a), -2), b)
    return unbroadcast(np.matmul(np.swapaxes(a, -1, -2), g), b)


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
    return np.matmul(x1, x2)
