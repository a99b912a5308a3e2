"""Marks: how they are counted, and the grade that they make, as data, as text, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import floor
from typing import Any

from .findings import Finding
from .hints import Hint, about, hint_of

CONTRACT, ORDINARY, HARD = "contract", "ordinary points", "hard points"
DIGITS, SECOND = "digits", "second order"
OUT_OF = {CONTRACT: 2, ORDINARY: 4, HARD: 2, DIGITS: 1, SECOND: 1}
COUNTED = {CONTRACT: "checks", ORDINARY: "gradients", HARD: "points", DIGITS: "points", SECOND: "samples"}
TOTAL = 10
LATER = "not looked at: the gradient itself comes first"


@dataclass(frozen=True)
class Part:
    """A part of the marks, and a remark where it is not whole."""

    name: str
    marks: float
    out_of: int
    remark: str = ""


@dataclass(frozen=True)
class Grade:
    """What a hand-written gradient got: true with full marks.

    Attributes
    ----------
    name : str
    parts : tuple of Part
    hints : tuple of Hint
        The first mistake of each part and input: a `nudge`, which asks, and a `pointer`, which says where to look.
    notes : tuple of str
    """

    name: str
    parts: tuple[Part, ...]
    hints: tuple[Hint, ...]
    notes: tuple[str, ...] = ()

    @property
    def marks(self) -> float:
        """Out of 10, over the parts that were marked."""
        return round(TOTAL * sum(p.marks for p in self.parts) / sum(p.out_of for p in self.parts), 1)

    def __bool__(self) -> bool:
        return all(p.marks == p.out_of for p in self.parts)

    def __float__(self) -> float:
        return float(self.marks)

    def hint(self, level: int = 1) -> str:
        """The hints as text: 1 for the nudges, 2 with the pointers."""
        if level not in (1, 2):
            raise ValueError(f"hints come in levels 1 and 2, not {level!r}")
        lines = []
        for h in self.hints:
            lines.append(f"hint ({h.part}): {h.nudge}")
            lines += [f"  {h.pointer}"] * (level == 2)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "name": self.name,
            "marks": self.marks,
            "out_of": TOTAL,
            "parts": [asdict(p) for p in self.parts],
            "hints": [asdict(h) for h in self.hints],
            "notes": list(self.notes),
        }

    def _title(self) -> str:
        return f"{self.name}: {self.marks:g} of {TOTAL}"

    def __repr__(self) -> str:
        width = max(len(p.name) for p in self.parts)
        lines = [f"  {p.name:<{width}}  {p.marks:g} of {p.out_of}  {p.remark}".rstrip() for p in self.parts]
        more = ["print(grade.hint(2)) says more"] if self.hints else []
        return "\n".join([self._title(), *lines, *self.notes, *self.hint().splitlines(), *more])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{p.name}</td><td>{p.marks:g} of {p.out_of}</td><td>{html.escape(p.remark)}</td></tr>"
            for p in self.parts
        )
        told = [[html.escape(text) for text in (h.part, h.nudge, h.pointer)] for h in self.hints]
        hints = "".join(f"<details><summary>{a}: {b}</summary>{c}</details>" for a, b, c in told)
        notes = "".join(f"<br>{html.escape(n)}" for n in self.notes)
        return f"<p><b>{html.escape(self._title())}</b></p><table>{rows}</table>{hints}<p>{notes}</p>"


@dataclass
class Marks:
    """What was found so far, part by part: (good, all) of each thing that was looked at, None where it was not."""

    second: bool = True
    shares: dict[str, list[tuple[int, int] | None]] = field(default_factory=lambda: {part: [] for part in OUT_OF})
    hints: dict[tuple[str, str], Hint] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, part: str, good: bool, findings: Iterable[Finding] = (), point: str = "") -> None:
        """One thing, right or wrong."""
        self.share(part, int(good), 1)
        for finding in list(findings)[:1]:
            self.hint(part, finding, point)

    def share(self, part: str, good: int, total: int) -> None:
        self.shares[part].append((good, total))

    def later(self, part: str) -> None:
        """One thing that was not looked at, because something that comes first is wrong: it gets nothing."""
        self.shares[part].append(None)

    def hint(self, part: str, finding: Finding, point: str = "") -> None:
        """A hint for what was found: the first of each part and input, for one mistake often has several faces."""
        self.hints.setdefault((part, about(finding)), hint_of(part, finding, point))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def grade(self, name: str) -> Grade:
        parts = [self._part(part) for part in OUT_OF if part != SECOND or self.second]
        told: dict[str, Hint] = {}  # the same advice is given once, for the part that comes first
        for part in OUT_OF:
            for hint in self.hints.values():
                if hint.part == part:
                    told.setdefault(hint.pointer, hint)
        return Grade(name, tuple([p for p in parts if p]), tuple(told.values()), tuple(self.notes))

    def _part(self, part: str) -> Part | None:
        out_of, shares = OUT_OF[part], self.shares[part]
        if not shares:
            return None  # nothing could be told: it is not marked
        seen = [x for x in shares if x is not None]
        share = sum(good / total for good, total in seen) / len(shares)
        marks = float(out_of) if share == 1.0 else min(floor(2 * out_of * share) / 2, out_of - 0.5)
        good, total = sum(x[0] for x in seen), sum(x[1] for x in seen)
        remarks = [f"{good} of {total} {COUNTED[part]} right"] if good < total else []
        if len(seen) < len(shares):
            remarks.append(LATER if not seen else f"{len(shares) - len(seen)} of {len(shares)} {LATER}")
        return Part(part, marks, out_of, "; ".join(remarks))
