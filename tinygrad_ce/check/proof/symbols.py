"""Symbols for NumPy's object arrays: SymPy expressions that know their value at one point, so that code can branch.

A comparison is decided by the values at the point, and noted: what the expression says then holds in the whole
*region* where the noted comparisons come out alike (x > 0; z0 the largest). So `max`, `argmax`, `where` and `abs` need
no symbolic form, and a piecewise function is proved piece by piece.

    Region      a point, and the decisions taken there
    Probe       a number that only notes how comparisons come out: which region a point lies in
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import sympy

from ...capture import Arithmetic
from ...ops import stop_gradient
from ..numbers import KERNELS, MATH, Exact, Number, lifted
from .identity import is_zero
from .regions import Path, inequality

DIGITS = 60
CONSTANTS = (
    *(sympy.log(2), sympy.log(10), sympy.pi, 1 / sympy.pi, sympy.sqrt(sympy.pi), 1 / sympy.sqrt(sympy.pi)),
    *(sympy.sqrt(2), sympy.sqrt(2) / sympy.sqrt(sympy.pi), 1 / sympy.sqrt(2 * sympy.pi)),
)
_TIE = mpmath.mpf(10) ** -40

SYMPY: Mapping[str, Any] = MappingProxyType(
    {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "power": lambda x, y: x**y,
        "negative": lambda x: -x,
        "sqrt": sympy.sqrt,
        "cbrt": lambda x: sympy.root(x, 3),
        "exp": sympy.exp,
        "exp2": lambda x: 2**x,
        "expm1": lambda x: sympy.exp(x) - 1,
        "log": sympy.log,
        "log2": lambda x: sympy.log(x) / sympy.log(2),
        "log10": lambda x: sympy.log(x) / sympy.log(10),
        "log1p": lambda x: sympy.log(1 + x),
        "sin": sympy.sin,
        "cos": sympy.cos,
        "tan": sympy.tan,
        "arcsin": sympy.asin,
        "arccos": sympy.acos,
        "arctan": sympy.atan,
        "sinh": sympy.sinh,
        "cosh": sympy.cosh,
        "tanh": sympy.tanh,
        "arcsinh": sympy.asinh,
        "arccosh": sympy.acosh,
        "arctanh": sympy.atanh,
        "arctan2": sympy.atan2,
        "erf": sympy.erf,
        "erfc": sympy.erfc,
    }
)


class Tie(Exception):
    """Two quantities are equal at the point, though not in general: it lies on no side."""


class Region:
    """The region of one point.

    Attributes
    ----------
    point : dict
        The value of every symbol, an mpmath number.
    decisions : dict
        By expression: whether it is positive here.
    apart : set
        Expressions that code compared with 0, which they are on the borders of regions only.
    frozen : dict
        By symbol: the expression that it stands for, and whose slope is none: under `stop_gradient`, or a floor.
    """

    def __init__(self, point: Mapping[sympy.Symbol, Any]) -> None:
        self.point = dict(point)
        self.decisions: dict[Any, bool] = {}
        self.apart: set[Any] = set()
        self.frozen: dict[sympy.Symbol, Any] = {}
        self.number: Any = type("Symbolic", (Symbolic,), {"region": self, "__slots__": ()})
        lift = lifted(self.number)
        self.arithmetic = Arithmetic(np.dtype(object), lift, KERNELS)
        freeze = np.frompyfunc(self.stand_in, 1, 1)
        self.holding = Arithmetic(  # the same, with what is under stop_gradient held as symbols of its own
            np.dtype(object), lift, {**KERNELS, stop_gradient: lambda x: np.asarray(freeze(lift(x)), dtype=object)}
        )

    @property
    def text(self) -> str:
        """The decisions, as inequalities."""
        return " and ".join(inequality(d, positive) for d, positive in self.decisions.items())

    @property
    def path(self) -> Path:
        """The decisions, in order."""
        return tuple(self.decisions.items())

    def array(self, symbols: Any) -> Any:
        """An object array of symbols as numbers of this region."""
        return np.asarray(np.frompyfunc(lambda s: self.number(s, self.point[s]), 1, 1)(symbols), dtype=object)

    def thawed(self, expr: Any) -> Any:
        """The expression, with what was frozen put back."""
        for symbol in reversed(self.frozen):
            expr = expr.xreplace({symbol: self.frozen[symbol]})
        return expr

    def stand_in(self, x: Symbolic) -> Symbolic:
        """A symbol in place of an expression, whose slope does not count."""
        if x.expr.is_number:
            return x
        symbol = sympy.Dummy("held", real=True)
        self.frozen[symbol] = x.expr
        return self.number(symbol, x.value)

    def sign(self, x: Symbolic, y: Symbolic, noted: bool = True) -> int:
        """The sign of x − y at the point, 2 for nan; noted where it might be another elsewhere."""
        if mpmath.isnan(x.value) or mpmath.isnan(y.value):
            return 2
        if x.expr == y.expr:
            return 0
        gap = x.value - y.value
        if mpmath.isinf(gap):
            return int(mpmath.sign(gap))
        difference = self.thawed(x.expr - y.expr)
        if difference.is_number:
            return int(mpmath.sign(gap)) if abs(gap) > _TIE else 0
        if abs(gap) <= _TIE * (abs(x.value) + abs(y.value)):
            if is_zero(difference):
                return 0
            raise Tie(difference)
        if not (difference.is_positive or difference.is_negative):
            self.apart.add(difference)
            known = difference.is_nonnegative or difference.is_nonpositive
            if noted and not known and -difference not in self.decisions:
                self.decisions[difference] = bool(gap > 0)
        return 1 if gap > 0 else -1

    def settled(self, expr: Any) -> Any:
        """The expression with each |x| as x or −x, whichever it is here."""
        for size in expr.atoms(sympy.Abs):
            inner = size.args[0]
            number = self.number(inner, mpmath.mpf(self.thawed(inner).evalf(DIGITS, subs=self.point)))
            expr = expr.xreplace({size: inner if self.sign(number, self.number.of(0)) >= 0 else -inner})
        return expr


class Symbolic(Number):
    """An expression, and its value at the region's point."""

    __slots__ = ("expr", "value")
    region: Region

    def __init__(self, expr: Any, value: Any) -> None:
        self.expr = expr
        self.value = value

    @classmethod
    def of(cls, x: Any) -> Any:
        if isinstance(x, Symbolic):
            return x
        number = Exact.of(x)
        if number is NotImplemented:
            return number
        if mpmath.isnan(number.value):
            return cls(sympy.nan, number.value)
        if mpmath.isinf(number.value):
            return cls(sympy.oo * int(mpmath.sign(number.value)), number.value)
        expr = simplest(x)
        return cls(expr, mpmath.mpmathify(sympy.N(expr, DIGITS)))

    def apply(self, name: str, args: Sequence[Any]) -> Any:
        if name == "floor":
            return self._floor()
        if name == "cbrt" and self < 0:
            return -(-self).cbrt()
        expr = SYMPY[name](*[x.expr for x in args])
        return type(self)(self.region.settled(expr), MATH[name](*[x.value for x in args]))

    def _floor(self) -> Symbolic:
        """⌊x⌋ as a symbol of its own: wherever it has a slope, that is 0."""
        number = mpmath.floor(self.value)
        if self.expr.is_number:
            return self.of(int(number))
        return self.region.stand_in(type(self)(sympy.floor(self.region.thawed(self.expr)), number))

    def less(self, other: Any) -> bool:
        return self.region.sign(self, other) < 0

    def same(self, other: Any) -> bool:
        return self.region.sign(self, other, noted=False) == 0

    def __int__(self) -> int:
        n = self.of(int(mpmath.floor(self.value)))  # in a region of its own: n ≤ x < n + 1
        self.region.sign(self, n)
        self.region.sign(self, self.of(int(n.value) + 1))
        return int(n.value)

    def __repr__(self) -> str:
        return str(self.expr)


class Probe(Exact):
    """A number that writes down how each comparison comes out, in `outcomes` of its class."""

    __slots__ = ()
    outcomes: list[bool]

    def apply(self, name: str, args: Sequence[Any]) -> Any:
        if name == "floor":
            n = MATH[name](args[0].value)
            self.outcomes.append(n)
            return type(self)(n)
        return type(self)(MATH[name](*[x.value for x in args]))

    def less(self, other: Any) -> bool:
        self.outcomes.append(bool(self.value < other.value))
        return self.outcomes[-1]


def probing() -> tuple[list[Any], Arithmetic]:
    """An arithmetic of Probes, and the list in which their outcomes gather."""
    outcomes: list[Any] = []
    kind = type("Probe", (Probe,), {"outcomes": outcomes, "__slots__": ()})
    return outcomes, Arithmetic(np.dtype(object), lifted(kind), KERNELS)


def simplest(x: Any) -> sympy.Expr:
    """A number as the simplest fraction that rounds to it: 0.1 is read as 1/10, which was meant.

    Where there is none, as a simple multiple of a constant, if one rounds to it: 0.6931471805599453 is log 2.
    """
    exact = Fraction(int(x)) if isinstance(x, (int, np.integer, np.bool_)) else Fraction(float(x))
    simple = exact.limit_denominator(10**6)
    if float(simple) == float(exact):
        return sympy.Rational(simple.numerator, simple.denominator)
    for constant in CONSTANTS:
        times = Fraction(float(exact) / float(constant)).limit_denominator(1000)
        product = sympy.Rational(times.numerator, times.denominator) * constant
        if float(product) == float(exact):
            return product
    return sympy.Rational(exact.numerator, exact.denominator)
