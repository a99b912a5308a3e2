"""From the pieces to theorems: the difference of the two gradients is proved zero, or a point shown where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath
import sympy

from .identity import is_zero, solved, written
from .pieces import Piece, Point, Setting, Solution, at, value
from .regions import Path, equality, inequality
from .subject import Case, Subject
from .symbols import DIGITS
from .theorem import PROVED, REFUTED, UNDECIDED, Counterexample, Theorem

_SMALL = 200  # operations, up to which sympy.simplify is tried where there is no quicker proof
_EQUAL = mpmath.mpf(10) ** -40
_FEW = 4  # pieces whose formulas are shown, where they differ


def theorems(subject: Subject, case: Case) -> list[Theorem]:
    """One for each input that may have a gradient."""
    with mpmath.workdps(DIGITS):
        setting = Setting(subject, case)
        pieces, unseen = setting.pieces()
        return [_Argument(setting, pieces, unseen, i).theorem() for i in setting.moving]


class _Argument:
    """The gradient in one input."""

    def __init__(self, setting: Setting, pieces: Sequence[Piece], unseen: Sequence[Path], i: int) -> None:
        self.setting, self.pieces, self.unseen, self.i = setting, pieces, unseen, i
        self.solution, self.excluded = solved(pieces[0].equations)
        self.facts: dict[str, Any] = {
            "input": setting.case.names[i],
            "case": setting.case.text,
            "pieces": tuple([p.region.text for p in pieces]),
            "exhaustive": not unseen,
            "borders": tuple(sorted({equality(d) for p in pieces for d in p.region.apart})),
        }

    def theorem(self) -> Theorem:
        rule, symbols = self.pieces[0].rule[self.i], self.setting.symbols[self.i]
        if rule is not None and rule.shape != symbols.shape:
            evidence = f"the rule returns shape {rule.shape} for an input of shape {symbols.shape}"
            return Theorem(verdict=REFUTED, evidence=evidence, **self.facts)
        free = [self._equal(piece, {}) for piece in self.pieces]
        if all(free):
            return Theorem(**self._proved(), **self._written(self.pieces, {}, both=False), **self.facts)
        if not self.solution or not all(
            f or self._equal(p, self.solution) for f, p in zip(free, self.pieces, strict=True)
        ):
            return self._by_numbers()
        return Theorem(
            **self._proved(),
            hypotheses=tuple([a.text for a in self.setting.assumes]),
            counterexample=self._needed(self.pieces[free.index(False)]),
            **self._written(self.pieces, self.solution, both=False),
            **self.facts,
        )

    def _proved(self) -> dict[str, Any]:
        """The verdict where it holds in every piece: but there may be others."""
        if not self.unseen:
            return {"verdict": PROVED}
        condition = " and ".join([inequality(d, positive) for d, positive in self.unseen[0]])
        return {
            "verdict": UNDECIDED,
            "evidence": f"proved in each of these regions; whether there are points where {condition} is not known",
        }

    def _equal(self, piece: Piece, solution: Solution) -> bool:
        """Whether rule and derivative are proved equal in a region, where the solution holds."""
        point = {**piece.point, **at(solution, piece.point)}
        entries = piece.entries(self.i)
        if any(_differ(value(rule, point), value(derivative, point)) for _, rule, derivative in entries):
            return False  # quicker than looking for a proof in vain
        for _, rule, derivative in entries:
            difference = (rule - derivative).xreplace(dict(solution))
            if not is_zero(difference) and not (difference.count_ops() < _SMALL and sympy.simplify(difference) == 0):
                return False
        return True

    def _by_numbers(self) -> Theorem:
        """A counterexample; or evidence, where symbols gave no proof and numbers no counterexample."""
        agreed, points = mpmath.mpf(0), 0
        elsewhere: tuple[Piece, int, Counterexample] | None = None  # where what is assumed does not hold
        for piece in self.pieces:
            for point in self.setting.points_in(piece, self.solution):
                points += 1
                for n, (symbol, rule, derivative) in enumerate(piece.entries(self.i)):
                    a, b = value(rule, point), value(derivative, point)
                    if _differ(a, b):
                        found = piece, n, Counterexample(_shown(point), str(symbol), _digits(a), _digits(b))
                        if self.excluded or self.setting.assumed(point):
                            return self._refuted(*found)
                        elsewhere = elsewhere or found
                    elif a == a and b == b:
                        agreed = max(agreed, abs(a - b) / max(abs(a), abs(b), 1))
        if elsewhere is None:
            evidence = (
                f"no proof was found; at {points} random points the two agree to {mpmath.nstr(agreed, 2)} in "
                f"{DIGITS}-digit arithmetic, which is evidence and no proof"
            )
            return self._undecided(self.pieces, 0, evidence)
        piece, n, found_there = elsewhere
        evidence = (
            f"no proof was found under what it assumes, {self._assumes()}; false where that fails, {found_there}. "
            f"Assumption(text, predicate, equations) says it in symbols"
        )
        return self._undecided([piece], n, evidence)

    def _refuted(self, piece: Piece, n: int, counterexample: Counterexample) -> Theorem:
        evidence = f"what it assumes, {self._assumes()}, excludes these options" if self.excluded else ""
        shown = self._written([piece], self.solution, n)
        return Theorem(verdict=REFUTED, counterexample=counterexample, evidence=evidence, **shown, **self.facts)

    def _undecided(self, pieces: Sequence[Piece], n: int, evidence: str) -> Theorem:
        return Theorem(verdict=UNDECIDED, evidence=evidence, **self._written(pieces, self.solution, n), **self.facts)

    def _assumes(self) -> str:
        return " and ".join([a.text for a in self.setting.assumes])

    def _needed(self, piece: Piece) -> Counterexample | None:
        """Where the two differ unless the solution holds, and their number where it does."""
        found = None
        involved = set(self.solution).union(*[expr.free_symbols for expr in self.solution.values()])
        for point in self.setting.points_in(piece, {}):
            mended = at(self.solution, point)
            plausible = all({**point, **mended}[s] > 0 for s in involved)  # Σy = 1 with y > 0: easier to believe
            for symbol, rule, derivative in piece.entries(self.i) if plausible or found is None else ():
                a, b = value(rule, point), value(derivative, point)
                if _differ(a, b):
                    both = _digits(value(derivative, {**point, **mended}))
                    found = Counterexample(_shown(point), str(symbol), _digits(a), _digits(b), _shown(mended), both)
                    if plausible:
                        return found
                    break
        return found

    def _written(self, pieces: Sequence[Piece], solution: Solution, n: int = 0, both: bool = True) -> dict[str, Any]:
        """The n-th entry for reading: by rule, by derivative (if `both`) where that is another, and in LaTeX."""
        g, symbol = self.setting.g, self.setting.symbols[self.i].flat[n]
        one = {g.item(): sympy.Symbol("g")} if g.size == 1 else {}

        def formula(piece: Piece, side: int) -> Any:
            return written(piece.entries(self.i)[n][side].xreplace(dict(solution))).xreplace(one)

        alike = self._alike(pieces, solution, n)
        few = pieces[:1] if alike or len(pieces) > _FEW else pieces
        parts = [(formula(p, 1), "" if alike else p.region.text) for p in few]
        left = f"g ∂out/∂{symbol}" if one else f"∂⟨g, out⟩/∂{symbol}"
        top = r"g\,\partial\,\mathrm{out}" if one else r"\partial\,\langle g, \mathrm{out}\rangle"
        tex = r" \\ ".join([sympy.latex(f) + (rf" & {where}" if where else "") for f, where in parts])
        tex = tex if len(parts) == 1 else rf"\begin{{cases}}{tex}\end{{cases}}"
        derivative = formula(few[0], 2) if both else parts[0][0]
        return {
            "formula": f"{left} = {'; '.join([str(f) + (f' where {where}' if where else '') for f, where in parts])}",
            "derivative": f"{left} = {derivative}" if derivative != parts[0][0] else "",
            "latex": rf"\frac{{{top}}}{{\partial\,{sympy.latex(symbol)}}} = {tex}",
        }

    def _alike(self, pieces: Sequence[Piece], solution: Solution, n: int) -> bool:
        """Whether the rule's n-th entry is one formula in all pieces, as far as their points tell."""
        first = pieces[0].entries(self.i)[n][1]
        points = [{**piece.point, **at(solution, piece.point)} for piece in pieces]
        return not any(
            _differ(value(first, point), value(piece.entries(self.i)[n][1], point))
            for piece, point in zip(pieces, points, strict=True)
        )


def _differ(a: Any, b: Any) -> bool:
    """Whether two numbers are not the same; False where one of them is not defined."""
    return bool(abs(a - b) > _EQUAL * max(abs(a), abs(b), 1))


def _digits(x: Any) -> str:
    return str(mpmath.nstr(x, 12))


def _shown(point: Point) -> dict[str, str]:
    return {str(s): str(x) for s, x in point.items()}
