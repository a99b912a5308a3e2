"""How far the gradients of two sweeps agree, node by node: digits, the worst entry, and the referee's word."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any

import numpy as np

from ...check.precision import quiet
from ...check.sweeps import Sweep, contrast, swept
from ...choice import choose
from ...value import Value
from ..flow import flow

FULL = 16.0  # digits
REFEREED = 300  # Values; of more, differences are told, but not whether rounding explains them, which takes its time

Gradients = Sweep | Mapping[int, Any]


def gradients_of(v: Value, seed: Any, name: str | None, nodes: int) -> Gradients:
    """The gradient of every node by one derivation; of a graph that is not too large, with error bars."""
    with quiet():
        if nodes <= REFEREED:
            return swept(v, seed, name or "default", choose(name, v))
        return {number: np.asarray(g) for number, g in flow(v, seed, name).adjoints.items()}


def agreement(mine: Gradients, reference: Gradients, ids: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """By id of Value: `digits` that agree, `relative` difference, where (`at`), both numbers, `verdict`."""
    a, b = (side.adjoints if isinstance(side, Sweep) else side for side in (mine, reference))
    found = {}
    with quiet():
        for number, id in ids.items():
            if number not in a or number not in b:
                continue
            if np.array_equal(a[number], b[number], equal_nan=True):
                found[id] = {"digits": FULL, "relative": 0.0}
            elif isinstance(mine, Sweep) and isinstance(reference, Sweep):
                row = contrast("", mine, number, reference, number)
                said = {"verdict": row.verdict, "note": row.note}
                found[id] = _row(row.relative, row.index, row.value, row.reference_value, said)
            else:
                found[id] = _plain(a[number], b[number])
    return found


def _plain(x: Any, y: Any) -> dict[str, Any]:
    size = np.maximum(np.abs(x), np.abs(y))
    relative = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y) / np.where(size > 0, size, 1.0))
    relative = np.where(np.isnan(relative), np.inf, relative)
    at = tuple(int(k) for k in np.unravel_index(np.argmax(relative), relative.shape))
    return _row(float(relative[at]), at, x[at].item(), y[at].item(), {})


def _row(relative: float, at: tuple[int, ...], x: Any, y: Any, said: dict[str, str]) -> dict[str, Any]:
    digits = 0.0 if not np.isfinite(relative) else FULL if relative == 0 else -log10(relative)
    kept = relative if np.isfinite(relative) else "inf"
    numbers = {"digits": round(min(max(digits, 0.0), FULL), 2), "relative": kept}
    return {**numbers, "at": list(at), "x": repr(x), "y": repr(y), **said}
