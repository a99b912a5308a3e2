"""Reductions: sum, mean, max, min."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..forms import linear, primitive
from ..invariants import homogeneous, permutation
from ..node import plain
from ..op import Op
from ..registry import implements

Axis = int | tuple[int, ...] | None


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape, params in [
        ((3, 4), {}),
        ((2, 3, 4), {"axis": (0, -1)}),
        ((2, 3, 4), {"axis": 1, "keepdims": True}),
        ((3, 1), {"axis": 1}),
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


# -- as NumPy spells them --------------------------------------------------------------------------------------


def _spelt(op: Op, name: str, *after_axis: str) -> Callable[..., Any]:
    """NumPy's signature of a reduction: what stands between axis and keepdims is refused by name."""

    def call(a: Any, axis: Any = None, *rest: Any, **named: Any) -> Any:
        given = {**dict(zip((*after_axis, "keepdims"), rest, strict=False)), **named}
        keepdims = given.pop("keepdims", False)
        for key, value in given.items():
            if value is not None:
                raise NotImplementedError(f"np.{name} with {key}= has no rule on Values; leave {key} out")
        return op(a, axis=axis, keepdims=bool(keepdims))

    return call


for _op, _names, _between in (
    (sum, ("sum",), ("dtype", "out")),
    (mean, ("mean",), ("dtype", "out")),
    (max_, ("max", "amax"), ("out",)),
    (min_, ("min", "amin"), ("out",)),
):
    implements(*[getattr(np, n) for n in _names])(_spelt(_op, _names[0], *_between))
