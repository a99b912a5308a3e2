"""A gradient is linear in its cotangent: 0 for 0, and a v(g₁) + b v(g₂) for a g₁ + b g₂, large or small."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import cotangent
from .findings import FAIL, Finding
from .precision import same
from .runs import Runs
from .subject import Subject


def linear(runs: Runs, rtol: float) -> list[Finding]:
    """A gradient is linear in g: 0 for 0, a·g₁ + b·g₂ goes to a·v(g₁) + b·v(g₂), large or small."""
    subject, shape, dtype = runs.subject, runs.out.shape, runs.out.dtype
    g1, g2 = cotangent(shape, dtype, 11), cotangent(shape, dtype, 12)
    v1, v2 = runs.native(g1), runs.native(g2)
    zero = runs.native(np.zeros(shape, dtype))
    for i in subject.moving:
        if v1[i] is not None and np.any(np.asarray(zero[i]) != 0) and np.all(np.isfinite(v1[i])):
            return [_not_linear(subject, i, "it is not 0 for a cotangent of 0")]
    combos = [(1e3, 0.0), (1e-3, 0.0), (-1.0, 0.0), (1e-9, 0.0), (0.75, -1.25), (1.0, 1e-3)]
    wide1, wide2 = runs.wide(g1), runs.wide(g2)
    for a, b in combos:
        g = (a * g1 + b * g2).astype(dtype)
        both = runs.native(g)
        wide = runs.wide(a * g1.astype(np.float64) + b * g2.astype(np.float64)) if wide1 is not None else None
        for i in subject.moving:
            if both[i] is None or v1[i] is None or v2[i] is None:
                continue
            if _combines(
                both[i],
                v1[i],
                v2[i],
                a,
                b,
                max(rtol, 1e3 * float(np.finfo(v1[i].dtype).eps)) if hasattr(v1[i], "dtype") else rtol,
            ):
                continue
            if (
                wide is not None
                and wide1 is not None
                and wide2 is not None
                and _combines(wide[i], wide1[i], wide2[i], a, b, rtol)
            ):
                continue  # rounding alone
            what = f"v({a:g} g) is not {a:g} v(g)" if not b else "v(a g₁ + b g₂) is not a v(g₁) + b v(g₂)"
            same_for_all = same(both[i], v1[i]) and not b and a > 0
            if _noise_explains(runs, g1, g2, i, a, b, both[i], v1[i], v2[i], wide, wide1, wide2):
                continue
            return [_not_linear(subject, i, what, "g ignored" if same_for_all else "not linear")]
    return []


def _noise_explains(
    runs: Runs,
    g1: Any,
    g2: Any,
    i: int,
    a: float,
    b: float,
    both: Any,
    v1: Any,
    v2: Any,
    wide: Any,
    wide1: Any,
    wide2: Any,
) -> bool:
    """Whether what is missing is no more than rounding makes of the rule: its sums cancel to nothing."""

    def noise(use: Any, first: Any, second: Any, total: Any, scale: float) -> bool:
        left = np.abs(
            np.asarray(total, dtype=np.longdouble)
            - a * np.asarray(first, dtype=np.longdouble)
            - b * np.asarray(second, dtype=np.longdouble)
        )
        bar = abs(a) * use(g1, i, first, _all) + abs(b) * use(g2, i, second, _all)
        floor = np.max(bar, initial=0.0)
        return bool(np.all(left <= scale * (bar + 0.1 * floor)))

    if wide is not None and wide1 is not None and wide2 is not None:
        return noise(runs.wide_rounding, wide1[i], wide2[i], wide[i], 64.0)
    return noise(runs.spread, v1, v2, both, 32.0)


def _all(i: int, x: Any) -> Any:
    return np.asarray(x)


def _combines(both: Any, v1: Any, v2: Any, a: float, b: float, rtol: float) -> bool:
    x, y, z = (np.asarray(v, dtype=np.longdouble) for v in (both, v1, v2))
    with np.errstate(all="ignore"):
        size = np.abs(x) + abs(a) * np.abs(y) + abs(b) * np.abs(z)
        top = np.max(np.where(np.isfinite(size), size, 0), initial=0)
        bad = np.abs(x - (a * y + b * z)) > rtol * size + 1e-13 * float(top) + 1e-300
    return not bool(np.any(bad & np.isfinite(size)))


def _not_linear(subject: Subject, i: int, what: str, diagnosis: str = "not linear") -> Finding:
    return Finding(
        "linearity",
        FAIL,
        f"the gradient of '{subject.names[i]}' is not linear in g: {what}",
        diagnosis,
        "a vjp multiplies g by the Jacobian: no clipping, thresholds, signs or powers of g, and every term has g in it",
        where=subject.names[i],
    )
