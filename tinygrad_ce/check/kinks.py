"""Kinks told from mistakes.

At a kink the truth is an interval: the slopes to either side, and what lies between them is a convention. Entries that
stand at the same kink (a tie for the maximum) have to share: along the direction that moves them together, their
gradients must add up to a slope of f.

    resolve     takes entries at kinks and jumps out of what is wrong
    shares      whether entries that tie share rightly
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .differences import one_sided
from .findings import FAIL, Finding
from .judge import Verdicts, reach
from .points import Point
from .precision import HIGH, eps, typical
from .runs import Runs
from .subject import Subject
from .truth import Truth

RESOLVED = 64  # how many entries in doubt are looked at from both sides


def resolve(truth: Truth, v: Verdicts, i: int, g: Any, own: bool, large: bool) -> list[tuple[int, ...]]:
    """Take entries at kinks and jumps out of what is wrong; the entries that stand at kinks."""
    kinks = []
    weights = np.asarray(g, dtype=HIGH)
    joint: bool | None = None
    for flat in np.flatnonzero(v.wrong | v.lost)[:RESOLVED]:
        index = truth.place(i, int(flat))
        spot = np.unravel_index(flat, v.wrong.shape)
        if not np.isfinite(truth.near.inputs[i][index]):
            continue
        sides = truth.sides(i, index)
        on = weights != 0
        a = v.found[spot]
        if not own and not np.isfinite(a) and (large or _nothing(truth, v, spot, weights) or _upright(truth, i, index)):
            # an overflow at 1e8, 0/0 as of a deviation of equal numbers, or 0·∞ where a root begins
            v.wrong[spot], v.unclear[spot] = False, True
            continue
        if np.any(sides.jump & on):
            v.wrong[spot], v.lost[spot], v.unclear[spot] = False, False, True
            continue
        if not np.any(sides.kink & on):
            if not np.isfinite(a) and not np.all(np.isfinite(sides.right + sides.left)):
                v.wrong[spot], v.unclear[spot] = False, True  # the edge of f's domain
                continue
            joint = _corner(truth, i, on) if joint is None else joint
            if joint and np.isfinite(a):
                v.wrong[spot] = False  # a tie of several: whether they share rightly is asked of all together
                kinks.append(index)
            continue
        ends = np.stack([weights * sides.right, weights * sides.left])[:, on]
        low, high = np.sum(np.min(ends, axis=0)), np.sum(np.max(ends, axis=0))
        slack = 4.0 * np.sum(np.abs(weights[on]) * sides.bar[on]) + 1e-6 * max(abs(low), abs(high))
        if low - slack <= a <= high + slack or (np.isfinite(a) and _tied(truth, i, index, sides.kink & on)):
            v.wrong[spot], v.lost[spot] = False, False
            kinks.append(index)
        elif not np.isfinite(a) and not own:
            v.wrong[spot], v.unclear[spot] = False, True
    return kinks


def _nothing(truth: Truth, v: Verdicts, spot: Any, weights: Any) -> bool:
    """Whether f is 0 here and stays so: a rule that divides by it says 0/0."""
    still = abs(v.truth.value[spot]) <= v.bar[spot]
    return bool(still and np.all(truth.near.base[weights != 0] == 0))


def _upright(truth: Truth, i: int, index: tuple[int, ...]) -> bool:
    """Whether some output's slope grows without end towards this point: the slope there is infinite."""
    d = np.zeros_like(truth.near.inputs[i])
    d[index] = 1
    scale = typical(truth.near.inputs[i])
    far, close = [
        np.abs(truth.near.along({i: d}, h) - truth.near.base) / h for h in (2.0**-10 * scale, 2.0**-30 * scale)
    ]
    return bool(np.any(close > 100.0 * far))


def _whole(i: int, x: Any) -> Any:
    return np.asarray(x)


def _tied(truth: Truth, i: int, index: tuple[int, ...], kinked: Any) -> bool:
    """Whether another entry of the same value stands at the same kink: then who gets what is a convention."""
    x = truth.near.inputs[i]
    others = [tuple(int(k) for k in e) for e in np.argwhere(x == x[index]) if tuple(e) != index]
    return any(np.any(truth.sides(i, e).kink & kinked) for e in others[:16])


def _corner(truth: Truth, i: int, on: Any) -> bool:
    """Whether f has a kink here that shows only when several entries move: a tie of three for a median."""
    if truth.chosen[i] is not None:
        return False
    x, columns = truth.near.inputs[i], truth.jacobian[i][0]
    for seed in (0, 1):
        d = np.random.default_rng(seed).uniform(-1.0, 1.0, size=x.shape).astype(x.dtype) * typical(x)
        sides = one_sided(truth.near, {i: d})
        smooth = (d.ravel() @ columns).reshape(sides.right.shape)
        off = np.abs(sides.right - smooth) > 4.0 * sides.bar + 1e-6 * np.maximum(np.abs(smooth), np.abs(sides.right))
        if np.any((off | sides.kink) & on & np.isfinite(sides.bar)):
            return True
    return False


def shares(
    subject: Subject, runs: Runs, truth: Truth, held: dict[int, set[tuple[int, ...]]], point: Point
) -> Finding | None:
    """Whether entries that stand at one kink share its slope."""
    for i, entries in held.items():
        x = truth.near.inputs[i]
        if not entries or x.size < 2:
            continue
        kinked = np.stack([truth.sides(i, e).kink.ravel() for e in entries])
        for k in range(min(runs.out.size, 12)):
            direction = np.isfinite(x).astype(x.dtype)  # all entries, where nothing says which ones tie
            if np.any(kinked[:, k]):
                tied = [x[e] for e, on in zip(entries, kinked[:, k], strict=True) if on]
                direction = np.isin(x, tied).astype(x.dtype)
            elif np.any(kinked):
                continue
            sides = one_sided(truth.near, {i: direction})
            g = np.zeros(runs.out.size, runs.out.dtype)
            g[k] = 1.0
            gx = runs.native(g.reshape(runs.out.shape))[i]
            total = float(np.sum(np.asarray(gx, dtype=HIGH) * direction))
            ends = sides.right.ravel()[k], sides.left.ravel()[k]
            slack = 4.0 * sides.bar.ravel()[k] + 1e-6 * max(map(abs, ends))
            slack += (
                64.0
                * eps(runs.dtype)
                * float(np.sum(np.abs(gx)) + np.max(reach(runs, g.reshape(runs.out.shape), i, _whole)))
            )
            if np.isfinite(slack) and not min(ends) - slack <= total <= max(ends) + slack:
                return Finding(
                    "gradient",
                    FAIL,
                    f"{len(entries)} entries of '{subject.names[i]}' tie; moved together their gradients add up to "
                    f"{total:.6g}, and the slopes of f are {float(ends[1]):.6g} and {float(ends[0]):.6g}",
                    "",
                    "share the gradient among the entries that tie, or give it to one of them",
                    point=point.name,
                    where=subject.names[i],
                    value=total,
                    truth=float(ends[0]),
                    data={"inputs": point.inputs, "g": g.reshape(runs.out.shape), "i": i},
                )
    return None
