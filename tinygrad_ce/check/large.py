"""Arrays too large for every entry: projections, the trace, and a sparse sweep, with the sensitivity said.

A signed projection notices a mistake in all entries and says how small a one; a single entry it may miss. So every
entry is compared with the trace of f where there is one, and else as many single entries as the budget allows are swept
with one central difference each. A projection that fails is halved until one entry is left.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from .contract import cotangent
from .differences import directional, slopes
from .findings import FAIL, Finding
from .judge import relative_tolerance
from .precision import HIGH, copied, raised, show, typical, unravel
from .runs import Runs
from .subject import Subject
from .tracing import traced_gradients
from .truth import Truth

JACOBIAN = 100_000  # entries of a Jacobian that is computed in full
ENTRIES = 1500  # inputs of which every entry is differenced
SAMPLED = 160  # how many are, beyond that
PROJECTIONS = 8
SECONDS = 3.0  # for the sparse sweep


def too_large(subject: Subject) -> int | None:
    """None where the Jacobian is computed in full, else how many entries of each input are looked at."""
    start = perf_counter()
    out = subject.out([copied(x) for x in subject.inputs])
    cost = perf_counter() - start
    n = sum(np.size(subject.inputs[i]) for i in subject.moving)
    if n * out.size <= JACOBIAN and n <= ENTRIES and n * cost * 30 < 6.0:
        return None
    return max(6, min(SAMPLED, int(2.0 / max(cost * 30, 1e-9))))


def fewer(subject: Subject, usual: int, seconds: float) -> int:
    """How many entries of each input to look at in so many seconds, at most the usual number."""
    start = perf_counter()
    subject.out([copied(x) for x in subject.inputs])
    cost = 4.0 * (perf_counter() - start) + 1e-5  # extended precision is slower
    return max(3, min(usual, int(seconds / (20.0 * cost * max(len(subject.moving), 1)))))


def wide_check(subject: Subject, runs: Runs, truth: Truth, rtol: float | None) -> tuple[list[Finding], str]:
    """Projections, trace and sweep at the user's point: what is wrong, and what would have been noticed."""
    g = cotangent(runs.out.shape, runs.out.dtype, 0)
    found = runs.native(g)
    wide = runs.wide(g)
    for i in subject.moving:
        for flat in np.flatnonzero(~np.isfinite(np.asarray(found[i])))[:1]:
            return [_entry(subject, truth, found, g, i, unravel(int(flat), np.shape(found[i])))], ""
    rt = relative_tolerance(runs.dtype, rtol)
    best = 1.0
    for k in range(PROJECTIONS):
        direction = _direction(truth, k)
        off, allowed, size = _projected(truth, found, wide, g, direction, rt)
        best = min(best, allowed / max(size, 1e-300))
        if off > allowed:
            return [_bisected(subject, truth, found, wide, g, direction, rt)], ""
    traced = _by_trace(subject, truth, found, g, rt)
    if isinstance(traced, Finding):
        return [traced], ""
    total = sum(np.size(subject.inputs[i]) for i in subject.moving)
    text = f"{PROJECTIONS} projections: would notice all of {total:,} entries off by {best:.0e}; "
    if traced:
        return [], text + f"every entry against the trace: would notice one entry off by {max(rt, 1e-9):.0e}"
    finding, swept = _swept_entries(subject, truth, found, g)
    if finding is not None:
        return [finding], ""
    return (
        [],
        text + f"{swept:,} single entries: would notice one entry in {max(total // max(swept, 1), 1):,} off by 1 %",
    )


def _direction(truth: Truth, seed: int) -> dict[int, Any]:
    """Random signs, each entry moved in proportion to its own size."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in truth.subject.moving:
        x = truth.near.inputs[i]
        size = np.where(x == 0, typical(x), np.abs(x))
        size = np.where(np.isfinite(size), size, 0)
        found[i] = (rng.choice([-1.0, 1.0], size=x.shape) * size).astype(x.dtype)
    return found


def _projected(
    truth: Truth, found: Any, wide: Any, g: Any, direction: dict[int, Any], rt: float
) -> tuple[float, float, float]:
    """How far a projection is off, how far it may be, and its size."""
    s = directional(truth.near, direction)
    flat = np.asarray(g, dtype=HIGH)
    expected, bar = np.sum(flat * s.value), float(np.sum(np.abs(flat) * s.bar))
    if not np.isfinite(bar):
        return 0.0, np.inf, 1.0
    terms = [np.asarray(found[i], dtype=HIGH) * d for i, d in direction.items()]
    size = float(sum(np.sum(np.abs(t)) for t in terms))
    root = float(np.sqrt(sum(np.sum(t * t) for t in terms)))
    sums = [sum(np.sum(t) for t in terms)]
    if wide is not None:
        sums.append(sum(np.sum(np.asarray(wide[i], dtype=HIGH) * d) for i, d in direction.items()))
    off = float(min(abs(t - expected) for t in sums))
    unit = float(np.finfo(truth.subject.inputs[truth.subject.moving[0]].dtype).eps)
    return off, rt * root + 3.0 * bar + unit * (root if wide is not None else 8.0 * root + 0.1 * size), root


def _bisected(
    subject: Subject, truth: Truth, found: Any, wide: Any, g: Any, direction: dict[int, Any], rt: float
) -> Finding:
    """The entry that spoils a projection: the half that fails, and again."""
    spots = [(i, k) for i, d in direction.items() for k in np.flatnonzero(np.ravel(d))]
    while len(spots) > 1:
        half = spots[: len(spots) // 2]
        trial = {i: np.zeros_like(d) for i, d in direction.items()}
        for i, k in half:
            trial[i].ravel()[k] = direction[i].ravel()[k]
        off, allowed, _ = _projected(truth, found, wide, g, {i: d for i, d in trial.items() if np.any(d)}, rt)
        spots = half if off > allowed else spots[len(spots) // 2 :]
    i, k = spots[0]
    return _entry(subject, truth, found, g, i, unravel(int(k), truth.near.inputs[i].shape))


def _entry(subject: Subject, truth: Truth, found: Any, g: Any, i: int, index: tuple[int, ...]) -> Finding:
    s = slopes(truth.near, i, index)
    flat = np.asarray(g, dtype=HIGH)
    n, bar = float(np.sum(flat * s.value)), float(np.sum(np.abs(flat) * s.bar))
    a = float(np.asarray(found[i])[index])
    where = subject.names[i] + show(index)
    text = f"{where}: the rule says {a:.10g}, the referee {n:.10g} ± {bar:.1g}"
    data = {"inputs": list(subject.inputs), "g": g, "i": i, "index": index}
    kind = "one index" if np.isfinite(a) else "not finite"
    return Finding(
        "gradient", FAIL, text, kind, "look at that entry's index, border or case", "your point", where, a, n, bar, data
    )


def _by_trace(subject: Subject, truth: Truth, found: Any, g: Any, rt: float) -> Finding | bool:
    """Every entry against the trace; a suspect is confirmed by differences. False where f cannot be traced."""
    if subject.on_values is None or not truth.used["trace"]:
        return False
    try:
        xs = [raised(x, np.float64) for x in subject.inputs]
        traced = traced_gradients(subject.on_values, xs, subject.moving, np.asarray(g, dtype=np.float64))
    except Exception:
        return False
    for i in subject.moving:
        a, t = np.asarray(found[i], dtype=np.float64), np.asarray(traced[i])
        with np.errstate(all="ignore"):
            off = np.abs(a - t) / (np.maximum(np.abs(a), np.abs(t)) + 1e-6 * np.max(np.abs(t), initial=0.0))
        for flat in np.argsort(np.where(np.isfinite(off), off, np.inf), axis=None)[::-1][:4]:
            index = unravel(int(flat), a.shape)
            if off[index] > max(rt, 1e-8) or not np.isfinite(off[index]):
                finding = _entry(subject, truth, found, g, i, index)
                if abs(finding.value - finding.truth) > 3 * finding.bar + max(rt, 1e-8) * abs(finding.truth):  # type: ignore[operator, arg-type]
                    return finding
    return True


def _swept_entries(subject: Subject, truth: Truth, found: Any, g: Any) -> tuple[Finding | None, int]:
    """Single entries, one central difference each, as many as there is time for; suspects are looked at closely."""
    rng = np.random.default_rng(3)
    spots = [(i, k) for i in subject.moving for k in range(np.size(subject.inputs[i]))]
    weights, near = np.asarray(g, dtype=HIGH), truth.near
    start, swept = perf_counter(), 0
    top = max(float(np.max(np.abs(np.asarray(found[i], dtype=np.float64)), initial=0.0)) for i in subject.moving)
    for p in rng.permutation(len(spots)):
        if perf_counter() - start > SECONDS:
            break
        i, k = spots[p]
        index = unravel(k, near.inputs[i].shape)
        x = near.inputs[i][index]
        if not np.isfinite(x):
            continue
        h = near.inputs[i].dtype.type(2.0**-10 * (float(abs(x)) or typical(near.inputs[i])))
        rise = np.sum(weights * (near.at(i, index, x + h) - near.at(i, index, x - h))) / (2 * h)
        noise = float(np.sum(np.abs(weights) * near.noise(1.0))) / float(h)
        a = float(np.asarray(found[i])[index])
        swept += 1
        if abs(a - float(rise)) > 0.01 * max(abs(a), abs(float(rise))) + 4 * noise + 1e-12 * top:
            finding = _entry(subject, truth, found, g, i, index)
            if abs(finding.value - finding.truth) > 3 * finding.bar + 1e-6 * abs(finding.truth) and not np.any(  # type: ignore[operator, arg-type]
                truth.sides(i, index).kink
            ):
                return finding, swept
    return None, swept
