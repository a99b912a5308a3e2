"""A forward beside one point, in one precision: what every oracle that takes differences evaluates.

Values held constant at the point (`stop_gradient`) stay what they were there. The noise of the forward, that is how
far rounding carries it, is measured and not assumed: sums of large numbers that cancel, a cast to float32 inside and an
iteration that stops early all show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..held import noting, playing
from .precision import HIGH, NotReal, eps, raised, same, typical

SPACINGS = (2.0**-44, 2.0**-34, 2.0**-24, 2.0**-15)  # relative distances at which noise is looked for
WIDER = (2.0**-10, 2.0**-6)  # and those for results that did not move at these: too coarse, or constant
SAMPLES = 9


class Nearby:
    """f at a point and beside it.

    Parameters
    ----------
    f : callable
        `f(inputs)` of a list of plain arrays, returning a plain array.
    inputs : sequence
    moving : positions of the inputs that will be moved
    dtype : the floating type to evaluate in
    """

    def __init__(self, f: Callable[[list[Any]], Any], inputs: Sequence[Any], moving: Sequence[int], dtype: Any) -> None:
        self.f = f
        self.inputs = [raised(x, dtype) for x in inputs]
        self.moving = tuple(moving)
        with noting() as self.tape:
            self.base = np.asarray(f([raised(x, dtype) for x in self.inputs]))
        self.dtype = self.base.dtype
        self.calls = 1
        self._noise: list[tuple[float, Any]] | None = None
        self._values: list[Any] = []
        self.unit = eps(self.dtype)

    def __call__(self, moved: Mapping[int, Any]) -> Any:
        """f with some inputs replaced."""
        self.calls += 1
        inputs = [
            moved[i] if i in moved else x.copy() if isinstance(x, np.ndarray) else x for i, x in enumerate(self.inputs)
        ]
        try:
            with playing(self.tape):
                out = np.asarray(self.f(inputs))
        except (ArithmeticError, ValueError, NotReal):  # no point of f's domain: a matrix not positive definite, say
            return np.full(self.base.shape, np.nan, self.dtype)
        if out.shape != self.base.shape:
            raise TypeError(f"its result has shape {self.base.shape} at the point and {out.shape} beside it")
        return out

    def at(self, i: int, index: tuple[int, ...], x: Any) -> Any:
        """f with one number of input i replaced by x."""
        moved = self.inputs[i].copy()
        moved[index] = x
        return self({i: moved})

    def along(self, directions: Mapping[int, Any], t: Any) -> Any:
        """f at inputs + t · directions."""
        return self({i: self.inputs[i] + t * d for i, d in directions.items()})

    def noise(self, relative: float) -> Any:
        """How far rounding carries f, output by output, seen at distances up to `relative` of the inputs' sizes."""
        if self._noise is None:
            self._noise = self._measured()
            self.unit = max([eps(self.dtype), *[eps(t) for t in (np.float32, np.float64) if self._all_in(t)]])
        found = np.abs(self.base) * (0.5 * self.unit)
        for spacing, sigma in self._noise:
            if spacing <= relative * 4.0:
                found = np.maximum(found, sigma)
        return found

    def _measured(self) -> list[tuple[float, Any]]:
        """Noise from differences of high order, in which what is smooth vanishes (Moré and Wild 2011)."""
        rng = np.random.default_rng(1)
        directions = {}
        for i in self.moving:
            x = self.inputs[i]
            size = np.where(x == 0, typical(x), np.abs(x))
            directions[i] = (rng.choice([-1.0, 1.0], size=x.shape) * rng.uniform(0.5, 1.0, size=x.shape) * size).astype(
                x.dtype
            )
            directions[i] = np.where(np.isfinite(directions[i]), directions[i], 0).astype(x.dtype)
        found: list[tuple[float, Any]] = []
        still = np.ones(self.base.shape, dtype=bool)  # results that have not moved so far
        for spacing in SPACINGS + WIDER:
            if spacing < 4 * eps(self.dtype) or (spacing in WIDER and not np.any(still)):
                continue
            values = np.stack([self.along(directions, spacing * k) for k in range(SAMPLES)])
            sigma = _noise_of(values) if spacing in SPACINGS else np.zeros(self.base.shape)
            moves = np.any(values != values[0], axis=0)
            if found:
                # What stood still at finer distances and moves now does so in steps: their height is the noise.
                sigma = np.where(still & moves, np.maximum(sigma, 0.5 * _least_step(values)), sigma)
            still &= ~moves
            found.append((spacing, sigma))
            self._values.append(values)
        return found

    def _all_in(self, dtype: Any) -> bool:
        """Whether every result is a number of a narrower float, and no rounder one: f computes in that."""
        values = np.concatenate([self.base.ravel(), *[v.ravel() for v in self._values]])
        values = values[np.isfinite(values)]
        coarse = values * 1024.0  # whole numbers and simple fractions fit any float, and say nothing
        return bool(np.all(values == values.astype(dtype)) and np.any(coarse != np.rint(coarse)))


def _least_step(values: Any) -> Any:
    """The smallest difference between two values that differ."""
    steps = np.abs(np.diff(np.sort(values, axis=0), axis=0))
    return np.min(np.where(steps > 0, steps, np.inf), axis=0)


def _noise_of(values: Any) -> Any:
    """Noise in equally spaced values: what differences of order 4 to 6 have in common, in standard deviations."""
    differences = values
    sigmas = []
    factor = 1.0
    for k in range(1, 7):
        differences = np.diff(differences, axis=0)
        factor *= 2.0 * (2.0 * k - 1.0) / k  # the variance of a k-th difference of unit noise: binomial(2k, k)
        if k >= 3:
            sigmas.append(np.sqrt(np.mean(np.square(differences), axis=0) / factor))
    least, most = np.min(sigmas, axis=0), np.max(sigmas, axis=0)
    noise = np.where(most < 10.0 * least, most, least)  # of noise alone, all say the same; what is smooth falls off
    return np.where(np.isfinite(noise), noise, 0.0)


def high(f: Callable[[list[Any]], Any], inputs: Sequence[Any], moving: Sequence[int]) -> tuple[Nearby, str]:
    """f in extended precision where it goes through, else in the precision of its inputs (float64 at least)."""
    start = perf_counter()
    usual = Nearby(f, inputs, moving, np.float64)
    cost = perf_counter() - start
    if HIGH is np.float64:
        return usual, "extended precision: this platform has none"
    try:
        start = perf_counter()
        wide = Nearby(f, inputs, moving, HIGH)
        if perf_counter() - start > max(0.01, 10.0 * cost):
            return usual, "extended precision: it takes too long here"
    except Exception as error:
        return usual, f"extended precision: the forward refuses it ({type(error).__name__}: {error!s:.80})"
    if wide.dtype != np.dtype(HIGH):
        return usual, f"extended precision: the forward returns {wide.dtype}"
    gap = np.abs(wide.base - usual.base)
    scale = np.maximum(np.abs(wide.base), np.abs(usual.base))
    size = max([typical(inputs[i]) for i in moving])
    close = (
        (gap <= 1e-3 * np.max(scale[np.isfinite(scale)], initial=0.0))
        | (gap <= 1e-12 * max(1.0, size))
        | same(wide.base, usual.base)
        | ~np.isfinite(gap)
    )
    if not np.all(close):
        return usual, "extended precision: the forward takes another way there"
    return wide, ""
