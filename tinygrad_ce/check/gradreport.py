"""The outcome of a gradient check: as data, as text, as HTML."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .findings import FAIL, INCONCLUSIVE, KINK, PASS, Finding, Row


@dataclass
class GradReport:
    """What `gradcheck` found: true when something was checked and nothing is wrong.

    Attributes
    ----------
    name : str
    rows : list of Row
        What was checked, with verdict and detail.
    findings : list of Finding
        What is wrong.
    hazards : list of str
        Results that share memory: right today, wrong once somebody adds to one in place.
    notes : list of str
    oracles, skipped : list of str
        Which witnesses were heard, and which could not be, and why.
    points : list of str
        The other points that were tried.
    sensitivity : str
        For large arrays: what would have been noticed.
    reproduction : str
        A program that shows the failure.
    """

    name: str
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    hazards: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    oracles: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    sensitivity: str = ""
    reproduction: str = ""
    subject: Any = field(default=None, repr=False)

    @property
    def verdict(self) -> str:
        """FAIL, PASS, KINK (passed, some entries at kinks) or INCONCLUSIVE (nothing numerical could be told)."""
        if self.findings:
            return FAIL
        numeric = [row.verdict for row in self.rows if row.check in ("gradient", "other points", "large arrays")]
        if KINK in numeric and PASS not in numeric[:1]:
            return KINK
        return PASS if PASS in numeric or KINK in numeric else INCONCLUSIVE

    def __bool__(self) -> bool:
        return self.verdict in (PASS, KINK)

    @property
    def diagnosis(self) -> str:
        """The likely mistake, by name; "" where there is none or nothing fits."""
        return self.findings[0].diagnosis if self.findings else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; numbers that are not finite as text."""
        return {
            "name": self.name,
            "passed": bool(self),
            "verdict": self.verdict,
            "diagnosis": self.diagnosis,
            "rows": [{"check": r.check, "verdict": r.verdict, "detail": r.detail} for r in self.rows],
            "findings": [_facts(f) for f in self.findings],
            "hazards": list(self.hazards),
            "notes": list(self.notes),
            "oracles": list(self.oracles),
            "skipped": list(self.skipped),
            "points": list(self.points),
            "sensitivity": self.sensitivity,
            "reproduction": self.reproduction,
        }

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        width = max((len(r.check) for r in self.rows), default=0)
        lines = [f"gradcheck of {self.name}: {self.verdict}"]
        lines += [f"  {r.check:<{width}}  {r.verdict:<12}  {r.detail}".rstrip() for r in self.rows]
        for finding in self.findings:
            lines += _told(finding)
        lines += [f"hazard: {h}" for h in self.hazards]
        lines += [f"note: {n}" for n in self.notes]
        if self.oracles:
            lines.append(f"oracles: {', '.join(self.oracles)}")
        lines += [f"not heard: {s}" for s in self.skipped]
        if self.reproduction:
            lines += ["", "to see it:", "", *[f"    {line}".rstrip() for line in self.reproduction.splitlines()]]
        return lines

    def _repr_html_(self) -> str:
        colour = {PASS: "#1a7f37", KINK: "#9a6700", INCONCLUSIVE: "#6e7781", FAIL: "#cf222e"}
        rows = "".join(
            f"<tr><td>{html.escape(r.check)}</td><td style='color:{colour[r.verdict]}'><b>{r.verdict}</b></td>"
            f"<td style='text-align:left'>{html.escape(r.detail)}</td></tr>"
            for r in self.rows
        )
        told = "".join(f"<p>{'<br>'.join(html.escape(x) for x in _told(f))}</p>" for f in self.findings)
        rest = [f"hazard: {h}" for h in self.hazards] + [f"note: {n}" for n in self.notes]
        tail = "".join(f"<br>{html.escape(x)}" for x in rest)
        code = f"<pre>{html.escape(self.reproduction)}</pre>" if self.reproduction else ""
        verdict = f"<span style='color:{colour[self.verdict]}'>{self.verdict}</span>"
        title = f"gradcheck of {html.escape(self.name)}: {verdict}"
        return f"<p><b>{title}</b></p><table>{rows}</table>{told}<p>{tail}</p>{code}"


def _told(finding: Finding) -> list[str]:
    lines = [f"{finding.check} at {finding.point}: {finding.message}"]
    if finding.diagnosis:
        lines.append(f"  likely: {finding.diagnosis}" + (f" ({finding.hint})" if finding.hint else ""))
    elif finding.hint:
        lines.append(f"  {finding.hint}")
    return lines


def _facts(f: Finding) -> dict[str, Any]:
    return {
        "check": f.check,
        "verdict": f.verdict,
        "message": f.message,
        "diagnosis": f.diagnosis,
        "hint": f.hint,
        "point": f.point,
        "where": f.where,
        "value": _number(f.value),
        "truth": _number(f.truth),
        "bar": _number(f.bar),
    }


def _number(x: float | None) -> Any:
    return x if x is None or np.isfinite(x) else str(x)
