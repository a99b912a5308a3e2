"""Are these all the regions there are? Decisions make a tree; a branch not taken is either empty or still to be seen.

    untaken(paths)          the branches that no path took
    inside(decisions, ...)  a point at which decisions come out so, or that there is none

Decisions are inequalities. Linear ones are settled by linear programming in rational numbers; in others, whatever is
not linear counts as a variable of its own, so that "there is none" stays a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.solvers.simplex import InfeasibleLPError, lpmax

Path = tuple[tuple[Any, bool], ...]  # (expression, whether it is positive), in the order in which they were decided


def untaken(paths: Sequence[Path]) -> list[Path]:
    """The branches that no path took, each where the others part from it."""
    known = {path[:n] for path in paths for n in range(1, len(path) + 1)}
    flipped = [(*past[:-1], (past[-1][0], not past[-1][1])) for past in known]
    return sorted([past for past in flipped if past not in known], key=lambda past: (len(past), str(past)))


def inside(path: Path) -> dict[sympy.Symbol, Fraction] | None:
    """Values of symbols at which decisions come out as in `path`, if these are linear; None: no values do."""
    variables: dict[Any, sympy.Symbol] = {}
    margin = sympy.Dummy("margin")

    def linear(expr: Any) -> Any:
        total: Any = sympy.Integer(0)
        for monomial, coefficient in sympy.expand(expr).as_coefficients_dict().items():
            if monomial == 1:
                total += coefficient
            else:
                total += coefficient * variables.setdefault(monomial, sympy.Dummy(f"v{len(variables)}"))
        return total

    wanted = [linear(expr if positive else -expr) >= margin for expr, positive in path]
    wanted += [v >= margin for monomial, v in variables.items() if monomial.is_positive]
    wanted += [-v >= margin for monomial, v in variables.items() if monomial.is_negative]
    wanted += [v >= 0 for monomial, v in variables.items() if monomial.is_nonnegative]
    wanted += [v <= 0 for monomial, v in variables.items() if monomial.is_nonpositive]
    try:
        best, found = lpmax(margin, [*wanted, margin <= 1])
    except InfeasibleLPError:
        return None
    if best <= 0:
        return None
    values = {monomial: found.get(v, sympy.Integer(0)) for monomial, v in variables.items()}
    return {s: Fraction(int(x.p), int(x.q)) for s, x in values.items() if s.is_Symbol}


def inequality(difference: Any, positive: bool) -> str:
    """difference > 0, or < 0, as text."""
    return " > ".join(_sides(difference if positive else -difference))


def equality(difference: Any) -> str:
    """difference = 0, as text; the same for its negative."""
    return " = ".join(sorted(_sides(difference), reverse=True))


def _sides(difference: Any) -> tuple[str, str]:
    """Two sides whose difference it is, with nothing negative on either."""
    terms = sympy.Add.make_args(difference)
    left = sympy.Add(*[t for t in terms if not t.could_extract_minus_sign()])
    right = sympy.Add(*[-t for t in terms if t.could_extract_minus_sign()])
    return str(left), str(right)
