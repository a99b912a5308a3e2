"""Reductions as NumPy spells them: dtype, where, initial; those that skip nan; averages. All in terms of the ops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..node import plain
from ..op import Op
from ..registry import composed
from . import reduction

_MISSING = np._NoValue


def _arguments(names: tuple[str, ...], rest: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What stands after the axis, by name, without what was left out."""
    given = {**dict(zip(names, rest, strict=False)), **named}
    given = {k: v for k, v in given.items() if v is not _MISSING and (v is not None or k == "mean")}
    if given.pop("out", None) is not None:
        raise TypeError("out= would overwrite an array and lose the graph")
    return given


def _prepared(a: Any, given: dict[str, Any], neutral: float | None, name: str) -> Any:
    """`a` in the dtype asked for, and neutral where the mask is False."""
    dtype, mask = given.pop("dtype", None), given.pop("where", True)
    if dtype is not None:
        a = a.astype(dtype)
    if mask is True:
        return a
    if neutral is None:
        raise NotImplementedError(f"np.{name} with where= has no rule on Values; use np.where and np.{name}")
    return np.where(mask, a, neutral)


def _samples(*more: dict[str, Any]) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        mask = np.array([[True, False, True, True], [False, True, True, True], [True, True, False, True]])
        for params in (*more, {}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}, {"where": mask, "axis": 1}):
            yield (rng.normal(size=(3, 4)),), {k: mask if k == "where" else v for k, v in params.items()}

    return samples


def _register(
    names: tuple[str, ...], op: Op, after: tuple[str, ...], neutral: float, join: Callable[..., Any], samples: Any
) -> None:
    """A reduction with an identity: where= puts the identity in, initial= joins the result."""

    def call(a: Any, axis: Any = None, *rest: Any, **named: Any) -> Any:
        if not rest and not named:
            return op(a, axis=axis)
        given = _arguments(after, rest, named)
        initial, keepdims = given.pop("initial", None), bool(given.pop("keepdims", False))
        a = _prepared(a, given, neutral, names[0])
        if initial is not None and np.size(a) == 0:  # nothing but the initial value
            return np.sum(a, axis=axis, keepdims=keepdims) + initial
        out = op(a, axis=axis, keepdims=keepdims, **given)
        return out if initial is None else join(out, initial)

    composed(*[getattr(np, n) for n in names], samples=samples)(call)


_register(
    ("sum",), reduction.sum, ("dtype", "out", "keepdims", "initial", "where"), 0.0, np.add, _samples({"initial": 2.0})
)
_register(
    ("prod",),
    reduction.prod,
    ("dtype", "out", "keepdims", "initial", "where"),
    1.0,
    np.multiply,
    _samples({"initial": 2.0}),
)
_EXTREMES = lambda rng: (
    [s for s in _samples()(rng) if "where" not in s[1]]
    + [((rng.normal(size=(2, 3)),), {"axis": 1, "where": np.array([True, True, False]), "initial": -0.3})]
)
_AFTER = ("out", "keepdims", "initial", "where")
_register(("max", "amax"), reduction.max_, _AFTER, -np.inf, np.maximum, _EXTREMES)
_register(("min", "amin"), reduction.min_, _AFTER, np.inf, np.minimum, _EXTREMES)


def _counted(a: Any, mask: Any, axis: Any, keepdims: bool) -> Any:
    """How many entries the mask lets through, in the precision of `a`."""
    dtype = np.real(plain(a)).dtype
    dtype = dtype if dtype.kind == "f" else float
    return np.sum(np.broadcast_to(plain(mask), np.shape(a)), axis=axis, keepdims=keepdims, dtype=dtype)


@composed(np.mean, samples=_samples())
def _mean(a: Any, axis: Any = None, *rest: Any, **named: Any) -> Any:
    if not rest and not named:
        return reduction.mean(a, axis=axis)
    given = _arguments(("dtype", "out", "keepdims"), rest, named)
    keepdims = bool(given.pop("keepdims", False))
    mask = given.get("where", True)
    a = _prepared(a, given, 0.0, "mean")
    if mask is True:
        return reduction.mean(a, axis=axis, keepdims=keepdims, **given)
    return reduction.sum(a, axis=axis, keepdims=keepdims, **given) / _counted(a, mask, axis, keepdims)


def _spread(op: Op, name: str) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, *rest: Any, **named: Any) -> Any:
        given = _arguments(("dtype", "out", "ddof", "keepdims"), rest, named)
        keepdims = bool(given.pop("keepdims", False))
        ddof = given.pop("correction", given.pop("ddof", 0))
        mask, mean = given.pop("where", True), given.pop("mean", None)
        a = _prepared(a, given, None, name)
        if mask is True and mean is None:
            return op(a, axis=axis, ddof=ddof, keepdims=keepdims, **given)
        if given:
            raise TypeError(f"np.{name} has no argument '{next(iter(given))}'")
        centre = np.mean(a, axis=axis, keepdims=True, where=mask) if mean is None else mean
        deviation = np.where(mask, a - centre, 0.0)
        squares = np.square(np.abs(deviation)) if np.iscomplexobj(a) else np.square(deviation)
        total = np.sum(squares, axis=axis, keepdims=keepdims)
        variance = total / np.maximum(_counted(a, mask, axis, keepdims) - ddof, 0.0)
        return variance if op is reduction.var else root(variance)

    return call


def root(x: Any) -> Any:
    """√x with slope 0 at 0, the convention for norms and standard deviations."""
    zero = plain(x) == 0
    return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, x)))


_SPREADS = _samples({"ddof": 1}, {"axis": 1, "correction": 2}, {"axis": 0, "where": True})
composed(np.var, samples=_SPREADS)(_spread(reduction.var, "var"))
composed(np.std, samples=_SPREADS)(_spread(reduction.std, "std"))


# -- cumulative ------------------------------------------------------------------------------------------------


def _cumulative(op: Op) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a = a if dtype is None else a.astype(dtype)
        return op(np.ravel(a), axis=0) if axis is None or np.ndim(a) == 0 else op(a, axis=axis)

    return call


def _along(rng: np.random.Generator) -> Iterable[Any]:
    for params in ({}, {"axis": 0}, {"axis": -1}):
        yield (rng.normal(size=(3, 4)),), params
    yield (rng.normal(size=()),), {}


composed(np.cumsum, samples=_along)(_cumulative(reduction.cumsum))
composed(np.cumprod, samples=_along)(_cumulative(reduction.cumprod))


def _array_api(op: Op, first: float) -> Callable[..., Any]:
    def call(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False) -> Any:
        x = np.atleast_1d(x)
        axis = axis if axis is not None or np.ndim(x) != 1 else 0
        if axis is None:
            raise ValueError("axis= is needed for an array of more than one axis")
        total = op(x if dtype is None else x.astype(dtype), axis=axis)
        if not include_initial:
            return total
        at = axis % np.ndim(total)
        start = np.full([1 if i == at else n for i, n in enumerate(np.shape(total))], first, np.result_type(total))
        return np.concatenate([start, total], axis=axis)

    return call


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    _INITIAL = lambda rng: [((rng.normal(size=(2, 3)),), {"axis": 1, "include_initial": b}) for b in (True, False)]
    composed(np.cumulative_sum, samples=_INITIAL)(_array_api(reduction.cumsum, 0.0))
    composed(np.cumulative_prod, samples=_INITIAL)(_array_api(reduction.cumprod, 1.0))


# -- skipping nan ----------------------------------------------------------------------------------------------


def _holes(rng: np.random.Generator) -> Any:
    x = rng.normal(size=(3, 4))
    return np.where(np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]) == 1, np.nan, x)


def _nan_samples(rng: np.random.Generator) -> Iterable[Any]:
    for params in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}, {"axis": (0, 1)}):
        yield (_holes(rng),), params


def _filled(function: Callable[..., Any], neutral: float) -> Callable[..., Any]:
    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        return function(np.where(np.isnan(a), neutral, a), *args, **kwargs)

    return call


composed(np.nansum, samples=_nan_samples)(_filled(np.sum, 0.0))
composed(np.nanprod, samples=_nan_samples)(_filled(np.prod, 1.0))
composed(np.nancumsum, samples=lambda rng: [((_holes(rng),), {"axis": 1}), ((_holes(rng),), {})])(
    _filled(np.cumsum, 0.0)
)
composed(np.nancumprod, samples=lambda rng: [((_holes(rng),), {"axis": 1}), ((_holes(rng),), {})])(
    _filled(np.cumprod, 1.0)
)


def _skipping(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, *args: Any, where: Any = True, **kwargs: Any) -> Any:
        known = np.logical_not(np.isnan(a)) & plain(where)
        return function(np.where(known, a, 0.0), *args, where=known, **kwargs)

    return call


def _extreme(function: Callable[..., Any], neutral: float) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kwargs: Any) -> Any:
        keepdims = False if keepdims is _MISSING else keepdims
        missing = np.isnan(a)
        found = function(np.where(missing, neutral, a), axis=axis, keepdims=keepdims, **kwargs)
        return np.where(np.all(missing, axis=axis, keepdims=keepdims), np.nan, found)

    return call


composed(np.nanmean, samples=_nan_samples)(_skipping(np.mean))
composed(np.nanvar, samples=_nan_samples)(_skipping(np.var))
composed(np.nanstd, samples=_nan_samples)(_skipping(np.std))
composed(np.nanmax, samples=_nan_samples)(_extreme(np.max, -np.inf))
composed(np.nanmin, samples=_nan_samples)(_extreme(np.min, np.inf))


# -- averages --------------------------------------------------------------------------------------------------


def _average_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)),), {}
    yield (rng.normal(size=(3, 4)),), {"axis": 1, "weights": rng.uniform(0.5, 2, size=4)}
    yield (rng.normal(size=(3, 4)),), {"weights": rng.uniform(0.5, 2, size=(3, 4)), "returned": True}
    yield (rng.normal(size=(3, 4)),), {"axis": 0, "weights": rng.uniform(0.5, 2, size=(3, 4)), "keepdims": True}


@composed(np.average, samples=_average_samples)
def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    keepdims = keepdims is True
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        total = np.full(np.shape(mean), np.size(a) / max(np.size(mean), 1))
    else:
        weights = np.asarray(weights) if isinstance(weights, (list, tuple)) else weights
        if np.shape(weights) != np.shape(a):
            if axis is None:
                raise TypeError("axis= is needed where weights have another shape than a")
            axes = normalize_axis_tuple(axis, np.ndim(a))
            shape = tuple([n if i in axes else 1 for i, n in enumerate(np.shape(a))])
            order = np.argsort(axes)
            weights = np.reshape(np.transpose(weights, [int(i) for i in order]), shape)
        total = np.sum(weights * np.ones(np.shape(a), plain(weights).dtype), axis=axis, keepdims=keepdims)
        if np.any(plain(total) == 0):
            raise ZeroDivisionError("np.average: weights sum to zero")
        mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


@composed(np.ptp, samples=lambda rng: [((rng.normal(size=(3, 4)),), p) for p in ({}, {"axis": 1, "keepdims": True})])
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    keepdims = keepdims is True
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)
