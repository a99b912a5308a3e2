"""The rule at one point: in its own precision, in extended precision, and on inputs moved by units in the last place.

The three together say what rounding does to the rule, without a tolerance set by hand. In extended precision a right
formula comes close to the truth and a wrong one does not; moved by a unit in the last place of its inputs, a right
formula moves as far as its conditioning makes it, and what it moves beyond that are the digits it loses itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from .precision import HIGH, copied, eps, is_float, nudged, raised
from .subject import Subject

SAMPLES = 3
Pick = Callable[[int, Any], Any]


class Runs:
    """A subject's rule at one point."""

    def __init__(self, subject: Subject, inputs: Sequence[Any]) -> None:
        self.subject = subject
        self.inputs = list(inputs)
        self.out = subject.out([copied(x) for x in inputs])
        floats = [x.dtype for x in inputs if is_float(x) and hasattr(x, "dtype")]
        self.dtype: Any = min(floats, key=lambda d: d.itemsize) if floats else np.dtype(np.float64)
        self.why_not_high = "" if HIGH is not np.float64 else "this platform has no wider float"

    def native(self, g: Any) -> list[Any]:
        """The gradients as the user gets them."""
        return self._run(g, self.out, self.inputs)

    def _run(self, g: Any, out: Any, inputs: Sequence[Any]) -> list[Any]:
        xs = [copied(x) for x in inputs]
        return self.subject.gradients(
            np.array(g, dtype=out.dtype)[()] if not np.ndim(g) else np.array(g, dtype=out.dtype), copied(out), xs
        )

    def wide(self, g: Any, unit: float = 0.0, seed: int = 0) -> list[Any] | None:
        """The gradients in extended precision, the forward's result recomputed there; None where that fails.

        With `unit`, at inputs moved by that much of their size.
        """
        if self.why_not_high:
            return None
        start = perf_counter()
        try:
            xs = [raised(x) for x in self.inputs]
            g = np.asarray(g, dtype=HIGH)
            if unit:
                rng = np.random.default_rng(seed)
                xs = [nudged(x, rng, unit) for x in xs]
                g = nudged(g, rng, unit)
            out = self.subject.out([copied(x) for x in xs])
            found = self.subject.gradients(g if g.ndim else g[()], out, xs)
        except Exception as error:
            self.why_not_high = f"the rule refuses it ({type(error).__name__}: {error!s:.60})"
            return None
        if perf_counter() - start > 0.5:
            self.why_not_high = "it takes too long"  # from the next time on
        if out.dtype != np.dtype(HIGH):
            self.why_not_high = f"the forward returns {out.dtype}"
            return None
        return found

    def moved(self, g: Any, seed: int) -> list[Any] | None:
        """The gradients in the rule's own precision, everything moved by a unit in its last place."""
        rng = np.random.default_rng(seed)
        xs = [nudged(x, rng, eps(x.dtype)) if is_float(x) else x for x in self.inputs]
        try:
            out = self.subject.out([copied(x) for x in xs])
            if np.shape(out) != np.shape(self.out):
                return None
            return self._run(nudged(np.asarray(g, dtype=out.dtype), rng, eps(out.dtype)), out, xs)
        except Exception:
            return None

    def spread(self, g: Any, i: int, around: Any, pick: Pick) -> Any:
        """How far the gradient of input i moves with units in the last place, rounding and conditioning together."""
        return self._spread([self.moved(g, s) for s in range(SAMPLES)], i, around, pick)

    def conditioning(self, g: Any, i: int, around: Any, pick: Pick) -> Any:
        """How far the gradient of input i moves for its inputs' own units alone, computed in extended precision."""
        return self._spread([self.wide(g, eps(self.dtype), s) for s in range(SAMPLES)], i, around, pick)

    def wide_rounding(self, g: Any, i: int, around: Any, pick: Pick) -> Any:
        """How far the gradient of input i in extended precision moves with units in the last place there."""
        return self._spread([self.wide(g, 2 * eps(HIGH), s) for s in range(SAMPLES)], i, around, pick)

    def _spread(self, samples: Sequence[list[Any] | None], i: int, around: Any, pick: Pick) -> Any:
        total = np.zeros(np.shape(around))
        for found in samples:
            if found is None or found[i] is None or np.shape(found[i]) != np.shape(self.inputs[i]):
                continue
            gap = np.abs(pick(i, found[i]).astype(HIGH) - np.asarray(around, dtype=HIGH))
            total = np.maximum(total, np.where(np.isfinite(gap), gap, 0.0).astype(float))
        return np.maximum(total, 0.3 * np.median(total)) if total.size else total  # a few samples may be lucky
