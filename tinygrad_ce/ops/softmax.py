"""softmax, log_softmax, logsumexp: exact to a few units in the last place, each with several derivations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..invariants import blind_to_constants, permutation, rows_apart, shift, sums_to_cotangent, sums_to_zero
from ..registry import op
from .elementwise import stop_gradient
from .exponentials import (
    ACCURATE,
    Exponentials,
    exponentials,
    first_winner,
    from_rows,
    narrow,
    rows_of,
    wide,
)
from .reduction import restore


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)),), {}
    yield (rng.normal(size=(3, 4)) * 4,), {"axis": 0}
    yield (rng.normal(size=(2, 3, 2)),), {"axis": 1}
    yield (rng.normal(size=5),), {}
    yield (rng.normal(size=(2, 1)),), {}
    yield (rng.normal(size=(0, 3)),), {}


# -- logsumexp -------------------------------------------------------------------------------------------------


def _logsumexp_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield from _samples(rng)
    yield (rng.normal(size=(2, 3)),), {"axis": 0, "keepdims": True}


@op(
    samples=_logsumexp_samples,
    invariants=[sums_to_cotangent("z"), shift("z"), permutation("z", follows=False), rows_apart("z")],
)
def logsumexp(z: Any, *, axis: int = -1, keepdims: bool = False) -> Any:
    """log Σ exp z along `axis`, computed as z_a + log1p(Σ_{j≠a} exp(z_j − z_a)).

    Parameters
    ----------
    z : Value or array of shape (..., K, ...)
    axis : int
    keepdims : bool

    Returns
    -------
    Value or array
        Of z's dtype, without `axis` unless `keepdims`.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> round(float(tg.logsumexp([1000.0, 1000.0])), 3)
    1000.693
    """
    top = stop_gradient(np.max(z, axis=axis, keepdims=True))
    total = np.log(np.sum(np.exp(z - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)


@logsumexp.forward
def _(z: Any, *, axis: int, keepdims: bool) -> Any:
    with np.errstate(invalid="ignore"):  # every class masked: −inf − −inf
        parts = exponentials(z, axis)
    total = narrow(np.where(np.isneginf(parts.top), -np.inf, parts.top + np.log1p(parts.rest)), z)
    return total if keepdims else np.squeeze(total, axis)[()]


@logsumexp.derivation("analytic", formula="g ŷ")
def _(g: Any, out: Any, z: Any, *, axis: int, keepdims: bool) -> Any:
    return restore(g, z, axis, keepdims) * exponentials(z, axis).probabilities


# -- softmax ---------------------------------------------------------------------------------------------------


@op(
    samples=_samples,
    accurate=ACCURATE,
    invariants=[sums_to_zero("z"), blind_to_constants("z"), shift("z"), permutation("z"), rows_apart("z")],
)
def softmax(z: Any, *, axis: int = -1) -> Any:
    """ŷ = exp(z) / Σ exp(z) along `axis`.

    Parameters
    ----------
    z : Value or array of shape (..., K, ...)
        Scores, in any unit of log-odds. −inf masks a class: ŷ = 0, gradient 0.
    axis : int

    Returns
    -------
    Value or array
        Of z's shape and dtype; entries in [0, 1] that sum to 1 along `axis`.

    Notes
    -----
    The Jacobian is diag(ŷ) − ŷ ŷᵀ, so the gradient of <g, ŷ> is ŷ ⊙ (g − Σ g ŷ). "analytic" is that line,
    "jacobian" writes the matrix out, "autodiff" sweeps exp(z − max z) / Σ, and "stable", the default, first
    takes g at the largest entry off g, which the Jacobian's zero row sums allow, so that nothing cancels when one
    entry is nearly 1.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> tg.softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    e = np.exp(z - stop_gradient(np.max(z, axis=axis, keepdims=True)))
    return e / np.sum(e, axis=axis, keepdims=True)


@softmax.forward
def _(z: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray:
        return narrow(exponentials(z, axis).probabilities, z)
    rows = rows_of(z, axis)
    p = rows.others
    p.ravel()[rows.winner] = 1.0
    p /= 1.0 + rows.rest
    return from_rows(p, z, axis)


@softmax.derivation("stable", formula="ŷ ⊙ (g' − Σ g' ŷ), g' = g − g at the largest entry")
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    p = exponentials(z, axis).probabilities
    winner = first_winner(z, axis)
    g = wide(g)
    g = g - np.sum(np.where(winner, g, 0.0), axis=axis, keepdims=True)
    return p * (g - np.sum(g * p, axis=axis, keepdims=True))


@softmax.derivation("analytic", formula="ŷ ⊙ (g − Σ g ŷ)", accurate=ACCURATE)
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    p = softmax(z, axis=axis)
    return p * (g - np.sum(g * p, axis=axis, keepdims=True))


@softmax.derivation("jacobian", formula="(diag ŷ − ŷ ŷᵀ) g", accurate=ACCURATE)
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    return through_jacobian(softmax(z, axis=axis), g, axis)


def through_jacobian(p: Any, g: Any, axis: int) -> Any:
    """softmax's Jacobian diag(p) − p pᵀ written out, K × K for every row, times g."""
    p, g = np.swapaxes(p, axis, -1), np.swapaxes(g, axis, -1)
    column, row = np.expand_dims(p, -1), np.expand_dims(p, -2)
    jacobian = np.eye(p.shape[-1]) * row - column * row
    return np.swapaxes(np.squeeze(np.matmul(jacobian, np.expand_dims(g, -1)), -1), axis, -1)


# -- log_softmax -----------------------------------------------------------------------------------------------


@op(
    samples=_samples,
    accurate=ACCURATE,
    invariants=[sums_to_zero("z"), shift("z"), permutation("z"), rows_apart("z")],
)
def log_softmax(z: Any, *, axis: int = -1) -> Any:
    """log softmax(z) = z − logsumexp(z) along `axis`, without the detour through numbers that underflow.

    Parameters
    ----------
    z : Value or array of shape (..., K, ...)
    axis : int

    Returns
    -------
    Value or array
        Of z's shape and dtype; entries ≤ 0.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> tg.log_softmax([0.0, 1000.0]).tolist()
    [-1000.0, 0.0]
    """
    return z - logsumexp(z, axis=axis, keepdims=True)


@log_softmax.forward
def _(z: Any, *, axis: int) -> Any:
    return narrow(log_probabilities(exponentials(z, axis)), z)


def log_probabilities(parts: Exponentials) -> Any:
    """log ŷ from its pieces: a sum of numbers ≤ 0, so nothing cancels."""
    return parts.high + (parts.low - np.log1p(parts.rest))


@log_softmax.derivation("stable", formula="entry i: g_i Σ_{j≠i} ŷ_j − ŷ_i Σ_{j≠i} g_j")
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    parts = exponentials(z, axis)
    p = parts.probabilities
    g = wide(g)
    return g * parts.complements(p) - p * (np.sum(g, axis=axis, keepdims=True) - g)


@log_softmax.derivation("analytic", formula="g − ŷ Σ g", accurate=ACCURATE)
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    return g - softmax(z, axis=axis) * np.sum(g, axis=axis, keepdims=True)
