"""What loops call beside elementwise functions: sums, maxima, softmax cross-entropy. Compiled by numba.

Sums are taken as NumPy takes them, pairwise, with eight partial sums in blocks of 128: the same bits. Softmax
cross-entropy is that of kernels.py, row by row; sums of up to 64 classes carry along what they lose.

These functions come along in the text of what is compiled, so they speak of NumPy and of one another alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .vector_math import exp, log1p


def total(a: Any) -> Any:
    """The sum of a vector."""
    n = a.size
    if n <= 128:
        return block(a)
    half = n // 2
    half -= half % 8
    return total(a[:half]) + total(a[half:])


def block(a: Any) -> Any:
    """The sum of at most 128 entries."""
    n = a.size
    s = a[0]
    if n < 8:
        for i in range(1, n):
            s += a[i]
        return s
    s1, s2, s3, s4, s5, s6, s7 = a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    for i in range(1, n // 8):
        s += a[8 * i]
        s1 += a[8 * i + 1]
        s2 += a[8 * i + 2]
        s3 += a[8 * i + 3]
        s4 += a[8 * i + 4]
        s5 += a[8 * i + 5]
        s6 += a[8 * i + 6]
        s7 += a[8 * i + 7]
    s = ((s + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for i in range(n - n % 8, n):
        s += a[i]
    return s


def largest(a: Any) -> Any:
    """The largest entry; nan if one is."""
    m, bad = a[0], False
    for i in range(a.size):
        m = m if m >= a[i] else a[i]
        bad |= a[i] != a[i]
    return m if not bad else m + np.nan


def smallest(a: Any) -> Any:
    """The smallest entry; nan if one is."""
    m, bad = a[0], False
    for i in range(a.size):
        m = m if m <= a[i] else a[i]
        bad |= a[i] != a[i]
    return m if not bad else m + np.nan


def outside(y: Any, k: Any) -> Any:
    """Whether a class index is none of 0 … k − 1."""
    bad = False
    for i in range(y.size):
        bad |= y[i] < 0 or y[i] >= k
    return bad


def exp_row(z: Any, e: Any, own: Any) -> Any:
    """exp(z − c) of a row into e, 0 at its true class; that entry, the sum of the others, and the row's loss."""
    k = z.size
    far = False
    for j in range(k):
        far |= not abs(z[j]) <= 200.0
    c = 0.0
    if far:
        c = largest(z)
        c = c if abs(c) < np.inf else 0.0
        for j in range(k):
            h = z[j] - c
            back = z[j] - h
            low = (z[j] - (h + back)) + (back - c)  # what the difference lost
            made = exp(h)
            e[j] = made + (low if abs(low) < np.inf else 0.0) * made
    else:
        for j in range(k):
            e[j] = exp_near(z[j])
    true = e[own]
    e[own] = 0.0
    rest = sum_of_few(e) if k <= 64 else total(e)
    ratio = rest / true
    loss = (c - z[own]) + np.log(rest) if far and not ratio < 1e200 else log1p(ratio)
    return true, rest, loss


def exp_near(x: Any) -> Any:
    """exp(x) where |x| ≤ 200."""
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    high = x - k * 0.6931471803691238
    low = k * 1.9082149292705877e-10
    r = high - low
    s = r * r
    a = (0.5 + r * 0.16666666666666666) + s * (0.041666666666666664 + r * 0.008333333333333333)
    b = (0.001388888888888889 + r * 0.0001984126984126984) + s * (2.48015873015873e-05 + r * 2.7557319223985893e-06)
    c = (2.755731922398589e-07 + r * 2.505210838544172e-08) + s * (2.08767569878681e-09 + r * 1.6059043836821613e-10)
    q = s * s
    p = 1.0 + (high + (s * (a + q * (b + q * c)) - low))
    n = np.float64(shifted).view(np.int64) - 4843621399236967425
    return p * np.int64(n << 52).view(np.float64)


def sum_of_few(a: Any) -> Any:
    """The sum of a vector, with what each addition loses added up as well."""
    s, lost = 0.0, 0.0
    for i in range(a.size):
        t = s + a[i]
        back = t - s
        lost += (s - (t - back)) + (a[i] - back)
        s = t
    return s + lost


def softmax_loss_and_gradient(z: Any, y: Any, out: Any, scale: Any) -> Any:
    """The gradient of Σ losses, times `scale`, and after it the loss of each row."""
    n = y.size
    k = z.size // n
    for i in range(n):
        e = out[i * k : i * k + k]
        true, rest, loss = exp_row(z[i * k : i * k + k], e, y[i])
        share = scale / (rest + true)
        for j in range(k):
            e[j] *= share
        e[y[i]] = -rest * share
        out[n * k + i] = loss


def softmax_parts(z: Any, y: Any, out: Any) -> Any:
    """exp(z − c), 0 at class y; the sums of rows without and with it; the losses."""
    n = y.size
    k = z.size // n
    for i in range(n):
        true, rest, loss = exp_row(z[i * k : i * k + k], out[i * k : i * k + k], y[i])
        out[n * k + i] = rest
        out[n * k + n + i] = rest + true
        out[n * k + 2 * n + i] = loss


def softmax_gradient(parts: Any, y: Any, scale: Any, out: Any) -> Any:
    """The gradient in the logits from `softmax_parts`, times `scale`: of one entry, or of one for each row."""
    n = y.size
    k = out.size // n
    for i in range(n):
        e, g = parts[i * k : i * k + k], out[i * k : i * k + k]
        share = scale[i if scale.size > 1 else 0] / parts[n * k + n + i]
        for j in range(k):
            g[j] = e[j] * share
        g[y[i]] = -parts[n * k + i] * share
