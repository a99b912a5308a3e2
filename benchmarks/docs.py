"""The page of measurements: docs/benchmarks.md has it between two comments, beside the JSON and the plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .apart import ROOT
from .machine import described
from .model import Result
from .report import missed, notes, table
from .rows import GROUPS

DOCS = ROOT / "docs"
PAGE, JSON, IMAGE = "benchmarks.md", "benchmarks.json", "benchmarks.png"


def page(facts: dict[str, Any], results: Sequence[Result]) -> str:
    """The machine, what came of the aims, a table for each group of rows, and notes."""
    parts = [described(facts), missed(results)]
    for title, found in grouped(results):
        parts += [f"### {title}", table(found), notes(found)]
    return "\n\n".join(parts) + "\n"


def grouped(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """The results under their groups' titles, in the order of the rows; groups without any are left out."""
    groups = {title: {row.name for row in rows} for title, rows in GROUPS.items()}
    found = [(title, [r for r in results if r.name in names]) for title, names in groups.items()]
    return [(title, those) for title, those in found if those]
