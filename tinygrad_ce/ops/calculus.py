"""Differences and sums over grids: diff, ediff1d, gradient, trapezoid, interp, unwrap, convolve, correlate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..node import Node, plain
from ..registry import composed
from .complex import conj


def _along(a: Any, axis: int, key: Any) -> Any:
    return a[(slice(None),) * normalize_axis_index(axis, np.ndim(a)) + (key,)]


# -- differences -----------------------------------------------------------------------------------------------


def _diffs(rng: np.random.Generator) -> Iterable[Any]:
    x = rng.normal(size=(3, 4))
    for params in (
        {},
        {"n": 2},
        {"n": 0},
        {"axis": 0},
        {"n": 2, "axis": 0, "prepend": 1.0},
        {"append": rng.normal(size=(3, 1))},
    ):
        yield (x,), params


@composed(np.diff, samples=_diffs)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if np.ndim(a) == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    if n == 0:
        return a
    shape = [1 if i == axis % np.ndim(a) else k for i, k in enumerate(np.shape(a))]
    parts = [x if np.ndim(x) else np.broadcast_to(x, shape) for x in (prepend, append) if x is not np._NoValue]
    if parts:
        parts.insert(0 if prepend is np._NoValue else 1, a)
        a = np.concatenate(parts, axis)
    for _ in range(n):
        a = _along(a, axis, slice(1, None)) - _along(a, axis, slice(None, -1))
    return a


@composed(
    np.ediff1d, samples=lambda rng: [((rng.normal(size=(2, 3)),), {}), ((rng.normal(size=4), 1.0), {"to_begin": [2.0]})]
)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    kind = plain(ary).dtype
    ends = [x if x is None or isinstance(x, Node) else np.asarray(x, kind) for x in (to_begin, to_end)]
    parts = [ends[0], np.diff(np.ravel(ary)), ends[1]]
    return np.concatenate([np.ravel(x) for x in parts if x is not None])


def _gradients(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=5),), {}
    yield (rng.normal(size=5), 0.5), {"edge_order": 2}
    yield (rng.normal(size=5), np.array([0.0, 0.5, 1.5, 2.0, 4.0])), {}
    yield (rng.normal(size=5), np.array([0.0, 0.5, 1.5, 2.0, 4.0])), {"edge_order": 2}
    yield (rng.normal(size=(3, 4)),), {}
    yield (rng.normal(size=(3, 4)), 2.0, 0.5), {}
    yield (rng.normal(size=(3, 4)), 2.0), {"axis": 1}
    yield (rng.normal(size=(2, 2)),), {"axis": (1, 0)}


@composed(np.gradient, samples=_gradients)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    ndim = np.ndim(f)
    axes = range(ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    steps = varargs if len(varargs) > 1 else (varargs or (1.0,)) * len(axes)
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    slopes = [_slope(f, a % ndim, h, edge_order) for a, h in zip(axes, steps, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    n = np.shape(f)[axis]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient")
    f = np.moveaxis(f, axis, -1)
    d = np.broadcast_to(spacing, n - 1) if np.ndim(spacing) == 0 else np.diff(spacing)
    slopes = (f[..., 1:] - f[..., :-1]) / d
    left, right = d[:-1], d[1:]
    inner = (slopes[..., :-1] * right + slopes[..., 1:] * left) / (left + right)
    first, last = slopes[..., :1], slopes[..., -1:]
    if edge_order == 2:
        first = first + (first - slopes[..., 1:2]) * (d[:1] / (d[:1] + d[1:2]))
        last = last + (last - slopes[..., -2:-1]) * (d[-1:] / (d[-1:] + d[-2:-1]))
    out = np.moveaxis(np.concatenate([first, inner, last], -1), -1, axis)
    kind = plain(f).dtype
    return out if kind.kind not in "fc" or plain(out).dtype == kind else out.astype(kind)


# -- integrals -------------------------------------------------------------------------------------------------


def _integrals(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=5),), {}
    yield (rng.normal(size=(3, 4)),), {"dx": 0.5, "axis": 0}
    yield (rng.normal(size=(3, 4)), np.sort(rng.normal(size=4))), {}
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {"axis": 0}


@composed(np.trapezoid, samples=_integrals)
def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    d: Any = dx
    if x is not None:
        d = np.diff(x, axis=axis if np.ndim(x) != 1 else 0)
        if np.ndim(x) == 1:
            d = np.reshape(d, [-1 if i == axis % np.ndim(y) else 1 for i in range(np.ndim(y))])
    pairs = _along(y, axis, slice(1, None)) + _along(y, axis, slice(None, -1))
    return np.sum(d * pairs * 0.5, axis=axis)


# -- between points --------------------------------------------------------------------------------------------


def _points(rng: np.random.Generator) -> Iterable[Any]:
    xp = np.array([0.0, 1.0, 2.5, 3.0])
    yield (np.array([[-1.0, 0.3, 1.4], [2.9, 3.5, 0.9]]), xp, rng.normal(size=4)), {}
    yield (np.array([-1.0, 3.5]), xp, rng.normal(size=4)), {"left": 7.0, "right": -2.0}
    yield (np.array([-0.7, 3.3]), xp, rng.normal(size=4)), {"period": 4.0}
    yield (np.array(0.7), xp, rng.normal(size=4)), {}


def _wide(v: Any) -> Any:
    """In double precision, in which np.interp works whatever it is given."""
    wide = np.result_type(plain(v), np.float64)
    return v if getattr(plain(v), "dtype", wide) == wide else v.astype(wide)


@composed(np.interp, samples=_points)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, xp, fp = [np.asarray(v) if isinstance(v, (list, tuple, float, int)) else v for v in (x, xp, fp)]
    x, xp, fp = [_wide(v) for v in (x, xp, fp)]
    if period is not None:
        period = abs(period)
        x = x - period * np.floor(plain(x) / period)
        xp = xp - period * np.floor(plain(xp) / period)
        order = np.argsort(plain(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    n = np.shape(xp)[0]
    if n == 1:
        return np.broadcast_to(fp[0], np.shape(x))
    i = np.minimum(np.maximum(np.searchsorted(plain(xp), plain(x), side="right") - 1, 0), n - 2)
    slope = (fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i])
    inside = fp[i] + slope * (x - xp[i])
    below, above = plain(x) < plain(xp)[0], plain(x) > plain(xp)[-1]
    out = np.where(below, fp[0] if left is None or period is not None else left, inside)
    return np.where(above, fp[-1] if right is None or period is not None else right, out)


@composed(
    np.unwrap,
    samples=lambda rng: [((np.array([[0.0, 3.0, 7.5, 1.0], [1.0, -4.0, 2.5, 3.0]]),), p) for p in ({}, {"axis": 0})],
)
def _unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    # steps of whole periods are added, and have no slope
    return p + (np.unwrap(plain(p), discont, axis, period=period) - plain(p))


# -- convolution -----------------------------------------------------------------------------------------------


def _signals(rng: np.random.Generator) -> Iterable[Any]:
    for n, m in ((5, 3), (2, 4), (3, 3), (1, 1)):
        for mode in ("full", "same", "valid"):
            yield (rng.normal(size=n), rng.normal(size=m), mode), {}


@composed(np.convolve, samples=_signals)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(a, v)
    if np.size(a) == 0 or np.size(v) == 0:
        raise ValueError("a and v cannot be empty")
    if np.size(v) > np.size(a):
        a, v = v, a
    n, m = np.size(a), np.size(v)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(a, m - 1), m)
    full = np.matmul(windows, np.flip(v))
    start, count = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[start : start + count]


@composed(np.correlate, samples=_signals)
def _correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    out = np.convolve(a, np.flip(conj(v)), mode)
    if mode == "same" and np.size(v) > np.size(a) and np.size(a) % 2 == 0:
        # NumPy takes the middle of the reversed sequence here
        full = np.convolve(a, np.flip(conj(v)), "full")
        start = np.size(a) // 2
        return full[start : start + np.size(v)]
    return out
