"""What the referee says, as data and as text."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..derivation import AUTODIFF

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"


@dataclass(frozen=True)
class Row:
    """Two derivations of one leaf's gradient, at the entry where they differ most for their error bars.

    Attributes
    ----------
    leaf, derivation, reference : str
        A leaf; an inner node's name where it parts and no leaf shows it.
    verdict : "PASS", "FAIL" or "INCONCLUSIVE"
    note : str
        What else there is to say: digits lost, and whether the derivation declares it.
    relative, ulps : float
        The largest difference of two entries, relative to the larger one, and in units of its last place.
    lost : float
        Decimal digits lost by the less accurate of the two, beyond its input's conditioning.
    index : tuple of int
        The worst entry, with both numbers and the sum of their error bars:
    value, reference_value : float or complex
    bar : float
    """

    leaf: str
    derivation: str
    reference: str
    verdict: str
    note: str
    relative: float
    ulps: float
    lost: float
    index: tuple[int, ...]
    value: float | complex
    reference_value: float | complex
    bar: float

    @property
    def where(self) -> str:
        """The worst entry, as text: weight[2, 3]."""
        return self.leaf + (f"[{', '.join(map(str, self.index))}]" if self.index else "")

    def explain(self) -> str:
        """The worst entry in a sentence."""
        return (
            f"{self.where}: {self.derivation} says {self.value!r}, {self.reference} {self.reference_value!r}; "
            f"rounding explains a difference of {self.bar:.2g}"
        )


@dataclass(frozen=True)
class Parting:
    """The first node, in the order of the reverse sweep, at which two derivations part.

    Attributes
    ----------
    row : Row
        The node's gradient by the two.
    sender, derivation : str
        The op that sent it, and by which derivation.
    agreed, nodes : int
        How many nodes came before it, and how many were compared.
    unseen : bool
        Whether no leaf shows it: what went wrong is multiplied by 0 later on.
    """

    row: Row
    sender: str
    derivation: str
    agreed: int
    nodes: int
    unseen: bool = False

    def explain(self) -> str:
        """In a sentence."""
        r = self.row
        sent = f", sent by {self.sender} ('{self.derivation}')" if self.sender else ""
        after = f"after {self.agreed} of {self.nodes} nodes" + ("; no leaf shows it" if self.unseen else "")
        return f"{r.derivation} and {r.reference} first part at {r.leaf}{sent}, {after}"


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare_derivations`: true when some row passed and none failed."""

    subject: str
    derivations: tuple[str, ...]
    rows: list[Row]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    partings: tuple[Parting, ...] = ()

    def __bool__(self) -> bool:
        verdicts = {row.verdict for row in self.rows}
        return PASS in verdicts and FAIL not in verdicts

    @property
    def failures(self) -> list[Row]:
        return [row for row in self.rows if row.verdict == FAIL]

    @property
    def suspects(self) -> list[str]:
        """The derivations that disagree with most others: where the mistake probably is.

        Where it is one word against the decomposition's, the decomposition is believed: it defines the op.
        """
        against = dict.fromkeys(self.derivations, 0)
        for row in self.failures:
            against[row.derivation] += 1
            against[row.reference] += 1
        most = max(against.values(), default=0)
        worst = [name for name, n in against.items() if most and n == most]
        return [name for name in worst if name != AUTODIFF] or worst

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; numbers that are not finite as text."""
        return {
            "subject": self.subject,
            "passed": bool(self),
            "derivations": list(self.derivations),
            "suspects": self.suspects,
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
            "rows": [plain_row(row) for row in self.rows],
            "partings": [{**asdict(p), "row": plain_row(p.row)} for p in self.partings],
        }

    def __repr__(self) -> str:
        lines = [f"derivations of {self.subject}: {self._verdict()}"]
        lines += table([_HEAD, *[_cells(row) for row in self.rows]])
        lines += [f"  {row.explain()}" for row in self.failures]
        lines += [p.explain() for p in self.partings]
        lines += [f"not compared: {name}: {why}" for name, why in self.skipped.items()]
        lines += self.notes
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{h}</th>" for h in _HEAD)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in _cells(row)) + "</tr>" for row in self.rows
        )
        rest = [row.explain() for row in self.failures] + [p.explain() for p in self.partings]
        rest += [f"not compared: {name}: {why}" for name, why in self.skipped.items()] + list(self.notes)
        tail = "".join(f"<br>{html.escape(line)}" for line in rest)
        title = html.escape(f"derivations of {self.subject}: {self._verdict()}")
        return f"<p><b>{title}</b></p><table><tr>{head}</tr>{body}</table><p>{tail}</p>"

    def _verdict(self) -> str:
        if not self.rows:
            return "nothing compared"
        if self:
            return PASS
        if not self.failures:
            return INCONCLUSIVE
        suspects = self.suspects
        if len(suspects) == 1:
            return f"{FAIL}: '{suspects[0]}' disagrees with the others"
        return f"{FAIL}: {' and '.join(repr(s) for s in suspects)} disagree"


_HEAD = ["leaf", "derivation", "against", "largest relative difference", "ulp", "verdict"]


def _cells(row: Row) -> list[str]:
    verdict = row.verdict + (f", {row.note}" if row.note else "")
    return [row.leaf, row.derivation, row.reference, f"{row.relative:.2g}", count(row.ulps), verdict]


def count(ulps: float) -> str:
    """A number of ulps: whole while it is small."""
    return f"{ulps:.0f}" if ulps < 1e5 else f"{ulps:.1e}"


def table(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines of text, column by column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def plain_row(row: Row) -> dict[str, Any]:
    """A row as plain data."""
    return {k: _plain(v) for k, v in asdict(row).items()}


def _plain(x: Any) -> Any:
    if isinstance(x, tuple):
        return list(x)
    return str(x) if isinstance(x, complex) or (isinstance(x, float) and not np.isfinite(x)) else x
