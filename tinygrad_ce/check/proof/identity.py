"""Is an expression zero? A proof for rational functions of exponentials, logarithms, roots and trigonometric functions.

An expression is rewritten as a rational function of symbols, in which exp(3x/2 + y) has become X³Y with X = exp(x/2),
Y = exp(y), and log((u + v)²/x) has become 2A − B with A = log(u + v), B = log x. Such atoms may depend on each other in
ways that are not known here, so that a zero may be missed; but where the rational function of independent atoms is
zero, the expression is zero wherever it is defined.

    canonical(expr)     that rational function, with its atoms
    is_zero(expr)       whether its numerator vanishes
    written(expr)       it, in a form for reading
    solved(equations)   linear equations, solved
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import lcm, prod
from typing import Any

import sympy
from sympy.polys.fields import FracField


@dataclass
class Atoms:
    """What stands for what: fresh symbols for exponentials, logarithms and the like."""

    symbols: dict[Any, sympy.Symbol] = field(default_factory=dict)
    meaning: dict[sympy.Symbol, Any] = field(default_factory=dict)
    relations: list[Any] = field(default_factory=list)  # polynomials that vanish
    roots: dict[Any, int] = field(default_factory=dict)  # of a monomial m: q, where exp(m/q) is the atom

    def atom(self, key: Any, meaning: Any) -> sympy.Symbol:
        if key not in self.symbols:
            symbol = sympy.Dummy(f"{len(self.symbols)}", positive=isinstance(meaning, sympy.exp) or None)
            self.symbols[key] = symbol
            self.meaning[symbol] = meaning
        return self.symbols[key]

    def back(self, expr: Any) -> Any:
        """The expression with every atom replaced by what it stands for."""
        for symbol in reversed(self.meaning):  # the youngest first: meanings use older atoms
            expr = expr.xreplace({symbol: self.meaning[symbol]})
        return expr

    # -- rewriting ---------------------------------------------------------------------------------------------

    def rational(self, expr: Any) -> Any:
        """The expression as a rational function of symbols."""
        if expr.is_Symbol or expr.is_Rational:
            return expr
        if expr.is_Add or expr.is_Mul:
            return expr.func(*[self.rational(x) for x in expr.args])
        if isinstance(expr, sympy.exp):
            return self._exp(expr.args[0])
        if expr.is_Pow:
            return self._power(*expr.args)
        if isinstance(expr, sympy.log):
            return self._log(reduced(self.rational(expr.args[0])))
        if isinstance(expr, (sympy.sinh, sympy.cosh, sympy.tanh)):
            return self.rational(expr.rewrite(sympy.exp))
        if isinstance(expr, sympy.tan):
            return self.rational(sympy.sin(expr.args[0]) / sympy.cos(expr.args[0]))
        if expr.args and not expr.is_number:
            return self._function(expr.func, [reduced(self.rational(x)) for x in expr.args])
        return self.atom(expr, expr)

    def _function(self, function: Any, args: Any) -> Any:
        symbol = self.atom((function, *args), function(*args))
        if function is sympy.sin:
            other = self.atom((sympy.cos, *args), sympy.cos(*args))
            self._relate(symbol**2 + other**2 - 1)
        return symbol

    def _relate(self, relation: Any) -> None:
        if relation not in self.relations:
            self.relations.append(relation)

    def _power(self, base: Any, exponent: Any) -> Any:
        if exponent.is_Integer:
            return self.rational(base) ** exponent
        if base.is_positive and not exponent.is_Rational:
            return self._exp(exponent * sympy.log(base))
        base = reduced(self.rational(base))
        if not exponent.is_Rational:
            exponent = reduced(self.rational(exponent))
            return self.atom(("power", base, exponent), base**exponent)
        root = self.atom(("root", base, exponent.q), sympy.root(base, exponent.q))
        top, bottom = sympy.fraction(base)
        self._relate(sympy.expand(root**exponent.q * bottom - top))
        return root**exponent.p

    def _exp(self, argument: Any) -> Any:
        """exp of a sum is a product: one factor for each monomial, to the power of its coefficient."""
        top, bottom = sympy.fraction(reduced(self.rational(argument)))
        product: Any = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(top)):
            coefficient, monomial = (term / bottom).as_coeff_Mul()
            meaning = self.meaning.get(monomial)
            if isinstance(meaning, sympy.log):  # exp(c log b) = b^c
                product *= self._power(meaning.args[0], coefficient)
                continue
            self.roots[monomial] = q = lcm(self.roots.get(monomial, 1), int(coefficient.q))
            product *= self.atom(("exp", monomial, q), sympy.exp(monomial / q)) ** (coefficient * q)
        return product

    def _log(self, argument: Any) -> Any:
        """log of a product is a sum over its factors, of which only the sizes matter: the argument is positive."""
        total: Any = sympy.Integer(0)
        for part, sign in zip(sympy.fraction(argument), (1, -1), strict=True):
            number, factors = sympy.factor_list(part)
            for rational, s in ((abs(number).p, sign), (abs(number).q, -sign)):
                for prime, power in sympy.factorint(rational).items():
                    total += s * power * self.atom(("log", prime), sympy.log(prime))
            for factor, power in factors:
                meaning = self.meaning.get(factor)
                if isinstance(meaning, sympy.exp):
                    total += sign * power * meaning.args[0]
                else:
                    total += sign * power * self.atom(("log", factor), sympy.log(factor))
        return total


def reduced(expr: Any) -> Any:
    """A rational function as a quotient without common factors."""
    if expr.is_Rational or expr.is_Symbol:
        return expr
    symbols = sorted(expr.free_symbols, key=sympy.default_sort_key)
    field = FracField(symbols, sympy.QQ, sympy.lex)
    generators = dict(zip(symbols, field.gens, strict=True))

    def element(e: Any) -> Any:
        if e.is_Symbol:
            return generators[e]
        if e.is_Rational:
            return field(sympy.QQ(e.p, e.q))
        if e.is_Pow:
            return element(e.base) ** int(e.exp)
        if not e.args:  # infinite, or nothing at all
            raise ZeroDivisionError
        parts = [element(x) for x in e.args]
        return sum(parts[1:], parts[0]) if e.is_Add else prod(parts[1:], start=parts[0])

    return element(expr).as_expr()


def canonical(expr: Any) -> tuple[Any, Atoms]:
    """The expression as a reduced rational function of atoms, and the atoms."""
    atoms = Atoms()
    rational = atoms.rational(expr)
    if any(q != 1 for q in atoms.roots.values()):  # now it is known which roots of exponentials there are
        atoms = Atoms(roots=atoms.roots)
        rational = atoms.rational(expr)
    return reduced(rational), atoms


def is_zero(expr: Any) -> bool:
    """Whether the expression is proved to be zero wherever it is defined; False where no proof was found."""
    if expr.is_zero:
        return True
    try:
        rational, atoms = canonical(expr)
    except ZeroDivisionError:  # it is defined nowhere
        return False
    if rational == 0:
        return True
    if atoms.relations:
        top = sympy.fraction(rational)[0]
        order = sorted(atoms.meaning, key=lambda s: -int(s.name))
        rest = sympy.reduced(top, atoms.relations, *order, *sorted(top.free_symbols - set(order), key=str))[1]
        return bool(rest == 0)
    return False


def written(expr: Any) -> Any:
    """The expression for reading: a sum over products of what stands outside exponentials, each quotient factored."""
    try:
        rational, atoms = canonical(expr)
    except ZeroDivisionError:
        return expr
    top, bottom = sympy.fraction(rational)
    used = set().union(*[m.free_symbols for m in atoms.meaning.values()]) if atoms.meaning else set()
    outside = sorted(top.free_symbols - set(atoms.meaning) - used, key=str)
    if not outside:
        return atoms.back(sympy.factor(rational))
    terms = sympy.Poly(top, *outside).terms()
    total = [
        sympy.factor(sympy.cancel(c / bottom)) * sympy.prod([s**n for s, n in zip(outside, powers, strict=True)])
        for powers, c in terms
    ]
    return atoms.back(sympy.Add(*total))


def solved(equations: Sequence[Any]) -> tuple[dict[sympy.Symbol, Any], bool]:
    """Equations `e = 0` solved for a symbol each, where one is linear in it; and whether they contradict each other."""
    solution: dict[sympy.Symbol, Any] = {}
    for equation in equations:
        left = sympy.expand(equation.xreplace(solution))
        if left.is_number:
            if left != 0:
                return {}, True
            continue
        for symbol in sorted(left.free_symbols, key=str, reverse=True):
            slope = sympy.diff(left, symbol)
            if slope.is_number:
                value = sympy.expand(symbol - left / slope)
                solution = {s: v.xreplace({symbol: value}) for s, v in solution.items()} | {symbol: value}
                break
        else:
            return {}, False
    return solution, False
