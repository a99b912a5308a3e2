"""The outcome of `bisect`: as data, as text, as HTML, as a picture."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..node import Node
from .report import FAIL, INCONCLUSIVE, PASS, Row, count, plain_row, table

if TYPE_CHECKING:
    from ..draw.drawing import Drawing

FORWARD, REVERSE = "value", "gradient"
AROUND = 4  # rows shown before and after the first that parts


@dataclass(frozen=True)
class Bisection:
    """Two gradient computations of one network, node by node: true where none parts.

    Attributes
    ----------
    sides : (str, str)
        What was compared.
    kind : "gradient" or "value"
        What parts first: of two graphs, their numbers may do so before their gradients.
    first : Row or None
        The first node that parts, in the order of the reverse sweep (of the forward one where `kind` is "value").
    sender, derivation : str
        The op that sent its gradient, and by which derivation; the op that made its value.
    rows : list of Row
        The gradient of each node that was compared, in the order of the reverse sweep.
    values : list of Row
        Of two graphs: the numbers of each, in the order of the forward sweep.
    missing : list of str
        Nodes that were not compared: jumped over by a shortcut, or without counterpart.
    notes : list of str
    drawing : Drawing
        The graph: green agrees, red parts, grey was not compared.
    """

    sides: tuple[str, str]
    kind: str
    first: Row | None
    sender: str
    derivation: str
    rows: list[Row]
    values: list[Row]
    missing: list[str]
    notes: list[str]
    root: Node = field(repr=False)
    verdicts: Mapping[int, str] = field(repr=False)
    at: int | None = field(repr=False)

    @property
    def verdict(self) -> str:
        """FAIL, PASS, or INCONCLUSIVE where nothing could be told."""
        if self.first is not None:
            return FAIL
        return PASS if any(row.verdict == PASS for row in self.rows[1:]) else INCONCLUSIVE

    def __bool__(self) -> bool:
        return self.verdict == PASS

    def explain(self) -> str:
        """What parts first, in a sentence or two."""
        if self.first is None:
            return f"{len(self.rows)} nodes agree, as far as rounding lets them"
        if self.kind == FORWARD:
            before = [row.leaf for row in self.values].index(self.first.leaf)
            made = f", made by {self.sender}," if self.sender else ""
            text = f"the values part before the gradients: first at {self.first.leaf}{made} after {before} that agree"
        else:
            before = [row.leaf for row in self.rows].index(self.first.leaf)
            sent = f", sent by {self.sender} ('{self.derivation}')," if self.sender else ""
            text = f"the gradients first part at {self.first.leaf}{sent} after {before} nodes that agree"
        return f"{text}\n{self.first.explain()}"

    @cached_property
    def drawing(self) -> Drawing:
        """The whole graph; see `draw` for a part of a large one."""
        return self.draw()

    def draw(self, v: Node | None = None, *, limit: int = 500, rankdir: str = "LR") -> Drawing:
        """The graph that led to `v`, by default all of it: green agrees, red parts, grey was not compared.

        Raises
        ------
        ValueError
            If there are more than `limit` nodes.
        """
        from ..draw import style
        from ..draw.build import numbered
        from ..draw.drawing import Drawing

        graph, ids = numbered(self.root if v is None else v, limit=limit)
        colour = {PASS: style.AGREES, FAIL: style.PARTS}
        looks = {i: colour.get(self.verdicts.get(n, ""), style.UNCOMPARED) for n, i in ids.items()}
        marks = [("agrees", style.AGREES), ("parts", style.PARTS), ("not compared", style.UNCOMPARED)]
        if self.at in ids:
            looks[ids[self.at]] = style.FIRST
            marks.append(("double: parts first", style.PARTS))
        return Drawing.of(graph, rankdir=rankdir, looks=looks, marks=marks)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; numbers that are not finite as text."""
        return {
            "sides": list(self.sides),
            "passed": bool(self),
            "verdict": self.verdict,
            "kind": self.kind,
            "first": None if self.first is None else plain_row(self.first),
            "sender": self.sender,
            "derivation": self.derivation,
            "rows": [plain_row(row) for row in self.rows],
            "values": [plain_row(row) for row in self.values],
            "missing": list(self.missing),
            "notes": list(self.notes),
        }

    def _shown(self) -> list[list[str]]:
        """Cells of the rows around the first that parts."""
        rows = self.values if self.kind == FORWARD else self.rows
        at = rows.index(self.first) if self.first in rows else 0
        low, high = max(0, at - AROUND), at + AROUND + 1
        cells = [[r.leaf, f"{r.relative:.2g}", count(r.ulps), r.verdict + f", {r.note}" * bool(r.note)] for r in rows]
        above, below = [[f"… {low} before"]] * bool(low), [[f"… {len(rows) - high} more"]] * (len(rows) > high)
        return [[c[0], *([""] * 3)] if len(c) == 1 else c for c in [*above, *cells[low:high], *below]]

    def _title(self) -> str:
        return f"{self.sides[0]} against {self.sides[1]}: {self.verdict}"

    def _rest(self) -> list[str]:
        listed = ", ".join(self.missing[:8]) + ", …" * (len(self.missing) > 8)
        return [f"not compared: {listed}"] * bool(self.missing) + list(self.notes)

    def __repr__(self) -> str:
        return "\n".join([self._title(), self.explain(), *table([_HEAD, *self._shown()]), *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{h}</th>" for h in _HEAD)
        lines = [[html.escape(c) for c in cells] for cells in self._shown()]
        body = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in cells)}</tr>" for cells in lines)
        told = "<br>".join(html.escape(line) for line in [*self.explain().splitlines(), *self._rest()])
        return f"<p><b>{html.escape(self._title())}</b></p><p>{told}</p><table><tr>{head}</tr>{body}</table>"


_HEAD = ["node", "largest relative difference", "ulp", "verdict"]
