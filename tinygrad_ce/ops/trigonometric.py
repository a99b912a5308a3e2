"""Trigonometric and hyperbolic functions and their inverses, sinc, angles in degrees. See `elementwise.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import as_array
from ..forms import elementwise, ieee, primitive
from ..invariants import even, odd
from ..registry import implements
from .elementwise import POSITIVE, inverse

_UNIT = [(-0.9, 0.9)]

sin = elementwise(np.sin, lambda out, x: np.cos(x), scalar=ieee(math.sin, np.sin), formula="g cos x", invariants=[odd])
cos = elementwise(
    np.cos, lambda out, x: -np.sin(x), scalar=ieee(math.cos, np.cos), formula="−g sin x", invariants=[even]
)
tan = elementwise(
    np.tan,
    lambda out, x: 1.0 + out * out,
    scalar=ieee(math.tan, np.tan),
    domain=[(-1.2, 1.2)],
    formula="g (1 + tan² x)",
    invariants=[odd],
)
cosh = elementwise(
    np.cosh, lambda out, x: np.sinh(x), scalar=ieee(math.cosh, np.cosh), formula="g sinh x", invariants=[even]
)
sinh = elementwise(
    np.sinh, lambda out, x: np.cosh(x), scalar=ieee(math.sinh, np.sinh), formula="g cosh x", invariants=[odd]
)

# -- inverses: products where 1 − x² would cancel --------------------------------------------------------------

arcsin = elementwise(
    np.arcsin,
    lambda out, x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)),
    scalar=ieee(math.asin, np.arcsin),
    domain=_UNIT,
    formula="g / √(1 − x²)",
)
arccos = elementwise(
    np.arccos,
    lambda out, x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)),
    scalar=ieee(math.acos, np.arccos),
    domain=_UNIT,
    formula="−g / √(1 − x²)",
)
arctan = elementwise(
    np.arctan,
    lambda out, x: 1.0 / (1.0 + x * x),
    scalar=ieee(math.atan, np.arctan),
    formula="g / (1 + x²)",
    invariants=[odd],
)
arcsinh = elementwise(
    np.arcsinh,
    lambda out, x: 1.0 / np.sqrt(1.0 + x * x),
    scalar=ieee(math.asinh, np.arcsinh),
    formula="g / √(1 + x²)",
    invariants=[odd],
)
arccosh = elementwise(
    np.arccosh,
    lambda out, x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)),
    scalar=ieee(math.acosh, np.arccosh),
    domain=[(1.1, 4)],
    formula="g / √(x² − 1)",
)
arctanh = elementwise(
    np.arctanh,
    lambda out, x: 1.0 / ((1.0 - x) * (1.0 + x)),
    scalar=ieee(math.atanh, np.arctanh),
    domain=_UNIT,
    formula="g / (1 − x²)",
)
arctan2 = elementwise(
    np.arctan2,
    lambda out, x, y: y * inverse(np.hypot(x, y)) * inverse(np.hypot(x, y)),
    lambda out, x, y: -x * inverse(np.hypot(x, y)) * inverse(np.hypot(x, y)),
    scalar=ieee(math.atan2, np.arctan2),
    domain=[*POSITIVE, (-3.0, 3.0)],
    formula="g y / (x² + y²), −g x / (x² + y²); 0 at the origin",
)

# -- degrees ---------------------------------------------------------------------------------------------------

_DEGREE = math.pi / 180.0
deg2rad = elementwise(np.deg2rad, _DEGREE, scalar=math.radians, formula="g π/180")
rad2deg = elementwise(np.rad2deg, 1.0 / _DEGREE, scalar=math.degrees, formula="g 180/π")
radians = elementwise(np.radians, _DEGREE, scalar=math.radians, formula="g π/180")
degrees = elementwise(np.degrees, 1.0 / _DEGREE, scalar=math.degrees, formula="g 180/π")


# -- functions whose every derivative is a member of one family ------------------------------------------------


def _sinc_derivative(x: Any, order: int) -> Any:
    """The order-th derivative of sin(πx)/(πx) = ∫₀¹ cos(πxt) dt.

    Far from 0 by the recursion x S_k = π^(k−1) sin(πx + kπ/2) − k S_(k−1), near 0 by its series.
    """
    x = as_array(x)
    far = np.abs(x) > 0.5 + 0.5 * order
    y = np.where(far, x, 1.0)
    s = np.sin(np.pi * y) / (np.pi * y)
    for k in range(1, order + 1):
        s = (np.pi ** (k - 1) * np.sin(np.pi * y + k * np.pi / 2) - k * s) / y
    z = np.where(far, 0.0, x)
    total = np.zeros_like(z)
    for m in range((order + 1) // 2, (order + 1) // 2 + 25 + 2 * order):
        power = 2 * m - order
        factor = (-1) ** m * np.pi ** (2 * m) * math.perm(2 * m, order) / math.factorial(2 * m + 1)
        total = total + factor * z**power
    return np.where(far, s, total).astype(x.dtype if x.dtype.kind in "fc" else np.float64)


def _bessel_derivative(x: Any, order: int) -> Any:
    """The order-th derivative of I₀(x) = (1/π) ∫₀^π exp(x cos θ) dθ, by the trapezoidal rule.

    The integrand is periodic and smooth, so the error falls faster than any power: exp(−n²/2x) for n nodes.
    """
    x = as_array(x)
    c = np.cos((np.arange(512) + 0.5) * np.pi / 512)
    return np.mean(c**order * np.exp(x[..., None] * c), axis=-1).astype(x.dtype)


def _family(name: str, kernel: Any, formula: str, doc: str) -> Any:
    """An op with an option `order`, whose slope is itself at the next order."""

    def derivative(x: Any, *, order: int = 0) -> Any:
        return kernel(x, order)

    derivative.__name__, derivative.__doc__ = name, doc
    op = primitive(
        vjps=(lambda g, out, x, *, order: g * op(x, order=order + 1),),
        pushforward=lambda tangents, out, inputs, params: tangents[0] * op(inputs[0], order=params["order"] + 1),
        samples=lambda rng: [
            ((rng.uniform(-3, 3, size=(2, 3)),), {}),
            ((np.array([0.0, 1e-3, -0.6, 1.0]),), {"order": 1}),
            ((rng.uniform(-3, 3, size=()),), {"order": 2}),
        ],
        formula=formula,
    )(derivative)
    return op


sinc_derivative = _family("sinc_derivative", _sinc_derivative, "g sinc⁽ᵏ⁺¹⁾(x)", "The k-th derivative of np.sinc.")
i0_derivative = _family("i0_derivative", _bessel_derivative, "g I₀⁽ᵏ⁺¹⁾(x)", "The k-th derivative of np.i0.")

sinc = elementwise(np.sinc, lambda out, x: sinc_derivative(x, order=1), formula="g sinc′ x")
implements(np.sinc)(sinc)
i0 = elementwise(np.i0, lambda out, x: i0_derivative(x, order=1), formula="g I₁(x)")
implements(np.i0)(i0)
