"""How far to go along a direction: the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any


@dataclass(frozen=True)
class Point:
    """A place on the line: the length of the step, the loss there, its gradient, and its slope along the line."""

    length: float
    loss: float
    gradient: Any
    slope: float


# The length of a step ↦ the loss and the gradient there.
Evaluate = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate,
    start: Point,
    length: float,
    reach: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    most: int = 25,
) -> tuple[Point, int]:
    """Find a step that lowers the loss enough and flattens its slope enough.

    With loss φ(t) at a step of length t, the conditions are φ(t) ≤ φ(0) + c₁ t φ'(0) and |φ'(t)| ≤ c₂ |φ'(0)|. Steps
    are first lengthened until an interval must hold such a t; that is then narrowed by cubic interpolation (Nocedal
    and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6; bounds and safeguards as in PyTorch).

    Parameters
    ----------
    evaluate : callable
        t ↦ Point.
    start : Point
        At t = 0, of negative slope.
    length : float
        The first t to try.
    reach : float
        The largest entry of the direction, in absolute value: an interval that moves no parameter by as much as
        `tolerance` is narrow enough.
    c1, c2 : float, optional
    tolerance : float, optional
    most : int, optional
        Evaluations beyond the first.

    Returns
    -------
    point : Point
        Where the conditions hold, or the best of what was found.
    evaluations : int
    """
    low, high, used = _bracketed(evaluate, start, length, c1, c2, most)
    trials, stalled = used, False
    while high is not None and trials < most and abs(high.length - low.length) * reach >= tolerance:
        length, stalled = _between(low, high, stalled)
        point = evaluate(length)
        trials, used = trials + 1, used + 1
        if _too_high(point, start, c1) or point.loss >= low.loss:
            low, high = (point, low) if point.loss < low.loss else (low, point)
            continue
        if abs(point.slope) <= -c2 * start.slope:
            return point, used + 1
        high = low if point.slope * (high.length - low.length) >= 0.0 else high
        low = point
    return low, used + 1


def _bracketed(
    evaluate: Evaluate, start: Point, length: float, c1: float, c2: float, most: int
) -> tuple[Point, Point | None, int]:
    """Lengthen the step until an interval holds what is looked for: its lower end, the higher, and evaluations.

    Where a step will do as it is, there is no higher end.
    """
    before, point = start, evaluate(length)
    for used in range(most):
        if _too_high(point, start, c1) or (used > 1 and point.loss >= before.loss):
            return *_ordered(before, point), used
        if abs(point.slope) <= -c2 * start.slope:
            return point, None, used
        if point.slope >= 0.0:
            return *_ordered(before, point), used
        least = point.length + 0.01 * (point.length - before.length)
        length = _cubic(before, point, least, 10.0 * point.length)
        before, point = point, evaluate(length)
    return *_ordered(start, point), most


def _ordered(one: Point, other: Point) -> tuple[Point, Point]:
    return (one, other) if one.loss <= other.loss else (other, one)


def _too_high(point: Point, start: Point, c1: float) -> bool:
    return point.loss > start.loss + c1 * point.length * start.slope


def _between(low: Point, high: Point, stalled: bool) -> tuple[float, bool]:
    """Return where to look between two points, and whether that is close to one of them.

    Close to an end twice running, the step would creep: it is then moved a tenth of the interval inwards.
    """
    left, right = sorted((low.length, high.length))
    length, margin = _cubic(low, high, left, right), 0.1 * (right - left)
    if min(right - length, length - left) >= margin:
        return length, False
    if not stalled and left < length < right:
        return length, True
    return (right - margin if abs(length - right) < abs(length - left) else left + margin), False


def _cubic(one: Point, other: Point, least: float, most: float) -> float:
    """Return where the cubic through two points has its minimum, within bounds; their middle where it has none."""
    left, right = (one, other) if one.length <= other.length else (other, one)
    width = right.length - left.length
    if width > 0.0 and isfinite(left.loss) and isfinite(right.loss):
        chord = left.slope + right.slope - 3.0 * (right.loss - left.loss) / width
        square = chord * chord - left.slope * right.slope
        if square >= 0.0:
            root = sqrt(square)
            below = right.slope - left.slope + 2.0 * root
            if below != 0.0:
                length = right.length - width * ((right.slope + root - chord) / below)
                return min(max(length, least), most)
    return (least + most) / 2.0
