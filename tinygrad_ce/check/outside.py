"""What a derivation is off by where what it assumes does not hold.

    outside(way, samples)       an Assumed: where it was inside, and what it says of each point outside

Points outside are the op's samples at which the assumption fails, and samples inside of which one input is made 1.7
times as large. There the rule is called as it stands, and its residual explained: by the forms below, else by the
diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .contract import cotangent
from .diagnosis import diagnose
from .findings import FAIL, Finding
from .precision import HIGH, copied, is_float, quiet
from .runs import Runs
from .subject import Subject
from .truth import Truth
from .ways import Sample, Way

LARGER = 1.7
FITS = 1e-6


@dataclass(frozen=True)
class Departure:
    """One point outside.

    Attributes
    ----------
    where : str
    failure : str
        What fails there of what is assumed.
    off : str
        What the rule is off by; "" where it is right all the same.
    size : float
        The largest residual, relative to the largest entry of the gradient.
    """

    where: str
    failure: str
    off: str
    size: float


@dataclass(frozen=True)
class Assumed:
    """A derivation's assumptions, tested on both sides."""

    label: str
    text: str
    inside: int
    departures: tuple[Departure, ...]

    def lines(self) -> list[str]:
        """In words: where it holds, and what it is off by elsewhere."""
        start = f"'{self.label}' holds where {self.text} ({self.inside} sample{'s' * (self.inside != 1)})"
        wrong = [d for d in self.departures if d.off]
        if not self.departures:
            return [f"{start}; no point outside was found"]
        if not wrong:
            return [f"{start}; right at {len(self.departures)} points outside too: is the assumption needed?"]
        seen: dict[str, Departure] = {}
        for d in wrong:
            seen.setdefault(d.off, d)
        return [f"{start}; elsewhere:", *[f"  {d.where} ({d.failure}): {off}" for off, d in seen.items()]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "derivation": self.label,
            "assumes": self.text,
            "inside": self.inside,
            "outside": [
                {"where": d.where, "failure": d.failure, "off_by": d.off, "size": d.size} for d in self.departures
            ],
        }


def outside(way: Way, samples: Sequence[Sample]) -> Assumed:
    """Test a derivation's assumptions from outside."""
    text = " and ".join(a.text for a in way.derivation.assumes)
    inside = [s for s in samples if way.failure(s) is None]
    departures = []
    with quiet():
        for where, sample, inputs in _points(way, samples, inside):
            failure = way.failure(sample, inputs)
            found = None if failure is None else _departure(way, sample, inputs, where, failure)
            if found is not None:
                departures.append(found)
    return Assumed(way.label, text, len(inside), tuple(departures))


def _points(way: Way, samples: Sequence[Sample], inside: Sequence[Sample]) -> list[tuple[str, Sample, list[Any]]]:
    full = [s for s in inside if not s.empty]
    points = []
    names = way.subject(full[0]).names if full and way.subject(full[0]) else ()  # type: ignore[union-attr]
    for i, name in enumerate(names):
        for s in [s for s in full if is_float(way.inputs(s)[i])][:2]:
            inputs = [LARGER * x if k == i else copied(x) for k, x in enumerate(way.inputs(s))]
            points.append((f"{LARGER:g} {name}", s, inputs))
    points += [(f"sample {s.number}", s, list(way.inputs(s))) for s in samples if not s.empty and way.failure(s)]
    return points


def _departure(way: Way, sample: Sample, inputs: list[Any], where: str, failure: str) -> Departure | None:
    subject = way.direct(sample)
    if subject is None:
        return None
    try:
        runs, truth = Runs(subject, inputs), Truth(subject, inputs, thorough=True)
        g = cotangent(runs.out.shape, runs.out.dtype, 0)
        found, true = runs.native(g), truth.gradient(g)
    except Exception as error:
        return Departure(where, failure, f"it raises {type(error).__name__}: {error!s:.60}", np.inf)
    worst = Departure(where, failure, "", 0.0)
    for i in subject.moving:
        residual = np.asarray(found[i], dtype=HIGH) - true[i].value
        size = float(np.max(np.abs(true[i].value), initial=0.0))
        off = float(np.max(np.abs(residual), initial=0.0))
        if off > 1e-7 * size + 4.0 * float(np.max(true[i].bar, initial=0.0)) and off / max(size, 1e-300) > worst.size:
            text = _named(subject, inputs, sample, i, residual, g) or _diagnosed(subject, runs, truth, i, g)
            worst = Departure(where, failure, text, off / max(size, 1e-300))
    return worst


def _diagnosed(subject: Subject, runs: Runs, truth: Truth, i: int, g: Any) -> str:
    finding = Finding("gradient", FAIL, "", data={"truth": truth, "runs": runs, "i": i, "g": g})
    name, hint = diagnose(subject, finding)
    return f"off in {subject.names[i]}: {hint if name else 'no usual form explains the residual'}"


def _named(subject: Subject, inputs: Sequence[Any], sample: Sample, i: int, residual: Any, g: Any) -> str:
    """The residual as (Σy − 1) softmax(x), with the cotangent of the row and one constant before it."""
    x = np.asarray(inputs[i], dtype=HIGH)
    axis = sample.options.get("axis", -1)
    if not x.ndim or not isinstance(axis, int):
        return ""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    p = e / np.sum(e, axis=axis, keepdims=True)
    for k, y in enumerate(inputs):
        if k == i or not is_float(y) or np.shape(y) != x.shape:
            continue
        form = (np.sum(np.asarray(y, dtype=HIGH), axis=axis, keepdims=True) - 1.0) * p
        row = np.expand_dims(g, axis) if np.ndim(g) == x.ndim - 1 and np.ndim(g) else g
        if np.ndim(row) and np.ndim(row) != x.ndim:
            continue
        form = form * row
        if np.any(form) and _multiple(residual, form):
            return f"off by (Σ {subject.names[k]} − 1) · softmax({subject.names[i]})"
    return ""


def _multiple(residual: Any, form: Any) -> bool:
    c = np.sum(residual * form) / np.sum(form * form)
    return bool(np.all(np.abs(residual - c * form) <= FITS * np.max(np.abs(residual))))
