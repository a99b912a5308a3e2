"""Reductions as ops: sum, mean, max, min, prod, var, std, cumsum, cumprod. `reducing.py` has NumPy's spellings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import linear, primitive
from ..invariants import homogeneous, permutation
from ..node import plain
from .complex import conj
from .elementwise import inverse

Axis = int | tuple[int, ...] | None


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape, params in [
        ((3, 4), {}),
        ((2, 3, 4), {"axis": (0, -1)}),
        ((2, 3, 4), {"axis": 1, "keepdims": True}),
        ((3, 1), {"axis": 1}),
        ((1, 2, 1), {"axis": (1, 0)}),
        ((), {}),
    ]:
        yield (rng.normal(size=shape),), params


def _samples_with_empty(rng: np.random.Generator) -> Iterable[Any]:
    yield from _samples(rng)
    yield (rng.normal(size=(0, 3)),), {"axis": 0}


def restore(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction's result with the reduced axes back at length 1, so that it broadcasts against `x`."""
    if keepdims or axis is None:
        return g
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = len(getattr(x, "shape", ()))
    return np.expand_dims(g, tuple([a % ndim for a in axes])) if ndim else g


def _spread(g: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    return np.broadcast_to(restore(g, x, axis, keepdims), np.shape(x))


def _count(x: Any, axis: Axis) -> int:
    shape = np.shape(x)
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = 1
    for a in axes:
        n *= shape[a] if shape else 1
    return n


@linear(transpose=_spread, samples=_samples_with_empty, formula="g, broadcast")
def sum(a: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Σ a over `axis` (all of it by default)."""
    return np.sum(a, axis=axis, keepdims=keepdims)


@linear(
    transpose=lambda g, x, *, axis, keepdims: _spread(g / max(_count(x, axis), 1), x, axis=axis, keepdims=keepdims),
    samples=_samples,
    formula="g / n, broadcast",
)
def mean(a: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Σ a / n over `axis` (all of it by default)."""
    return np.mean(a, axis=axis, keepdims=keepdims)


def _to_extremes(g: Any, out: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    winners = plain(x) == plain(restore(out, x, axis, keepdims))
    share = winners / np.maximum(np.sum(winners, axis=axis, keepdims=True), 1)
    return restore(g, x, axis, keepdims) * share


def _from_extremes(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    (x,), axis = inputs, params["axis"]
    winners = plain(x) == plain(restore(out, x, axis, params["keepdims"]))
    share = winners / np.maximum(np.sum(winners, axis=axis, keepdims=True), 1)
    return np.sum(tangents[0] * share, axis=axis, keepdims=params["keepdims"])


_EXTREME: dict[str, Any] = {
    "vjps": (_to_extremes,),
    "pushforward": _from_extremes,
    "samples": _samples,
    "formula": "g to the winners, shared evenly at a tie",
    "invariants": [homogeneous(), permutation("a", follows=False)],
}


@primitive(**_EXTREME)
def max_(a: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest entry over `axis`; the gradient is shared evenly among entries that tie."""
    return np.max(a, axis=axis, keepdims=keepdims)


@primitive(**_EXTREME)
def min_(a: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest entry over `axis`; the gradient is shared evenly among entries that tie."""
    return np.min(a, axis=axis, keepdims=keepdims)


# -- products --------------------------------------------------------------------------------------------------


def _with_zeros(rng: np.random.Generator) -> Iterable[Any]:
    yield from _samples_with_empty(rng)
    yield (np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]]),), {"axis": 1}


def _to_last(x: Any, axis: Axis) -> Any:
    """The reduced axes of x as one, the last."""
    if axis is None or np.ndim(x) == 0:
        return np.reshape(x, (-1,))
    ndim = np.ndim(x)
    axes = [a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    kept = [a for a in range(ndim) if a not in axes]
    moved = np.transpose(x, (*kept, *axes))
    return np.reshape(moved, (*np.shape(moved)[: len(kept)], _count(x, tuple(axes))))


def _from_last(y: Any, x: Any, axis: Axis) -> Any:
    """The undoing of `_to_last`."""
    if axis is None or np.ndim(x) == 0:
        return np.reshape(y, np.shape(x))
    ndim = np.ndim(x)
    axes = [a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    order = [*[a for a in range(ndim) if a not in axes], *axes]
    y = np.reshape(y, [np.shape(x)[a] for a in order])
    return np.transpose(y, tuple([order.index(a) for a in range(ndim)]))


def _before(y: Any) -> Any:
    """Products of what comes before each entry of the last axis: nothing is divided, so zeros do no harm."""
    return np.cumprod(np.concatenate([np.ones_like(plain(y)[..., :1]), y[..., :-1]], axis=-1), axis=-1)


def _others(x: Any, axis: Axis) -> Any:
    """For each entry, the product of all the others."""
    y = _to_last(x, axis)
    return _from_last(_before(y) * np.flip(_before(np.flip(y, -1)), -1), x, axis)


@primitive(
    vjps=(lambda g, out, x, *, axis, keepdims: restore(g, x, axis, keepdims) * _others(x, axis),),
    pushforward=lambda tangents, out, inputs, params: np.sum(
        tangents[0] * _others(inputs[0], params["axis"]), axis=params["axis"], keepdims=params["keepdims"]
    ),
    samples=_with_zeros,
    formula="g Π of the others",
)
def prod(a: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Π a over `axis` (all of it by default); exact where entries are 0."""
    return np.prod(a, axis=axis, keepdims=keepdims)


def _cumulative_samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape, axis in (((5,), 0), ((2, 3, 4), 1), ((3, 1), -1), ((0, 3), 0), ((2, 0), 1)):
        yield (rng.normal(size=shape),), {"axis": axis}


@linear(
    transpose=lambda g, x, *, axis: np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis),
    samples=_cumulative_samples,
    formula="g summed from the end",
)
def cumsum(a: Any, *, axis: int) -> Any:
    """Sums of the entries so far along `axis`."""
    return np.cumsum(a, axis=axis)


def _suffix_sums(g: Any, a: Any) -> Any:
    """s_j = g_j + a_j s_(j+1) along the last axis, in log n steps: affine maps composed two by two."""
    step = 1
    while step < np.shape(g)[-1]:
        zeros = np.zeros_like(plain(g)[..., :step])
        g = g + a * np.concatenate([g[..., step:], zeros], axis=-1)
        a = a * np.concatenate([a[..., step:], zeros], axis=-1)
        step *= 2
    return g


def _through_cumprod(g: Any, out: Any, x: Any, *, axis: int) -> Any:
    y, h = np.moveaxis(x, axis, -1), np.moveaxis(g, axis, -1)
    following = np.concatenate([y[..., 1:], np.zeros_like(plain(y)[..., :1])], axis=-1)
    return np.moveaxis(_before(y) * _suffix_sums(h, following), -1, axis)


def _cumprod_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield from _cumulative_samples(rng)
    yield (np.array([2.0, 0.0, 3.0, 0.0, 0.5, 4.0]),), {"axis": 0}


@primitive(vjps=(_through_cumprod,), samples=_cumprod_samples, formula="Π_(k<j) x_k · (g_j + x_(j+1) (g_(j+1) + …))")
def cumprod(a: Any, *, axis: int) -> Any:
    """Products of the entries so far along `axis`; exact where entries are 0."""
    return np.cumprod(a, axis=axis)


# -- spread ----------------------------------------------------------------------------------------------------


def _degrees(x: Any, axis: Axis, ddof: float) -> Any:
    return max(_count(x, axis) - ddof, 0.0) or np.float64(0.0)


def _deviation(x: Any, axis: Axis) -> Any:
    return conj(x - np.mean(x, axis=axis, keepdims=True))


def _push_var(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    (x,), axis = inputs, params["axis"]
    terms = np.sum(tangents[0] * _deviation(x, axis), axis=axis, keepdims=params["keepdims"])
    return 2.0 * np.real(terms) / _degrees(x, axis, params["ddof"])


def _spread_samples(rng: np.random.Generator) -> Iterable[Any]:
    for inputs, params in _samples(rng):
        yield inputs, params
        if inputs[0].size > 3:
            yield inputs, {**params, "ddof": 1}


@primitive(
    vjps=(
        lambda g, out, x, *, axis, ddof, keepdims: (
            restore(g, x, axis, keepdims) * (2.0 / _degrees(x, axis, ddof)) * _deviation(x, axis)
        ),
    ),
    pushforward=_push_var,
    samples=_spread_samples,
    formula="2 g (x − mean) / (n − ddof)",
)
def var(a: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The mean of |a − mean|² over `axis`, with n − ddof in place of n."""
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)


@primitive(
    vjps=(
        lambda g, out, x, *, axis, ddof, keepdims: (
            restore(g * inverse(out), x, axis, keepdims) / _degrees(x, axis, ddof) * _deviation(x, axis)
        ),
    ),
    pushforward=lambda tangents, out, inputs, params: 0.5 * inverse(out) * _push_var(tangents, out, inputs, params),
    samples=lambda rng: [s for s in _spread_samples(rng) if s[0][0].shape not in ((), (3, 1))],
    formula="g (x − mean) / ((n − ddof) std); 0 where std is 0",
)
def std(a: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """√ of `var`; its gradient is 0 where it is 0."""
    return np.std(a, axis=axis, ddof=ddof, keepdims=keepdims)
