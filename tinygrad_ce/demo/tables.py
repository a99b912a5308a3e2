"""The demo's numbers as a student reads them: tables, each with a sentence that says what to see in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..check import Comparison
from .parting import Line, Parting

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDEST_NAME = 12
_CORNER = "true \\ predicted"
_VERDICTS = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}


def shown(text: str, width: int = 200) -> str:
    """Text from a file, safe to print: no control characters, no markup, not too long."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return escape(clean if len(clean) <= width else clean[: width - 1] + "…")


# -- the confusion matrix --------------------------------------------------------------------------------


def confusion_table(matrix: NDArray[np.int64], names: Sequence[str], width: int) -> RenderableType:
    """The matrix, or, where it is too wide, the classes most often taken for others."""
    labels = [shown(name, _WIDEST_NAME) for name in names]
    longest = len(str(matrix.max()))
    if len(_CORNER) + 2 + sum(max(len(label), longest) + 2 for label in labels) > width:
        return _confused_pairs(matrix, labels)
    table = _table()
    table.add_column(_CORNER, style="bold", no_wrap=True)
    for label in labels:
        table.add_column(label, justify="right", no_wrap=True)
    for i, row in enumerate(matrix):
        table.add_row(labels[i], *[_cell(int(n), i == j) for j, n in enumerate(row)])
    return table


def _cell(count: int, right: bool) -> Text:
    if not count:
        return Text(".", "dim")
    return Text(str(count), "green" if right else "bold red")


def _confused_pairs(matrix: NDArray[np.int64], labels: Sequence[str], shown_pairs: int = 10) -> RenderableType:
    mistakes = matrix - np.diag(np.diag(matrix))
    order = [int(k) for k in np.argsort(-mistakes, axis=None, kind="stable")[:shown_pairs]]
    pairs = [divmod(k, len(labels)) for k in order if mistakes.flat[k]]
    if not pairs:
        return Text("No class was taken for another.")
    table = _table("true class", "taken for", "times", "of")
    for i, j in pairs:
        table.add_row(labels[i], labels[j], str(mistakes[i, j]), str(matrix[i].sum()))
    return table


# -- derivations -----------------------------------------------------------------------------------------


def comparison_table(comparison: Comparison) -> RenderableType:
    """Each parameter's gradient by each derivation, against the reference."""
    table = _table("parameter", "derivation", "largest relative\ndifference", "in ulp", "verdict")
    table.columns[2].justify = table.columns[3].justify = "right"
    before = ""
    for row in comparison.rows:
        if before and row.leaf != before:
            table.add_section()
        verdict = Text(row.verdict, _VERDICTS.get(row.verdict, ""))
        verdict.append(f"  {row.note}" if row.note else "", "dim")
        name = "" if row.leaf == before else shown(row.leaf, 24)
        table.add_row(name, row.derivation, f"{row.relative:.1e}", _ulps(row.ulps), verdict)
        before = row.leaf
    troubles = [f"{shown(row.explain())}" for row in comparison.failures]
    troubles += [f"not compared: {name}: {shown(why)}" for name, why in comparison.skipped.items()]
    return Group(table, *troubles)


def _ulps(ulps: float) -> str:
    return f"{ulps:,.0f}" if ulps < 1e7 else f"{ulps:.1e}"


def parting_table(parting: Parting) -> RenderableType:
    """The gradient at the true class, by both derivations, as the answers grow confident."""
    table = _table("answer", "logits", "gap", "ŷ − y (analytic)", "stable", "digits\nof 16")
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    for before, line in zip([None, *parting.lines], parting.lines, strict=False):
        new = before is None or before.right != line.right
        if before is not None and new:
            table.add_section()
        name = ("right" if line.right else "wrong") if new else ""
        digits = Text(str(line.digits), "green" if line.digits > 8 else "red")
        scale, gap = f"× {line.scale:.1f}", f"{line.gap:.1f}"
        table.add_row(name, scale, gap, _judged(line), repr(line.stable), digits)
    return table


def _judged(line: Line) -> Text:
    """The number, its right digits in green and the others in red."""
    mantissa, e, exponent = repr(line.analytic).partition("e")
    text, kept = Text(), line.digits
    significant = False
    for c in mantissa:
        significant = significant or c in "123456789"
        lost = kept <= 0 and (significant or not line.digits)
        text.append(c, "red" if lost and c.isdigit() else "green")
        kept -= significant and c.isdigit()
    return text.append(e + exponent, "red" if not line.digits else "green")


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading)
    return table
