"""What the pictures of a report show, as plain data.

v_curve(subject, finding)       step of a central difference against its distance from the rule and from the referee
pictures(report)                everything that a failed report has a picture of, or None
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .findings import Finding
from .gradreport import GradReport
from .precision import HIGH, copied, quiet, typical
from .subject import Subject
from .taylor import Taylor, taylor

STEPS = tuple(float(h) for h in np.logspace(0, -17, 52))
SHOWN = 64  # rows and columns of a heat map, at most


@dataclass(frozen=True)
class VCurve:
    """Central differences of one entry, over steps relative to its size.

    Where a gradient is right, the distance falls as the step shrinks, until rounding lets it rise again: a V. Where it
    is wrong, it levels out at the mistake.
    """

    where: str
    steps: tuple[float, ...]
    from_rule: tuple[float, ...]
    from_referee: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        rule, referee = map(_plain, (self.from_rule, self.from_referee))
        return {"where": self.where, "steps": list(self.steps), "from_rule": rule, "from_referee": referee}


@dataclass(frozen=True)
class Pictures:
    """What a failed check looks like.

    Attributes
    ----------
    v_curve : VCurve or None
    wrong, right : Taylor or None
        The Taylor test with the rule's gradient, and with the referee's.
    residual : array or None
        Rule minus referee at the failing input, in two dimensions.
    name : str
        Of that input.
    """

    v_curve: VCurve | None
    wrong: Taylor | None
    right: Taylor | None
    residual: Any
    name: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "v_curve": self.v_curve and self.v_curve.to_dict(),
            "taylor": {"rule": self.wrong and self.wrong.to_dict(), "referee": self.right and self.right.to_dict()},
            "residual": None if self.residual is None else [_plain(row) for row in self.residual],
            "input": self.name,
        }


def pictures(report: GradReport) -> Pictures | None:
    """The pictures of a report's first finding that has numbers; None where there is none.

    They are computed from the subject and the point, and kept with the report.
    """
    if report.pictures is not None or report.subject is None:
        return report.pictures
    for finding in report.findings:
        if finding.data.get("truth") is not None and finding.data.get("verdicts") is not None:
            with quiet():
                report.pictures = _pictures(report.subject, finding)
            return report.pictures
    return None


def _pictures(subject: Subject, finding: Finding) -> Pictures:
    data = finding.data
    i, g, truth = data["i"], data["g"], data["truth"]
    estimate = truth.gradient(g)[i].value
    v = data["verdicts"]
    residual = None
    if truth.chosen[i] is None:
        residual = _flat(np.asarray(v.found - v.truth.value, dtype=np.float64))
    wrong = right = None
    try:
        curve: VCurve | None = v_curve(subject, finding)
        if truth.chosen[i] is None:
            wrong = taylor(subject, data["inputs"], g, only=i)
            right = taylor(_instead(subject, i, estimate), data["inputs"], g, only=i)
    except Exception:  # a picture is a courtesy: without it the report still says all
        curve = None
    return Pictures(curve, wrong, right, residual, subject.names[i])


def v_curve(subject: Subject, finding: Finding) -> VCurve:
    """Central differences of <g, f> in the finding's entry, in the precision of the point."""
    data = finding.data
    i, index = data["i"], data["index"]
    weights = np.asarray(data["g"], dtype=HIGH)
    inputs = [copied(x) for x in data["inputs"]]
    rule, referee = float(finding.value or 0.0), float(finding.truth or 0.0)
    size = float(abs(inputs[i][index])) or typical(inputs[i])

    def phi(x: Any) -> Any:
        moved = [copied(y) for y in inputs]
        moved[i][index] = x
        return np.sum(np.asarray(subject.out(moved), dtype=HIGH) * weights)

    mine, theirs = [], []
    for r in STEPS:
        x = inputs[i][index]
        up, down = x + x.dtype.type(r * size), x - x.dtype.type(r * size)
        width = float(up - down)
        slope = float(phi(up) - phi(down)) / width if width else float("nan")
        scale = max(abs(rule), abs(referee)) or 1.0
        mine.append(abs(slope - rule) / scale)
        theirs.append(abs(slope - referee) / scale)
    return VCurve(finding.where, STEPS, tuple(mine), tuple(theirs))


def _instead(subject: Subject, i: int, gradient: Any) -> Subject:
    """The subject with the referee's gradient in the place of the rule's."""
    from dataclasses import replace

    return replace(subject, rule=lambda g, out, *xs: [gradient if k == i else None for k in range(len(xs))])


def _flat(x: Any) -> Any:
    """An array in two dimensions, cut to what can be seen."""
    x = np.atleast_2d(x) if x.ndim < 3 else x.reshape(-1, x.shape[-1])
    return x[:SHOWN, :SHOWN]


def _plain(xs: Any) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in xs]
