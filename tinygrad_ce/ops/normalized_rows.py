"""Rows brought to mean 0 and variance 1 (or to mean square 1): what the four normalisations share.

With x a row, c = x − mean x, s = √(mean c² + ε), x̂ = c / s, and h the cotangent of x̂:

    dx = (h − mean h − x̂ mean(h x̂)) / s

Where a row holds two numbers, or h follows x̂, this cancels down to ε / s². "stable", the default, takes from h what
is along c, of which it knows exactly what becomes of it: h = α c + h⊥, α = <h, c> / <c, c>, and

    dx = (h⊥ + α c ε / s²) / s
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..derivation import Derivation
from ..forms import unbroadcast
from ..node import plain
from ..op import Op
from . import normalized_blocks as blocks
from .elementwise import inverse
from .exponentials import narrow, wide

Arranger = Callable[[Any], Any]


@dataclass(frozen=True)
class Rows:
    """How an array is arranged as rows to be normalised, and how its weights broadcast against it.

    Attributes
    ----------
    gather, restore : callable
        The array as rows, and back.
    weights : tuple of int
        The shape in which a weight broadcasts against the array.
    by_row : tuple of int or None
        The shape in which it broadcasts against the rows; None: every entry has one.
    """

    gather: Arranger
    restore: Arranger
    weights: tuple[int, ...]
    by_row: tuple[int, int] | None

    def weight(self, w: Any) -> Any:
        return np.reshape(wide(w), self.weights)

    def spread(self, w: Any, x: Any) -> Any:
        """A weight as it broadcasts against the rows of x, 2-d."""
        if w is None or self.by_row is not None:
            return w if w is None else np.reshape(w, self.by_row)
        return self.gather(np.broadcast_to(np.reshape(w, self.weights), np.shape(x)))

    def collected(self, g: Any, like: Any) -> Any:
        """A gradient of `spread` as one of the weight."""
        return summed(self.restore(g), self, like) if self.by_row is None else np.reshape(g, np.shape(like))


def layer_rows(x: Any, axes: int) -> Rows:
    shape = np.shape(x)
    lead, last = shape[: len(shape) - axes], shape[len(shape) - axes :]
    rows = (math.prod(lead), math.prod(last))
    return Rows(lambda y: np.reshape(y, rows), lambda y: np.reshape(y, shape), last, (1, rows[1]))


def group_rows(x: Any, groups: int) -> Rows:
    shape = np.shape(x)
    n = shape[0] * groups
    rows = (n, math.prod(shape) // max(n, 1))
    return Rows(lambda y: np.reshape(y, rows), lambda y: np.reshape(y, shape), per_channel(shape), None)


def batch_rows(x: Any) -> Rows:
    shape = np.shape(x)
    first = (shape[1], shape[0], *shape[2:])
    rows = (shape[1], math.prod(shape) // max(shape[1], 1))
    return Rows(
        lambda y: np.reshape(np.moveaxis(y, 1, 0), rows),
        lambda y: np.moveaxis(np.reshape(y, first), 0, 1),
        per_channel(shape),
        (shape[1], 1),
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
    """The decomposition, and the forward of arrays of any kind."""
    c = centre(rows.gather(wide(x)))
    return narrow(affine(rows.restore(c / _deviation(c, eps)), rows, weight, bias), x)


def _of_ndarrays(*xs: Any) -> bool:
    return all(x is None or type(x) is np.ndarray for x in xs) and xs[0].dtype.kind == "f"


def _forward(centre: Arranger, arrange: Callable[..., Rows]) -> Any:
    def forward(x: Any, weight: Any, bias: Any = None, *, eps: float, **options: Any) -> Any:
        rows = arrange(x, **options)
        if not _of_ndarrays(x, weight, bias):
            return normalised(x, rows, eps, weight, bias, centre)
        parts = rows.gather(x), rows.spread(weight, x), rows.spread(bias, x)
        return rows.restore(blocks.forward(*parts, eps, centre is centred))

    return forward


def _rule(through: Any, centre: Arranger, arrange: Callable[..., Rows], fast: bool) -> Any:
    """The gradients of x, weight and bias: `through(h, c, eps)` of rows; or that of blocks, where `fast`."""

    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> list[Any]:
        (x, weight, *rest), options = inputs, dict(params)
        eps = options.pop("eps")
        rows = arrange(x, **options)
        to_x = to_weight = None
        if fast and _of_ndarrays(x, g, weight):
            parts = rows.gather(g), rows.gather(x), rows.spread(weight, x)
            to_x, to_weight = blocks.backward(*parts, eps, centre is centred, 0 in needed, 1 in needed)
            to_x = to_x if to_x is None else rows.restore(to_x)
            to_weight = to_weight if to_weight is None else rows.collected(to_weight, weight)
        else:
            c = centre(rows.gather(wide(x)))
            if 0 in needed:
                h = wide(g) if weight is None else wide(g) * rows.weight(weight)
                to_x = rows.restore(through(rows.gather(h), c, eps))
            if 1 in needed:
                to_weight = summed(wide(g) * rows.restore(c / _deviation(c, eps)), rows, weight)
        return [
            to_x,
            to_weight,
            *[summed(g if fast else wide(g), rows, bias) if 2 in needed else None for bias in rest],
        ]

    return rule


def summed(g: Any, rows: Rows, like: Any) -> Any:
    """g summed to the weights, in their shape."""
    target = np.reshape(plain(like), rows.weights)
    return np.reshape(unbroadcast(g, target), np.shape(like))


def closed_forms(normalise: Op, centre: Arranger, arrange: Callable[..., Rows]) -> None:
    """Give an op its forward and its two closed forms."""
    normalise.forward(_forward(centre, arrange))
    stable = _stable_centred if centre is centred else _stable
    textbook = _analytic if centre is centred else _analytic_rms
    mean = " − mean h" if centre is centred else ""
    formula = "(h⊥ + α c ε / s²) / s, h = α c + h⊥; Σ g x̂; Σ g"
    normalise.add(Derivation("stable", _rule(stable, centre, arrange, True), formula=formula))
    formula = f"(h{mean} − x̂ mean(h x̂)) / s; Σ g x̂; Σ g"
    normalise.add(Derivation("analytic", _rule(textbook, centre, arrange, False), formula=formula))


def _analytic_rms(h: Any, c: Any, eps: float) -> Any:
    s = _deviation(c, eps)
    x = c / s
    return (h - x * _mean(h * x)) / s


def as_it_is(rows: Any) -> Any:
    return rows


def less_mean(rows: Any) -> Any:
    return rows - _mean(rows)
