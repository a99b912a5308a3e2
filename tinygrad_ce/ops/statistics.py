"""cov, corrcoef, bincount with weights; functions applied along axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..node import plain
from ..registry import composed
from .complex import conj

# -- covariance ------------------------------------------------------------------------------------------------


def _observations(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 5)),), {}
    yield (rng.normal(size=(5, 2)),), {"rowvar": False, "bias": True}
    yield (rng.normal(size=4), rng.normal(size=4)), {"ddof": 0}
    yield (rng.normal(size=(2, 4)),), {"fweights": np.array([1, 2, 1, 3]), "aweights": np.array([0.5, 1.0, 2.0, 1.0])}


@composed(np.cov, samples=_observations)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if np.ndim(m) > 2 or np.ndim(y) > 2:
        raise ValueError("m and y have at most 2 dimensions")
    X = np.atleast_2d(m)
    X = np.transpose(X) if not rowvar and np.ndim(m) != 1 else X
    if y is not None:
        Y = np.atleast_2d(y)
        X = np.concatenate([X, np.transpose(Y) if not rowvar and np.shape(Y)[0] != 1 else Y])
    wide = np.result_type(plain(X), np.float64)
    X = X if plain(X).dtype == wide else X.astype(wide)
    ddof = (0 if bias else 1) if ddof is None else ddof
    w: Any = None
    for weights in (fweights, aweights):
        if weights is not None:
            weights = (weights if hasattr(weights, "astype") else np.asarray(weights)).astype(np.float64)
            w = weights if w is None else w * weights
    total = np.float64(np.shape(X)[1]) if w is None else np.sum(w)
    mean = np.mean(X, axis=1, keepdims=True) if w is None else np.sum(X * w, axis=1, keepdims=True) / total
    if w is None or ddof == 0 or aweights is None:
        scale = total - ddof
    else:
        scale = total - ddof * np.sum(w * aweights) / total
    X = X - mean
    scale = np.maximum(scale, 0.0)
    C = np.matmul(X if w is None else X * w, np.transpose(conj(X))) / scale
    C = C if dtype is None else C.astype(dtype)
    return np.squeeze(C)


@composed(
    np.corrcoef, samples=lambda rng: [((rng.normal(size=(3, 5)),), {}), ((rng.normal(size=4), rng.normal(size=4)), {})]
)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = np.cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    d = np.sqrt(np.real(np.diagonal(c)))
    return c / np.reshape(d, (-1, 1)) / np.reshape(d, (1, -1))


# -- functions of slices ---------------------------------------------------------------------------------------


@composed(
    np.apply_along_axis,
    samples=lambda rng: [((np.cumsum, 0, rng.normal(size=(3, 2))), {}), ((np.sum, -1, rng.normal(size=(3, 2))), {})],
)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    rows = np.moveaxis(arr, axis, -1)
    outer = np.shape(rows)[:-1]
    results = [func1d(rows[i], *args, **kwargs) for i in np.ndindex(outer)]
    inner = np.shape(results[0])
    out = np.reshape(np.stack(results), (*outer, *inner))
    at = axis % np.ndim(arr)
    return np.moveaxis(out, range(len(outer), len(outer) + len(inner)), range(at, at + len(inner)))


@composed(np.apply_over_axes, samples=lambda rng: [((np.sum, rng.normal(size=(2, 3)), [0, 1]), {})])
def _apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    ndim = np.ndim(a)
    for axis in axes if isinstance(axes, (list, tuple)) else (axes,):
        result = func(a, axis)
        a = result if np.ndim(result) == ndim else np.expand_dims(result, axis)
    return a


@composed(np.bincount, samples=lambda rng: [((np.array([0, 2, 2, 1]), rng.normal(size=4)), {"minlength": 5})])
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    x = np.asarray(plain(x))
    if weights is None:
        return np.bincount(x, minlength=minlength)
    chosen = x == np.arange(max(int(np.max(x, initial=-1)) + 1, minlength))[:, None]
    return np.matmul(chosen.astype(np.float64), weights)
