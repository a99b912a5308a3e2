"""The numbers of a rule at one point: every entry, several cotangents, kinks told from mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .contract import cotangent
from .differences import slopes
from .findings import FAIL, INCONCLUSIVE, KINK, PASS, Finding
from .judge import Verdicts, judge
from .kinks import resolve, shares
from .nearby import high
from .points import Point
from .precision import HIGH, copied, eps, nudged, show, typical
from .runs import Runs
from .subject import ContractError, Subject
from .truth import Truth

BASIS = 32  # how many outputs get a cotangent of their own


@dataclass
class Examined:
    """What was found at one point."""

    point: Point
    verdict: str
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: int = 0
    unclear: int = 0
    kinks: int = 0
    worst: float = 0.0  # the largest relative difference from the truth that was accepted
    digits: float = 0.0
    sizes: dict[int, float] = field(default_factory=dict)  # of each input's gradient
    truth: Truth | None = None
    runs: Runs | None = None


def examine(
    subject: Subject,
    point: Point,
    *,
    usual: dict[int, float] | None,
    rtol: float | None,
    atol: float,
    entries: int | None = None,
    exact: bool = False,
) -> Examined | None:
    """Compare the rule with the truth at a point; None where it is no point: f raises or is not finite there.

    `usual`: the size of each gradient at the user's point; None where this is the user's point.
    """
    own = usual is None
    try:
        runs = Runs(subject, point.inputs)
    except Exception:
        return None
    if not np.all(np.isfinite(runs.out)):
        return None
    result = Examined(point, PASS, runs=runs)
    problem = _called(runs, result)
    if problem is not None:
        return problem
    if not runs.out.size:
        return _of_nothing(runs, result)
    try:
        truth = Truth(subject, point.inputs, thorough=own, entries=entries, exact=exact)
    except ImportError:
        raise
    except Exception as error:
        result.verdict = INCONCLUSIVE
        result.notes.append(f"{point.name}: no oracle: {type(error).__name__}: {error!s:.100}")
        return result
    if not own and _unsteady(truth, runs):
        return None
    result.truth = truth
    held: dict[int, set[tuple[int, ...]]] = {}
    for g in cotangents(runs.out.shape, runs.out.dtype, own):
        found = runs.native(g)
        estimates = truth.gradient(g, trace=own)
        for i in subject.moving:
            if found[i] is None:
                continue
            size = None if usual is None else usual.get(i, 1.0)
            v = judge(runs, truth, g, i, found[i], estimates[i], rtol=rtol, atol=atol, usual=size)
            if not own and np.any(v.wrong | v.lost):
                v = judge(runs, truth, g, i, found[i], truth.gradient(g)[i], rtol=rtol, atol=atol, usual=size)
            result.sizes[i] = max(
                result.sizes.get(i, 0.0), _usual(runs, truth, g, i, found[i], estimates[i].value, own)
            )
            at_kinks = resolve(truth, v, i, g, own, point.name.startswith(("large", "far")))
            held.setdefault(i, set()).update(at_kinks)
            _tally(result, v)
            finding = _finding(subject, point, runs, truth, v, i, g)
            if finding and not own and not _stands(truth, finding, point.tied):
                result.unclear += int(np.count_nonzero(v.wrong | v.lost))
                continue
            if finding:
                result.findings.append(finding)
                result.verdict = FAIL
        if result.findings:
            return result
    result.kinks = sum(map(len, held.values()))
    finding = shares(subject, runs, truth, held, point) if own or point.tied else None
    if finding:
        result.findings.append(finding)
        result.verdict = FAIL
    elif result.entries and result.unclear >= result.entries:
        result.verdict = INCONCLUSIVE
    elif result.kinks:
        result.verdict = KINK
    return result


def cotangents(shape: tuple[int, ...], dtype: Any, own: bool) -> Iterator[Any]:
    """Random signed ones, and single outputs: a tiny gradient must not hide behind a large one."""
    for seed in range(3 if own else 2):
        yield cotangent(shape, dtype, seed)
    size = int(np.prod(shape))
    if size > 1:
        limit = BASIS if own else 6
        chosen = range(size) if size <= limit else np.random.default_rng(9).choice(size, limit, replace=False)
        for k in chosen:
            g = np.zeros(size, dtype)
            g[int(k)] = 1.0
            yield g.reshape(shape)


def _of_nothing(runs: Runs, result: Examined) -> Examined:
    """An empty result: every gradient is 0."""
    found = runs.native(np.zeros(runs.out.shape, runs.out.dtype))
    for i in runs.subject.moving:
        if found[i] is not None and np.any(np.asarray(found[i]) != 0):
            text = f"the result is empty and the gradient of '{runs.subject.names[i]}' is not 0"
            result.verdict = FAIL
            result.findings.append(Finding("gradient", FAIL, text, "g ignored", point=result.point.name))
    if not result.point.lenient:
        result.notes.append(f"{result.point.name}: the result is empty, so there is nothing to compare")
    return result


def _called(runs: Runs, result: Examined) -> Examined | None:
    """Call the rule once: a result where it raises or has the wrong shape, else None."""
    subject, point = runs.subject, result.point
    g = cotangent(runs.out.shape, runs.out.dtype, 0)
    try:
        found = runs.native(g)
        message, diagnosis = "", ""
        for i in subject.moving:
            if found[i] is not None and np.shape(found[i]) != np.shape(point.inputs[i]):
                message = (
                    f"the gradient of '{subject.names[i]}' has shape {np.shape(found[i])}, "
                    f"the input {np.shape(point.inputs[i])}"
                )
                diagnosis = "shape"
            elif found[i] is not None and _promotes(runs, found[i], point.inputs[i]):
                message = f"the gradient of '{subject.names[i]}' is {found[i].dtype}, the input {point.inputs[i].dtype}"
                diagnosis = "dtype"
    except ContractError as error:
        message, diagnosis = str(error), error.kind
    except Exception as error:
        message, diagnosis = f"the rule raised {type(error).__name__}: {error!s:.120}", "raises"
    if not message:
        return None
    if point.lenient or diagnosis in (
        "raises",
        "dtype",
    ):  # an error is loud: what is looked for is what goes wrong in silence
        result.notes.append(f"{point.name}: the forward takes it, but {message}")
        result.verdict = INCONCLUSIVE
    else:
        result.findings.append(
            Finding("gradient", FAIL, message, diagnosis, point=point.name, data={"inputs": point.inputs, "g": g})
        )
        result.verdict = FAIL
    return result


def _usual(runs: Runs, truth: Truth, g: Any, i: int, found: Any, true: Any, own: bool) -> float:
    """How large this gradient is; where it is 0 but for rounding, how large its terms are."""
    size = _largest(true)
    if not own or np.any(np.asarray(g) == 0):
        return size
    if max(size, _largest(runs.out)) < 1e-10 * typical(runs.inputs[i]):
        return 1.0  # f is nothing but rounding
    if size < 1e-10 * _largest(np.asarray(g) * np.max(np.abs(runs.out), initial=1.0)):
        a = truth.pick(i, found)
        size = max(size, _largest(runs.spread(g, i, a, truth.pick)) / eps(runs.dtype))
    return size


def _stands(truth: Truth, finding: Finding, tied: bool) -> bool:
    """Whether the truth is much the same right beside the point; at a pole or a singular matrix it is not."""
    if finding.value is None or finding.truth is None or finding.bar is None or not np.isfinite(finding.value):
        return True
    if 10.0 * finding.bar > abs(finding.value - finding.truth):
        return False
    if tied:
        return True  # beside a tie things are otherwise
    rng = np.random.default_rng(7)
    i, index = finding.data["i"], finding.data["index"]
    try:
        beside = high(truth.near.f, [nudged(x, rng, 1e-7) for x in truth.inputs], truth.subject.moving)[0]
        again = float(np.sum(np.asarray(finding.data["g"], dtype=HIGH) * slopes(beside, i, index).value))
    except Exception:
        return False
    return bool(abs(again - finding.truth) <= 0.2 * abs(finding.value - finding.truth))


def _largest(x: Any) -> float:
    x = np.abs(np.asarray(x, dtype=np.float64))
    return float(np.max(x[np.isfinite(x)], initial=0.0))


def _unsteady(truth: Truth, runs: Runs) -> bool:
    """Whether f itself has lost its digits here, or jumps at every touch: its gradient says nothing of the rule.

    (The sign that LAPACK gives a vector may be another one at an exact zero than anywhere beside it.)
    """
    with np.errstate(all="ignore"):
        gap = np.abs(truth.near.base.astype(HIGH) - runs.out.astype(HIGH))
        top = np.max(np.abs(runs.out), initial=0.0)
        noise = np.max(truth.near.noise(1.0), initial=0.0)
    lost = np.max(gap, initial=0.0) > max(1e-5, 1e3 * eps(runs.dtype)) * top
    return bool(top > 1e-8 and (lost or noise > 1e-2 * top))


def _promotes(runs: Runs, gx: Any, x: Any) -> bool:
    """Whether a gradient has another dtype than its input, where the forward keeps that."""
    return getattr(gx, "dtype", x.dtype) != x.dtype and runs.out.dtype == x.dtype


def _tally(result: Examined, v: Verdicts) -> None:
    result.entries += v.found.size
    result.unclear += int(np.count_nonzero(v.unclear))
    result.digits = max(result.digits, v.digits)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(v.found), np.abs(v.truth.value))
        off = np.where(size > 0, np.abs(v.found - v.truth.value) / size, 0.0)
    clear = ~(v.unclear | v.wrong) & np.isfinite(off)
    result.worst = max(result.worst, float(np.max(off[clear], initial=0.0)))


# -- what went wrong -------------------------------------------------------------------------------------------


def _finding(subject: Subject, point: Point, runs: Runs, truth: Truth, v: Verdicts, i: int, g: Any) -> Finding | None:
    """The worst entry that is wrong, or has lost its digits, as a finding."""
    if np.any(v.wrong):
        check, mask = "gradient", v.wrong
    elif np.any(v.lost):
        check, mask = "digits", v.lost
    else:
        return None
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(v.found), np.abs(v.truth.value))
        off = np.abs(v.found - v.truth.value) / np.where(size > 0, size, 1.0)
        off = np.where(
            mask,
            np.where(np.isfinite(off), off * (1 + size / (np.max(size[np.isfinite(size)], initial=0) or 1)), np.inf),
            -1.0,
        )
    flat = int(np.argmax(off))
    spot = np.unravel_index(flat, off.shape)
    where = subject.names[i] + show(truth.place(i, flat))
    a, n, bar = (float(x[spot]) for x in (v.found, v.truth.value, v.bar))
    count = int(np.count_nonzero(mask))
    message = f"{where}: the rule says {a:.10g}, the referee {n:.10g} ± {bar:.1g}"
    if mask.size > 1:
        message += (
            f" ({count} of {mask.size} entries wrong)" if check == "gradient" else f" ({count} of {mask.size} entries)"
        )
    data = {
        "inputs": [copied(x) for x in point.inputs],
        "g": np.array(g),
        "i": i,
        "verdicts": v,
        "truth": truth,
        "runs": runs,
        "index": truth.place(i, flat),
    }
    if check == "digits":
        message += f"; the formula is right, and {v.digits:.0f} digits are lost in {runs.inputs[i].dtype}"
        hint = "its terms cancel: rearrange the formula, or compute it in higher precision"
        return Finding(check, FAIL, message, "cancellation", hint, point.name, where, a, n, bar, data)
    return Finding(check, FAIL, message, "", "", point.name, where, a, n, bar, data)
