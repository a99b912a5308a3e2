"""Numbers for NumPy's object arrays: NumPy calls their methods of the ufuncs' names, so kernels run on them unchanged.

    Exact       a real number of mpmath's current precision, with IEEE's inf and nan
    EXACT       the arithmetic of them, for programs (capture.py)

`x + y`, `np.exp(x)`, `np.max(x, axis=-1)`, `a @ b` of object arrays all end in methods of their elements; what has
no such loop in NumPy (np.isnan) stands in KERNELS, for this class and for others of its kind (symbols.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np

from ..capture import Arithmetic, uncast
from ..identities import cast
from ..ops.elementwise import float_power, logaddexp, logaddexp2
from ..ops.error_function import erf, normal_cdf
from ..ops.kinks import copysign, fmax, fmin, heaviside, maximum, minimum, real_sign
from ..ops.reduction import max_, min_


def _real(function: Callable[..., Any]) -> Callable[..., Any]:
    """An mpmath function as IEEE has it: nan where it would be complex or undefined."""

    def real(*xs: Any) -> Any:
        try:
            out = function(*xs)
        except (ValueError, ZeroDivisionError):
            return mpmath.nan
        except OverflowError:
            return mpmath.inf
        return mpmath.nan if isinstance(out, mpmath.mpc) else out

    return real


def _divide(x: Any, y: Any) -> Any:
    if y == 0:
        return mpmath.nan if x == 0 or x != x else mpmath.inf * mpmath.sign(x)
    return x / y


def _power(x: Any, y: Any) -> Any:
    if not (mpmath.isfinite(x) and mpmath.isfinite(y)):
        with np.errstate(all="ignore"):
            return mpmath.mpf(float(np.power(float(x), float(y))))  # 0, 1, inf or nan: IEEE has rules for each
    if x == 0 and y < 0:
        return mpmath.inf
    return x**y


def _floor(x: Any) -> Any:
    return mpmath.floor(x) if mpmath.isfinite(x) else x


# By ufunc: what it is of mpmath's numbers.
MATH: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": _divide,
        "power": _real(_power),
        "floor": _floor,
        "negative": lambda x: -x,
        "sqrt": _real(mpmath.sqrt),
        "cbrt": _real(lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x))),
        "exp": _real(mpmath.exp),
        "exp2": _real(lambda x: mpmath.mpf(2) ** x),
        "expm1": _real(mpmath.expm1),
        "log": _real(mpmath.log),
        "log2": _real(lambda x: mpmath.log(x, 2)),
        "log10": _real(mpmath.log10),
        "log1p": _real(mpmath.log1p),
        "sin": _real(mpmath.sin),
        "cos": _real(mpmath.cos),
        "tan": _real(mpmath.tan),
        "arcsin": _real(mpmath.asin),
        "arccos": _real(mpmath.acos),
        "arctan": _real(mpmath.atan),
        "sinh": _real(mpmath.sinh),
        "cosh": _real(mpmath.cosh),
        "tanh": _real(mpmath.tanh),
        "arcsinh": _real(mpmath.asinh),
        "arccosh": _real(mpmath.acosh),
        "arctanh": _real(mpmath.atanh),
        "arctan2": _real(mpmath.atan2),
        "erf": mpmath.erf,
        "erfc": mpmath.erfc,
    }
)


def _function(name: str) -> Any:
    return lambda self, *others: self.apply(name, (self, *[self.of(x) for x in others]))


def _operator(name: str) -> tuple[Any, Any]:
    """An operator and its reflection."""

    def operate(self: Any, other: Any) -> Any:
        other = self.of(other)
        return other if other is NotImplemented else self.apply(name, (self, other))

    def reflected(self: Any, other: Any) -> Any:
        other = self.of(other)
        return other if other is NotImplemented else self.apply(name, (other, self))

    return operate, reflected


class Number:
    """What NumPy asks of a number in an object array, by way of `apply` and `less`, which subclasses define."""

    __slots__ = ()

    @classmethod
    def of(cls, x: Any) -> Any:
        """`x` as such a number, or NotImplemented."""
        raise NotImplementedError

    def apply(self, name: str, args: Sequence[Any]) -> Any:
        """The function of that name in MATH, of numbers of this class."""
        raise NotImplementedError

    def less(self, other: Any) -> bool:
        raise NotImplementedError

    def same(self, other: Any) -> bool:
        raise NotImplementedError

    # By the ufuncs' names, as NumPy calls them.
    exp, exp2, expm1 = _function("exp"), _function("exp2"), _function("expm1")
    log, log2, log10, log1p = _function("log"), _function("log2"), _function("log10"), _function("log1p")
    sin, cos, tan = _function("sin"), _function("cos"), _function("tan")
    arcsin, arccos = _function("arcsin"), _function("arccos")
    arctan, arctan2 = _function("arctan"), _function("arctan2")
    sinh, cosh, tanh = _function("sinh"), _function("cosh"), _function("tanh")
    arcsinh, arccosh, arctanh = _function("arcsinh"), _function("arccosh"), _function("arctanh")
    sqrt, cbrt, floor = _function("sqrt"), _function("cbrt"), _function("floor")
    erf, erfc = _function("erf"), _function("erfc")

    __add__, __radd__ = _operator("add")
    __sub__, __rsub__ = _operator("subtract")
    __mul__, __rmul__ = _operator("multiply")
    __truediv__, __rtruediv__ = _operator("divide")
    __pow__, __rpow__ = _operator("power")

    def __lt__(self, other: Any) -> bool:
        other = self.of(other)
        return other if other is NotImplemented else self.less(other)

    def __gt__(self, other: Any) -> bool:
        other = self.of(other)
        return other if other is NotImplemented else other.less(self)

    def __le__(self, other: Any) -> bool:
        other = self.of(other)
        return other if other is NotImplemented else self.less(other) or self.same(other)

    def __ge__(self, other: Any) -> bool:
        other = self.of(other)
        return other if other is NotImplemented else other.less(self) or self.same(other)

    def __eq__(self, other: object) -> bool:
        number = self.of(other)
        return number if number is NotImplemented else self.same(number)

    def __ne__(self, other: object) -> bool:
        number = self.of(other)
        return number if number is NotImplemented else not self.same(number)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return not self.same(self.of(0))

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    def __pos__(self) -> Any:
        return self

    def __neg__(self) -> Any:
        return self.apply("negative", (self,))

    def __floordiv__(self, other: Any) -> Any:
        quotient = self / other
        return quotient if quotient is NotImplemented else quotient.floor()

    def __rfloordiv__(self, other: Any) -> Any:
        other = self.of(other)
        return other if other is NotImplemented else other // self

    def __mod__(self, other: Any) -> Any:
        quotient = self // other
        return quotient if quotient is NotImplemented else self - other * quotient

    def __rmod__(self, other: Any) -> Any:
        other = self.of(other)
        return other if other is NotImplemented else other % self

    def ceil(self) -> Any:
        return -(-self).floor()

    def trunc(self) -> Any:
        return self.ceil() if self < 0 else self.floor()

    def rint(self) -> Any:
        low = self.floor()
        rest = self - low
        return low if rest < 0.5 or (rest == 0.5 and (low / 2).floor() * 2 == low) else low + 1

    def fmod(self, other: Any) -> Any:
        return self - other * (self / other).trunc()

    def deg2rad(self) -> Any:
        return self * self.of(1).arctan() / 45

    def rad2deg(self) -> Any:
        return self * 45 / self.of(1).arctan()

    radians, degrees = deg2rad, rad2deg

    # For np.floor and its kin, which ask as Python's math does.
    def __floor__(self) -> Any:
        return self.floor()

    def __ceil__(self) -> Any:
        return self.ceil()

    def __trunc__(self) -> Any:
        return self.trunc()

    def fabs(self) -> Any:
        return abs(self)

    def conjugate(self) -> Any:
        return self

    def hypot(self, other: Any) -> Any:
        return (self * self + other * other).sqrt()

    def normal_cdf(self) -> Any:
        return (-self / self.of(2).sqrt()).erfc() / 2


class Exact(Number):
    """A real number of mpmath's current precision."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def of(cls, x: Any) -> Any:
        if isinstance(x, Exact):
            return x
        if isinstance(x, np.longdouble):
            high = float(x)
            rest = float(x - np.longdouble(high)) if np.isfinite(high) else 0.0
            return cls(mpmath.mpf(high) + mpmath.mpf(rest))
        if isinstance(x, np.generic):
            x = x.item()
        return cls(mpmath.mpf(x)) if isinstance(x, (mpmath.mpf, float, int)) else NotImplemented

    def apply(self, name: str, args: Sequence[Any]) -> Exact:
        return Exact(MATH[name](*[x.value for x in args]))

    def less(self, other: Any) -> bool:
        return bool(self.value < other.value)

    def same(self, other: Any) -> bool:
        return bool(self.value == other.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        return f"Exact({mpmath.nstr(self.value, 20)})"


def lifted(kind: type[Number]) -> Callable[[Any], Any]:
    """An array or number as an object array of `kind`."""
    each = np.frompyfunc(kind.of, 1, 1)

    def lift(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(each(x), dtype=object)

    return lift


def values(x: Any) -> Any:
    """An object array of Exact as one of mpmath's numbers; a float array exactly so; others as they are."""
    x = np.asarray(x)
    if x.dtype.kind not in "fO":
        return x
    out = np.empty(x.shape, dtype=object)
    out[...] = np.frompyfunc(lambda number: Exact.of(number).value, 1, 1)(x)
    return out


def _method(name: str) -> Callable[..., Any]:
    """A method of the numbers, entry by entry."""
    return lambda x: np.asarray(np.frompyfunc(lambda number: getattr(number, name)(), 1, 1)(x), dtype=object)


def _missing(x: Any) -> Any:
    return x != x


def _extreme(function: Any) -> Callable[..., Any]:
    """np.max or np.min, nan where an entry is: NumPy forgets that of objects."""

    def extreme(a: Any, *, axis: Any, keepdims: bool) -> Any:
        missing = np.any(_missing(a), axis=axis, keepdims=keepdims)
        return np.where(missing, np.nan, function(a, axis=axis, keepdims=keepdims))

    return extreme


KERNELS: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        cast: uncast,
        max_: _extreme(np.max),
        min_: _extreme(np.min),
        maximum: lambda x, y: np.where(_missing(x) | (x >= y), x, y),
        minimum: lambda x, y: np.where(_missing(x) | (x <= y), x, y),
        fmax: lambda x, y: np.where(_missing(y) | (x >= y), x, y),
        fmin: lambda x, y: np.where(_missing(y) | (x <= y), x, y),
        real_sign: lambda x: np.where(_missing(x), x, (x > 0) * 1 - (x < 0) * 1),
        np.isnan: _missing,
        np.isfinite: lambda x: (x < np.inf) & (x > -np.inf),
        np.isinf: lambda x: (x == np.inf) | (x == -np.inf),
        np.isposinf: lambda x: x == np.inf,
        np.isneginf: lambda x: x == -np.inf,
        np.signbit: lambda x: x < 0,
        float_power: np.power,
        logaddexp: lambda x, y: np.log(np.exp(x) + np.exp(y)),
        logaddexp2: lambda x, y: np.log2(np.exp2(x) + np.exp2(y)),
        erf: _method("erf"),
        normal_cdf: _method("normal_cdf"),
        copysign: lambda x, y: np.where(y < 0, -np.abs(x), np.abs(x)),
        heaviside: lambda x, y: np.where(x < 0, 0, np.where(x > 0, 1, y)),
    }
)
EXACT = Arithmetic(np.dtype(object), lifted(Exact), KERNELS)
