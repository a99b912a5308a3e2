"""An audit in pieces that can be done anywhere: in this process, in others, on other machines.

    plan(op, ...)       the pieces of one op
    run(unit)           do one: an Outcome

A Unit names what is to be done and carries nothing else: op by its key in the registry, derivation by its label, sample
by its number. Whoever does it looks them up, and imports a user's module where the op is one of a user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from ..derivation import AUTODIFF
from ..op import Op
from ..registry import registry
from .findings import FAIL, Finding, Row
from .forwards import forwards, of_shortcut
from .gradcheck import check_subject
from .gradreport import GradReport
from .invariants import invariants
from .mutants import MUTANTS, Planted, plant
from .outside import Assumed, outside
from .precision import quiet
from .subject import Subject
from .ways import Sample, Way, samples, ways

CHECK, OUTSIDE, MUTATE = "check", "outside", "mutants"
FEW = 2  # samples at which families of other points are tried, unless all are asked for
PLANTED_AT = 3  # samples at which a mistake is planted before families are asked


@dataclass(frozen=True)
class Unit:
    """One piece of an audit. Small, and picklable.

    Attributes
    ----------
    key : str
        The op's, in the registry.
    label : str
        The derivation's, or a shortcut's ("softmax → analytic").
    task : "check", "outside" or "mutants"
    sample : int
    seed : int
    order : 1 or 2
    families : bool
        Whether other points than the sample are tried.
    """

    key: str
    label: str
    task: str = CHECK
    sample: int = 0
    seed: int = 0
    order: int = 2
    families: bool = True

    def __str__(self) -> str:
        what = {CHECK: f"sample {self.sample}", OUTSIDE: "assumptions", MUTATE: "mutants"}[self.task]
        return f"{self.key}, {self.label}, {what}"


@dataclass(frozen=True)
class Outcome:
    """What came of a unit. Picklable.

    Attributes
    ----------
    unit : Unit
    described : str
        The sample, in words.
    report : GradReport or None
        Of a check; None where no input has a gradient, or the result is complex.
    assumed : Assumed or None
    planted : tuple of Planted
    """

    unit: Unit
    described: str = ""
    report: GradReport | None = None
    assumed: Assumed | None = None
    planted: tuple[Planted, ...] = ()


def plan(
    op: Op,
    *,
    derivation: str | None = None,
    order: int = 2,
    mutants: bool = False,
    seed: int = 0,
    full: bool = False,
    quick: bool = False,
) -> list[Unit]:
    """The pieces of an op's check.

    Raises
    ------
    ValueError
        If there is no such derivation, or the op declares no samples and none can be guessed.
    """
    found = ways(op)
    if derivation is not None and derivation not in found:
        listed = ", ".join(f"'{name}'" for name in found) or "none"
        raise ValueError(f"op {op.name} has no derivation '{derivation}'; there are {listed}")
    points = samples(op, seed)
    units = []
    for way in found.values():
        if derivation not in (None, way.label):
            continue
        inside = [s for s in points if way.failure(s) is None]
        chosen = {s.number for s in (inside if full else [] if quick else varied(inside)[:FEW])}
        base = Unit(op.key, way.label, CHECK, 0, seed, order, False)
        units += [replace(base, sample=s.number, families=s.number in chosen) for s in inside]
        if way.derivation.assumes:
            units.append(replace(base, task=OUTSIDE))
        if mutants and way.derivation.name != AUTODIFF:
            units.append(replace(base, task=MUTATE, families=not quick))
    return units


def varied(points: Iterable[Sample]) -> list[Sample]:
    """Samples with something in them, one of every kind before a second of any."""
    first: list[Sample] = []
    again: list[Sample] = []
    seen = set()
    for s in points:
        if not s.empty:
            (again if s.kind in seen else first).append(s)
            seen.add(s.kind)
    return first + again


def find(key: str) -> Op:
    """The op of that key; a user's module is imported if need be.

    Raises
    ------
    LookupError
        If there is none.
    """
    if key not in registry and ":" in key:
        import_module(key.partition(":")[0])
    if key not in registry:
        raise LookupError(f"no op '{key}' is registered")
    return registry[key]


def run(unit: Unit) -> Outcome:
    """Do one piece of work. What goes wrong in the op is in the outcome, not raised."""
    op = find(unit.key)
    way, points = ways(op)[unit.label], samples(op, unit.seed)
    with quiet():
        if unit.task == OUTSIDE:
            return Outcome(unit, assumed=outside(way, points))
        if unit.task == MUTATE:
            return Outcome(unit, planted=tuple(_mutation(unit, way, points)))
        sample = next(s for s in points if s.number == unit.sample)
        try:
            report = _checked(unit, way, sample)
        except Exception as error:
            report = _raised(unit, error)
        return Outcome(unit, sample.described, None if report is None else report.settled())


def _checked(unit: Unit, way: Way, sample: Sample) -> GradReport | None:
    """Forward values first, then gradients, then invariants."""
    if np.iscomplexobj(way.forward(sample, *way.inputs(sample))):
        return None  # gradients are checked of real numbers
    subject = way.subject(sample)
    row, wrong = _forward(way, sample)
    if subject is None:
        return None if not wrong else _failed(unit, row, wrong)
    if wrong:  # no use in differentiating two functions and comparing
        return _failed(unit, row, wrong)
    report = check_subject(subject, order=unit.order, others=unit.families)
    report.rows.insert(0, row)
    # A rule whose result is no gradient at all is spared the invariants, which would say the same.
    if not any(r.check == "contract" and r.verdict == FAIL for r in report.rows):
        row, broken = invariants(subject, way.op.invariants if way.shortcut is None else (), sample.options)
        report.rows.append(row)
        report.findings.extend(broken)
    here = f"sample {sample.number}"
    for finding in report.findings:
        finding.point = here if finding.point == "your point" else finding.point
    for r in report.rows:
        r.detail = r.detail.replace("your point", here)
    if way.shortcut is not None:
        report.reproduction = _with_shortcut(report.reproduction, way, sample)
    return report


def _forward(way: Way, sample: Sample) -> tuple[Row, list[Finding]]:
    if way.shortcut is not None:
        return of_shortcut(way.shortcut, way.inputs(sample), way.inner_options(sample), sample.options)
    return forwards(way.op, sample.inputs, sample.options)


def _failed(unit: Unit, row: Row, findings: list[Finding]) -> GradReport:
    for finding in findings:
        finding.point = f"sample {unit.sample}"
    return GradReport(f"{unit.key}, derivation '{unit.label}'", rows=[row], findings=findings)


def _raised(unit: Unit, error: Exception) -> GradReport:
    text = f"{type(error).__name__}: {error!s:.200}"
    finding = Finding("gradient", FAIL, f"it raised {text}", "raises", point=f"sample {unit.sample}")
    return GradReport(f"{unit.key}, derivation '{unit.label}'", [Row("gradient", FAIL, text)], [finding])


def _with_shortcut(program: str, way: Way, sample: Sample) -> str:
    """The reproduction with the chain of the two ops spelt out, swept by the shortcut."""
    assert way.shortcut is not None
    inner, outer, n = way.shortcut.inner, way.op, len(way.shortcut.inner.input_names)
    chain = (
        f"outer, inner = tg.registry()[{outer.key!r}], tg.registry()[{inner.key!r}]\n\n\n"
        f"def f(*xs):\n"
        f"    middle = inner.apply(xs[:{n}], {way.inner_options(sample)!r})\n"
        f"    return outer.apply((middle, *xs[{n}:]), {dict(sample.options)!r})"
    )
    program = program.replace("f = ...  # the function that you gave as f", chain)
    return program.replace("print('rule ", f"with tg.use_derivation({way.derivation.name!r}):\n    print('rule ", 1)


# -- mutants ---------------------------------------------------------------------------------------------------


def _mutation(unit: Unit, way: Way, points: Sequence[Sample]) -> Iterable[Planted]:
    """Every mistake in turn: is it caught?"""
    inside = varied([s for s in points if way.failure(s) is None])
    subjects = [(s, way.direct(s)) for s in inside]
    for name in MUTANTS:
        at = [(s, wrong) for s, right in subjects if right is not None and (wrong := plant(right, name)) is not None]
        if at:
            yield Planted(way.label, name, _caught(unit, way, at), len(at))


def _caught(unit: Unit, way: Way, at: Sequence[tuple[Sample, Subject]]) -> str:
    """The check that catches a mistake; "" where none does."""
    for sample, wrong in at[:PLANTED_AT]:
        report = _tried(wrong, unit.order, False)
        if report.findings:
            return report.findings[0].check
        declared = way.op.invariants if way.shortcut is None else ()
        _, broken = invariants(wrong, declared, sample.options)
        if broken:
            return "invariants"
    if unit.families:
        for _, wrong in at[:1]:
            report = _tried(wrong, unit.order, True)
            if report.findings:
                return "other points"
    return ""


def _tried(wrong: Subject, order: int, families: bool) -> Any:
    try:
        return check_subject(wrong, order=order, others=families)
    except Exception as error:
        return GradReport(wrong.name, findings=[Finding("raises", FAIL, str(error))])
