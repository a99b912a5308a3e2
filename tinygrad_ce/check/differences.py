"""Derivatives from differences, each with its own error bar.

A window is three central differences, at steps h, h/2 and h/4, extrapolated twice (Richardson; Ridders 1982). Its
error bar is how much the last extrapolation changed, plus what the measured noise of the forward makes of such a step.
Windows of many sizes are tried, relative to the number that is moved, and the one with the smallest bar is believed: a
kink close by or a strong curvature spoils large steps, rounding spoils small ones. Where two credible windows
contradict each other, both are kept: a rule that agrees with either has not been shown to be wrong.

    slopes(near, i, index)      df/dx for one number x, for every output at once
    directional(near, v)        the same along a direction through all inputs
    one_sided(near, ...)        from the right and from the left: what a kink is known by
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .nearby import Nearby
from .precision import eps, typical

FIRST = (2.0**-6, 2.0**-10)  # relative steps that usually do
OTHERS = (0.5, 2.0**-3, 2.0**-14, 2.0**-18, 2.0**-22, 2.0**-27, 2.0**-32, 2.0**-38, 2.0**-44)
GOOD = 1e-10  # a relative error bar with which the search is content at the user's point
FAIR = 1e-7  # and beside it


@dataclass
class Slopes:
    """Derivatives of every output: the value believed, a contradicting one (nan: none), and the error bar of each."""

    value: Any
    bar: Any
    other: Any
    other_bar: Any


def slopes(
    near: Nearby, i: int, index: tuple[int, ...], good: float = GOOD, witness: Callable[[], Any] | None = None
) -> Slopes:
    """Derivatives of every output in one number of input i.

    `witness` computes them in another way, with error bars: where a window confirms it, the search is over.
    """
    x = near.inputs[i][index]
    size = typical(near.inputs[i])
    own = float(abs(x)) if x != 0 else 0.0
    kind = near.inputs[i].dtype.type

    def pair(h: float) -> tuple[Any, Any, Any]:
        up, down = x + kind(h), x - kind(h)
        return near.at(i, index, up), near.at(i, index, down), up - down

    return _search(near, pair, _steps(own, size, near.dtype), good, witness)


def directional(near: Nearby, direction: dict[int, Any]) -> Slopes:
    """Derivatives of every output along a direction: t in inputs + t · direction, at t = 0."""
    sizes = [typical(near.inputs[i]) / max(typical(d), 1e-300) for i, d in direction.items()]
    size = float(min(sizes))

    def pair(h: float) -> tuple[Any, Any, Any]:
        return near.along(direction, h), near.along(direction, -h), 2.0 * h

    return _search(near, pair, _steps(size, size, near.dtype), GOOD, None)


def _steps(own: float, size: float, dtype: Any) -> list[tuple[float, float]]:
    """(step, step relative to the number moved) in the order in which they are tried."""
    least = 16 * eps(dtype)
    scale = own or size
    steps = [(r * scale, r) for r in FIRST] + [(r * scale, r) for r in OTHERS]
    if own and not 1e-2 < own / size < 1e2:
        steps += [(r * size, r * size / own) for r in (2.0**-6, 2.0**-12, 2.0**-20, 2.0**-30)]
    if not 1e-2 < scale < 1e2:
        steps += [(r, r / scale) for r in (2.0**-3, 2.0**-10, 2.0**-17)]
    return [(h, r) for h, r in steps if r > least]


def _search(
    near: Nearby,
    pair: Callable[[float], tuple[Any, Any, Any]],
    steps: list[tuple[float, float]],
    good: float,
    witness: Callable[[], Any] | None,
) -> Slopes:
    values: list[Any] = []
    bars: list[Any] = []
    for k, (h, relative) in enumerate(steps):
        value, bar = _window(pair, h, near.noise(relative), relative)
        values.append(value)
        bars.append(bar)
        if k == 0 and witness is not None:
            heard = witness()
            if heard is not None and _confirms(heard, value, bar, good):
                return Slopes(heard[0], heard[1], np.full_like(value, np.nan), np.zeros(np.shape(bar)))
        if k and _content(values[-2:], bars[-2:], good):
            break
    return _best(np.stack(values), np.stack(bars), [h for h, _ in steps])


def _window(pair: Callable[[float], tuple[Any, Any, Any]], h: float, noise: Any, relative: float) -> tuple[Any, Any]:
    """One extrapolated derivative and its error bar."""
    d = []
    for step in (h, 0.5 * h, 0.25 * h):
        up, down, width = pair(step)
        d.append((up - down) / width if width else np.full_like(up, np.nan))
    first = (4.0 * d[1] - d[0]) / 3.0, (4.0 * d[2] - d[1]) / 3.0
    value = (16.0 * first[1] - first[0]) / 15.0
    truncation = 2.0 * np.abs(value - first[1])
    bar = truncation + 16.0 * noise / h + 4.0 * eps(value.dtype) / min(relative, 1.0) * np.abs(value)
    return value, np.where(np.isfinite(value) & np.isfinite(bar), bar, np.inf)


def _confirms(heard: tuple[Any, Any], value: Any, bar: Any, good: float) -> bool:
    """Whether a window agrees with a sharper witness, closely enough that this is no accident, for every output."""
    step, own = heard
    size = np.abs(step)
    top = np.max(size[np.isfinite(size)], initial=0.0)
    agree = np.abs(step - value) <= 2.0 * bar + 1e-9 * size
    telling = (bar <= 1e-4 * size) | (bar <= 1e-3 * good * top) | ((size == 0) & (value == 0))
    return bool(np.all(agree & telling & np.isfinite(step) & (own <= np.maximum(good * size, 1e-4 * good * top) + bar)))


def _content(values: list[Any], bars: list[Any], good: float) -> bool:
    """Whether two windows agree, and one of them is as good as will be needed, for every output."""
    best = np.minimum(*bars)
    size = np.maximum(*[np.abs(v) for v in values])
    top = np.max(size[np.isfinite(size)], initial=0.0)
    agree = np.abs(values[0] - values[1]) <= bars[0] + bars[1]
    return bool(np.all(agree & ((best <= good * size) | (best <= (1e-4 if good == GOOD else 1e-2) * good * top))))


def _best(values: Any, bars: Any, steps: Sequence[float]) -> Slopes:
    # Relative error bars first: far from a spike, large steps see a slope of nearly 0 with a tiny bar.
    with np.errstate(invalid="ignore"):
        relative = np.where(np.isfinite(bars), bars / (np.abs(values) + bars), np.inf)
    sharp = np.nan_to_num(relative, nan=np.inf)
    score = np.where(np.min(sharp, axis=0) < 1e-3, sharp, bars)
    at = np.argmin(score, axis=0)[None]
    # Where f stands still nearer by, and its rounding would show such a slope, what moves it lies beyond a kink.
    h = np.reshape(np.array(steps[: len(values)]), (-1, *[1] * (values.ndim - 1)))
    beyond = 1e-3 * np.abs(np.take_along_axis(values, at, 0))
    still = (values == 0) & (bars <= beyond) & (h < np.take_along_axis(np.broadcast_to(h, values.shape), at, 0))
    nearer = np.argmin(np.where(still, bars, np.inf), axis=0)[None]
    at = np.where(np.any(still, axis=0), nearer, at)
    value = np.take_along_axis(values, at, 0)[0]
    bar = np.take_along_axis(bars, at, 0)[0]
    with np.errstate(invalid="ignore"):
        apart = np.abs(values - value)
        # Among many windows the best may be lucky: those nearly as good have to agree with it.
        near = (bars <= 30.0 * bar) & np.isfinite(apart) & (values != 0)  # a 0 is often a step too small to show
        bar = np.maximum(bar, 0.5 * np.max(np.where(near, apart, 0.0), axis=0))
        contradicts = (apart > 2.0 * (bars + bar)) & np.isfinite(apart)
    rivals = np.where(contradicts, bars, np.inf)
    rival = np.argmin(rivals, axis=0)[None]
    other_bar = np.take_along_axis(rivals, rival, 0)[0]
    other = np.where(np.isfinite(other_bar), np.take_along_axis(values, rival, 0)[0], np.nan)
    return Slopes(
        np.where(np.isfinite(bar), value, np.nan), bar, other, np.where(np.isfinite(other_bar), other_bar, 0.0)
    )


# -- one side at a time ----------------------------------------------------------------------------------------


@dataclass
class Sides:
    """Slopes to the right and to the left, with error bars; `jump` where f does not come together at the point."""

    right: Any
    left: Any
    bar: Any
    jump: Any

    @property
    def kink(self) -> Any:
        """Where the two slopes differ beyond their error bars."""
        apart = np.abs(self.right - self.left)
        return (apart > 4.0 * self.bar) & (apart > 1e-7 * np.maximum(np.abs(self.right), np.abs(self.left)))


def one_sided(near: Nearby, direction: dict[int, Any]) -> Sides:
    """Slopes along a direction from each side, at the smallest scales that the noise allows."""
    size = min(typical(near.inputs[i]) / max(typical(d), 1e-300) for i, d in direction.items())
    moved = {i: near.inputs[i] for i in direction}
    touched = max(float(np.max(np.abs(moved[i][np.asarray(d) != 0]), initial=0.0)) for i, d in direction.items())
    scale = touched or size
    results = [_side(near, direction, s, scale) for s in (1.0, -1.0)]
    (right, bar_r, jump_r), (left, bar_l, jump_l) = results
    return Sides(right, left, bar_r + bar_l, jump_r | jump_l)


def _side(near: Nearby, direction: dict[int, Any], sign: float, scale: float) -> tuple[Any, Any, Any]:
    best_value = np.full(near.base.shape, np.nan, dtype=near.dtype)
    best_bar = np.full(near.base.shape, np.inf)
    gaps = []
    for h, relative in _sides_steps(scale, near.dtype):
        f = [near.along(direction, sign * t) for t in (h, 0.5 * h, 0.25 * h)]
        d = [(y - near.base) / (sign * t) for y, t in zip(f, (h, 0.5 * h, 0.25 * h), strict=True)]
        first = 2.0 * d[1] - d[0], 2.0 * d[2] - d[1]
        value = (4.0 * first[1] - first[0]) / 3.0
        bar = 2.0 * np.abs(value - first[1]) + 32.0 * near.noise(relative) / h
        better = np.isfinite(value) & (bar < best_bar)
        best_value, best_bar = np.where(better, value, best_value), np.where(better, bar, best_bar).astype(float)
        gaps.append(np.abs(f[2] - near.base))
    # Where f jumps, the gap stays as the step shrinks a thousandfold and more.
    jump = (gaps[-1] > 0.5 * gaps[0]) & (gaps[-1] > 1e3 * near.noise(1.0)) & (gaps[0] > 0)
    return best_value, best_bar, jump


def _sides_steps(scale: float, dtype: Any) -> Iterator[tuple[float, float]]:
    for r in (2.0**-3, 2.0**-8, 2.0**-14, 2.0**-20, 2.0**-26, 2.0**-34):
        if r > 64 * eps(dtype):
            yield r * scale, r
