"""grade: marks for a hand-written gradient, and hints that do not give the answer away.

Everything that `gradcheck` looks at is looked at, but each part for itself, so that one mistake costs the marks of its
part and not all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..op import Op
from .contract import call, cotangent
from .diagnosis import diagnose
from .examine import Examined, examine
from .findings import FAIL, INCONCLUSIVE, PASS, Finding
from .grading import CONTRACT, DIGITS, HARD, ORDINARY, SECOND, Grade, Marks
from .large import fewer, too_large
from .linearity import linear
from .points import Point, families
from .precision import copied, quiet
from .runs import Runs
from .second import second_order
from .sizes import Layout
from .state import in_any_order, repeated
from .subject import Subject, as_input, of_derivation, of_rule, which_move

ENTRIES, SECONDS = 24, 0.25  # how closely hard points are looked at
SAMPLES = 4  # how many samples get hard points


def grade(
    student_vjp: Callable[..., Any],
    op: Op | Callable[..., Any],
    *,
    samples: Iterable[Any] | None = None,
    wrt: Sequence[int | str] | int | str | None = None,
    order: int = 2,
    name: str | None = None,
) -> Grade:
    """Mark a gradient written by hand, out of 10, with hints that do not give the answer away.

    Contract 2 (shapes, dtypes, no side effects, linear in g), ordinary points 4, hard points 2 (other sizes, ties,
    saturated and large numbers, …), digits 1, second order 1. A part is marked by the share of it that is right, in
    half marks.

    Parameters
    ----------
    student_vjp : callable
        `vjp(g, out, *inputs)`: a gradient for each input (one array for one input), None where there is none. It may
        take options of the op as keywords; samples with others than it takes are left out.
    op : Op or function
        What it is to be the gradient of: an op, beneath its validation, or a function of arrays.
    samples : iterable, optional
        Points to mark at: tuples of inputs, or pairs (inputs, options). By default the op's own.
    wrt : int, str or sequence of them, optional
        The inputs whose gradient is asked for; by default every floating one.
    order : 1 or 2
        1 leaves the second order out, and marks the rest out of 10.
    name : str, optional
        What to call it.

    Returns
    -------
    Grade
        `.marks`, `.parts`, `.hints`; its repr has a nudge for each mistake, `.hint(2)` points closer. It holds neither
        numbers of the true gradient nor its formula.

    Raises
    ------
    ValueError
        If there are no samples, or none that the rule can take.

    Examples
    --------
    >>> import numpy as np, tinygrad_ce as tg
    >>> def student(g, out, z):
    ...     return g * out * (1 - out)
    >>> grade(student, tg.softmax, samples=[np.array([[1.0, 2.0, 4.0]])])
    student for softmax: 2 of 10
      contract         2 of 2
      ordinary points  0 of 4  0 of 1 gradients right
      hard points      0 of 2  not looked at: the gradient itself comes first
      digits           0 of 1  not looked at: the gradient itself comes first
      second order     0 of 1  not looked at: the gradient itself comes first
    hint (ordinary points): Does each output depend on the matching input alone?
    print(grade.hint(2)) says more
    """
    if not callable(student_vjp):
        raise TypeError(f"grade(student_vjp, op): a function vjp(g, out, *inputs) is wanted, not {student_vjp!r:.60}")
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, not {order!r}")
    title = name or getattr(student_vjp, "__name__", "the rule")
    what = op.name if isinstance(op, Op) else getattr(op, "__name__", "f")
    marks = Marks(second=order == 2)
    with quiet():
        subjects = list(_subjects(student_vjp, op, samples, wrt, marks))
        if not subjects:
            raise ValueError(f"no sample of {what} fits {title}; {'; '.join(marks.notes) or 'there are none'}")
        for number, subject in enumerate(subjects):
            others = [list(s.inputs) for s in subjects if s is not subject and len(s.inputs) == len(subject.inputs)]
            _mark(subject, others[:2], number < SAMPLES, order, marks)
    return marks.grade(f"{title} for {what}")


# -- the samples that a student's rule can take --------------------------------------------------------------------


def _subjects(
    student: Callable[..., Any], op: Op | Callable[..., Any], samples: Iterable[Any] | None, wrt: Any, marks: Marks
) -> Iterator[Subject]:
    takes = _Takes(student, op.option_names if isinstance(op, Op) else ())
    given = list(samples) if samples is not None else _own_samples(op)
    for inputs, params in map(_pair, given):
        subject, options = _of(op, student, inputs, params, wrt)
        why = takes.refuses(subject.inputs, options, op.defaults if isinstance(op, Op) else {})
        if why:
            marks.note(f"samples left out: {why}")
            continue
        yield _normal(subject, takes.called(options, len(subject.inputs)))


def _own_samples(op: Any) -> list[Any]:
    if getattr(op, "samples", None) is None:
        raise ValueError("grade() needs points to mark at: samples=[(x, y), ...]")
    return list(op.samples(np.random.default_rng(0)))


def _pair(sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A sample as inputs and options: it may be one array, a tuple of inputs, or (inputs, options)."""
    if not isinstance(sample, (tuple, list)):
        return (sample,), {}
    if len(sample) == 2 and isinstance(sample[1], Mapping):
        inputs = sample[0]
        return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), dict(sample[1])
    return tuple(sample), {}


def _of(op: Any, student: Any, inputs: Any, params: dict[str, Any], wrt: Any) -> tuple[Subject, dict[str, Any]]:
    if not isinstance(op, Op):
        point = [as_input(x, f"input {i}") for i, x in enumerate(inputs)]
        forward = (lambda *xs: op(*xs, **params)) if params else op
        return of_rule(forward, student, point, wrt, getattr(op, "__name__", "f"), None), params
    subject = of_derivation(op, op.default, inputs, params)
    if wrt is not None:
        subject.moving = which_move(subject.inputs, wrt, subject.names)
    return replace(subject, declared=None, order=None), subject.source[3]


class _Takes:
    """What a rule takes beside g and out."""

    def __init__(self, rule: Callable[..., Any], options: Sequence[str]) -> None:
        self.rule = rule
        self.keywords: set[str] | None = set()
        self.arrays: int | None = 0
        try:
            parameters = list(inspect.signature(rule).parameters.values())
        except (TypeError, ValueError):
            self.keywords = self.arrays = None  # it does not say
            return
        named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.arrays = sum(p.name not in options for p in named) - 2
        self.keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY or p.name in options}
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            self.arrays = None
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            self.keywords = None

    def refuses(self, inputs: Sequence[Any], options: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
        """Why a sample is none for this rule."""
        if self.arrays is not None and any(x is not None for x in inputs[self.arrays :]):
            return f"the rule takes {self.arrays} input{'s' * (self.arrays != 1)} beside g and out"
        used = [k for k, v in options.items() if v != defaults.get(k)]
        missing = [k for k in used if self.keywords is not None and k not in self.keywords]
        return f"the rule takes no {missing[0]}=" if missing else ""

    def called(self, options: Mapping[str, Any], inputs: int) -> Callable[..., Any]:
        """The rule as a function of g, out and the inputs."""
        known = {k: v for k, v in options.items() if self.keywords is None or k in self.keywords}
        n = inputs if self.arrays is None else min(self.arrays, inputs)

        def call(g: Any, out: Any, *xs: Any) -> Any:
            found = self.rule(g, out, *xs[:n], **known)
            whole = isinstance(found, (tuple, list)) and len(found) == n
            return [*found, *[None] * (inputs - n)] if whole else found

        return call


def _normal(subject: Subject, rule: Callable[..., Any]) -> Subject:
    """A subject with the student's rule, which returns one gradient for each input."""
    raw = replace(subject, rule=rule)

    def normal(g: Any, out: Any, *xs: Any) -> list[Any]:
        return raw.gradients(g, out, xs)

    return replace(subject, rule=normal, source=("rule", subject.forward, normal))


# -- the parts -------------------------------------------------------------------------------------------------


def _mark(subject: Subject, others: list[list[Any]], hard: bool, order: int, marks: Marks) -> None:
    comparable, subject = _contract(subject, others, marks)
    right: list[bool] = []
    for i in subject.moving:
        if i in comparable:
            right += _numbers(replace(subject, moving=(i,)), hard, marks)
        else:
            right.append(False)
            marks.count(ORDINARY, False)
            for part in (HARD, DIGITS):
                marks.later(part)
    if order == 2 and not all(right):
        marks.later(SECOND)
    elif order == 2 and right:
        _second(subject, marks)


def _contract(subject: Subject, others: list[list[Any]], marks: Marks) -> tuple[set[int], Subject]:
    """Marks for the contract; the inputs whose gradient can be compared, and a subject whose dtypes are mended."""
    out = subject.out([copied(x) for x in subject.inputs])
    g = cotangent(out.shape, out.dtype, 0)
    gradients, findings, _ = call(subject, subject.inputs, g)
    marks.count(CONTRACT, not findings, findings)
    if not gradients:
        for _ in range(3):
            marks.count(CONTRACT, False)
        return set(), subject
    mended = _mended(subject) if any(f.check == "dtype" for f in findings) else subject
    usable = {i for i in subject.moving if np.shape(gradients[i]) == np.shape(subject.inputs[i])}
    for i in subject.moving:
        if gradients[i] is None:
            usable.discard(i)
            marks.hint(ORDINARY, Finding("result", FAIL, "", "missing", where=subject.names[i]))
    if not usable:
        return set(), subject
    shaped = replace(mended, moving=tuple(sorted(usable)))
    moved = [[x * 0.9 if i in usable else copied(x) for i, x in enumerate(subject.inputs)]]
    findings, _ = repeated(shaped, subject.inputs, g)
    marks.count(CONTRACT, not findings, findings)
    findings = [] if findings else in_any_order(shaped, subject.inputs, [*moved, *others], g)
    marks.count(CONTRACT, not findings, findings)
    findings = linear(Runs(shaped, subject.inputs), 1e-9)
    marks.count(CONTRACT, not findings, findings)
    return usable, mended


def _mended(subject: Subject) -> Subject:
    """The same rule with dtypes that are right: they have cost their marks."""

    def rule(g: Any, out: Any, *xs: Any) -> list[Any]:
        found = subject.gradients(g, out, xs)
        return [gx.astype(x.dtype) if hasattr(gx, "astype") else gx for gx, x in zip(found, xs, strict=True)]

    return replace(subject, rule=rule)


def _numbers(subject: Subject, hard: bool, marks: Marks) -> list[bool]:
    """The student's gradient in one input: whether it is right at the sample; nothing where that would be no merit."""
    point = Point("your point", list(subject.inputs))
    found = examine(subject, point, usual=None, rtol=None, atol=0.0, entries=too_large(subject))
    if found is None or (found.verdict == INCONCLUSIVE and not found.findings):
        marks.note("a sample left out: nothing can be told there")
        return []
    wrong, digits = _sorted(subject, found)
    if wrong:
        marks.count(ORDINARY, False, wrong)
        for part in (HARD, DIGITS):
            marks.later(part)
        return [False]
    if _vanishes(subject, found):
        return []
    marks.count(ORDINARY, True)
    kept = [not digits]
    for finding in digits:
        marks.hint(DIGITS, finding)
    if hard:
        kept += _hard(subject, found, marks)
    marks.share(DIGITS, sum(kept), len(kept))
    return [True]


def _sorted(subject: Subject, found: Examined) -> tuple[list[Finding], list[Finding]]:
    """What is wrong as a formula, and what has lost its digits."""
    for finding in found.findings:
        if finding.data.get("verdicts") is not None and not finding.diagnosis:
            finding.diagnosis, finding.hint = diagnose(subject, finding)
    lost = [f for f in found.findings if f.check == "digits" or f.diagnosis == "cancellation"]
    return [f for f in found.findings if f not in lost], lost


def _vanishes(subject: Subject, found: Examined) -> bool:
    """Whether the true gradient is 0 there, whatever g is, or nothing was compared."""
    if found.truth is None or found.runs is None or not found.entries:
        return True
    out = found.runs.out
    true = found.truth.gradient(cotangent(out.shape, out.dtype, 5))[subject.moving[0]]
    return not np.any(np.abs(true.value) > 10.0 * true.bar)


def _hard(subject: Subject, usual: Examined, marks: Marks) -> list[bool]:
    """Marks for points that are hard; whether the digits are all there, at each where the formula is right."""
    good = total = 0
    kept = []
    sizes, entries = dict(usual.sizes), fewer(subject, ENTRIES, SECONDS)
    for point in families(subject, Layout(subject)):
        found = examine(subject, point, usual=sizes, rtol=1e-7, atol=0.0, entries=entries)
        if found is None or found.verdict == INCONCLUSIVE or (point.lenient and found.verdict == FAIL):
            continue
        if point.name == "generic":
            sizes = {i: max(size, 0.1 * found.sizes.get(i, 0.0)) for i, size in sizes.items()}
        wrong, digits = _sorted(subject, found)
        total, good = total + 1, good + (not wrong)
        kept += [not digits] * (not wrong)
        for part, findings in ((HARD, wrong), (DIGITS, digits)):
            for finding in findings[:1]:
                marks.hint(part, finding, point.name)
    if total:
        marks.share(HARD, good, total)
    return kept


def _second(subject: Subject, marks: Marks) -> None:
    verdict, findings, _ = second_order(subject)
    if verdict in (PASS, FAIL):
        marks.count(SECOND, not findings, findings)
