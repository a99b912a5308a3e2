"""softmax, log_softmax, logsumexp: exact to a few units in the last place, each with several derivations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..invariants import blind_to_constants, permutation, rows_apart, shift, sums_to_cotangent, sums_to_zero
from ..registry import op
from .doubled import excess
from .elementwise import stop_gradient
from .exponentials import ACCURATE, Exponentials, exponentials, first_winner, narrow, wide
from .reduction import restore
from .residual import residual
from .rows import as_rows, floating, from_column, from_rows, in_blocks, powers
from .sums import class_sum


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
    behind, top = _behind(z, axis)
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(behind), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)


def _behind(z: Any, axis: int) -> tuple[Any, Any]:
    """z − max z and max z, which is held constant."""
    top = stop_gradient(np.max(z, axis=axis, keepdims=True)) if np.shape(z)[axis] else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        return z - top, top


@logsumexp.forward
def _(z: Any, *, axis: int, keepdims: bool) -> Any:
    if type(z) is not np.ndarray:
        parts = exponentials(z, axis)
        sums = narrow(parts.top + np.log1p(parts.rest), z)
        return sums if keepdims else np.squeeze(sums, axis)[()]
    rows = floating(as_rows(z, axis))
    return from_column(in_blocks(_logsumexp_rows, rows.dtype, rows), z, axis, keepdims)[()]


def _logsumexp_rows(rows: Any) -> Any:
    if not rows.size:
        return np.full(len(rows), -np.inf)
    p = powers(rows)
    at = p.at(rows.argmax(axis=-1))
    top = p.x.ravel()[at]
    own, rest = p.apart(at)
    sums = top + np.log1p((rest / own).astype(top.dtype))
    if np.minimum.reduce(top) < 0.0:
        sums[top == -np.inf] = -np.inf
        # Where the two nearly cancel (scores that are log-probabilities), the sum is taken in doubled precision.
        cancelled = np.abs(sums) < top * (-0.5 if p.fine else -1e-6)
        if p.x.dtype == np.float64 and np.any(cancelled):
            high, low = excess(p.x[cancelled])
            sums[cancelled] = np.log1p(high) + low / (1.0 + high)
    return sums


@logsumexp.derivation("analytic", formula="g ŷ")
def _(g: Any, out: Any, z: Any, *, axis: int, keepdims: bool) -> Any:
    return restore(g, z, axis, keepdims) * softmax(wide(z), axis=axis)


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
    e = np.exp(_behind(z, axis)[0])
    return e / np.sum(e, axis=axis, keepdims=True)


@softmax.forward
def _(z: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray:
        return narrow(exponentials(z, axis).probabilities, z)
    rows = floating(as_rows(z, axis))
    return from_rows(in_blocks(_softmax_rows, rows.dtype, rows), z, axis)


def _softmax_rows(rows: Any) -> Any:
    p = powers(rows)
    p.e /= p.sums().astype(p.e.dtype)[:, None]  # not times 1 / Σ: what is 1 shall be 1
    return p.e


@softmax.derivation("stable", formula="ŷ ⊙ (g' − Σ g' ŷ), g' = g − g at the largest entry")
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    p = softmax(wide(z), axis=axis)
    g = wide(g)
    g = g - class_sum(np.where(first_winner(z, axis), g, 0.0), axis)
    return p * (g - class_sum(g * p, axis))


@softmax.derivation("analytic", formula="ŷ ⊙ (g − Σ g ŷ)", accurate=ACCURATE)
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    p = softmax(z, axis=axis)
    return p * (g - class_sum(g * p, axis))


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
    with np.errstate(invalid="ignore", over="ignore"):
        return z - logsumexp(z, axis=axis, keepdims=True)


@log_softmax.forward
def _(z: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray:
        return narrow(log_probabilities(exponentials(z, axis)), z)
    rows = floating(as_rows(z, axis))
    return from_rows(in_blocks(_log_softmax_rows, rows.dtype, rows), z, axis)


def log_probabilities(parts: Exponentials) -> Any:
    """log ŷ from its pieces: a sum of numbers ≤ 0, so nothing cancels."""
    return parts.high + (parts.low - np.log1p(parts.rest))


def _log_softmax_rows(rows: Any) -> Any:
    if not rows.size:
        return rows
    p = powers(rows)
    at = p.at(rows.argmax(axis=-1))
    own, rest = p.apart(at)
    behind = np.subtract(p.x, p.x.ravel()[at][:, None], out=p.e)
    behind -= np.log1p((rest / own).astype(behind.dtype))[:, None]
    return behind


@log_softmax.derivation("stable", formula="entry i: g_i Σ_{j≠i} ŷ_j − ŷ_i Σ_{j≠i} g_j")
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    return -residual(wide(z), wide(g), axis=axis)


@log_softmax.derivation("analytic", formula="g − ŷ Σ g", accurate=ACCURATE)
def _(g: Any, out: Any, z: Any, *, axis: int) -> Any:
    return g - softmax(z, axis=axis) * class_sum(g, axis)
