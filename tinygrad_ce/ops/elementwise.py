"""Elementwise primitives: one partial derivative for each input, from which both modes follow.

To add one, write its partials as functions of (out, *inputs); see `forms.elementwise`. Conventions at kinks:
abs and sign have slope 0 at 0, maximum and minimum share a tie evenly, clip passes the gradient at its bounds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import elementwise, ieee, primitive, unbroadcast
from ..held import hold
from ..invariants import LINEAR, entrywise, even, homogeneous, odd
from ..node import Node
from ..registry import implements

_POSITIVE = [(0.1, 4.0)]


def _select(condition: Any, a: Any, b: Any) -> Any:
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
    lambda out, x, y: y,
    lambda out, x, y: x,
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
    return y * x ** _select(y == 0, 1.0, y - 1.0)


def _power_exponent(out: Any, x: Any, y: Any) -> Any:
    at_zero = (x == 0) & (y >= 0)
    return _select(at_zero, 0.0, out * np.log(_select(at_zero, 1.0, x)))


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
    domain=_POSITIVE,
    formula="g / (2 √x)",
    invariants=[homogeneous(degree=0.5)],
)
reciprocal = elementwise(
    np.reciprocal,
    lambda out, x: -out * out,
    scalar=ieee(lambda x: 1.0 / x, np.reciprocal),
    domain=_POSITIVE,
    formula="−g / x²",
    invariants=[homogeneous(degree=-1.0)],
)
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


@implements(np.divmod)
def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return floor_divide(x, y), remainder(x, y)


# -- exponentials and logarithms -------------------------------------------------------------------------------

exp = elementwise(np.exp, lambda out, x: out, scalar=ieee(math.exp, np.exp), formula="g exp x")
# exp(x), not out + 1: that would cancel for large negative x
expm1 = elementwise(np.expm1, lambda out, x: np.exp(x), scalar=ieee(math.expm1, np.expm1), formula="g exp x")
log = elementwise(np.log, lambda out, x: 1.0 / x, scalar=ieee(math.log, np.log), domain=_POSITIVE, formula="g / x")
log1p = elementwise(
    np.log1p,
    lambda out, x: 1.0 / (1.0 + x),
    scalar=ieee(math.log1p, np.log1p),
    domain=[(-0.8, 3)],
    formula="g / (1 + x)",
)

# -- trigonometric and hyperbolic ------------------------------------------------------------------------------

sin = elementwise(np.sin, lambda out, x: np.cos(x), scalar=ieee(math.sin, np.sin), formula="g cos x", invariants=[odd])
cos = elementwise(
    np.cos, lambda out, x: -np.sin(x), scalar=ieee(math.cos, np.cos), formula="−g sin x", invariants=[even]
)


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
cosh = elementwise(
    np.cosh, lambda out, x: np.sinh(x), scalar=ieee(math.cosh, np.cosh), formula="g sinh x", invariants=[even]
)
sinh = elementwise(
    np.sinh, lambda out, x: np.cosh(x), scalar=ieee(math.sinh, np.sinh), formula="g cosh x", invariants=[odd]
)


def _tanh_slope(out: Any, x: Any) -> Any:
    # Not 1 − out²: that cancels where tanh saturates. An overflowing cosh is a slope of 0.
    if type(x) is float:
        return (1.0 / math.cosh(x)) ** 2
    if isinstance(x, Node):
        return 4.0 * sigmoid_density(np.multiply(2.0, x))  # the same, and finite in every derivative
    with np.errstate(over="ignore"):
        return np.square(np.reciprocal(np.cosh(x)))


tanh = elementwise(np.tanh, _tanh_slope, scalar=math.tanh, formula="g / cosh² x", invariants=[odd])

# -- kinks -----------------------------------------------------------------------------------------------------

sign = elementwise(np.sign, 0, formula="0")
abs = elementwise(
    np.absolute, lambda out, x: np.sign(x), name="abs", scalar=abs, formula="g sign x", invariants=[even, homogeneous()]
)
maximum = elementwise(
    np.maximum,
    lambda out, x, y: (x > y) + 0.5 * (x == y),
    lambda out, x, y: (y > x) + 0.5 * (x == y),
    formula="g to the larger; half each at a tie",
    invariants=[homogeneous()],
)
minimum = elementwise(
    np.minimum,
    lambda out, x, y: (x < y) + 0.5 * (x == y),
    lambda out, x, y: (y < x) + 0.5 * (x == y),
    formula="g to the smaller; half each at a tie",
    invariants=[homogeneous()],
)


def _where_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.random((3, 4)) > 0.5, rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.random((2, 1, 4)) > 0.5, rng.normal(size=(3, 1)), rng.normal(size=())), {}


@primitive(
    vjps=(
        None,
        lambda g, out, c, x, y: unbroadcast(np.where(c, g, 0.0), x),
        lambda g, out, c, x, y: unbroadcast(np.where(c, 0.0, g), y),
    ),
    pushforward=lambda tangents, out, inputs, params: np.where(
        inputs[0],
        *[np.zeros(np.shape(x)) if t is None else t for t, x in zip(tangents[1:], inputs[1:], strict=True)],
    ),
    constants=("condition",),
    samples=_where_samples,
    formula="g where the condition holds, g elsewhere",
    invariants=[homogeneous(), entrywise()],
)
def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, `y` elsewhere; the gradient goes to the branch taken."""
    return np.where(condition, x, y)


@implements(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    return where(condition, *branches) if branches else np.nonzero(condition)


def _clip_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.uniform(-3, 3, size=(3, 4)), -1.0, 1.5), {}
    yield (rng.uniform(-3, 3, size=(3, 4)), rng.uniform(-2, 0, size=4), rng.uniform(0.5, 1, size=(3, 1))), {}
    yield (rng.uniform(-3, 3, size=(3, 4)), None, 1.5), {}
    yield (rng.uniform(-3, 3, size=()), -1.0, None), {}
    yield (rng.uniform(-3, 3, size=4), rng.uniform(-2, 0, size=(3, 1)), 1.5), {}


def _inside(x: Any, low: Any, high: Any) -> Any:
    above = True if low is None else x >= low
    below = True if high is None else x <= high
    return np.logical_and(np.logical_and(above, below), _open(low, high))


def _open(low: Any, high: Any) -> Any:
    """Whether the bounds leave room between them; where they do not, clip is its upper bound, whatever x is."""
    return True if low is None or high is None else low < high


@primitive(
    vjps=(
        lambda g, out, x, low, high: unbroadcast(np.where(_inside(x, low, high), g, 0.0), x),
        lambda g, out, x, low, high: unbroadcast(np.where(np.logical_and(x < low, _open(low, high)), g, 0.0), low),
        lambda g, out, x, low, high: unbroadcast(
            np.where(np.logical_or(x > high, np.logical_not(_open(low, high))), g, 0.0), high
        ),
    ),
    samples=_clip_samples,
    formula="g inside and at the bounds; outside, g to the bound; where the bounds meet, to the upper one",
    invariants=[homogeneous(), entrywise()],
)
def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """min(max(a, a_min), a_max), elementwise; None leaves that side open."""
    return np.clip(a, a_min, a_max)


@implements(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return clip(a, min if a_min is None else a_min, max if a_max is None else a_max)


# -- no gradient at all ----------------------------------------------------------------------------------------

stop_gradient = elementwise(
    lambda x: None,
    None,
    name="stop_gradient",
    kernel=hold,
    scalar=hold,
    constants=("x",),
    formula="none",
    doc="""`x` as a constant: the same data, and no gradient flows through.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> x = tg.Value(3.0)
    >>> (x * tg.stop_gradient(x)).backward()
    >>> x.grad
    3.0
    """,
)
