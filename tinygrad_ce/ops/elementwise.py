"""Smooth elementwise primitives: one partial derivative for each input, from which both modes follow.

To add one, write its partials as functions of (out, *inputs); see `forms.elementwise`. Functions with kinks are in
`kinks.py`, trigonometric ones in `trigonometric.py`. Holomorphic functions have the same rules on complex numbers.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..forms import elementwise, first, ieee, second
from ..invariants import LINEAR, even, homogeneous, odd
from ..node import Node
from ..registry import implements

POSITIVE = [(0.1, 4.0)]


def select(condition: Any, a: Any, b: Any) -> Any:
    # Python's own `if` where the condition is a Python bool: scalars stay Python floats.
    if type(condition) is bool:
        return a if condition else b
    return np.where(condition, a, b)


# -- arithmetic ------------------------------------------------------------------------------------------------

add = elementwise(np.add, 1, 1, scalar=operator.add, formula="g, g", invariants=[LINEAR])
subtract = elementwise(np.subtract, 1, -1, scalar=operator.sub, formula="g, −g", invariants=[LINEAR])
negative = elementwise(np.negative, -1, scalar=operator.neg, formula="−g", invariants=[LINEAR])
positive = elementwise(np.positive, 1, scalar=operator.pos, formula="g", invariants=[LINEAR])
multiply = elementwise(
    np.multiply,
    second,
    first,
    scalar=operator.mul,
    formula="g y, g x",
    invariants=[homogeneous("x"), homogeneous("y")],
)
divide = elementwise(
    np.divide,
    lambda out, x, y: 1.0 / y,
    lambda out, x, y: -out / y,
    scalar=ieee(operator.truediv, np.divide),
    domain=[(-3, 3), (0.3, 3)],
    formula="g / y, −g x / y²",
    invariants=[homogeneous("x"), homogeneous("y", degree=-1.0)],
)


def _power_base(out: Any, x: Any, y: Any) -> Any:
    return y * x ** select(y == 0, 1.0, y - 1.0)


def _power_exponent(out: Any, x: Any, y: Any) -> Any:
    at_zero = (x == 0) & ((y if type(y) is float else np.real(y)) >= 0)
    return select(at_zero, 0.0, out * np.log(select(at_zero, 1.0, x)))


power = elementwise(
    np.power,
    _power_base,
    _power_exponent,
    kernel=operator.pow,
    scalar=ieee(math.pow, np.power),
    domain=[(0.2, 3), (-2, 3)],
    formula="g y x^(y−1), g x^y log x",
    doc="""x^y. The base's gradient is 0 where y = 0. The exponent's is 0 where x = 0 and y ≥ 0 (the limit), and
    nan for a negative base, where x^y is defined at integers only.""",
)
float_power = elementwise(
    np.float_power,
    _power_base,
    _power_exponent,
    scalar=ieee(math.pow, np.power),
    domain=[(0.2, 3), (-2, 3)],
    formula="g y x^(y−1), g x^y log x",
    doc="x^y in float64 at least; conventions as for power.",
)
square = elementwise(
    np.square,
    lambda out, x: 2.0 * x,
    scalar=lambda x: x * x,
    formula="2 x g",
    invariants=[even, homogeneous(degree=2.0)],
)
sqrt = elementwise(
    np.sqrt,
    lambda out, x: 0.5 / out,
    scalar=ieee(math.sqrt, np.sqrt),
    domain=POSITIVE,
    formula="g / (2 √x)",
    invariants=[homogeneous(degree=0.5)],
)
reciprocal = elementwise(
    np.reciprocal,
    lambda out, x: -out * out,
    scalar=ieee(lambda x: 1.0 / x, np.reciprocal),
    domain=POSITIVE,
    formula="−g / x²",
    invariants=[homogeneous(degree=-1.0)],
)
# 1 / (3 y²), not y / (3 x): infinite at 0, as the slope is
cbrt = elementwise(np.cbrt, lambda out, x: 1.0 / (3.0 * out * out), domain=POSITIVE, formula="g / (3 ∛x²)")
floor_divide = elementwise(
    np.floor_divide,
    0,
    0,
    scalar=ieee(operator.floordiv, np.floor_divide),
    domain=[(-3, 3), (4, 7)],
    formula="0, 0: a step function, flat wherever it has a slope",
)
remainder = elementwise(
    np.remainder,
    1,
    lambda out, x, y: -np.floor_divide(x, y),
    scalar=ieee(operator.mod, np.remainder),
    domain=[(0.1, 3), (4, 7)],
    formula="g, −g ⌊x / y⌋",
)


fmod = elementwise(
    np.fmod,
    1,
    lambda out, x, y: -np.trunc(x / y),
    scalar=ieee(math.fmod, np.fmod),
    domain=[(0.1, 3), (4, 7)],
    formula="g, −g trunc(x / y)",
)
ldexp = elementwise(
    np.ldexp,
    lambda out, x, y: np.ldexp(1.0, y),
    None,
    constants=("y",),
    indices=("y",),
    samples=lambda rng: [((rng.normal(size=s), np.arange(-1, 3)), {}) for s in ((4,), (3, 1), (2, 4))],
    formula="g 2^y",
    doc="x · 2^y for integers y, which have no gradient.",
)


def inverse(x: Any) -> Any:
    """1 / x, and 0 at 0: for slopes of norms, whose convention at the origin is 0."""
    zero = x == 0
    return select(zero, 0.0, 1.0 / select(zero, 1.0, x))


hypot = elementwise(
    np.hypot,
    lambda out, x, y: x * inverse(out),
    lambda out, x, y: y * inverse(out),
    scalar=ieee(math.hypot, np.hypot),
    formula="g x / out, g y / out; 0 at the origin",
)


@implements(np.divmod)
def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return floor_divide(x, y), remainder(x, y)


# -- exponentials and logarithms -------------------------------------------------------------------------------

exp = elementwise(np.exp, lambda out, x: out, scalar=ieee(math.exp, np.exp), formula="g exp x")
# exp(x), not out + 1: that would cancel for large negative x
expm1 = elementwise(np.expm1, lambda out, x: np.exp(x), scalar=ieee(math.expm1, np.expm1), formula="g exp x")
log = elementwise(np.log, lambda out, x: 1.0 / x, scalar=ieee(math.log, np.log), domain=POSITIVE, formula="g / x")
log1p = elementwise(
    np.log1p,
    lambda out, x: 1.0 / (1.0 + x),
    scalar=ieee(math.log1p, np.log1p),
    domain=[(-0.8, 3)],
    formula="g / (1 + x)",
)
LN2, LN10 = math.log(2.0), math.log(10.0)
exp2 = elementwise(np.exp2, lambda out, x: LN2 * out, scalar=ieee(math.exp2, np.exp2), formula="g 2^x ln 2")
log2 = elementwise(
    np.log2, lambda out, x: 1.0 / (LN2 * x), scalar=ieee(math.log2, np.log2), domain=POSITIVE, formula="g / (x ln 2)"
)
log10 = elementwise(
    np.log10,
    lambda out, x: 1.0 / (LN10 * x),
    scalar=ieee(math.log10, np.log10),
    domain=POSITIVE,
    formula="g / (x ln 10)",
)

# -- the logistic function -------------------------------------------------------------------------------------


def _logistic(x: Any) -> Any:
    # exp of a negative number in both halves: no overflow, and full precision far out on either side
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def _logistic_float(x: float) -> float:
    e = math.exp(-abs(x))
    return (1.0 if x >= 0 else e) / (1.0 + e)


def _density(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return e / np.square(1.0 + e)


def _density_float(x: float) -> float:
    e = math.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def _keeping_dtype(kernel: Any) -> Any:
    return lambda x: kernel(floating(x))


def floating(x: Any) -> Any:
    """Integers and booleans as float64, whose negatives and exponentials they lack; floats as they are."""
    dtype = getattr(x, "dtype", None)
    if dtype is not None and dtype.kind == "c":
        raise TypeError("the logistic function and what is made of it are of real numbers here, not of complex ones")
    return x.astype(np.float64) if dtype is not None and dtype.kind in "iub" else x


sigmoid_density = elementwise(
    lambda x: None,
    lambda out, x: -out * np.tanh(0.5 * x),
    name="sigmoid_density",
    kernel=_keeping_dtype(_density),
    scalar=_density_float,
    invariants=[even],
    formula="−g σ′(x) tanh(x/2)",
    doc="""The derivative of the logistic function, σ′(x) = e / (1 + e)², e = exp(−|x|).

    σ (1 − σ) loses every digit where σ rounds to 1; this keeps them.""",
)
sigmoid = elementwise(
    lambda x: None,
    lambda out, x: sigmoid_density(x),
    name="sigmoid",
    kernel=_keeping_dtype(_logistic),
    scalar=_logistic_float,
    formula="g σ′(x)",
    doc="""The logistic function σ(x) = 1 / (1 + exp(−x)), elementwise.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> tg.sigmoid(0.0)
    0.5
    """,
)


def _tanh_slope(out: Any, x: Any) -> Any:
    # Not 1 − out²: that cancels where tanh saturates. An overflowing cosh is a slope of 0.
    if type(x) is float:
        return (1.0 / math.cosh(x)) ** 2
    if x.dtype.kind == "c":
        return 1.0 - out * out
    if isinstance(x, Node):
        return 4.0 * sigmoid_density(np.multiply(2.0, x))  # the same, and finite in every derivative
    bound: Any = _FLAT.get(x.dtype) if type(x) is np.ndarray else None
    if bound is not None:
        return np.square(np.reciprocal(np.cosh(np.minimum(np.abs(x), bound))))
    with np.errstate(over="ignore"):
        return np.square(np.reciprocal(np.cosh(x)))


# Where 1 / cosh² has long been 0 and cosh is still finite: to bound x takes half the time of np.errstate.
_FLAT = {np.dtype(np.float32): np.float32(60.0), np.dtype(np.float64): 400.0}


tanh = elementwise(np.tanh, _tanh_slope, scalar=math.tanh, formula="g / cosh² x", invariants=[odd])


def _difference(x: Any, y: Any) -> Any:
    # ∞ − ∞ is 0 here: two equal scores
    same = (x == y) & np.isinf(x)
    return select(same, 0.0, x - y)


logaddexp = elementwise(
    np.logaddexp,
    lambda out, x, y: sigmoid(_difference(x, y)),
    lambda out, x, y: sigmoid(_difference(y, x)),
    formula="g σ(x − y), g σ(y − x)",
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda out, x, y: sigmoid(LN2 * _difference(x, y)),
    lambda out, x, y: sigmoid(LN2 * _difference(y, x)),
    formula="g σ((x − y) ln 2), g σ((y − x) ln 2)",
)
