"""What is true, from mpmath at 60 digits, of the very floats that somebody is given; and how far off an answer is.

A truth is a pair of float64 arrays (high, low), an unevaluated sum of 32 digits, so that errors can be taken in NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

DIGITS = 60
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Truth:
    """Of scores (rows, K): arrays of that shape, or one number a row; for effective targets ỹ with sums T."""

    softmax: Pair
    log_softmax: Pair
    logsumexp: Pair
    loss: Pair
    gradient: Pair
    size: Any  # T ŷ + ỹ: what the gradient is a difference of


def truth(z: Any, target: Sequence[Sequence[Any]]) -> Truth:
    """Of rows of scores and of targets, `target[n][j]` a number or an mpf."""
    with mpmath.workdps(DIGITS):
        rows = [_row(_mpf(s), _mpf(y)) for s, y in zip(z, target, strict=True)]
        parts = [pair([row[i] for row in rows]) for i in range(5)]
        size = np.array([[float(x) for x in row[5]] for row in rows]).reshape(np.shape(z))
    return Truth(*parts, size)


def _mpf(numbers: Iterable[Any]) -> list[Any]:
    return [x if isinstance(x, mpmath.mpf) else mpmath.mpf(float(x)) for x in numbers]


def _row(s: list[Any], y: list[Any]) -> tuple[Any, ...]:
    top = max(s)
    winner = s.index(top)
    e = [mpmath.exp(x - top) for x in s]  # exp(−inf) is 0
    rest = mpmath.fsum(x for j, x in enumerate(e) if j != winner)
    log_rest = mpmath.log1p(rest)
    p = [x / (1 + rest) for x in e]
    total = mpmath.fsum(y)
    loss = mpmath.fsum(t * (top - x) for t, x in zip(y, s, strict=True) if t) + total * log_rest
    others = [rest / (1 + rest) if j == winner else 1 - q for j, q in enumerate(p)]
    gradient = [q * (total - t) - t * o for q, t, o in zip(p, y, others, strict=True)]
    size = [total * q + t for q, t in zip(p, y, strict=True)]
    return p, [x - top - log_rest for x in s], top + log_rest, loss, gradient, size


def effective(y: Any, weight: Any = None, smoothing: float = 0.0) -> list[list[Any]]:
    """ỹ = w ((1 − ε) y + ε / K) of rows of dense targets."""
    with mpmath.workdps(DIGITS):
        e = mpmath.mpf(smoothing)
        w = _mpf(np.ones(np.shape(y)[-1]) if weight is None else weight)
        return [[a * ((1 - e) * t + e / len(row)) for a, t in zip(w, _mpf(row), strict=True)] for row in y]


def pair(numbers: Iterable[Any]) -> Pair:
    """mpf numbers, or rows of them, as (high, low)."""
    numbers = list(numbers)
    flat = [x for row in numbers for x in row] if numbers and isinstance(numbers[0], list) else numbers
    high = [float(x) for x in flat]
    low = [float(x - h) if np.isfinite(h) else 0.0 for x, h in zip(flat, high, strict=True)]
    shape = (len(numbers), -1) if flat is not numbers else (-1,)
    return np.array(high).reshape(shape), np.array(low).reshape(shape)


# -- errors ----------------------------------------------------------------------------------------------------


def error(found: Any, exact: Pair) -> Any:
    """|found − exact|; inf where the answer is not finite and the truth is."""
    high, low = exact
    with np.errstate(invalid="ignore"):
        off = np.abs((np.asarray(found, dtype=np.longdouble) - high) - low)
    return np.where(np.isfinite(high), np.where(np.isnan(off), np.inf, off), 0.0)


def ulps(found: Any, exact: Pair) -> float:
    """The worst error in units of the last place of the truth, wherever that is a normal number of found's dtype."""
    dtype = np.asarray(found).dtype
    size, info = np.abs(exact[0]), np.finfo(dtype)
    normal = (size >= info.tiny) & (size <= info.max)
    place = np.spacing(np.where(normal, size, 1.0).astype(dtype)).astype(np.longdouble)
    return float(np.max(np.where(normal, error(found, exact) / place, 0.0), initial=0.0))


def epsilons(found: Any, exact: Pair, size: Any) -> float:
    """The worst error in units of eps · size, and of the least normal number."""
    info = np.finfo(np.asarray(found).dtype)
    return float(np.max(error(found, exact) / (float(info.eps) * (np.abs(size) + float(info.tiny))), initial=0.0))
