"""What check_model found: as data, as text, as HTML."""

from __future__ import annotations

import html
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..check.findings import FAIL, INCONCLUSIVE, KINK, PASS
from ..check.gradreport import COLOURS, GradReport
from ..check.report import Comparison, table

WARN = "WARN"
_COLOURS = {**COLOURS, WARN: "#9a6700"}


@dataclass(frozen=True)
class Concern:
    """Something that is wrong (FAIL) or looks wrong (WARN).

    Attributes
    ----------
    check : str
        What was looked at: "inputs", "targets", "loss at the start", "softmax twice", "dead parameter", …
    verdict : "FAIL" or "WARN"
    message : str
        In a sentence.
    hint : str
        What to do about it.
    """

    check: str
    verdict: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.message}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True)
class LayerRow:
    """One layer before the referee.

    Attributes
    ----------
    name, kind : str
        Its place in the network, and what it is.
    given, made : str
        The shapes that came in and went out.
    parameters : int
        How many numbers it learns itself.
    verdict : str
        PASS, FAIL, KINK or INCONCLUSIVE; "–" where there was nothing to differentiate.
    detail : str
    report : GradReport or None
    """

    name: str
    kind: str
    given: str
    made: str
    parameters: int
    verdict: str
    detail: str = ""
    report: GradReport | None = None

    def cells(self) -> list[str]:
        return [self.name or "(all)", self.kind, self.given, self.made, f"{self.parameters:,}", self.verdict]


_HEAD = ["layer", "what", "in", "out", "parameters", "gradient"]


@dataclass
class ModelReport:
    """The outcome of `check_model`: true where nothing is wrong; warnings do not count.

    Attributes
    ----------
    name : str
    layers : list of LayerRow
    comparison : Comparison or None
        Of all derivations over the whole graph of the loss.
    concerns : list of Concern
        What is wrong, then what looks wrong.
    notes : list of str
    loss : float or None
        Of the batch.
    """

    name: str
    layers: list[LayerRow] = field(default_factory=list)
    comparison: Comparison | None = None
    concerns: list[Concern] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loss: float | None = None

    @property
    def failures(self) -> list[Concern]:
        """What is wrong."""
        return [concern for concern in self.concerns if concern.verdict == FAIL]

    @property
    def warnings(self) -> list[Concern]:
        """What looks wrong."""
        return [concern for concern in self.concerns if concern.verdict == WARN]

    @property
    def verdict(self) -> str:
        verdicts = [row.verdict for row in self.layers]
        if self.failures or FAIL in verdicts:
            return FAIL
        return PASS if PASS in verdicts or KINK in verdicts else INCONCLUSIVE

    def __bool__(self) -> bool:
        return self.verdict == PASS

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "name": self.name,
            "passed": bool(self),
            "verdict": self.verdict,
            "loss": self.loss,
            "layers": [
                {**{k: v for k, v in vars(row).items() if k != "report"}, "report": _plain(row.report)}
                for row in self.layers
            ],
            "comparison": _plain(self.comparison),
            "concerns": [asdict(concern) for concern in self.concerns],
            "notes": list(self.notes),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a page (.html) or as data (.json), by the path's suffix.

        Raises
        ------
        ValueError
            For another suffix.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".html", ".htm", ".json"):
            raise ValueError(f"a report is saved as .html or .json, not {suffix or 'without a suffix'}")
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) if suffix == ".json" else self._page()
        with replacing(path) as file:
            file.write(text.encode())

    def told(self) -> list[str]:
        """The report in words, line by line, without the failed layers' own reports."""
        lines = [f"check of {self.name}: {self.verdict}{self._warned()}"]
        lines += [f"  {line}" for line in table([_HEAD, *[row.cells() for row in self.layers]])] if self.layers else []
        lines += [f"{concern.verdict}  {concern}" for concern in self.concerns]
        return lines + [f"note: {note}" for note in self.notes]

    def _warned(self) -> str:
        n = len(self.warnings)
        return f", {n} warning{'s' * (n != 1)}" if n else ""

    def _failed(self) -> list[GradReport]:
        return [row.report for row in self.layers if row.report is not None and row.verdict == FAIL]

    def __repr__(self) -> str:
        lines = self.told()
        for report in self._failed():
            lines += ["", *report.told()]
        if self.comparison is not None and self.comparison.failures:
            lines += ["", repr(self.comparison)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        title = f"check of {html.escape(self.name)}: {_coloured(self.verdict)}{self._warned()}"
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        body = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells()[:-1])
            + f"<td>{_coloured(row.verdict)}</td></tr>"
            for row in self.layers
        )
        said = "".join(f"<li>{_coloured(c.verdict)} {html.escape(str(c))}</li>" for c in self.concerns)
        said += "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        failed = "".join(report._repr_html_() for report in self._failed())
        if self.comparison is not None and self.comparison.failures:
            failed += self.comparison._repr_html_()
        return f"<p><b>{title}</b></p><table><tr>{head}</tr>{body}</table><ul>{said}</ul>{failed}"

    def _page(self) -> str:
        return (
            f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(self.name)}</title>"
            "<style>:root { color-scheme: light dark } body { font: 15px/1.5 system-ui; margin: 2rem }"
            " td, th { text-align: left; padding: .15rem .9rem .15rem 0 }</style></head>"
            f"<body>{self._repr_html_()}</body></html>\n"
        )


def _plain(report: GradReport | Comparison | None) -> dict[str, Any] | None:
    return None if report is None else report.to_dict()


def _coloured(verdict: str) -> str:
    return f"<b style='color:{_COLOURS.get(verdict, 'inherit')}'>{html.escape(verdict)}</b>"
