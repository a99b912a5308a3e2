"""batch_norm, of a batch's own statistics, and batch_norm_eval, of statistics that were kept.

A row, in the sense of normalized_rows.py, is a channel of the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..registry import op
from .exponentials import narrow, wide
from .normalization import AFFINE, check_weights, row_invariants
from .normalized_rows import Rows, affine, batch_rows, centred, closed_forms, less_mean, normalised, summed


def _batch_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(5, 3)), rng.uniform(0.5, 2, size=3), rng.normal(size=3)), {}
    yield (rng.normal(size=(2, 3, 4)), rng.normal(size=3), None), {"eps": 0.1}
    yield (rng.normal(size=(2, 2, 2, 2)), None, None), {}
    yield (rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=3)), {}


@op(samples=_batch_samples, invariants=row_invariants(batch_rows))
def batch_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² those of a channel over the batch (Ioffe and Szegedy, 2015).

    What `BatchNorm1d` and `BatchNorm2d` do in training; afterwards they do `batch_norm_eval`.

    Parameters
    ----------
    x : Value or array of shape (N, C, ...)
    weight, bias : Value or array of shape (C,), optional
    eps : float

    Returns
    -------
    Value or array
        Of x's shape and dtype.

    Raises
    ------
    ValueError
        If a channel has one number only, whose variance says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.batch_norm import batch_norm
    >>> np.round(batch_norm([[1.0, 7.0], [3.0, 7.0]]), 4).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    return normalised(x, batch_rows(x), eps, weight, bias, less_mean)


@batch_norm.guard
def _(x: Any, weight: Any, bias: Any, *, eps: float) -> None:
    shape = np.shape(x)
    if len(shape) < 2:
        raise ValueError(f"batch_norm: x of shape {shape} has no axis of channels: (N, C, ...) is wanted")
    numbers = math.prod(shape[:1] + shape[2:])
    if numbers < 2:
        raise ValueError(
            f"batch_norm: x of shape {shape} has {numbers} number{'s' * (numbers != 1)} in each channel, and two make "
            f"a variance: give a larger batch, or switch to eval()"
        )
    check_weights("batch_norm", shape[1:2], weight=weight, bias=bias)


closed_forms(batch_norm, centred, batch_rows)


# -- with statistics that were kept ----------------------------------------------------------------------------


def _kept_samples(rng: np.random.Generator) -> Iterable[Any]:
    mean, variance = rng.normal(size=3), rng.uniform(0.1, 2, size=3)
    yield (rng.normal(size=(5, 3)), mean, variance, rng.uniform(0.5, 2, size=3), rng.normal(size=3)), {}
    yield (rng.normal(size=(2, 3, 2)), mean, variance, rng.normal(size=3), None), {"eps": 0.1}
    yield (rng.normal(size=(1, 3)), mean, variance, None, None), {}
    yield (rng.normal(size=(0, 3)), mean, variance, None, rng.normal(size=3)), {}


@op(samples=_kept_samples, constants=("mean", "variance"), invariants=[AFFINE])
def batch_norm_eval(
    x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5
) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias, with μ and σ² that are given for each channel, as constants.

    Parameters
    ----------
    x : Value or array of shape (N, C, ...)
    mean, variance : array of shape (C,)
    weight, bias : Value or array of shape (C,), optional
    eps : float

    Returns
    -------
    Value or array
        Of x's shape and dtype.

    Examples
    --------
    >>> from tinygrad_ce.ops.batch_norm import batch_norm_eval
    >>> batch_norm_eval([[5.0, 7.0]], mean=[1.0, 1.0], variance=[4.0, 9.0], eps=0.0).tolist()
    [[2.0, 2.0]]
    """
    rows = batch_rows(x)
    return narrow(affine(_by_kept(x, mean, variance, rows, eps), rows, weight, bias), x)


def _by_kept(x: Any, mean: Any, variance: Any, rows: Rows, eps: float) -> Any:
    return (wide(x) - rows.weight(mean)) / np.sqrt(rows.weight(variance) + eps)


@batch_norm_eval.guard
def _(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, *, eps: float) -> None:
    shape = np.shape(x)
    if len(shape) < 2:
        raise ValueError(f"batch_norm_eval: x of shape {shape} has no axis of channels: (N, C, ...) is wanted")
    check_weights("batch_norm_eval", shape[1:2], mean=mean, variance=variance, weight=weight, bias=bias)


def _kept_to_x(g: Any, out: Any, x: Any, mean: Any, variance: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    rows = batch_rows(x)
    h = wide(g) if weight is None else wide(g) * rows.weight(weight)
    return h / np.sqrt(rows.weight(variance) + eps)


def _kept_to_weight(g: Any, out: Any, x: Any, mean: Any, variance: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    rows = batch_rows(x)
    return summed(wide(g) * _by_kept(x, mean, variance, rows, eps), rows, weight)


def _kept_to_bias(g: Any, out: Any, x: Any, mean: Any, variance: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    return summed(wide(g), batch_rows(x), bias)


batch_norm_eval.derivation("analytic", formula="g w / s, Σ g x̂, Σ g")(
    (_kept_to_x, None, None, _kept_to_weight, _kept_to_bias)
)
