"""np.linalg.norm of every order, vector_norm, matrix_norm, cond. The slope of a norm at 0 is 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..forms import primitive
from ..node import plain
from ..registry import composed
from .complex import conj
from .elementwise import inverse
from .reduction import restore

Axis = int | tuple[int, ...] | None


def _push(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    total = np.sum(tangents[0] * conj(inputs[0]), axis=params["axis"], keepdims=params["keepdims"])
    return np.real(total) * inverse(out)


@primitive(
    vjps=(lambda g, out, x, *, axis, keepdims: restore(g * inverse(out), x, axis, keepdims) * conj(x),),
    pushforward=_push,
    samples=lambda rng: [
        ((rng.normal(size=s),), p)
        for s, p in [
            ((3,), {}),
            ((3, 4), {}),
            ((2, 3, 4), {"axis": (0, -1)}),
            ((2, 3), {"axis": 1, "keepdims": True}),
            ((0, 3), {"axis": 0}),
        ]
    ],
    formula="g x / ‖x‖; 0 where x is 0",
)
def euclidean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """√ Σ |x|² over `axis` (all of it by default)."""
    squares = np.real(x) ** 2 + np.imag(x) ** 2 if np.iscomplexobj(x) else np.square(x)
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))


def _empty(x: Any) -> dict[str, Any]:
    """The largest of no absolute values is 0."""
    return {} if np.size(x) else {"initial": 0.0}


def _vector(x: Any, order: Any, axis: Axis, keepdims: bool) -> Any:
    if order is None or order == 2:
        return euclidean(x, axis=axis, keepdims=keepdims)
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims, **_empty(x))
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum((plain(size) != 0) + 0.0 * size, axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    # |x|^p and its root where they are not 0: there, their slopes are 0 or infinite, and the convention is 0
    zero = plain(size) == 0
    powers = np.where(zero, 0.0 if order > 0 else np.inf, np.where(zero, 1.0, size) ** order)
    total = np.sum(powers, axis=axis, keepdims=keepdims)
    flat = (plain(total) == 0) | np.isinf(plain(total))
    return np.where(
        flat, plain(total) ** (1.0 / order) if order > 0 else 0.0, np.where(flat, 1.0, total) ** (1.0 / order)
    )


def _matrix(x: Any, order: Any, rows: int, columns: int, keepdims: bool) -> Any:
    if order in (None, "fro", "f"):
        return euclidean(x, axis=(rows, columns), keepdims=keepdims)
    if order in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, (rows, columns), (-2, -1)), compute_uv=False)
        # equal ones share the gradient, as ties of max do
        found = np.sum(s, -1) if order == "nuc" else np.max(s, -1, **_empty(s)) if order == 2 else np.min(s, -1)
    elif order in (1, -1, np.inf, -np.inf):
        inner, outer = (rows, columns) if order in (1, -1) else (columns, rows)
        sums = np.sum(np.abs(x), axis=inner, keepdims=True)
        found = np.max(sums, (inner, outer), **_empty(x)) if order > 0 else np.min(sums, (inner, outer))
    else:
        raise ValueError("Invalid norm order for matrices.")
    return np.expand_dims(found, sorted((rows, columns))) if keepdims else found


def _norm_samples(rng: np.random.Generator) -> Iterable[Any]:
    order: Any
    for order in (None, 2, 1, np.inf, -np.inf, 0, 3, 0.5, -1, 2.5):
        yield (rng.normal(size=4),), {"ord": order}
    for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        yield (rng.normal(size=(2, 3)),), {"ord": order}
    for order in ("fro", "nuc", 1, 2, -np.inf):
        yield (rng.normal(size=(2, 3, 2)),), {"ord": order, "axis": (0, 2), "keepdims": True}
        yield (rng.normal(size=(2, 3, 2)),), {"ord": order, "axis": (2, 1)}
    for params in ({"axis": 1}, {"ord": 1, "axis": 0, "keepdims": True}, {"keepdims": True}, {"ord": 3, "axis": -1}):
        yield (rng.normal(size=(2, 3)),), params
    yield (rng.normal(size=(2, 3, 2)),), {}


@composed(np.linalg.norm, samples=_norm_samples)
def _norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    ndim = np.ndim(x)
    if axis is None:
        if ord is None:
            return euclidean(x, axis=None, keepdims=keepdims)
        axis = tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = normalize_axis_tuple(axes, ndim)
    if len(axes) == 1:
        return _vector(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _matrix(x, ord, *axes, keepdims)


def _vector_samples(rng: np.random.Generator) -> Iterable[Any]:
    for params in ({}, {"ord": 1, "axis": 0}, {"ord": 3, "axis": (0, 1), "keepdims": True}, {"keepdims": True}):
        yield (rng.normal(size=(2, 3)),), params


@composed(np.linalg.vector_norm, samples=_vector_samples)
def _vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    axis = tuple(axis) if isinstance(axis, (tuple, list)) else axis
    return _vector(x, ord, axis, keepdims)


@composed(
    np.linalg.matrix_norm, samples=lambda rng: [((rng.normal(size=(2, 2, 3)),), {"ord": o}) for o in ("fro", "nuc", 1)]
)
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _matrix(x, ord, np.ndim(x) - 2, np.ndim(x) - 1, keepdims)


@composed(np.linalg.cond, samples=lambda rng: [((rng.normal(size=(3, 3)),), {"p": p}) for p in (None, 2, -2, "fro", 1)])
def _cond(x: Any, p: Any = None) -> Any:
    if p in (None, 2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))
