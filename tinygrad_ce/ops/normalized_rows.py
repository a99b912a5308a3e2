"""Rows brought to mean 0 and variance 1 (or to mean square 1): what the four normalisations share.

With x a row, c = x − mean x, s = √(mean c² + ε), x̂ = c / s, and h the cotangent of x̂:

    dx = (h − mean h − x̂ mean(h x̂)) / s

Where a row holds two numbers, or h follows x̂, this cancels down to ε / s². "stable", the default, takes from h what
is along c, of which it knows exactly what becomes of it: h = α c + h⊥, α = <h, c> / <c, c>, and

    dx = (h⊥ + α c ε / s²) / s
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..forms import unbroadcast
from ..node import plain
from .elementwise import inverse
from .exponentials import narrow, wide

Arranger = Callable[[Any], Any]


@dataclass(frozen=True)
class Rows:
    """How an array is arranged as rows to be normalised, and how its channels' weights broadcast against it."""

    gather: Arranger
    restore: Arranger
    weights: tuple[int, ...]

    def weight(self, w: Any) -> Any:
        return np.reshape(wide(w), self.weights)


def layer_rows(x: Any, axes: int) -> Rows:
    shape = np.shape(x)
    lead, last = shape[: len(shape) - axes], shape[len(shape) - axes :]
    rows = (math.prod(lead), math.prod(last))
    return Rows(lambda y: np.reshape(y, rows), lambda y: np.reshape(y, shape), last)


def group_rows(x: Any, groups: int) -> Rows:
    shape = np.shape(x)
    n = shape[0] * groups
    rows = (n, math.prod(shape) // max(n, 1))
    return Rows(lambda y: np.reshape(y, rows), lambda y: np.reshape(y, shape), per_channel(shape))


def batch_rows(x: Any) -> Rows:
    shape = np.shape(x)
    first = (shape[1], shape[0], *shape[2:])
    rows = (shape[1], math.prod(shape) // max(shape[1], 1))
    return Rows(
        lambda y: np.reshape(np.moveaxis(y, 1, 0), rows),
        lambda y: np.moveaxis(np.reshape(y, first), 0, 1),
        per_channel(shape),
    )


def per_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (-1, *[1] * (len(shape) - 2))


# -- rows ------------------------------------------------------------------------------------------------------


def _mean(rows: Any) -> Any:
    return np.sum(rows, axis=-1, keepdims=True) / max(rows.shape[-1], 1)


def centred(rows: Any) -> Any:
    """rows − mean, of which nothing is left where all are equal, and every digit where they are nearly so."""
    behind = rows - plain(rows)[:, :1]
    return behind - _mean(behind)


def _deviation(c: Any, eps: float) -> Any:
    return np.sqrt(_mean(c * c) + eps)


def _analytic(h: Any, c: Any, eps: float) -> Any:
    s = _deviation(c, eps)
    x = c / s
    return (h - _mean(h) - x * _mean(h * x)) / s


def _stable(h: Any, c: Any, eps: float) -> Any:
    """With c not centred and h neither: the gradient of rms_norm; the mean's part is taken off before."""
    square = np.sum(c * c, axis=-1, keepdims=True)
    share = inverse(square)
    along = np.sum(h * c, axis=-1, keepdims=True) * share
    across = h - along * c
    # Once more: where h was all along c, the first pass has left its rounding.
    rest = np.sum(across * c, axis=-1, keepdims=True) * share
    across, along = across - rest * c, along + rest
    variance = square / max(c.shape[-1], 1) + eps
    return (across + along * c * (eps / variance)) / np.sqrt(variance)


def _stable_centred(h: Any, c: Any, eps: float) -> Any:
    # The second projection leaves a rounding along 1, too, which is taken off with the mean.
    return _stable(centred(h), c, eps)


# -- the affine part, and the rules ----------------------------------------------------------------------------


def affine(x: Any, rows: Rows, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * rows.weight(weight)
    return x if bias is None else x + rows.weight(bias)


def normalised(x: Any, rows: Rows, eps: float, weight: Any, bias: Any, centre: Arranger) -> Any:
    """The forward, of arrays or of Values."""
    c = centre(rows.gather(wide(x)))
    return narrow(affine(rows.restore(c / _deviation(c, eps)), rows, weight, bias), x)


def _to_input(through: Any, centre: Arranger, arrange: Callable[..., Rows]) -> Any:
    """The rule of x: `through(h, c, eps)` of rows."""

    def rule(g: Any, out: Any, x: Any, weight: Any, *rest: Any, eps: float, **options: Any) -> Any:
        rows = arrange(x, **options)
        h = wide(g) if weight is None else wide(g) * rows.weight(weight)
        return rows.restore(through(rows.gather(h), centre(rows.gather(wide(x))), eps))

    return rule


def _to_weight(centre: Arranger, arrange: Callable[..., Rows]) -> Any:
    def rule(g: Any, out: Any, x: Any, weight: Any, *rest: Any, eps: float, **options: Any) -> Any:
        rows = arrange(x, **options)
        c = centre(rows.gather(wide(x)))
        return summed(wide(g) * rows.restore(c / _deviation(c, eps)), rows, weight)

    return rule


def _to_bias(arrange: Callable[..., Rows]) -> Any:
    def rule(g: Any, out: Any, x: Any, weight: Any, bias: Any, *rest: Any, eps: float, **options: Any) -> Any:
        return summed(wide(g), arrange(x, **options), bias)

    return rule


def summed(g: Any, rows: Rows, like: Any) -> Any:
    """g summed to the weights, in their shape."""
    target = np.reshape(plain(like), rows.weights)
    return np.reshape(unbroadcast(g, target), np.shape(like))


def closed_forms(normalise: Any, centre: Arranger, arrange: Callable[..., Rows], *, bias: bool) -> None:
    """Give an op its two closed forms."""
    rest = (_to_weight(centre, arrange), *([_to_bias(arrange)] if bias else []))
    rest += (None,) * (len(normalise.input_names) - 1 - len(rest))
    stable = _stable_centred if centre is centred else _stable
    textbook = _analytic if centre is centred else _analytic_rms
    mean = " − mean h" if centre is centred else ""
    normalise.derivation("stable", formula="(h⊥ + α c ε / s²) / s, h = α c + h⊥")(
        (_to_input(stable, centre, arrange), *rest)
    )
    normalise.derivation("analytic", formula=f"(h{mean} − x̂ mean(h x̂)) / s")(
        (_to_input(textbook, centre, arrange), *rest)
    )


def _analytic_rms(h: Any, c: Any, eps: float) -> Any:
    s = _deviation(c, eps)
    x = c / s
    return (h - x * _mean(h * x)) / s


def as_it_is(rows: Any) -> Any:
    return rows


def less_mean(rows: Any) -> Any:
    return rows - _mean(rows)
