"""Formulas as small trees: built from ops, simplified a little, and written as text or as LaTeX.

    symbol, number, apply       how trees are made
    Expr.text(), Expr.latex()   how they are written
    Expr.replaced(names)        symbols put in the place of others

`apply` does only what a student would do without a word: 1·x is x, x + 0 is x, −(−x) is x, x·(−y) is −x·y. A choice
made on account of single points (ties, zeros, nan) is left out: a formula says what holds elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4  # what binds how tightly


@dataclass(frozen=True, slots=True)
class Expr:
    """A number, a symbol, or an op of other expressions.

    Attributes
    ----------
    head : str
        "number", "symbol", "partial" or "total" (∂/∂ and d/d of two symbols), or the name of an op.
    args : tuple of Expr
    name : str
        Of a symbol.
    value : float
        Of a number.
    """

    head: str
    args: tuple[Expr, ...] = ()
    name: str = ""
    value: float = 0.0

    @property
    def size(self) -> int:
        """How many symbols, numbers and operations it is made of."""
        count, stack = 0, [self]
        while stack:
            count += 1
            stack.extend(stack.pop().args)
        return count

    def replaced(self, names: Mapping[str, Expr], simplify: bool = True) -> Expr:
        """The same with expressions in place of symbols."""
        if self.head == "symbol":
            return names.get(self.name, self)
        if not self.args or self.head in ("partial", "total"):
            return self
        args = tuple(x.replaced(names, simplify) for x in self.args)
        return apply(self.head, *args) if simplify else Expr(self.head, args)

    def text(self) -> str:
        """As plain text.

        >>> x, y = symbol("x"), symbol("y")
        >>> apply("multiply", apply("add", x, y), apply("power", x, number(2))).text()
        '(x + y)·x²'
        """
        return _Text().write(self)[0]

    def latex(self) -> str:
        r"""As LaTeX, for use between dollars.

        >>> apply("divide", symbol("x"), apply("sqrt", symbol("y"))).latex()
        '\\frac{x}{\\sqrt{y}}'
        """
        return _Latex().write(self)[0]

    def __str__(self) -> str:
        return self.text()


def symbol(name: str) -> Expr:
    return Expr("symbol", name=name)


def number(x: float) -> Expr:
    for known in (2, 10):  # base-2 and base-10 logarithms bring these along
        if x == math.log(known):
            return Expr("log", (Expr("number", value=float(known)),))
    return Expr("number", value=float(x))


def partial(of: str, to: str) -> Expr:
    """∂of/∂to: what one operation makes of one of its inputs."""
    return Expr("partial", (symbol(of), symbol(to)))


def total(of: str, to: str) -> Expr:
    """dof/dto: all in all, along every path."""
    return Expr("total", (symbol(of), symbol(to)))


_SAME = {"positive", "sum_to_shape", "broadcast_to", "cast", "identity", "copy", "stop_gradient", "spent"}
ZERO, ONE = Expr("number", value=0.0), Expr("number", value=1.0)


def apply(op: str, *args: Expr) -> Expr:
    """An op of expressions, simplified.

    >>> x = symbol("x")
    >>> apply("multiply", number(1), apply("add", x, number(0))).text()
    'x'
    """
    if op in _SAME:
        return args[0]
    simpler = _SIMPLER.get(op)
    found = simpler(*args) if simpler is not None else None
    return Expr(op, args) if found is None else found


def _is(x: Expr, value: float) -> bool:
    return x.head == "number" and x.value == value


def _whole(*xs: Expr) -> bool:
    return all(x.head == "number" and x.value == int(x.value) and abs(x.value) < 1e6 for x in xs if _finite(x))


def _finite(x: Expr) -> bool:
    return x.value - x.value == 0


def _numbers(*xs: Expr) -> bool:
    return all(x.head == "number" and _finite(x) for x in xs) and _whole(*xs)


def _add(x: Expr, y: Expr) -> Expr | None:
    if _is(x, 0):
        return y
    if _is(y, 0):
        return x
    if _numbers(x, y):
        return number(x.value + y.value)
    if y.head == "negative":
        return apply("subtract", x, y.args[0])
    if y.head == "number" and y.value < 0:
        return apply("subtract", x, number(-y.value))
    return apply("multiply", number(2), x) if x == y else None


def _subtract(x: Expr, y: Expr) -> Expr | None:
    if _is(y, 0):
        return x
    if _is(x, 0):
        return apply("negative", y)
    if _numbers(x, y):
        return number(x.value - y.value)
    if y.head == "negative":
        return apply("add", x, y.args[0])
    return ZERO if x == y else None


def _negative(x: Expr) -> Expr | None:
    if x.head == "negative":
        return x.args[0]
    return number(-x.value) if x.head == "number" else None


def _multiply(x: Expr, y: Expr) -> Expr | None:
    if _is(x, 0) or _is(y, 0):
        return ZERO
    if _is(x, 1):
        return y
    if _is(y, 1):
        return x
    if _numbers(x, y):
        return number(x.value * y.value)
    for a, b in ((x, y), (y, x)):
        if a.head == "negative":
            return apply("negative", apply("multiply", *((a.args[0], b) if a is x else (b, a.args[0]))))
        if _is(a, -1):
            return apply("negative", b)
    if y.head == "number" and x.head != "number":
        return apply("multiply", y, x)
    if x == y and x.head != "number":
        return apply("power", x, number(2))
    if y.head == "divide" and _is(y.args[0], 1):
        return apply("divide", x, y.args[1])
    if _is(x, 4) and y.head == "sigmoid_density" and y.args[0].head == "multiply" and _is(y.args[0].args[0], 2):
        return apply("subtract", ONE, apply("power", apply("tanh", y.args[0].args[1]), number(2)))
    if x.head == "number" and y.head == "multiply" and y.args[0].head == "number" and _numbers(x, y.args[0]):
        return apply("multiply", number(x.value * y.args[0].value), y.args[1])
    return None


def _divide(x: Expr, y: Expr) -> Expr | None:
    if _is(y, 1) or _is(x, 0):
        return x
    if x.head == "number" and x.value < 0:
        return apply("negative", apply("divide", number(-x.value), y))
    if x.head == "divide" and x.args[1] == y:
        return apply("divide", x.args[0], apply("power", y, number(2)))
    return apply("negative", apply("divide", x.args[0], y)) if x.head == "negative" else None


def _power(x: Expr, y: Expr) -> Expr | None:
    if _is(y, 1):
        return x
    if _is(y, 0):
        return ONE
    if y.head == "subtract" and _numbers(*y.args):
        return apply("power", x, apply("subtract", *y.args))
    return None


def _where(condition: Expr, x: Expr, y: Expr) -> Expr | None:
    if _single(condition):
        return y
    return condition if _is(x, 1) and _is(y, 0) else None


def _single(condition: Expr) -> bool:
    """Whether a condition holds at single points only."""
    if condition.head in ("bitwise_and", "logical_and"):
        return any(map(_single, condition.args))
    return condition.head in ("equal", "isnan", "isinf")


def _or(x: Expr, y: Expr) -> Expr | None:
    if _is(x, 0) or x.head == "isnan":
        return y
    return x if _is(y, 0) or y.head == "isnan" else None


_SIMPLER: dict[str, Any] = {
    "add": _add,
    "subtract": _subtract,
    "negative": _negative,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "float_power": _power,
    "square": lambda x: apply("power", x, number(2)),
    "reciprocal": lambda x: apply("divide", ONE, x),
    # x ≠ x asks for nan, which a number is not.
    "not_equal": lambda x, y: ZERO if x == y else None,
    "bitwise_or": _or,
    "logical_or": _or,
    "where": _where,
}

# -- writing ---------------------------------------------------------------------------------------------------

_COMPARED = {"greater": ">", "less": "<", "greater_equal": "≥", "less_equal": "≤", "equal": "=", "not_equal": "≠"}
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def written(x: float) -> str:
    """A number in six significant digits, whole numbers whole; the minus as mathematics writes it."""
    text = str(int(x)) if _finite(number(x)) and x == int(x) and abs(x) < 1e15 else f"{x:.6g}"
    return text.replace("-", "−") if not text.startswith("-") else "−" + text[1:]


class _Writer:
    """An expression as text and how tightly it binds; what is written between operands differs."""

    def write(self, x: Expr) -> tuple[str, int]:
        if x.head == "number":
            return written(x.value), _SUM if x.value < 0 else _ATOM
        if x.head == "symbol":
            return self.name(x.name), _ATOM
        method = getattr(self, f"_{x.head}", None)
        if method is not None:
            return method(*x.args)
        if x.head in _COMPARED and len(x.args) == 2:
            return self.compared(_COMPARED[x.head], *x.args), _ATOM
        inside = ", ".join(self.write(arg)[0] for arg in x.args)
        return self.call(x.head, inside), _ATOM

    def _sigmoid(self, x: Expr) -> tuple[str, int]:
        return self.call("σ", self.write(x)[0]), _ATOM

    def _sigmoid_density(self, x: Expr) -> tuple[str, int]:
        s = apply("sigmoid", x)
        return self.write(apply("multiply", s, apply("subtract", ONE, s)))

    def within(self, x: Expr, least: int) -> str:
        """An operand, in brackets if it binds less tightly than `least`."""
        text, binding = self.write(x)
        return self.bracketed(text) if binding < least else text

    # What both writers write alike but for the signs.
    def _add(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _SUM)} + {self.within(y, _SUM if y.head == 'add' else _PRODUCT)}", _SUM

    def _subtract(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _SUM)} {self.minus} {self.within(y, _PRODUCT)}", _SUM

    def _negative(self, x: Expr) -> tuple[str, int]:
        return f"{self.minus}{self.within(x, _PRODUCT)}", _SUM

    def _multiply(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _PRODUCT)}{self.times}{self.within(y, _PRODUCT)}", _PRODUCT

    def _matmul(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _PRODUCT)} {self.at} {self.within(y, _POWER)}", _PRODUCT

    minus, times, at = "−", "·", "@"

    def name(self, name: str) -> str:
        return name

    def call(self, name: str, inside: str) -> str:
        return f"{name}({inside})"

    def bracketed(self, text: str) -> str:
        return f"({text})"

    def compared(self, sign: str, x: Expr, y: Expr) -> str:
        return f"[{self.write(x)[0]} {sign} {self.write(y)[0]}]"


class _Text(_Writer):
    def _multiply(self, x: Expr, y: Expr) -> tuple[str, int]:
        # (1 / 10)·b, which 1 / 10·b leaves to the reader.
        parts = [self.within(part, _POWER if part.head == "divide" else _PRODUCT) for part in (x, y)]
        return self.times.join(parts), _PRODUCT

    def _divide(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _PRODUCT)} / {self.within(y, _POWER)}", _PRODUCT

    def _power(self, x: Expr, y: Expr) -> tuple[str, int]:
        base = self.within(x, _ATOM)
        if _numbers(y):
            return base + str(int(y.value)).translate(_SUPERSCRIPT), _POWER
        return f"{base}^{self.within(y, _ATOM)}", _POWER

    _float_power = _power

    def _sqrt(self, x: Expr) -> tuple[str, int]:
        return f"√{self.within(x, _ATOM)}", _POWER

    def _partial(self, of: Expr, to: Expr) -> tuple[str, int]:
        return f"∂{of.name}/∂{to.name}", _ATOM

    def _total(self, of: Expr, to: Expr) -> tuple[str, int]:
        return f"d{of.name}/d{to.name}", _ATOM

    def _transpose(self, x: Expr) -> tuple[str, int]:
        return f"{self.within(x, _ATOM)}ᵀ", _POWER


_KNOWN = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "arcsin", "arccos", "arctan", "det"}
_SPECIAL = re.compile(r"[\\{}$&#^_%~]")
_ESCAPED = {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim "}


class _Latex(_Writer):
    minus, times, at = "-", r" \cdot ", r"\,"

    def write(self, x: Expr) -> tuple[str, int]:
        if x.head == "number":
            text = written(x.value).replace("−", "-")
            mantissa, e, exponent = text.partition("e")
            if e:
                return rf"{mantissa} \cdot 10^{{{int(exponent)}}}", _PRODUCT if x.value >= 0 else _SUM
            return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(text, text), (
                _SUM if x.value < 0 else _ATOM
            )
        return super().write(x)

    def name(self, name: str) -> str:
        """A symbol: v3 gets an index, one letter stays itself, anything longer is upright."""
        indexed = re.fullmatch(r"([A-Za-z])(\d+)", name)
        if indexed:
            return f"{indexed[1]}_{{{indexed[2]}}}"
        safe = _SPECIAL.sub(lambda m: _ESCAPED.get(m[0], "\\" + m[0]), " ".join(name.split()))
        return safe if len(name) == 1 else rf"\mathrm{{{safe}}}"

    def call(self, name: str, inside: str) -> str:
        function = f"\\{name}" if name in _KNOWN else r"\sigma" if name == "σ" else self.name(name)
        return rf"{function}\left({inside}\right)"

    def bracketed(self, text: str) -> str:
        return rf"\left({text}\right)"

    def compared(self, sign: str, x: Expr, y: Expr) -> str:
        latex = {"≥": r"\ge", "≤": r"\le", "≠": r"\ne"}.get(sign, sign)
        return rf"\left[{self.write(x)[0]} {latex} {self.write(y)[0]}\right]"

    def _divide(self, x: Expr, y: Expr) -> tuple[str, int]:
        return rf"\frac{{{self.write(x)[0]}}}{{{self.write(y)[0]}}}", _PRODUCT

    def _power(self, x: Expr, y: Expr) -> tuple[str, int]:
        return f"{self.within(x, _ATOM)}^{{{self.write(y)[0]}}}", _POWER

    _float_power = _power

    def _sqrt(self, x: Expr) -> tuple[str, int]:
        return rf"\sqrt{{{self.write(x)[0]}}}", _ATOM

    def _partial(self, of: Expr, to: Expr) -> tuple[str, int]:
        return rf"\frac{{\partial {self.name(of.name)}}}{{\partial {self.name(to.name)}}}", _ATOM

    def _total(self, of: Expr, to: Expr) -> tuple[str, int]:
        return rf"\frac{{\mathrm{{d}} {self.name(of.name)}}}{{\mathrm{{d}} {self.name(to.name)}}}", _ATOM

    def _transpose(self, x: Expr) -> tuple[str, int]:
        return rf"{self.within(x, _ATOM)}^{{\top}}", _POWER
