"""Choosing entries: sort, partition, take, compress, choose, select; medians and quantiles of what is sorted.

Which entry comes where is plain data; the gradient follows the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..arrays import as_array
from ..node import Node, plain
from ..registry import composed
from .indexing import index


def _calls(*calls: Any) -> Any:
    return lambda rng: [((rng.normal(size=shape), *rest), params) for shape, rest, params in calls]


def _flat(a: Any, axis: int | None) -> tuple[Any, int]:
    return (np.ravel(a), 0) if axis is None else (a, normalize_axis_index(axis, np.ndim(a)))


@composed(
    np.sort,
    samples=_calls(
        ((3, 4), (), {}), ((3, 4), (0,), {}), ((2, 3), (None,), {}), ((0, 2), (), {"axis": 0}), ((1,), (), {})
    ),
)
def _sort(a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, axis = _flat(a, axis)
    return np.take_along_axis(a, np.argsort(plain(a), axis=axis, kind=kind, stable=stable), axis)


@composed(np.sort_complex, samples=_calls(((5,), (), {}), ((2, 3), (), {})))
def _sort_complex(a: Any) -> Any:
    a = np.sort(a)
    return a if np.iscomplexobj(a) else a.astype(np.complex128)


@composed(np.partition, samples=_calls(((7,), (3,), {}), ((3, 4), ([1, 2],), {}), ((3, 4), (0,), {"axis": 0})))
def _partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    a, axis = _flat(a, axis)
    return np.take_along_axis(a, np.argpartition(plain(a), kth, axis=axis), axis)


@composed(
    np.take,
    samples=_calls(
        ((3, 4), ([0, 2, 2],), {"axis": 0}),
        ((3, 4), (np.array([[5, 1]]),), {}),
        ((4,), (-1,), {}),
        ((3,), ([4, -7],), {"mode": "wrap"}),
        ((3,), ([4, -7],), {"mode": "clip"}),
        ((2, 3), ([],), {"axis": 1}),
    ),
)
def _take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    a, axis = _flat(a, axis if np.ndim(a) else None)
    indices = as_array(plain(indices))  # a traced array stays one
    indices = indices.astype(np.intp) if indices.size == 0 or indices.dtype.kind == "b" else indices
    n = np.shape(a)[axis]
    if mode != "raise":
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    return index(a, (slice(None),) * axis + (indices,))


@composed(
    np.compress, samples=lambda rng: [(([True, False, True], rng.normal(size=(3, 4))), p) for p in ({}, {"axis": 0})]
)
def _compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    return np.take(a, np.flatnonzero(plain(condition)), axis=axis)


@composed(np.extract, samples=lambda rng: [((np.eye(3) > 0, rng.normal(size=(3, 3))), {})])
def _extract(condition: Any, arr: Any) -> Any:
    return np.take(np.ravel(arr), np.flatnonzero(np.ravel(plain(condition))))


@composed(
    np.choose,
    samples=lambda rng: [
        ((np.array([0, 2, 1]), [rng.normal(size=3), rng.normal(size=(2, 3)), rng.normal(size=())]), {}),
        ((np.array([-1, 3]), [rng.normal(size=2), rng.normal(size=2)]), {"mode": "wrap"}),
    ],
)
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    a, n = plain(a), len(choices)
    if mode == "raise" and np.any((a < 0) | (a >= n)):
        raise ValueError("invalid entry in choice array")
    a = a % n if mode == "wrap" else np.clip(a, 0, n - 1)
    chosen = choices[n - 1]
    for i in range(n - 1):
        chosen = np.where(a == i, choices[i], chosen)
    return np.broadcast_to(chosen, np.broadcast_shapes(np.shape(chosen), np.shape(a)))


@composed(
    np.select,
    samples=lambda rng: [
        (([np.array([True, False, False]), np.array([True, True, False])], [rng.normal(size=3), rng.normal(size=3)]), p)
        for p in ({}, {"default": 2.0})
    ],
)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    chosen = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        chosen = np.where(plain(condition), choice, chosen)
    return chosen


@composed(
    np.piecewise,
    samples=lambda rng: [
        ((x := rng.normal(size=5), [x < 0, x >= 0], [lambda t: -t * t, 3.0]), {}),
        ((x, [x > 0], [np.exp, lambda t: t * 2]), {}),
    ],
)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kwargs: Any) -> Any:
    conditions = condlist if isinstance(condlist, (list, tuple)) and np.ndim(condlist[0]) else [condlist]
    conditions = [np.asarray(plain(c), dtype=bool) for c in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    total: Any = np.zeros_like(plain(x))
    for condition, function in zip(conditions, funclist, strict=True):
        # a function sees its own part only, as in NumPy: elsewhere it may not be defined
        part = x[condition]
        value = function(part, *args, **kwargs) if callable(function) else function
        places = np.flatnonzero(condition)
        spread = np.zeros(total.size, dtype=np.intp)
        spread[places] = np.arange(places.size)
        value = np.broadcast_to(value, np.shape(part))
        filled = value[spread.reshape(condition.shape)] if places.size else 0.0
        total = np.where(condition, filled, total)
    kind = plain(x).dtype
    return total if kind.kind not in "fc" or total.dtype == kind else total.astype(kind)


# -- order statistics ------------------------------------------------------------------------------------------


def _quantile(function: Callable[..., Any], a: Any, q: Any, axis: Any, keepdims: bool, **options: Any) -> Any:
    """Any quantile of NumPy's: a point between two sorted entries. Which two, and where between them, is the same
    function of their ranks, whatever the method."""
    ndim = np.ndim(a)
    axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)
    kept = [i for i in range(ndim) if i not in axes]
    rows = np.transpose(a, (*kept, *axes))
    rows = np.reshape(rows, (*np.shape(rows)[: len(kept)], int(np.prod([np.shape(a)[i] for i in axes], dtype=int))))
    weights = options.pop("weights", None)
    if weights is not None:
        weights = np.asarray(plain(weights))
        weights = (
            weights
            if weights.ndim == ndim
            else np.reshape(weights, [np.shape(a)[i] if i in axes else 1 for i in range(ndim)])
        )
        weights = np.transpose(np.broadcast_to(weights, np.shape(a)), (*kept, *axes)).reshape(np.shape(rows))
        options["weights"] = weights
    data, moving = plain(rows), isinstance(q, Node)
    order = np.argsort(data, axis=-1)
    ranks = np.argsort(order, axis=-1).astype(np.float64)
    ranks = np.where(np.isnan(data), np.nan, ranks)
    at = function(ranks, plain(q), axis=-1, **options)
    at = np.asarray(np.where(np.abs(at - np.rint(at)) < 1e-9, np.rint(at), at))
    unknown = np.isnan(at)
    low = np.floor(np.where(unknown, 0.0, at)).astype(np.intp)
    sort = np.take_along_axis(rows, order, -1)
    high = np.minimum(low + 1, np.shape(rows)[-1] - 1)

    def places(i: Any) -> Any:
        return np.moveaxis(np.reshape(i, (np.size(q), *np.shape(data)[:-1])), 0, -1)

    below, above = np.take_along_axis(sort, places(low), -1), np.take_along_axis(sort, places(high), -1)
    exact = {k: v for k, v in options.items() if k != "weights"}
    dtype = np.asarray(function(np.zeros(1, data.dtype), plain(q), **exact)).dtype
    share = places(np.where(unknown, np.nan, at - low)).astype(dtype)
    if moving:
        steps = _steps(places(at), np.sum(~np.isnan(data), axis=-1, keepdims=True), options["method"])
        steps = np.asarray(steps, dtype)
        moved = np.ravel(q - plain(q)) / (100.0 if function in (np.percentile, np.nanpercentile) else 1.0)
        found = below + (share + steps * moved) * (above - below)
    else:
        found = np.where(share == 0, below, below + share * (above - np.where(share == 0, 0.0, below)))
    found = np.reshape(np.moveaxis(found, -1, 0), (*np.shape(q), *np.shape(data)[:-1]))
    if keepdims:
        found = np.reshape(found, (*np.shape(q), *[1 if i in axes else n for i, n in enumerate(np.shape(a))]))
    return found


# How fast the place between the sorted entries moves with q, n numbers in all: n + this much; other methods jump.
_MOVING = {
    "linear": -1.0,
    "interpolated_inverted_cdf": 0.0,
    "hazen": 0.0,
    "weibull": 1.0,
    "median_unbiased": 1 / 3,
    "normal_unbiased": 1 / 4,
}


def _steps(at: Any, n: Any, method: str) -> Any:
    """d place / dq, which is 0 where the place is held at an end."""
    if method not in _MOVING:
        return 0.0
    inside = (at < n - 1) & ((at >= 0) if method == "linear" else (at > 0))
    return np.where(inside, n + _MOVING[method], 0.0)


def _apart(rng: np.random.Generator, *shape: int) -> Any:
    """Numbers in random order, none near another."""
    size = int(np.prod(shape))
    return (rng.permutation(size) + rng.uniform(0, 0.5, size=size)).reshape(shape)


def _quantiles(scale: float) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        yield (_apart(rng, 3, 5), 0.3 * scale), {}
        yield (_apart(rng, 3, 5), [0.25 * scale, 0.6 * scale]), {"axis": 1, "keepdims": True}
        yield (_apart(rng, 2, 3, 4), 0.7 * scale), {"axis": (0, 2)}
        for method in ("lower", "higher", "midpoint", "nearest", "inverted_cdf", *_MOVING):
            yield (_apart(rng, 5), np.array(0.45 * scale)), {"method": method}
        yield (_apart(rng, 2, 6), np.array([0.3 * scale, 0.75 * scale])), {"axis": 1}

    return samples


def _register_quantiles(function: Callable[..., Any], scale: float) -> None:
    @composed(function, samples=_quantiles(scale))
    def call(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
        interpolation: Any = None,
    ) -> Any:
        more = {} if weights is None else {"weights": weights}
        return _quantile(function, a, q, axis, keepdims is True, method=interpolation or method, **more)


for _function, _scale in ((np.quantile, 1.0), (np.percentile, 100.0), (np.nanquantile, 1.0), (np.nanpercentile, 100.0)):
    _register_quantiles(_function, _scale)


def _medians(rng: np.random.Generator) -> Iterable[Any]:
    for shape, params in (
        ((5,), {}),
        ((3, 4), {}),
        ((3, 4), {"axis": 1, "keepdims": True}),
        ((2, 3, 2), {"axis": (0, 2)}),
    ):
        yield (_apart(rng, *shape),), params


@composed(np.median, samples=_medians)
def _median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    if np.size(a) == 0:
        return np.mean(a, axis=axis, keepdims=keepdims is True)  # nan, as NumPy says
    return _quantile(np.quantile, a, 0.5, axis, keepdims is True)


@composed(np.nanmedian, samples=_medians)
def _nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    if np.size(a) == 0:
        return np.mean(a, axis=axis, keepdims=keepdims is True)
    return _quantile(np.nanquantile, a, 0.5, axis, keepdims is True)
