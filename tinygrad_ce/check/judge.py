"""One gradient against the truth, entry by entry, without a tolerance set by hand.

An entry is right where the rule in extended precision, or as it is, lies within the error bars of the truth; the
relative tolerance is a small multiple of what its own precision can hold. There is no absolute one: a gradient of 1e-9
with the wrong sign is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .precision import HIGH, eps, typical
from .runs import Runs
from .truth import Estimate, Truth

MARGIN = 3.0  # error bars are estimates
LOST = {4: 3e-4, 8: 2e-3}  # relative error, beyond conditioning, at which a rule has lost its digits, by item size


@dataclass
class Verdicts:
    """What the comparison says of every entry of one gradient.

    Attributes
    ----------
    wrong, unclear : arrays of bool
        Beyond all error bars; error bars too wide to tell.
    lost : array of bool
        Right as a formula, its digits lost in floating point.
    found, wide : arrays
        The rule's gradient, and that in extended precision (None where it has none).
    bar : array
        The error bar that was granted.
    digits : float
        Decimal digits lost at the worst entry, beyond conditioning.
    """

    wrong: Any
    unclear: Any
    lost: Any
    found: Any
    wide: Any
    truth: Estimate
    bar: Any
    digits: float


def relative_tolerance(dtype: Any, asked: float | None = None) -> float:
    return max(1e-9, 32.0 * eps(dtype)) if asked is None else asked


def judge(
    runs: Runs,
    oracle: Truth,
    g: Any,
    i: int,
    found: Any,
    truth: Estimate,
    *,
    rtol: float | None,
    atol: float,
    usual: float | None,
) -> Verdicts:
    """Compare the gradient `found` of input i with the truth.

    `usual` is the size of the gradient at the user's point: beside it, digits count only where what is lost is not
    negligible (a sigmoid's slope of 4e-18 at 40). None: this is the user's point, where all digits count.
    """
    pick = oracle.pick
    a = pick(i, found).astype(HIGH)
    n, bar_n = truth.value, MARGIN * truth.bar
    dtype = runs.inputs[i].dtype
    rt = relative_tolerance(dtype, rtol)
    rival_bar = MARGIN * truth.other_bar
    floor = 64.0 * float(np.finfo(dtype).smallest_subnormal) + atol + 1e-12 * (usual or 0.0)
    with np.errstate(all="ignore"):
        bar = bar_n + floor
        right = _within(a, n, rt, bar) | _within(a, truth.other, rt, bar + rival_bar)
        w = None
        if not np.all(right):
            wide = runs.wide(g)
            if wide is not None and np.shape(wide[i]) == np.shape(found):
                w = pick(i, wide[i]).astype(HIGH)
                slack = 16.0 * runs.wide_rounding(g, i, w, pick)
                slack = slack + 64.0 * eps(HIGH) * (np.abs(w) + truth.scale + reach(runs, g, i, pick))
                right_wide = _within(w, n, rt, bar + slack) | _within(w, truth.other, rt, bar + slack + rival_bar)
            else:
                slack = 8.0 * runs.spread(g, i, a, pick)
                slack = slack + 16.0 * eps(dtype) * (np.abs(a) + truth.scale + reach(runs, g, i, pick))
                bar = bar + slack
                right_wide = _within(a, n, rt, bar) | _within(a, truth.other, rt, bar + rival_bar)
                right = right | right_wide
        else:
            right_wide = right
        formula = right | right_wide
        broken = ~np.isfinite(a) & np.isfinite(n) & (bar_n <= np.maximum(0.1 * np.abs(n), 1e-6))
        size = np.maximum(np.abs(np.where(np.isfinite(a), a, 0.0)), np.abs(np.where(np.isfinite(n), n, 0.0)))
        top = np.max(size, initial=0.0)
        unclear = (
            ~np.isfinite(n) | ~np.isfinite(truth.bar) | ((bar_n > 0.1 * size) & (bar_n > 1e-6 * top) & (size > floor))
        )
        wrong = ((~formula & np.isfinite(n)) | broken) & np.isfinite(truth.bar)
        lost, digits = np.zeros(a.shape, dtype=bool), 0.0
        if w is not None and np.any(formula & ~right & ~broken):
            explained = 8.0 * runs.conditioning(g, i, w, pick) + bar
            # Where the truth may be 0, nothing is lost.
            known = (np.abs(n) > 4.0 * bar_n + 64.0 * eps(HIGH) * reach(runs, g, i, pick)) & (
                np.abs(w - n) < 0.05 * np.abs(n)
            )
            lost, digits = _digits(
                dtype,
                a,
                n,
                explained,
                formula & ~right & ~broken & known,
                usual,
                reach(runs, g, i, pick),
                bool(np.all(np.asarray(g) != 0)),
            )
    wrong, unclear, lost = (np.array(np.broadcast_to(m, a.shape)) for m in (wrong, unclear & ~wrong, lost))
    return Verdicts(wrong, unclear, lost, a, w, truth, bar, digits)


def reach(runs: Runs, g: Any, i: int, pick: Any) -> Any:
    """Σ |g f| / |x|: how large the terms are of which a gradient is usually made, and may be the small difference.

    |x| counts as 1 at most: a softmax at 1000 does not know how far from 0 it is.
    """
    x = np.abs(pick(i, runs.inputs[i]).astype(np.float64))
    size = np.minimum(np.where((x > 0) & np.isfinite(x), x, typical(runs.inputs[i])), 1.0)
    return float(np.sum(np.abs(np.asarray(g, dtype=np.float64) * np.asarray(runs.out, dtype=np.float64)))) / size


def _within(x: Any, n: Any, rtol: float, bar: Any) -> Any:
    return (x == n) | (np.abs(x - n) <= rtol * np.maximum(np.abs(x), np.abs(n)) + bar)


def _digits(
    dtype: Any, a: Any, n: Any, explained: Any, where: Any, usual: float | None, terms: Any, dense: bool
) -> tuple[Any, float]:
    """Where a right formula has lost its digits to rounding of its own, and how many at worst.

    Entries that are rounding beside the terms they are made of (`terms`) have none to lose, unless all entries have
    lost them for a cotangent that reaches every output (`dense`).
    """
    unit, tiny, size = eps(dtype), float(np.finfo(dtype).tiny), np.abs(n)
    excess = np.where(where, np.maximum(np.abs(a - n) - explained - 8.0 * unit * size, 0.0), 0.0)
    row = np.max(size, axis=-1, keepdims=True) if size.ndim else size
    if usual is None:
        limit = LOST.get(dtype.itemsize, 3e-4)
        gone = ((excess > 0.5 * size) & (size > tiny)) | (excess / np.maximum(row, tiny) > limit)
        everywhere = dense and np.sum(excess * excess) > 0.25 * np.sum(size * size)
        lost = where & gone & ((size > 64.0 * unit * terms) | everywhere)
    else:
        lost = where & (excess > 1e-2 * row) & (excess > 1e-6 * usual)
    worst = float(np.max((excess / np.maximum(size, tiny))[where], initial=0.0))
    return lost, min(float(np.log10(max(worst / unit, 1.0))), -float(np.log10(unit)))
