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

FULL = 16.0  # digits


def sweep_of(v: Value, seed: Any, name: str | None) -> Sweep:
    """The gradient of every node by one derivation, with error bars."""
    with quiet():
        return swept(v, seed, name or "default", choose(name, v))


def agreement(mine: Sweep, reference: Sweep, ids: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """By id of Value: `digits` that agree, `relative` difference, where (`at`), both numbers, `verdict`."""
    found = {}
    with quiet():
        for number, id in ids.items():
            if number in mine.adjoints and number in reference.adjoints:
                found[id] = _row(mine, reference, number)
    return found


def _row(mine: Sweep, reference: Sweep, number: int) -> dict[str, Any]:
    a, b = mine.adjoints[number], reference.adjoints[number]
    if np.array_equal(a, b, equal_nan=True):
        return {"digits": FULL, "relative": 0.0}
    row = contrast("", mine, number, reference, number)
    digits = 0.0 if not np.isfinite(row.relative) else FULL if row.relative == 0 else -log10(row.relative)
    return {
        "digits": round(min(max(digits, 0.0), FULL), 2),
        "relative": row.relative if np.isfinite(row.relative) else "inf",
        "at": list(row.index),
        "x": repr(row.value),
        "y": repr(row.reference_value),
        "verdict": row.verdict,
        "note": row.note,
    }
