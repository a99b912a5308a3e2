"""The error function erf, and the normal distribution's Φ, in NumPy alone: what gelu is made of.

In float64, with E(u) = exp(u²/2) erfc(u/√2) (scaled so that nothing underflows):

    |x| < 1     erf x = x Q(x²), Q of degree 12
    else        erf x = ± (1 − exp(−x²) E(√2 |x|))
    x ≤ 0       Φ(x) = ½ exp(−x²/2) E(−x), where x² is taken apart so that exp loses nothing
    else        Φ(x) = 1 − Φ(−x)

(1 + u) E(u) is a polynomial of degree 25 in t = (u − 5) / (u + 5), which maps [0, ∞) to [−1, 1): the form of Shepherd
and Laframboise (Math. Comp. 36, 1981). Both polynomials were fitted here, at Chebyshev's points in 60 digits, to 1e-18.
erf is within 2 units in the last place, Φ within 5 (tests/test_error_function.py). float32 is computed in float64, Φ
with a polynomial of degree 13, good to 2e-10; longdouble by the series and the continued fraction, slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..forms import elementwise
from ..invariants import odd
from .elementwise import floating
from .exponentials import narrow, wide

TWO_OVER_ROOT_PI = 1.1283791670955126
ONE_OVER_ROOT_2PI = 0.3989422804014327
_ROOT_2 = 1.4142135623730951

_Q = (
    *(1.1283791670955126, -0.3761263890318375, 0.11283791670954882, -0.026866170645077334, 0.005223977624823223),
    *(-0.0008548326981129666, 0.00012055331122299266, -1.4925595519506043e-05, 1.6461004480962034e-06),
    *(-1.6350354461959655e-07, 1.4660051998394848e-08, -1.1373902296430911e-09, 5.958930743134941e-11),
)
_P = (
    *(0.9230316597000755, -0.18310456366801786, 0.062060736851925695, 0.02000470477043734, -0.05280208593253451),
    *(0.049073926488017214, -0.030340830806562448, 0.013044001326140564, -0.0033521446743291394),
    *(1.5583270236513356e-05, 0.0003646682061522351, -0.00010721553520522108, -1.979189231866947e-05),
    *(1.8120854360207177e-05, -1.414125769263543e-07, -2.61751377026856e-06, 2.568959421299268e-07),
    *(3.964040901974746e-07, -5.37640425856043e-08, -6.568442003812713e-08, 8.044986764337432e-09),
    *(1.1178561196518307e-08, -8.654594220164185e-10, -1.6272512347078474e-09, 5.017399603397021e-11),
    1.3825407714900109e-10,
)


_P_SHORT = (
    *(0.9230316597572257, -0.1831045650491532, 0.062060731347992525, 0.020004756915644132, -0.05280200001242381),
    *(0.049073354736027364, -0.030341327455323724, 0.01304678287574441, -0.003350811753433856, 8.55922231228176e-06),
    *(0.0003629424133941067, -9.750217092162691e-05, -1.8913958764253295e-05, 1.0893957536467101e-05),
)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    total = x * coefficients[-1]
    if type(total) is np.ndarray:
        for c in coefficients[-2:0:-1]:
            total += c
            total *= x
        total += coefficients[0]
        return total
    for c in coefficients[-2:0:-1]:
        total = (total + c) * x
    return total + coefficients[0]


def _scaled(u: Any, coefficients: Sequence[float] = _P) -> Any:
    """E(u), u ≥ 0."""
    return _polynomial(coefficients, (u - 5.0) / (u + 5.0)) / (1.0 + u)


def _erf(x: Any) -> Any:
    size = np.minimum(np.abs(x), 6.0)  # beyond it is 1
    near = np.minimum(size, 1.0)
    inner = near * _polynomial(_Q, near * near)
    outer = 1.0 - np.exp(-size * size) * _scaled(_ROOT_2 * size)
    return np.copysign(np.where(size < 1.0, inner, outer), x)


def _normal_cdf(x: Any) -> Any:
    u = np.minimum(np.abs(x), 40.0)  # beyond it is 0
    high = np.rint(u * 1048576.0) * (1.0 / 1048576.0)  # of 26 bits: its square is exact
    t = (high - u) * (0.5 * (high + u))  # of −u²/2 what high² leaves, below 1e-4
    e = np.exp(-0.5 * high * high) * (1.0 + t * (1.0 + t * (0.5 + t * (1.0 / 6.0))))
    return _both_sides(x, 0.5 * e * _scaled(u))


def _normal_cdf_short(x: Any) -> Any:
    """The same to the precision of float32."""
    u = np.minimum(np.abs(x), 40.0)
    return _both_sides(x, 0.5 * np.exp(-0.5 * u * u) * _scaled(u, _P_SHORT))


def _both_sides(x: Any, below: Any) -> Any:
    """Φ(x) from Φ(−|x|); nan stays nan."""
    return below + (x > 0) * (1.0 - 2.0 * below)


# -- longdouble ------------------------------------------------------------------------------------------------


def _long_erfc(x: Any) -> Any:
    """erfc in longdouble: of what is small the series, of what is large the continued fraction."""
    size = np.minimum(np.abs(x), np.longdouble(110))
    middle = np.longdouble(1.5)
    near, far = np.minimum(size, middle), np.maximum(size, middle)
    root_pi = np.sqrt(4 * np.arctan(np.longdouble(1)))
    term = total = near
    for n in range(1, 40):
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    inner = 1 - 2 / root_pi * np.exp(-near * near) * total
    fraction: Any = far
    for n in range(200, 0, -1):
        fraction = far + np.longdouble(n) / 2 / fraction
    outer = np.exp(-far * far) / root_pi / fraction
    above = np.where(size < middle, inner, outer)
    return np.where(x < 0, 2 - above, np.where(x >= 0, above, x))


def _long_erf(x: Any) -> Any:
    near = np.minimum(np.abs(x), 1)
    term = total = near
    for n in range(1, 40):
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    inner = 2 / np.sqrt(4 * np.arctan(np.longdouble(1))) * np.exp(-near * near) * total
    return np.where(np.abs(x) < 1, np.copysign(inner, x), 1 - _long_erfc(x))


# -- kernels, and the ops --------------------------------------------------------------------------------------

_BLOCK = 1 << 13  # numbers at a time: the temporaries stay in the second cache
Kernel = Callable[[Any], Any]


def _kernel(function: Kernel, short: Kernel, long: Kernel) -> Kernel:
    """A function of float64 on numbers of any precision, in blocks where they are many."""

    def kernel(x: Any) -> Any:
        x = floating(x)
        dtype = getattr(x, "dtype", np.dtype(np.float64))
        if dtype.itemsize > 8:
            return long(x)
        chosen = function if dtype.itemsize == 8 else short
        if type(x) is not np.ndarray or x.size <= _BLOCK:
            return narrow(chosen(wide(x)), x) if hasattr(x, "dtype") else chosen(x)
        flat, out = np.ravel(x), np.empty(x.size, x.dtype)
        for i in range(0, x.size, _BLOCK):
            out[i : i + _BLOCK] = chosen(wide(flat[i : i + _BLOCK]))
        return out.reshape(x.shape)

    return kernel


erf = elementwise(
    lambda x: None,
    lambda out, x: TWO_OVER_ROOT_PI * np.exp(-x * x),
    name="erf",
    kernel=_kernel(_erf, _erf, _long_erf),
    formula="2 g exp(−x²) / √π",
    invariants=[odd],
    doc="""The error function erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, elementwise, within 2 units in the last place.

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> round(float(F.erf(0.5)), 15)
    0.520499877813047
    """,
)
normal_cdf = elementwise(
    lambda x: None,
    lambda out, x: ONE_OVER_ROOT_2PI * np.exp(-0.5 * x * x),
    name="normal_cdf",
    kernel=_kernel(_normal_cdf, _normal_cdf_short, lambda x: 0.5 * _long_erfc(-x / np.sqrt(np.longdouble(2)))),
    formula="g φ(x), φ(x) = exp(−x²/2) / √2π",
    doc="""Φ(x) = (1 + erf(x/√2)) / 2, the normal distribution's function, elementwise; exact in its left tail too.

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> float(F.normal_cdf(0.0)), round(float(F.normal_cdf(-10.0)) * 1e23, 6)
    (0.5, 0.761985)
    """,
)
