"""What the gradient is at a point, from oracles that know nothing of the rule, each number with an error bar.

    differences     every entry of the Jacobian, by extrapolated central differences (differences.py)
    complex step    Im f(x + ih) / h, where differences confirm it: then exact to the last digits
    trace           the engine's own sweep through a trace of f in extended precision, where differences confirm it

Differences are the witness that always appears; the other two are believed only where they agree with it, and then
sharpen it. For a cotangent g the gradient of input entry j is Σ_k g_k J_kj, and its error bar the same sum of bars.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..held import playing
from .differences import FAIR, GOOD, Sides, one_sided, slopes
from .nearby import Nearby, high
from .precision import HIGH, eps, nudged, raised, typical, unravel
from .subject import Subject
from .tracing import traced_gradients

MPMATH = 400  # how many entries of a Jacobian it is asked for
_COMPLEX = np.result_type(HIGH, np.complex64)


@dataclass
class Estimate:
    """The gradient of one input for one cotangent.

    Attributes
    ----------
    value, bar : arrays of the input's shape
    other, other_bar : arrays
        What a credible window of differences that contradicts `value` says; nan where there is none.
    scale : array
        Σ |g| |J|: what rounding in the sum is measured by.
    """

    value: Any
    bar: Any
    other: Any
    other_bar: Any
    scale: Any


class Truth:
    """The Jacobian at one point.

    Parameters
    ----------
    subject : Subject
    inputs : sequence
        The point.
    thorough : bool
        Use the complex step everywhere, not only where differences are poor.
    entries : int, optional
        How many entries of each input to look at: the first, the last and a random choice between. All by default.
    exact : bool
        Ask mpmath too, where the Jacobian is small.
    """

    def __init__(
        self,
        subject: Subject,
        inputs: Sequence[Any],
        thorough: bool = False,
        entries: int | None = None,
        exact: bool = False,
    ) -> None:
        self.subject = subject
        self.inputs = list(inputs)
        self.skipped: list[str] = []
        self.used: dict[str, int] = {"differences": 0, "complex step": 0, "trace": 0, "mpmath": 0}
        self.near, why = high(lambda xs: subject.out(xs), inputs, subject.moving)
        if why:
            self.skipped.append(why)
        self.outputs = self.near.base.size
        self._traceable = subject.on_values is not None
        self._complex: Nearby | str | None = None
        self._slopes: dict[int, tuple[Any, Any]] | None = None
        self._sides: dict[tuple[int, tuple[int, ...]], Sides] = {}
        self.thorough = thorough
        self.chosen = {i: _chosen(self.near.inputs[i].size, entries) for i in subject.moving}
        self.jacobian = {i: self._columns(i) for i in subject.moving}
        if exact:
            self._ask_mpmath()

    # -- the Jacobian ------------------------------------------------------------------------------------------

    def _columns(self, i: int) -> tuple[Any, Any, Any, Any]:
        """Values, bars, contradictions and their bars, of shape (chosen entries of input i, outputs)."""
        x, chosen = self.near.inputs[i], self.chosen[i]
        shape = (x.size if chosen is None else len(chosen), self.outputs)
        value, bar = np.zeros(shape, self.near.dtype), np.zeros(shape)
        other, other_bar = np.full(shape, np.nan, self.near.dtype), np.zeros(shape)
        for j in range(shape[0]):
            index = unravel(j if chosen is None else int(chosen[j]), x.shape)
            if not np.isfinite(x[index]):
                continue  # a masked entry: it cannot be moved, and its gradient is 0
            heard: list[Any] = []

            def witness(index: tuple[int, ...] = index, heard: list[Any] = heard) -> Any:
                heard.append(self._complex_step_with_bar(i, index))
                return self._traced_slope(i, index) if heard[0] is None else heard[0]

            found = slopes(self.near, i, index, GOOD if self.thorough else FAIR, witness)
            v, b, o = found.value.ravel(), found.bar.ravel(), found.other.ravel()
            other_bar[j] = found.other_bar.ravel()
            value[j], bar[j], other[j] = self._sharpened(heard[0], v, b, o, other_bar[j])
        self.used["differences"] += shape[0]
        # Where f did not move at all its slope is 0, or below what its rounding shows beside its other slopes.
        unseen = self.near.unit * max(1024.0 * float(np.max(np.abs(value[np.isfinite(value)]), initial=0.0)), 16.0)
        bar = np.where(value == 0, np.maximum(bar, float(unseen)), bar)
        return value, bar, other, other_bar

    def _ask_mpmath(self) -> None:
        """The Jacobian in 60 digits, wherever differences confirm it."""
        from .exact import exact_jacobian

        for i, (v, b, o, ob) in self.jacobian.items():
            if self.chosen[i] is not None or v.size > MPMATH:
                self.skipped.append(f"mpmath: the Jacobian of '{self.subject.names[i]}' has over {MPMATH} entries")
                continue
            try:
                found, bars = exact_jacobian(self.subject.on_values or self.subject.forward, self.inputs, i)
                exact = np.asarray(found, dtype=self.near.dtype).reshape(self.outputs, -1).T
                own = np.asarray(bars, dtype=float).reshape(self.outputs, -1).T
            except ImportError:
                raise
            except Exception as error:
                self.skipped.append(f"mpmath: {type(error).__name__}: {error!s:.100}")
                continue
            own = own + eps(self.near.dtype) * np.abs(exact).astype(float)
            take = (np.abs(exact - v) <= 2.0 * b + GOOD * np.abs(v)) & (own <= b) & np.isfinite(exact)
            self.used["mpmath"] += int(np.count_nonzero(take))
            self.jacobian[i] = (np.where(take, exact, v), np.where(take, own, b), np.where(take, np.nan, o), ob)

    def _traced_slope(self, i: int, index: tuple[int, ...]) -> tuple[Any, Any] | None:
        """For one number as result: the trace's slope in one entry, with its error bar. One trace tells all entries."""
        if self.outputs != 1:
            return None
        if self._slopes is None:
            found = self._trace(np.ones(self.near.base.shape))
            self._slopes = (
                {} if found is None else {k: _with_bar(*[np.asarray(t[k]) for t in found]) for k in self.subject.moving}
            )
        if i not in self._slopes:
            return None
        value, bar = self._slopes[i]
        return value[index].reshape(self.near.base.shape), bar[index].reshape(self.near.base.shape)

    def _complex_step_with_bar(self, i: int, index: tuple[int, ...]) -> tuple[Any, Any] | None:
        """The complex step in every output, and its error bar."""
        step = self._complex_step(i, index)
        if step is None:
            return None
        size = max(float(abs(self.near.inputs[i][index])), 1e-300)
        bar = 16.0 * self.near.noise(1.0).ravel() / (size if size > 1e-290 else typical(self.near.inputs[i]))
        again = self._complex_step(i, index, nudge=True)
        bar = bar + 16.0 * eps(self.near.dtype) * np.abs(step) + (0.0 if again is None else 8.0 * np.abs(step - again))
        shape = self.near.base.shape
        return step.reshape(shape), np.asarray(bar, dtype=float).reshape(shape)

    def _sharpened(self, heard: tuple[Any, Any] | None, v: Any, b: Any, o: Any, ob: Any) -> tuple[Any, Any, Any]:
        """The complex step in place of differences, wherever they confirm it."""
        if heard is None:
            return v, b, o
        step, bar = heard[0].ravel(), heard[1].ravel()
        confirmed = (np.abs(step - v) <= 2.0 * b + 1e-9 * np.abs(v)) & (bar <= b) & np.isfinite(step)
        instead = (np.abs(step - o) <= 2.0 * ob + 1e-6 * np.abs(o)) & (step != 0) & np.isfinite(step) & np.isfinite(o)
        take = confirmed | instead
        self.used["complex step"] += int(np.any(take))
        return np.where(take, step, v), np.where(take, bar, b), np.where(take, np.nan, o)

    def _complex_step(self, i: int, index: tuple[int, ...], nudge: bool = False) -> Any:
        if isinstance(self._complex, str):
            return None
        kind = _COMPLEX if self.near.dtype == np.dtype(HIGH) else np.complex128
        h = 1e-40 if self.near.dtype == np.dtype(HIGH) and HIGH is not np.float64 else 1e-30
        try:
            rng = np.random.default_rng(0)
            inputs = [nudged(x, rng, eps(self.near.dtype)) if nudge else x for x in self.near.inputs]
            moved = [np.array(x, dtype=kind) if k in self.subject.moving else raised(x) for k, x in enumerate(inputs)]
            moved[i][index] += 1j * h
            with playing(self.near.tape), warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)  # an imaginary part was thrown away
                out = np.asarray(self.subject.forward(*moved))
            if out.dtype.kind != "c" or out.shape != self.near.base.shape:
                raise TypeError("its result is not complex")
        except Exception as error:
            self._complex = f"complex step: the forward refuses complex numbers ({type(error).__name__}: {error!s:.60})"
            self.skipped.append(self._complex)
            return None
        return (out.imag / h).ravel()

    # -- one cotangent -----------------------------------------------------------------------------------------

    def gradient(self, g: Any, trace: bool = True) -> dict[int, Estimate]:
        """The gradient of <g, f> in every moving input; `trace`: sharpened by a trace of f."""
        flat = np.asarray(g, dtype=self.near.dtype).ravel()
        traced = self._trace(g) if trace else None
        found = {}
        for i, (value, bar, other, other_bar) in self.jacobian.items():
            # 0 · inf is 0 here: an output without a cotangent does not speak.
            on = flat != 0
            total = value[:, on] @ flat[on]
            bars = bar[:, on] @ np.abs(flat[on]).astype(float)
            scale = np.abs(value[:, on]) @ np.abs(flat[on])
            bars = bars + 8.0 * eps(self.near.dtype) * scale
            differs = np.any(np.isfinite(other[:, on]), axis=1)
            swapped = np.where(np.isfinite(other[:, on]), other[:, on], value[:, on]) @ flat[on]
            rival_bars = np.where(np.isfinite(other[:, on]), other_bar[:, on], bar[:, on]) @ np.abs(flat[on]).astype(
                float
            )
            estimate = Estimate(total, bars, np.where(differs, swapped, np.nan), rival_bars, scale)
            if traced is not None:
                self._refine(estimate, *[self.pick(i, t[i]).ravel() for t in traced])
            found[i] = Estimate(*[self._shaped(i, a) for a in astuple_shallow(estimate)])
        return found

    def pick(self, i: int, x: Any) -> Any:
        """The entries of an array like input i that are looked at: all of it, or a row of those chosen."""
        chosen = self.chosen[i]
        return np.asarray(x) if chosen is None else np.asarray(x).reshape(-1)[chosen]

    def place(self, i: int, flat: int) -> tuple[int, ...]:
        """Where in input i the entry stands that is number `flat` of those looked at."""
        chosen = self.chosen[i]
        return unravel(flat if chosen is None else int(chosen[flat]), self.near.inputs[i].shape)

    def _shaped(self, i: int, x: Any) -> Any:
        return np.asarray(x).reshape(self.near.inputs[i].shape) if self.chosen[i] is None else np.asarray(x)

    def _trace(self, g: Any) -> list[list[Any]] | None:
        """The engine's gradient of a trace of f: in float64, in extended precision, and there beside the point."""
        if not self._traceable:
            return None
        start = perf_counter()
        try:
            results = []
            rng = np.random.default_rng(0)
            for dtype, unit in ((np.float64, 0.0), (HIGH, 0.0), (HIGH, 2 * eps(HIGH))):
                xs = [nudged(raised(x, dtype), rng, unit) for x in self.inputs]
                results.append(
                    traced_gradients(self.subject.on_values, xs, self.subject.moving, np.asarray(g, dtype=dtype))  # type: ignore[arg-type]
                )
        except Exception as error:
            self._traceable = False
            self.skipped.append(f"trace: the forward does not run on Values ({type(error).__name__}: {error!s:.80})")
            return None
        if perf_counter() - start > 0.5:
            self._traceable = False
            self.skipped.append("trace: heard once; it takes too long here to be heard for every cotangent")
        return results

    def _refine(self, e: Estimate, low: Any, top: Any, beside: Any) -> None:
        """Believe the trace where differences confirm it, with an error bar of its own."""
        top, own = _with_bar(low, top, beside)
        with np.errstate(invalid="ignore"):
            bar = own + 64.0 * eps(top.dtype) * np.asarray(e.scale, dtype=float)
            confirmed = (np.abs(top - e.value) <= 2.0 * e.bar + GOOD * np.abs(e.value)) & (bar < e.bar)
            instead = (np.abs(top - e.other) <= 2.0 * e.other_bar + 1e-6 * np.abs(e.other)) & np.isfinite(e.other)
        take = (confirmed | instead) & np.isfinite(top)
        self.used["trace"] += int(np.count_nonzero(take))
        e.value, e.bar = np.where(take, top, e.value), np.where(take, bar, e.bar)
        e.other = np.where(take, np.nan, e.other)

    # -- kinks -------------------------------------------------------------------------------------------------

    def sides(self, i: int, index: tuple[int, ...]) -> Sides:
        """Slopes of every output to either side, in one number of input i."""
        if (i, index) not in self._sides:
            direction = np.zeros_like(self.near.inputs[i])
            direction[index] = 1
            self._sides[i, index] = one_sided(self.near, {i: direction})
        return self._sides[i, index]


def astuple_shallow(e: Estimate) -> tuple[Any, ...]:
    return e.value, e.bar, e.other, e.other_bar, e.scale


def _with_bar(low: Any, top: Any, beside: Any) -> tuple[Any, Any]:
    """A traced gradient in extended precision, with the error bar that float64 and an ulp beside it tell."""
    shrink = 64.0 * eps(top.dtype) / eps(low.dtype) if top.dtype != low.dtype else 0.0
    with np.errstate(invalid="ignore"):
        own = np.abs(low - top) * shrink + 8.0 * np.abs(top - beside)
        own = np.maximum(own, 0.3 * np.median(own)) if own.size else own
    return top, np.asarray(own + 64.0 * eps(top.dtype) * np.abs(top), dtype=float)


def _chosen(size: int, entries: int | None) -> Any:
    """Which entries to look at: None for all."""
    if entries is None or size <= entries:
        return None
    rng = np.random.default_rng(size)
    return np.unique(np.concatenate([[0, size - 1], rng.choice(size, size=entries - 2, replace=False)]))
