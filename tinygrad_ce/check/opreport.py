"""The outcome of checking an op, or a registry of them: as data, as text, as HTML.

OpReport            derivation × check, with every report behind it
RegistryReport      the same for many ops
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .findings import FAIL, INCONCLUSIVE, KINK, PASS, Row
from .gradreport import COLOURS, GradReport
from .mutants import Planted
from .outside import Assumed
from .work import Outcome, Unit

# A column of the tables, and the rows of a GradReport that it sums up.
COLUMNS: dict[str, tuple[str, ...]] = {
    "forward": ("forward",),
    "gradient": ("contract", "repetition", "call order", "linear in g", "gradient", "large arrays", "memory layout"),
    "other points": ("other points",),
    "invariants": ("invariants",),
    "order 2": ("second order",),
    "forward mode": ("forward mode",),
}
NONE = "–"


@dataclass(frozen=True)
class Cell:
    """What one kind of check said of one derivation, over all samples."""

    verdict: str
    count: int = 0
    detail: str = ""

    def __str__(self) -> str:
        return self.verdict


@dataclass
class OpReport:
    """What `check_op` found: true when something was checked and nothing is wrong.

    Attributes
    ----------
    name : str
        The op's key.
    outcomes : list of Outcome
        One for each piece of work, in the order in which they were planned.
    """

    name: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def reports(self) -> list[GradReport]:
        """Every gradient check, one for each derivation and sample."""
        return [o.report for o in self.outcomes if o.report is not None]

    @property
    def failures(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.report is not None and o.report.verdict == FAIL]

    @property
    def labels(self) -> list[str]:
        """The derivations and shortcuts that were checked."""
        return list(dict.fromkeys(o.unit.label for o in self.outcomes))

    @property
    def assumed(self) -> list[Assumed]:
        """Derivations' assumptions, tested inside and outside."""
        return [o.assumed for o in self.outcomes if o.assumed is not None]

    @property
    def planted(self) -> list[Planted]:
        """The mistakes that were planted, caught or not."""
        return [p for o in self.outcomes for p in o.planted]

    @property
    def survivors(self) -> list[Planted]:
        """The mistakes that this check would not have caught."""
        return [p for p in self.planted if not p.caught]

    @property
    def score(self) -> float | None:
        """The share of planted mistakes that were caught; None where none was planted."""
        return 1.0 - len(self.survivors) / len(self.planted) if self.planted else None

    @property
    def verdict(self) -> str:
        verdicts = [r.verdict for r in self.reports]
        for verdict in (FAIL, PASS, KINK):
            if verdict in verdicts:
                return verdict
        return INCONCLUSIVE if verdicts else NONE

    def __bool__(self) -> bool:
        return self.verdict in (PASS, KINK)

    def cell(self, label: str, column: str) -> Cell:
        """What the checks of a column said of a derivation."""
        reports = [o.report for o in self.outcomes if o.unit.label == label and o.report is not None]
        rows = [r for report in reports for r in report.rows if r.check in COLUMNS[column]]
        return _summed(rows, sum(any(r.check in COLUMNS[column] for r in report.rows) for report in reports))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "op": self.name,
            "verdict": self.verdict,
            "passed": bool(self),
            "derivations": {
                label: {column: self.cell(label, column).verdict for column in COLUMNS} for label in self.labels
            },
            "assumptions": [a.to_dict() for a in self.assumed],
            "mutation": None
            if self.score is None
            else {
                "score": self.score,
                "planted": [
                    {"derivation": p.label, "mistake": p.name, "caught_by": p.caught or None} for p in self.planted
                ],
            },
            "samples": [
                {"derivation": o.unit.label, "sample": o.unit.sample, "inputs": o.described, **o.report.to_dict()}
                for o in self.outcomes
                if o.report is not None
            ],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page (.html) or as data (.json); see `GradReport.save`."""
        from .page import save

        save(self, path)

    def __repr__(self) -> str:
        lines = [f"check of {self.name}: {self.verdict}"]
        lines += aligned([("derivation", *COLUMNS), *table(self)])
        return "\n".join([*lines, *told(self)])

    def _repr_html_(self) -> str:
        title = f"check of {html.escape(self.name)}: <span style='color:{colour(self.verdict)}'>{self.verdict}</span>"
        return f"<p><b>{title}</b></p>{html_table(('derivation', *COLUMNS), table(self))}{html_told(self)}"


def _summed(rows: list[Row], count: int) -> Cell:
    spared = [r for r in rows if r.detail.startswith(("declared of order 1", "a rule in plain"))]
    if rows and len(spared) == len(rows):
        return Cell("order 1" if spared[0].detail.startswith("declared") else NONE, count)
    verdicts = [r.verdict for r in rows if r not in spared]
    for verdict in (FAIL, PASS, KINK):
        if verdict in verdicts:
            return Cell(verdict, count, next(r.detail for r in rows if r.verdict == verdict))
    ways = [r for r in rows if r.check == "forward"]
    return Cell(NONE if ways or not rows else INCONCLUSIVE, count, rows[0].detail if rows else "")


def table(report: OpReport) -> list[tuple[str, ...]]:
    """One line for each derivation: its label and its cells."""
    return [(label, *[report.cell(label, column).verdict for column in COLUMNS]) for label in report.labels]


def told(report: OpReport) -> list[str]:
    """What else there is to say of an op: failures, hazards, assumptions, mistakes that would not have been caught."""
    lines = []
    for outcome, also in grouped(report.failures):
        assert outcome.report is not None
        lines += ["", f"'{outcome.unit.label}' at sample {outcome.unit.sample} ({outcome.described}){also}:"]
        lines += [f"  {line}".rstrip() for line in repr(outcome.report).splitlines()]
    for assumed in report.assumed:
        lines += assumed.lines()
    return lines + mutation(report)


def grouped(failures: list[Outcome]) -> list[tuple[Outcome, str]]:
    """The first failure of each derivation, and in words at which other samples it fails."""
    by_label: dict[str, list[Outcome]] = {}
    for outcome in failures:
        by_label.setdefault(outcome.unit.label, []).append(outcome)
    found = []
    for first, *rest in by_label.values():
        numbers = ", ".join(str(o.unit.sample) for o in rest)
        found.append((first, f", and at {numbers}" if rest else ""))
    return found


def mutation(report: OpReport) -> list[str]:
    """The mutation score in words."""
    if report.score is None:
        return []
    caught = len(report.planted) - len(report.survivors)
    lines = [f"mutation score: {caught} of {len(report.planted)} planted mistakes caught"]
    return lines + [f"  not caught in '{p.label}': {p.name}" for p in report.survivors]


@dataclass
class RegistryReport:
    """What `check_registry` found, op by op: true when every op that has a gradient passed.

    Attributes
    ----------
    units : list of Unit
        What was planned.
    outcomes : list of Outcome
        What has been done.
    interrupted : bool
    """

    units: list[Unit] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ops(self) -> dict[str, OpReport]:
        """A report for each op, in the order of the plan."""
        found = {key: OpReport(key) for key in dict.fromkeys(u.key for u in self.units)}
        order = {unit: n for n, unit in enumerate(self.units)}
        for outcome in sorted(self.outcomes, key=lambda o: order[o.unit]):
            found[outcome.unit.key].outcomes.append(outcome)
        return found

    @property
    def reports(self) -> list[OpReport]:
        return list(self.ops.values())

    @property
    def failures(self) -> list[Outcome]:
        return [o for report in self.reports for o in report.failures]

    def __bool__(self) -> bool:
        return (
            bool(self.outcomes)
            and not self.interrupted
            and all(r.verdict not in (FAIL, INCONCLUSIVE) for r in self.reports)
        )

    @property
    def verdict(self) -> str:
        verdicts = [r.verdict for r in self.reports]
        return next((v for v in (FAIL, INCONCLUSIVE) if v in verdicts), PASS if self.outcomes else INCONCLUSIVE)

    def summary(self) -> str:
        """In a line: how much was checked, and how it ended."""
        ops = [r for r in self.reports if r.outcomes]
        ways = sum(len(r.labels) for r in ops)
        checks = sum(len(r.reports) for r in ops)
        failed = sorted({f"{o.unit.key} '{o.unit.label}'" for o in self.failures})
        text = f"{len(ops)} ops, {ways} derivations, {checks} points of theirs: "
        text += f"{len(failed)} FAIL: {', '.join(failed)}" if failed else self.verdict
        if self.interrupted:
            text += f"; interrupted after {len(self.outcomes)} of {len(self.units)} pieces of work"
        planted = [p for r in ops for p in r.planted]
        if planted:
            text += f"; {sum(bool(p.caught) for p in planted)} of {len(planted)} planted mistakes caught"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "verdict": self.verdict,
            "passed": bool(self),
            "interrupted": self.interrupted,
            "summary": self.summary(),
            "ops": [r.to_dict() for r in self.reports if r.outcomes],
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page (.html) or as data (.json); see `GradReport.save`."""
        from .page import save

        save(self, path)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """The table: op, derivation, verdicts; ops without a gradient are left out."""
        for report in self.reports:
            for n, line in enumerate(table(report) if report.reports else []):
                yield (report.name if n == 0 else "", *line)

    def __repr__(self) -> str:
        lines = aligned([("op", "derivation", *COLUMNS), *self.lines()])
        for report in self.reports:
            lines += [line if line.startswith(" ") or not line else f"{report.name} {line}" for line in told(report)]
        return "\n".join([*lines, self.summary()])

    def _repr_html_(self) -> str:
        rest = "".join(html_told(r) for r in self.reports)
        table = html_table(("op", "derivation", *COLUMNS), self.lines())
        return f"<p><b>{html.escape(self.summary())}</b></p>{table}{rest}"


# -- text and HTML ---------------------------------------------------------------------------------------------


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """A table as lines."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def colour(verdict: str) -> str:
    return COLOURS.get(verdict, "inherit")


def html_table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>" + "".join(f"<td style='color:{colour(c)}'>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def html_told(report: OpReport) -> str:
    """Assumptions and mutation score; failures with all that their reports show."""
    lines = [line for a in report.assumed for line in a.lines()] + mutation(report)
    text = "".join(f"<br>{html.escape(line)}" for line in lines)
    failed = "".join(o.report._repr_html_() for o, _ in grouped(report.failures) if o.report is not None)
    return f"<p>{text}</p>{failed}" if text or failed else ""
