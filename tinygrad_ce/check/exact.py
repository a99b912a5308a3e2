"""Extended precision as an oracle: a function captured, run in mpmath's numbers, and differenced there.

    evaluate_exactly(f, x)          f at 60 digits
    exact_jvp(f, xs, ts)            its directional derivative, with an error bar
    exact_jacobian(f, xs, which)    its Jacobian in one input, likewise

A composite op is opened into its decomposition, which defines it; float32 and float64 inputs are taken as the exact
numbers they are. No rule of any op is used: derivatives are central differences with a step of 1e-20 and less, at a
precision that is raised until they stand. Values under `stop_gradient` are held at what they are at the point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..capture import NotCaptured, Program, capture
from ..extras import extra
from ..node import plain
from ..ops import stop_gradient

__all__ = ["NotCaptured", "evaluate_exactly", "exact_jacobian", "exact_jvp"]

DIGITS = 60
WANTED = 1e-20  # relative error at which a derivative stands
# Digits at which 1 − p shows a p as small as float64 has, and its derivative too.
MOST_DIGITS = 640


def evaluate_exactly(f: Callable[..., Any], *inputs: Any, digits: int = DIGITS) -> Any:
    """f of these inputs, in numbers of `digits` decimal digits.

    Parameters
    ----------
    f : callable
        As for `capture`.
    *inputs : arrays, nested lists, floats
        Taken as the exact numbers that they are.
    digits : int

    Returns
    -------
    ndarray of object
        mpmath numbers (in f's containers, if it returns several arrays); integers and masks as they are.

    Raises
    ------
    NotCaptured
        If f cannot be captured, or an instruction of it has no kernel for such numbers.
    ImportError
        Without mpmath, which the extra `proof` brings.

    Examples
    --------
    >>> import mpmath, tinygrad_ce as tg
    >>> p = evaluate_exactly(tg.softmax, [100.0, 0.0])
    >>> print(mpmath.nstr(p[1], 20))
    3.720075976020835963e-44
    """
    mpmath = extra("mpmath")
    from .numbers import EXACT, values

    arrays = [_array(x) for x in inputs]
    program = _captured(f, arrays)
    with mpmath.workdps(digits):
        out = program.run(arrays, EXACT)
        if isinstance(out, (list, tuple)):
            return type(out)([values(x) for x in out])
        return {k: values(x) for k, x in out.items()} if isinstance(out, dict) else values(out)


def exact_jvp(
    f: Callable[..., Any], inputs: Sequence[Any], tangents: Sequence[Any], *, digits: int = DIGITS
) -> tuple[Any, Any]:
    """The directional derivative J t of f, which returns one array, and its error bars.

    Parameters
    ----------
    f, inputs
        As for `evaluate_exactly`.
    tangents : sequence
        One for each input, of its shape; None where it does not move.
    digits : int
        To start with.

    Returns
    -------
    J t : ndarray of object
        mpmath numbers.
    bars : ndarray of float
        How far they may be off: some 1e-20 of it. At a kink, where the slopes on the two sides differ, half their
        difference; inf where f is not finite.

    Raises
    ------
    NotCaptured, ImportError
        As `evaluate_exactly`.

    Examples
    --------
    >>> slope, bar = exact_jvp(lambda x: x**3, [2.0], [1.0])
    >>> float(slope), float(bar) < 1e-20
    (12.0, True)
    """
    points = _Points(f, inputs, digits)
    return points.derivative([None if t is None else _array(t) for t in tangents])


def exact_jacobian(
    f: Callable[..., Any], inputs: Sequence[Any], which: int = 0, *, digits: int = DIGITS
) -> tuple[Any, Any]:
    """The Jacobian of f in the input at position `which`, and its error bars, both of shape (*f's, *the input's).

    Takes, returns and raises as `exact_jvp`.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> J, bars = exact_jacobian(tg.softmax, [[0.0, 0.0]])
    >>> J.astype(float).tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    points = _Points(f, inputs, digits)
    shape = np.shape(points.arrays[which])
    slopes = np.zeros(points.shape + shape, dtype=object)
    bars = np.zeros(points.shape + shape)
    for i in np.ndindex(shape):
        tangents: list[Any] = [None] * len(inputs)
        tangents[which] = np.zeros(shape)
        tangents[which][i] = 1.0
        slopes[..., *i], bars[..., *i] = points.derivative(tangents)
    return slopes, bars


# -- pieces ----------------------------------------------------------------------------------------------------


def _array(x: Any) -> Any:
    x = plain(x)
    return np.asarray(x) if isinstance(x, (list, tuple)) else x


def _captured(f: Callable[..., Any], arrays: Sequence[Any]) -> Program:
    """f's instructions, composites opened; of traced arrays where it uses functions of which Values know no rule."""
    try:
        return capture(f, *arrays, opened=True)
    except NotImplementedError:
        return capture(f, *arrays, opened=True, values=False)


class _Points:
    """f near its inputs, at one precision after the other."""

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], digits: int) -> None:
        extra("mpmath")
        self.arrays = [_array(x) for x in inputs]
        self.program = _captured(f, self.arrays)
        if len(self.program.outputs) != 1:
            raise NotCaptured(f"{self.program.name} returns {len(self.program.outputs)} arrays; one is differentiated")
        self.shape = np.shape(self.program(*self.arrays))
        self.precisions = (digits, 2 * digits, max(4 * digits, MOST_DIGITS), 2 * max(4 * digits, MOST_DIGITS))
        self.points: dict[int, _Point] = {}

    def derivative(self, tangents: Sequence[Any]) -> tuple[Any, Any]:
        """J t and its bars."""
        before: Any = None
        for digits in self.precisions:
            if digits not in self.points:
                self.points[digits] = _Point(self.program, self.arrays, digits)
            slope, gap = self.points[digits].slope(tangents)
            if before is not None:
                change = _floats(abs(slope - before))
                size = _floats(abs(slope))
                bars = np.where(gap > WANTED * size, np.maximum(change, gap), change)
                if np.all((change <= WANTED * size) & ((slope != 0) | (digits >= MOST_DIGITS))):
                    break
            before = slope
        return slope, np.where(np.isnan(bars), np.inf, bars)


class _Point:
    """A program at one point, in numbers of one precision."""

    def __init__(self, program: Program, arrays: Sequence[Any], digits: int) -> None:
        from .numbers import EXACT

        self.program, self.digits = program, digits
        with extra("mpmath").workdps(digits):
            self.start = [EXACT.enter(x) for x in arrays]
            here = program.values(self.start, EXACT)
        self.held = {step.slot: here[step.slot] for step in program.instructions if step.op is stop_gradient}
        self.here = here[program.outputs[0]]

    def slope(self, tangents: Sequence[Any]) -> tuple[Any, Any]:
        """The central difference along `tangents`; and half of what the two one-sided ones differ by, as floats."""
        from .numbers import EXACT, Exact, values

        mpmath = extra("mpmath")
        with mpmath.workdps(self.digits):
            step = Exact(mpmath.mpf(10) ** (-self.digits // 3) * self._scale(tangents))

            def at(h: Any) -> Any:
                moved = [
                    x if t is None else np.asarray(x + h * EXACT.lift(t), dtype=object)
                    for x, t in zip(self.start, tangents, strict=True)
                ]
                return self.program.values(moved, EXACT, self.held)[self.program.outputs[0]]

            up, down, here = [EXACT.lift(x) for x in (at(step), at(-step), self.here)]
            slope = np.asarray((up - down) / (step + step))
            gap = np.asarray(abs(up - here - (here - down)) / (step + step))
            return values(slope), _floats(values(gap))

    def _scale(self, tangents: Sequence[Any]) -> Any:
        """A length over which f may be taken to be smooth: 1, or the smallest number that moves."""
        sizes = [
            abs(n.value)
            for x, t in zip(self.start, tangents, strict=True)
            if t is not None
            for n, m in zip(np.ravel(x), np.ravel(t), strict=True)
            if n != 0 and m != 0
        ]
        return min([1, *sizes])


def _floats(x: Any) -> Any:
    return np.asarray(x, dtype=object).astype(np.float64)
