"""What `prove` says: theorems about a rule and the function it is a rule of, as data, as text and for notebooks."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

_MANY = 8  # borders that are listed
PROVED, REFUTED, UNDECIDED = "PROVED", "REFUTED", "UNDECIDED"


@dataclass(frozen=True)
class Counterexample:
    """A point where a rule gives something else than the derivative.

    Attributes
    ----------
    point : dict
        By symbol: its value, a fraction as text.
    entry : str
        The symbol that the gradient is taken in.
    rule, derivative : str
        The two numbers, to 12 digits.
    mended : dict or None
        What changes at the point to make the hypothesis hold; then both are the number `agreed`.
    agreed : str or None
    """

    point: dict[str, str]
    entry: str
    rule: str
    derivative: str
    mended: dict[str, str] | None = None
    agreed: str | None = None

    def __str__(self) -> str:
        text = (
            f"at {_listed(self.point)}: in {self.entry} the rule gives {self.rule}, the derivative is {self.derivative}"
        )
        if self.mended:
            text += f"; with {_listed(self.mended)}, where the hypothesis holds, both are {self.agreed}"
        return text


@dataclass(frozen=True)
class Theorem:
    """The gradient in one input, for one kind of inputs.

    Attributes
    ----------
    input : str
        The symbol of the input.
    case : str
        Of what kind the others are ("targets = [0]"); "" where there is but one.
    verdict : "PROVED", "REFUTED" or "UNDECIDED"
    pieces : tuple of str
        The regions on each of which it was shown; one, "", where nothing branches.
    exhaustive : bool
        Whether these regions are shown to be all there are, but for their borders.
    borders : tuple of str
        Equations of points that are left out: two numbers are equal there that the code compares.
    formula : str
        The rule for one entry, piece by piece where there are few.
    derivative : str
        The derivative in that entry, where it is another.
    latex : str
    hypotheses : tuple of str
        What it takes for the two to be equal; empty where they always are.
    counterexample : Counterexample or None
        Where it fails, or would fail without the hypotheses.
    evidence : str
        What numbers say where symbols did not decide. It is no proof.
    """

    input: str
    case: str
    verdict: str
    pieces: tuple[str, ...]
    exhaustive: bool
    borders: tuple[str, ...] = ()
    formula: str = ""
    derivative: str = ""
    latex: str = ""
    hypotheses: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    evidence: str = ""

    def lines(self, pieces: bool = True) -> list[str]:
        """The theorem as text; `pieces` says whether to list its regions."""
        head = f"{self.verdict}  gradient in {self.input}" + (f", {self.case}" if self.case else "")
        head += f", where {' and '.join(self.hypotheses)}" if self.hypotheses else ""
        if self.pieces != ("",):
            listed = "; ".join(self.pieces) if pieces and len(self.pieces) <= 4 else ""
            head += f", in each of {len(self.pieces)} regions" + (f" ({listed})" if listed else "")
            head += "" if self.exhaustive else " found"
        lines = [head]
        if self.formula:
            lines.append(f"    {'the rule: ' if self.derivative else ''}{_short(self.formula)}")
        if self.derivative:
            lines.append(f"    the derivative: {_short(self.derivative)}")
        if self.counterexample is not None:
            lead = "false without the hypothesis: " if self.hypotheses and self.verdict == PROVED else ""
            lines.append(f"    {lead}{self.counterexample}")
        return lines + ([f"    {self.evidence}"] if self.evidence else [])


@dataclass(frozen=True)
class Proof:
    """The outcome of `prove`: true when every theorem is proved.

    Attributes
    ----------
    op, derivation, rule : str
        The op, the derivation, and its formula as declared.
    statement : str
        The theorem in words.
    theorems : tuple of Theorem
        One for each input that has a gradient and each kind of inputs.
    """

    op: str
    derivation: str
    rule: str
    statement: str
    theorems: tuple[Theorem, ...]

    @property
    def verdict(self) -> str:
        found = {t.verdict for t in self.theorems}
        return REFUTED if REFUTED in found else UNDECIDED if UNDECIDED in found or not found else PROVED

    def __bool__(self) -> bool:
        return self.verdict == PROVED

    @property
    def _kind(self) -> str:
        return "Theorem" if self else "Claim"

    @property
    def counterexample(self) -> Counterexample | None:
        """The first one, of a theorem that is refuted rather than of one that needs its hypothesis."""
        ranked = sorted(self.theorems, key=lambda t: t.verdict != REFUTED)
        return next((t.counterexample for t in ranked if t.counterexample is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        facts = asdict(self)
        facts["theorems"] = [
            {k: list(v) if isinstance(v, tuple) else v for k, v in t.items()} for t in facts["theorems"]
        ]
        return {**facts, "verdict": self.verdict, "proved": bool(self)}

    def __repr__(self) -> str:
        lines = [f"{self._kind}. {self.statement.replace(': ', f':{chr(10)}  ', 1)}", self.verdict]
        listed: set[tuple[str, ...]] = set()
        for theorem in self.theorems:
            lines += [f"  {line}" for line in theorem.lines(pieces=theorem.pieces not in listed)]
            listed.add(theorem.pieces)
        return "\n".join([*lines, *self._left_out()])

    def _left_out(self) -> list[str]:
        borders = list(dict.fromkeys([b for t in self.theorems for b in t.borders]))
        more = f" and {len(borders) - _MANY} more" if len(borders) > _MANY else ""
        return [f"left out: points where {', '.join(borders[:_MANY])}{more}"] if borders else []

    def _repr_html_(self) -> str:
        items = []
        for theorem in self.theorems:
            head, *rest = theorem.lines()
            if theorem.latex and not theorem.derivative:
                rest = rest[1:]
            shown = "" if theorem.derivative or not theorem.latex else f"$${theorem.latex}$$"
            items.append(f"<li>{html.escape(head)}{shown}{''.join(f'<br>{html.escape(x)}' for x in rest)}</li>")
        notes = html.escape("".join(self._left_out()))
        title = f"<b>{self._kind}.</b> {html.escape(self.statement)} <b>{self.verdict}</b>"
        return f"<p>{title}</p><ul>{''.join(items)}</ul><p>{notes}</p>"


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:180]} … ({len(text)} characters)"


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{k} = {v}" for k, v in values.items())
