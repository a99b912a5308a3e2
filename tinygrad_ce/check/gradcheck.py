"""gradcheck: is this gradient the gradient of this function?

Contract first, then numbers: at the user's own point, then at families of others; then the second order. See the
modules of this folder for what each step knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..held import noting, playing
from .contract import call, cotangent
from .diagnosis import diagnose
from .examine import Examined, examine
from .findings import FAIL, INCONCLUSIVE, KINK, PASS, Finding, Row, worst
from .gradreport import GradReport
from .large import fewer, too_large, wide_check
from .linearity import linear
from .points import LAYOUTS, Point, families, laid_out
from .precision import copied, quiet, same, ulps_apart
from .runs import Runs
from .second import forward_mode, second_order
from .shrink import reproduction, shrink
from .sizes import Layout
from .state import in_any_order, repeated
from .subject import Subject, as_input, of_function, of_rule

ENTRIES = 24  # how many entries of an input are looked at beside the user's point
DEADLINE = 20.0  # seconds for all of them: a slow forward is tried at fewer
SECONDS = 0.25  # for each such point, about


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    wrt: Sequence[int | str] | int | str | None = None,
    order: int = 2,
    derivation: Any = None,
    rtol: float | None = None,
    atol: float = 0.0,
    families: bool = True,
    exact: bool = False,
    name: str | None = None,
) -> GradReport:
    """Check a gradient against everything that can be known of it independently.

    Parameters
    ----------
    f : callable
        Any function of arrays that returns one floating array. With `vjp`, plain NumPy is enough; without, it is
        called on Values, and what is checked is the gradient that a sweep finds.
    *inputs : arrays or numbers
        The point. Floating ones are differentiated; integers and booleans are passed on as they are.
    vjp : callable, optional
        The gradient written by hand: `vjp(g, out, *inputs)` returns the gradient of Σ g·f in each input (one array for
        one input, else a tuple), None where there is none.
    wrt : int, str or sequence of them, optional
        Which inputs to check, by position or name; by default every floating one. None for one of these is an error
        where f depends on it: name the others here.
    order : 1 or 2
        2 checks the gradient's own gradient too, where the rule can be differentiated.
    derivation : str or mapping, optional
        Without `vjp`: which derivation the sweep uses.
    rtol : float, optional
        By default 1e-9, and 32 eps in narrower types.
    atol : float
        0 by default: a gradient of 1e-9 with the wrong sign is wrong.
    families : bool
        Try other points, sizes, dtypes and layouts than the user's.
    exact : bool
        Ask mpmath too (extra `proof`), at your point and where the Jacobian is small.
    name : str, optional
        What to call it in the report.

    Returns
    -------
    GradReport
        True where nothing is wrong. Its repr says what was checked, what is wrong, where, by how much, what the
        mistake probably is, and how to see it.

    Raises
    ------
    TypeError
        If f is no function, or returns no floating array.
    ValueError
        If there is nothing to differentiate.

    Examples
    --------
    >>> import numpy as np, tinygrad_ce as tg
    >>> x = np.array([[1.0, 2.0, 4.0]])
    >>> bool(tg.gradcheck(np.exp, x, vjp=lambda g, out, x: g * out))
    True
    >>> report = tg.gradcheck(np.exp, x, vjp=lambda g, out, x: -g * out)
    >>> bool(report), report.diagnosis
    (False, 'sign')
    """
    if not callable(f):
        raise TypeError(f"gradcheck(f, *inputs): f is a function, not {type(f).__name__}")
    if vjp is not None and not callable(vjp):
        raise TypeError(f"vjp= takes a function vjp(g, out, *inputs), not {type(vjp).__name__}")
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, not {order!r}")
    if not inputs:
        raise TypeError("gradcheck(f, *inputs) wants the point to check at: at least one array")
    point = [as_input(x, f"input {i}") for i, x in enumerate(inputs)]
    name = name or str(getattr(f, "__name__", getattr(f, "name", type(f).__name__)))
    with quiet():
        if vjp is not None:
            subject = of_rule(f, vjp, point, wrt, name, None)
        else:
            subject = of_function(f, point, wrt, name, derivation)
        return check_subject(subject, order=order, rtol=rtol, atol=atol, others=families, exact=exact, wrt=wrt)


def check_subject(
    subject: Subject,
    *,
    order: int = 2,
    rtol: float | None = None,
    atol: float = 0.0,
    others: bool = True,
    exact: bool = False,
    wrt: Any = None,
) -> GradReport:
    """Every check of one subject, in the order in which a failure makes the rest idle."""
    report = GradReport(subject.name)
    report.subject = subject
    subject.out([copied(x) for x in subject.inputs])  # TypeError where f is no function of one array
    if not _contract(report, subject, wrt):
        return report
    usual = _own_point(report, subject, rtol, atol, exact)
    if report.findings:
        return report
    if others:
        _elsewhere(report, subject, usual, rtol, atol)
    if order > 1 and not report.findings:
        _higher(report, subject)
    return report


# -- contract --------------------------------------------------------------------------------------------------


def _contract(report: GradReport, subject: Subject, wrt: Any) -> bool:
    """Shape, dtype, mutation, repetition, order of calls, linearity."""
    out = subject.out([copied(x) for x in subject.inputs])
    g = cotangent(out.shape, out.dtype, 0)
    gradients, findings, hazards = call(subject, subject.inputs, g)
    report.hazards.extend(hazards)
    if findings:
        return _failed(report, "contract", findings)
    absent = [subject.names[i] for i in subject.moving if gradients[i] is None]
    if absent:
        if wrt is not None:
            text = f"no gradient was returned for {', '.join(absent)}, which wrt= names"
            return _failed(report, "contract", [Finding("result", FAIL, text, "term missing")])
        needed = [i for i in subject.moving if gradients[i] is None and _depends(subject, i)]
        if needed:
            text = (
                f"no gradient was returned for '{subject.names[needed[0]]}', on which {subject.name} depends; "
                f"where it is a constant, say so with wrt="
            )
            return _failed(report, "contract", [Finding("result", FAIL, text, "term missing")])
        subject.moving = tuple(i for i in subject.moving if gradients[i] is not None)
        report.notes.append(f"no gradient was returned for {', '.join(absent)}: not checked")
        if not subject.moving:
            return _failed(
                report, "contract", [Finding("result", FAIL, "the rule returned no gradient at all", "term missing")]
            )
    report.rows.append(Row("contract", PASS, "shapes, dtypes, nothing written to"))
    findings, note = repeated(subject, subject.inputs, g)
    if findings:
        return _failed(report, "repetition", findings)
    report.rows.append(Row("repetition", PASS, note))
    findings = in_any_order(subject, subject.inputs, _other_points(subject), g)
    if findings:
        return _failed(report, "call order", findings)
    report.rows.append(Row("call order", PASS, "A, B, A; an input changed in place"))
    findings = linear(Runs(subject, subject.inputs), 1e-9)
    if findings:
        return _failed(report, "linear in g", findings)
    report.rows.append(Row("linear in g", PASS))
    return True


def _depends(subject: Subject, i: int) -> bool:
    """Whether the forward moves smoothly with input i."""
    x = subject.inputs[i]
    step = np.where(x == 0, 1.0, np.abs(x)) * np.random.default_rng(0).uniform(0.5, 1.0, size=x.shape)
    values: list[Any] = []
    tape: list[Any] = []
    for h in (0.0, 1e-4, 2e-4):
        moved = [copied(x) for x in subject.inputs]
        moved[i] = (x + h * step).astype(x.dtype)
        try:
            if not values:
                with noting() as tape:
                    values.append(subject.out(moved))
            else:
                with playing(tape):
                    values.append(subject.out(moved))
        except Exception:
            return False
    rise = values[1] - values[0], values[2] - values[1]
    with np.errstate(all="ignore"):
        smooth = np.abs(rise[0] - rise[1]) < 0.1 * np.abs(rise[0])
    return bool(np.any(smooth & (np.abs(rise[0]) > 1e-9 * np.abs(values[0]))))


def _other_points(subject: Subject) -> list[list[Any]]:
    """Two other inputs of the same shapes, and one of another size."""
    rng = np.random.default_rng(4)
    nearby = [
        [
            x * rng.uniform(0.7, 1.0, size=x.shape).astype(x.dtype) if i in subject.moving else copied(x)
            for i, x in enumerate(subject.inputs)
        ],
        [np.roll(x, 1) if i in subject.moving and x.ndim else copied(x) for i, x in enumerate(subject.inputs)],
    ]
    try:
        layout = Layout(subject)
        other = layout.resized({s: s + 1 for s in layout.free}) if layout.free else None
    except Exception:
        other = None
    return nearby + ([other] if other is not None else [])


def _failed(report: GradReport, row: str, findings: list[Finding]) -> bool:
    report.rows.append(Row(row, FAIL, findings[0].message))
    report.findings.extend(findings)
    for finding in findings:
        finding.data.setdefault("subject", report.subject)
    report.reproduction = reproduction(report.subject, findings[0])
    return False


# -- numbers ---------------------------------------------------------------------------------------------------


def _own_point(report: GradReport, subject: Subject, rtol: float | None, atol: float, exact: bool) -> dict[int, float]:
    """The numbers at the user's point; the sizes of the gradients there."""
    point = Point("your point", list(subject.inputs))
    large = too_large(subject)
    found = examine(subject, point, usual=None, rtol=rtol, atol=atol, entries=large, exact=exact)
    if found is None:
        out = subject.out([copied(x) for x in subject.inputs])
        bad = int(np.count_nonzero(~np.isfinite(out)))
        report.rows.append(Row("gradient", INCONCLUSIVE, f"{bad} of {out.size} results are not finite at your point"))
        report.notes.append(
            f"{bad} of {out.size} results of {subject.name} are not finite at your point: choose another one"
        )
        return {}
    _explain(report, subject, found)
    if found.truth is not None:
        report.oracles = [f"{k} ({n})" for k, n in found.truth.used.items() if n]
        report.skipped = list(found.truth.skipped)
    if found.verdict == FAIL:
        _numbers_failed(report, "gradient", subject, found)
        return found.sizes
    report.rows.append(Row("gradient", found.verdict, _summary(found)))
    if large is not None and found.runs is not None and found.truth is not None:
        findings, detail = wide_check(subject, found.runs, found.truth, rtol)
        if findings:
            _failed(report, "large arrays", findings)
        else:
            report.rows.append(Row("large arrays", PASS, detail))
            report.sensitivity = detail
    return found.sizes


def _explain(report: GradReport, subject: Subject, found: Examined) -> None:
    report.notes.extend(found.notes)
    declared = subject.declared(subject.inputs) if subject.declared is not None else None
    if declared is not None:
        digits = [f for f in found.findings if f.check == "digits"]
        if digits and len(digits) == len(found.findings):
            found.findings.clear()
            found.verdict = PASS
            report.notes.append(f"{found.digits:.0f} digits lost (declared: {declared})")
    elif found.digits >= 3 and not found.findings:
        report.notes.append(f"right, with up to {found.digits:.0f} digits of an entry lost to rounding")
    if found.kinks:
        report.notes.append(f"{found.kinks} entries stand at kinks; the rule's value lies between the slopes there")
    if found.unclear:
        report.notes.append(f"{found.unclear} of {found.entries} comparisons are beyond the oracles' error bars")


def _summary(found: Examined) -> str:
    text = f"{found.entries} comparisons, largest relative difference {found.worst:.1e}"
    return text + (f", {found.kinks} at kinks" if found.kinks else "")


def _numbers_failed(report: GradReport, row: str, subject: Subject, found: Examined) -> bool:
    finding = found.findings[0]
    if finding.data.get("verdicts") is not None and not finding.diagnosis:
        finding.diagnosis, finding.hint = diagnose(subject, finding)
    report.rows.append(Row(row, FAIL, f"{found.point.name}: {finding.message}"))
    report.findings.extend(found.findings)
    finding.data.setdefault("subject", subject)
    shrink(subject, finding)
    report.reproduction = reproduction(subject, finding)
    return False


def _elsewhere(report: GradReport, subject: Subject, usual: dict[int, float], rtol: float | None, atol: float) -> None:
    """Layouts of memory, then families of points."""
    findings = _layouts(subject)
    if findings:
        _failed(report, "memory layout", findings)
        return
    report.rows.append(Row("memory layout", PASS, ", ".join(LAYOUTS)))
    tried, verdicts, entries, start, left = [], [], 0, perf_counter(), 0
    looked_at = fewer(subject, ENTRIES, SECONDS)
    for point in families(subject, Layout(subject)):
        if perf_counter() - start > DEADLINE:
            left += 1
            continue
        found = examine(subject, point, usual=usual, rtol=max(rtol or 0.0, 1e-7), atol=atol, entries=looked_at)
        if found is None:
            continue
        if found.runs is not None and found.runs.out.size:
            report.notes.extend(found.notes)
        if found.verdict == FAIL and (point.lenient or _declared(subject, found)):
            report.notes.append(f"{point.name}: {found.findings[0].message}")
            continue
        if found.verdict == FAIL:
            _numbers_failed(report, "other points", subject, found)
            return
        if point.name == "generic":  # the user's own may be saturated
            usual = {i: max(size, 0.1 * found.sizes.get(i, 0.0)) for i, size in usual.items()}
        tried.append(point.name)
        verdicts.append(found.verdict)
        entries += found.entries
    good = [v for v in verdicts if v in (PASS, KINK)]
    if left:
        report.notes.append(f"{left} other points were not tried: {DEADLINE:g} s were over")
    good = good if entries else []
    verdict = PASS if good else worst(verdicts) if verdicts and entries else INCONCLUSIVE
    report.rows.append(Row("other points", verdict, f"{len(tried)} points, {entries} comparisons"))
    report.points = tried


def _declared(subject: Subject, found: Examined) -> bool:
    """Whether the derivation says itself that it keeps no digits at this point, and that is all that is wrong."""
    if subject.declared is None or subject.declared(found.point.inputs) is None:
        return False
    return all(f.check == "digits" or (f.value is not None and not np.isfinite(f.value)) for f in found.findings)


def _layouts(subject: Subject) -> list[Finding]:
    """The same numbers laid out otherwise in memory: the same gradient."""
    out = subject.out([copied(x) for x in subject.inputs])
    g = cotangent(out.shape, out.dtype, 0)
    expected = [copied(gx) for gx in subject.gradients(g.copy(), copied(out), [copied(x) for x in subject.inputs])]
    for how in LAYOUTS:
        xs = [laid_out(x, how) for x in subject.inputs]
        try:
            out_now = subject.out(xs)
        except Exception:
            continue  # the forward does not take it either
        try:
            found = subject.gradients(laid_out(g, how), laid_out(copied(out_now), how), xs)
        except Exception as error:
            text = f"with {how} arrays the rule raised {type(error).__name__}: {error!s:.100}"
            return [
                Finding(
                    "layout", FAIL, text, "mutation" if how == "read-only" else "raises", "do not write into arguments"
                )
            ]
        for i in subject.moving:
            if np.shape(found[i]) != np.shape(expected[i]):
                text = f"with {how} arrays the gradient of '{subject.names[i]}' has shape {np.shape(found[i])}"
                return [Finding("layout", FAIL, text, "shape")]
            if not same(found[i], expected[i]) and not _near(found[i], expected[i]):
                text = f"with {how} arrays the gradient of '{subject.names[i]}' is another one"
                return [
                    Finding(
                        "layout", FAIL, text, "", "let NumPy index the arrays; do not rely on strides or raw memory"
                    )
                ]
    return []


def _near(a: Any, b: Any) -> bool:
    if ulps_apart(a, b) <= 64:
        return True
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    unit = 1e5 * float(np.finfo(np.asarray(b).dtype).eps)
    return bool(np.allclose(a, b, rtol=unit, atol=unit * float(np.max(np.abs(b), initial=0.0)), equal_nan=True))


# -- the second order ------------------------------------------------------------------------------------------


def _higher(report: GradReport, subject: Subject) -> None:
    for row, check in (("second order", second_order), ("forward mode", forward_mode)):
        verdict, findings, detail = check(subject)
        if findings:
            _failed(report, row, findings)
        else:
            report.rows.append(Row(row, verdict, detail))
