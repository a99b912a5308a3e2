"""Σ exp(x) − 1 in doubled precision, for a logsumexp that is nearly 0.

There log Σ exp(x) = log1p(Σ exp(x) − 1) has as many digits as Σ exp(x) − 1, from which float64 has cancelled them. A
number is a pair (high, low) here, an unevaluated sum of two float64 with low below high's last place: 32 digits.
exp(x) = exp(i / 64) exp(j / 2¹⁵) exp(r), i and j whole, |r| ≤ 2⁻¹⁶, from two tables and five terms of the series of
exp(r), about 2⁻¹⁰⁰ from the truth.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

LOWEST = -120.0  # exp of it is nothing even beside 2⁻¹⁰⁰
_FINE, _STEP = 512, 2.0**-15


def excess(x: Any) -> tuple[Any, Any]:
    """Σ exp(x) − 1 over the last axis of float64 between −inf and 0, as a pair."""
    high, low = _exp(np.maximum(x, LOWEST))
    ones = np.full((*x.shape[:-1], 1), -1.0)
    return _sum(np.concatenate([high, ones], axis=-1), np.concatenate([low, 0.0 * ones], axis=-1))


def _exp(x: Any) -> tuple[Any, Any]:
    steps = np.rint(x * (1 / _STEP))
    r = x - steps * _STEP  # exact
    whole, part = np.divmod(steps.astype(np.int64), _FINE)
    coarse, fine = _tables()
    product = _times(*[t[-whole] for t in coarse], *[t[part] for t in fine])
    square, lost = _product(r, r)
    tail = 0.5 * lost + r * square * (1 / 6 + r * (1 / 24 + r * (1 / 120)))
    high, low = _two_sum(r, 0.5 * square)
    return _plus(*product, *_times(*product, high, low + tail))


@cache
def _tables() -> Any:
    """exp(−i / 64) and exp(j / 2¹⁵), as pairs."""
    return _powers(Decimal(-1) / 64, round(-LOWEST * 64) + 2), _powers(Decimal(_STEP), _FINE)


def _powers(step: Decimal, count: int) -> tuple[Any, Any]:
    """exp(0), exp(step), exp(2 step) …, as pairs: products of 50 digits, of which the last may lose 4."""
    with localcontext(prec=50):
        table, factor = [Decimal(1)], step.exp()
        while len(table) < count:
            table.append(table[-1] * factor)
        high = [float(t) for t in table]
        return np.array(high), np.array([float(t - Decimal(h)) for t, h in zip(table, high, strict=True)])


# -- arithmetic of pairs ---------------------------------------------------------------------------------------


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b and what its rounding lost, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _halves(a: Any) -> tuple[Any, Any]:
    t = 134217729.0 * a  # 2²⁷ + 1
    high = t - (t - a)
    return high, a - high


def _product(a: Any, b: Any) -> tuple[Any, Any]:
    """a · b and what its rounding lost, exactly (Dekker)."""
    p = a * b
    (a1, a0), (b1, b0) = _halves(a), _halves(b)
    return p, ((a1 * b1 - p) + a1 * b0 + a0 * b1) + a0 * b0


def _plus(a: Any, a0: Any, b: Any, b0: Any) -> tuple[Any, Any]:
    s, t = _two_sum(a, b)
    return _two_sum(s, t + (a0 + b0))


def _times(a: Any, a0: Any, b: Any, b0: Any) -> tuple[Any, Any]:
    p, t = _product(a, b)
    return _two_sum(p, t + (a * b0 + a0 * b))


def _sum(high: Any, low: Any) -> tuple[Any, Any]:
    """Σ of pairs over the last axis, as a tree."""
    while high.shape[-1] > 1:
        k = high.shape[-1] // 2
        a, b = slice(0, k), slice(k, 2 * k)
        left = high[..., 2 * k :], low[..., 2 * k :]
        pair = _plus(high[..., a], low[..., a], high[..., b], low[..., b])
        high, low = [np.concatenate([new, old], axis=-1) for new, old in zip(pair, left, strict=True)]
    return high[..., 0], low[..., 0]
