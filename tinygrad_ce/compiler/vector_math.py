"""exp, log, tanh, sin … of one float64, without branches and tables: what LLVM can do to eight numbers at once.

libm's own take one number at a time, 5 to 20 ns each. These are its formulas (those of Sun's fdlibm, and Taylor's
series), written so that a loop over an array becomes vector instructions: cases are chosen by value, exponents are put
together from bits. Nothing here may be contracted or reordered; the errors below are the largest found against mpmath.

    exp 0.8 ulp, expm1 1.0, tanh 1.9, log 0.9, log1p 1.0, sin and cos 0.8 where |x| < 1e6 (beyond: `far`)

They come along in the text of what is compiled for numba, so they speak of NumPy and of one another alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def exp(x: Any) -> Any:
    """2ᵏ (1 + r + r²/2 + …), |r| ≤ ln 2 / 2."""
    x = 746.0 if x > 746.0 else x
    x = -746.0 if x < -746.0 else x
    shifted = x * 1.4426950408889634 + 6755399441055744.0  # the integer k, in the lowest bits
    k = shifted - 6755399441055744.0
    high = x - k * 0.6931471803691238
    low = k * 1.9082149292705877e-10
    r = high - low
    p = 1.0 + (high + (r * r * exp_tail(r) - low))
    n = np.float64(shifted).view(np.int64) - 4843621399236968448
    half = n >> 1
    return p * np.int64((half + 1023) << 52).view(np.float64) * np.int64((n - half + 1023) << 52).view(np.float64)


def exp_tail(r: Any) -> Any:
    """(exp(r) − 1 − r) / r²."""
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 0.0001984126984126984
    p = p * r + 0.001388888888888889
    p = p * r + 0.008333333333333333
    p = p * r + 0.041666666666666664
    p = p * r + 0.16666666666666666
    return p * r + 0.5


def expm1(x: Any) -> Any:
    """2ᵏ exp(r) − 1, the two halves added with what the first sum lost."""
    z = 710.0 if x > 710.0 else x
    z = -60.0 if z < -60.0 else z
    shifted = z * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    high = z - k * 0.6931471803691238
    low = k * 1.9082149292705877e-10
    r = high - low
    rest = r * r * exp_tail(r) - low
    n = np.float64(shifted).view(np.int64) - 4843621399236968448
    scale = np.int64((n + 1022) << 52).view(np.float64)  # 2ᵏ / 2
    a = scale - 0.5
    b = scale * high
    s = a + b
    made = 2.0 * (s + ((b - (s - a)) + scale * rest))
    return x if abs(x) < 1e-17 else made


def tanh(x: Any) -> Any:
    """x + x³ P(x²) / Q(x²), with Cephes' polynomials; beyond 0.625, 1 − 2 / (exp(2|x|) + 1)."""
    size = abs(x)
    large = size >= 0.625
    z = x * x
    p = (-0.9643991794250523 * z - 99.28772310019185) * z - 1614.6876844170845
    q = ((z + 112.81167849163293) * z + 2235.4883906010045) * z + 4844.063053251255
    ratio = (2.0 if large else z * p) / (exp(2.0 * size) + 1.0 if large else q)
    return np.copysign(1.0 - ratio if large else size + size * ratio, x)


def log_of(f: Any, k: Any, c: Any) -> Any:
    """k ln 2 + log(1 + f) + c, for √½ < 1 + f < √2."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
    even = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)))
    half = 0.5 * f * f
    return k * 0.6931471803691238 - ((half - (s * (half + (odd + even)) + (k * 1.9082149292705877e-10 + c))) - f)


def log(x: Any) -> Any:
    """k ln 2 + log m, for x = 2ᵏ m."""
    small = x < 2.2250738585072014e-308
    z = x * 18014398509481984.0 if small else x
    bits = np.float64(z).view(np.int64) + 2638149301829632  # so that the exponent is that of m in (√½, √2)
    k = (bits >> 52) - 1023
    m = np.int64((bits & 4503599627370495) + 4604544269498187776).view(np.float64)
    made = log_of(m - 1.0, np.float64(k - 54 if small else k), 0.0)
    made = x if x == np.inf else made
    made = -np.inf if x == 0.0 else made
    return made if x >= 0.0 else np.nan


def log1p(x: Any) -> Any:
    """log(1 + x), with what the sum has lost."""
    u = 1.0 + x
    bits = np.float64(u).view(np.int64) + 2638149301829632
    k = (bits >> 52) - 1023
    m = np.int64((bits & 4503599627370495) + 4604544269498187776).view(np.float64)
    lost = (1.0 - (u - x) if k > 1 else x - (u - 1.0)) / u
    made = log_of(x if k == 0 else m - 1.0, np.float64(k), 0.0 if k == 0 else lost)
    made = x if x == np.inf or x == 0.0 else made
    made = -np.inf if x == -1.0 else made
    return made if x >= -1.0 else np.nan


def sin(x: Any) -> Any:
    """± the sine or the cosine of what is left of x beside multiples of π/2."""
    return wave(x, 0)


def cos(x: Any) -> Any:
    """sin(x + π/2)."""
    return wave(x, 1)


def wave(x: Any, quarters: Any) -> Any:
    """sin(x + quarters π/2)."""
    shifted = x * 0.6366197723675814 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    first = x - k * 1.5707963267341256
    second = k * 6.077100506303966e-11
    r = first - second
    third = k * 2.0222662487959506e-21 - ((first - r) - second)
    y = r - third
    low = (r - y) - third
    z = y * y
    p = 1.58969099521155010221e-10
    p = p * z - 2.50507602534068634195e-08
    p = p * z + 2.75573137070700676789e-06
    p = p * z - 1.98412698298579493134e-04
    p = p * z + 8.33333333332248946124e-03
    cube = z * y
    sine = y - ((z * (0.5 * low - cube * p) - low) + cube * 1.66666666666666324348e-01)
    q = -1.13596475577881948265e-11
    q = q * z + 2.08757232129817482790e-09
    q = q * z - 2.75573143513906633035e-07
    q = q * z + 2.48015872894767294178e-05
    q = q * z - 1.38888888888741095749e-03
    q = q * z + 4.16666666666666019037e-02
    half = 0.5 * z
    whole = 1.0 - half
    cosine = whole + (((1.0 - whole) - half) + (z * z * q - y * low))
    n = np.float64(shifted).view(np.int64) + quarters
    made = sine if n & 1 == 0 else cosine
    made = made if n & 2 == 0 else -made
    return x if x == 0.0 and quarters == 0 else made


def far(x: Any) -> Any:
    """Whether sin and cos above are not to be used."""
    return not abs(x) < 1e6
