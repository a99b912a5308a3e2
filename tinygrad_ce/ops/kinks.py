"""Elementwise functions with kinks and steps: sign, abs, maximum, clip, where, floor; and stop_gradient.

What they do where they have no slope is in docs/conventions.md, row by row: abs and sign have slope 0 at 0, maximum
and minimum share a tie evenly, clip passes the gradient at its bounds, step functions are flat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import elementwise, primitive, unbroadcast
from ..held import hold
from ..invariants import entrywise, even, homogeneous
from ..node import plain
from ..registry import composed, implements
from .elementwise import inverse

real_sign = elementwise(np.sign, 0, name="sign", formula="0")


@implements(np.sign)
def _sign(x: Any) -> Any:
    if x.dtype.kind != "c":
        return real_sign(x)
    infinite = np.isinf(plain(x))
    finite = np.where(infinite, 0.0, x)
    return np.where(infinite, np.sign(plain(x)), finite * inverse(np.abs(finite)))


def _abs_slope(out: Any, x: Any) -> Any:
    return np.conj(x) * inverse(out) if np.iscomplexobj(x) else np.sign(x)


abs = elementwise(
    np.absolute,
    lambda out, x: np.sign(x) if type(x) is float else _abs_slope(out, x),
    name="abs",
    scalar=abs,
    formula="g sign x; of complex numbers g x̄ / |x|",
    invariants=[even, homogeneous()],
)
fabs = elementwise(np.fabs, lambda out, x: np.sign(x), formula="g sign x", invariants=[even, homogeneous()])


def _prefers(wins: Any) -> Any:
    """The slope of fmax or fmin: 1 for the winner, half at a tie, and nan never wins against a number."""

    def slope(x: Any, y: Any) -> Any:
        return np.where(x == y, 0.5, np.where(wins(x, y) | np.isnan(y), 1.0, 0.0))

    return slope


_fmax, _fmin = _prefers(np.greater), _prefers(np.less)
fmax = elementwise(
    np.fmax,
    lambda out, x, y: _fmax(x, y),
    lambda out, x, y: 1.0 - _fmax(x, y),
    formula="g to the larger, and never to a nan; half each at a tie",
    invariants=[homogeneous()],
)
fmin = elementwise(
    np.fmin,
    lambda out, x, y: _fmin(x, y),
    lambda out, x, y: 1.0 - _fmin(x, y),
    formula="g to the smaller, and never to a nan; half each at a tie",
    invariants=[homogeneous()],
)
copysign = elementwise(
    np.copysign,
    lambda out, x, y: np.sign(x) * np.copysign(1.0, y),
    0,
    formula="g sign(x) sign(y), 0; 0 at x = 0",
)
_AWAY = [(0.1, 0.9)]  # from steps
floor = elementwise(np.floor, 0, domain=_AWAY, formula="0")
ceil = elementwise(np.ceil, 0, domain=_AWAY, formula="0")
trunc = elementwise(np.trunc, 0, domain=_AWAY, formula="0")
rint = elementwise(np.rint, 0, domain=[(0.6, 0.9)], formula="0")
heaviside = elementwise(
    np.heaviside,
    0,
    lambda out, x, y: (x == 0) * 1.0,
    formula="0, g at x = 0",
)
nextafter = elementwise(np.nextafter, 1, 0, formula="g, 0")
spacing = elementwise(np.spacing, 0, domain=[(1.1, 1.9)], formula="0")


@composed(np.fix, samples=lambda rng: [((rng.uniform(0.1, 0.9, size=(2, 3)),), {})])
def fix(x: Any) -> Any:
    return np.trunc(x)


@primitive(
    np.round,
    vjps=(lambda g, out, x, *, decimals: g * 0.0,),
    pushforward=lambda tangents, out, inputs, params: tangents[0] * 0.0,
    samples=lambda rng: [
        ((rng.uniform(0.6, 0.9, size=2),), {}),
        ((rng.uniform(1.11, 1.14, size=(2, 3)),), {"decimals": 1}),
    ],
    formula="0",
)
def round_(a: Any, *, decimals: int = 0) -> Any:
    """`a` to so many decimals: a step function, flat wherever it has a slope."""
    return np.round(a, decimals)


implements(np.around)(round_)
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
    yield (rng.random(4) > 0.5, rng.normal(size=(0, 1)), rng.normal(size=())), {}
    yield (np.array(True), rng.normal(size=()), rng.normal(size=())), {}


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
    out = np.where(condition, x, y)
    return float(out) if type(x) is float and type(y) is float and not out.ndim else out


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


# -- not a number ----------------------------------------------------------------------------------------------


@primitive(
    np.nan_to_num,
    vjps=(lambda g, out, x, *, copy, nan, posinf, neginf: np.where(np.isfinite(x), g, 0.0),),
    pushforward=lambda tangents, out, inputs, params: np.where(np.isfinite(inputs[0]), tangents[0], 0.0),
    samples=lambda rng: [((rng.normal(size=(2, 3)),), {}), ((rng.normal(size=()),), {"nan": 1.0})],
    formula="g where x is finite",
)
def nan_to_num(
    x: Any, *, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """`x` with nan and infinities replaced by numbers, through which no gradient flows."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
