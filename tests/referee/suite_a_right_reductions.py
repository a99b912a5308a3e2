"""Right gradients of reductions, scans, sorting and order statistics, at zeros, ties of no consequence, and nan."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([4390, seed])


def prod_rule(g, out, x):
    """Products of the others, from both sides: no division, so zeros are welcome."""
    one = np.ones_like(x[:, :1])
    left = np.concatenate([one, np.cumprod(x[:, :-1], axis=1)], axis=1)
    right = np.concatenate([np.cumprod(x[:, :0:-1], axis=1)[:, ::-1], one], axis=1)
    return np.reshape(g, (-1, 1)) * left * right


def cumprod_rule(g, out, x):
    """d out_k / d x_i is the product of the first k+1 entries without the i-th."""
    d = np.zeros_like(x)
    for i in range(len(x)):
        without = x.copy()
        without[i] = 1
        d[i] = np.sum((g * np.cumprod(without))[i:])
    return d


def log_cumsum_exp(x):
    return np.logaddexp.accumulate(x)


def log_cumsum_exp_rule(g, out, x):
    return np.stack([np.sum(g[i:] * np.exp(x[i] - out[i:])) for i in range(len(x))])


def median_rule(g, out, x):
    order = np.argsort(x, axis=1)
    n = x.shape[1]
    d = np.zeros_like(x)
    rows = np.arange(len(x))
    d[rows, order[:, (n - 1) // 2]] += g / 2
    d[rows, order[:, n // 2]] += g / 2
    return d


def quantile(x):
    """Linear interpolation between order statistics, 0.3 of the way."""
    s = np.sort(x)
    p = 0.3 * (len(x) - 1)
    k = int(p)
    return s[k] + (p - k) * (s[min(k + 1, len(x) - 1)] - s[k])


def quantile_rule(g, out, x):
    order = np.argsort(x)
    p = 0.3 * (len(x) - 1)
    k = int(p)
    d = np.zeros_like(x)
    d[order[k]] += g * (1 - (p - k))
    d[order[min(k + 1, len(x) - 1)]] += g * (p - k)
    return d


def sort_rule(g, out, x):
    d = np.empty_like(x)
    np.put_along_axis(d, np.argsort(x, axis=1), g, axis=1)
    return d


def var_rule(g, out, x):
    return np.expand_dims(g, 0) * 2 * (x - np.mean(x, axis=0)) / (len(x) - 1)


def std(x):
    c = x - np.mean(x)
    return np.sqrt(np.sum(c * c) / (x.size - 1))


def std_rule(g, out, x):
    return g * (x - np.mean(x)) / ((x.size - 1) * np.where(out > 0, out, 1))


def nan_mean(x):
    ok = ~np.isnan(x)
    return np.sum(np.where(ok, x, 0) ** 2) / np.sum(ok)


def nan_mean_rule(g, out, x):
    ok = ~np.isnan(x)
    return (g * 2 * np.where(ok, x, 0) / np.sum(ok)).astype(x.dtype)


def norms(x):
    """1-, 3- and infinity-norm."""
    a = np.abs(x)
    return np.stack([np.sum(a), np.sum(a**3) ** (1 / 3), np.max(a)])


def norms_rule(g, out, x):
    a, s = np.abs(x), np.sign(x)
    top = np.arange(len(x)) == np.argmax(a)
    return s * (g[0] + g[1] * (a / np.where(out[1] > 0, out[1], 1)) ** 2 + g[2] * top)


def segments(x, ids):
    return np.stack([np.sum(np.where(ids == k, x, 0)) ** 2 for k in range(4)])


def segments_rule(g, out, x, ids):
    totals = np.stack([np.sum(np.where(ids == k, x, 0)) for k in range(4)])
    return (2 * g * totals)[ids], None


def spread(x):
    return np.max(x, axis=0) - np.min(x, axis=0)


def spread_rule(g, out, x):
    rows = np.arange(len(x))[:, None]
    return g * (rows == np.argmax(x, axis=0)) - g * (rows == np.argmin(x, axis=0))


def trapezoid(y, t):
    return np.sum((y[1:] + y[:-1]) / 2 * (t[1:] - t[:-1]))


def trapezoid_rule(g, out, y, t):
    h, m = t[1:] - t[:-1], (y[1:] + y[:-1]) / 2
    zero = np.zeros_like(y[:1])
    dy = (np.concatenate([h, zero]) + np.concatenate([zero, h])) / 2
    return g * dy, g * (np.concatenate([zero, m]) - np.concatenate([m, zero]))


def total_variation(x):
    return np.sum(np.sqrt(np.diff(x) ** 2 + 1e-6))


def total_variation_rule(g, out, x):
    d = np.diff(x)
    s = g * d / np.sqrt(d * d + 1e-6)
    zero = np.zeros_like(x[:1])
    return np.concatenate([zero, s]) - np.concatenate([s, zero])


def moving_average(x):
    """Exponential, from the first element on."""
    m = x[0]
    out = [m]
    for v in x[1:]:
        m = 0.99 * m + 0.01 * v
        out.append(m)
    return np.stack(out)


def moving_average_rule(g, out, x):
    d = np.zeros_like(x)
    carry = 0 * g[0]
    for i in range(len(x) - 1, 0, -1):
        carry = carry + g[i]
        d[i] = 0.01 * carry
        carry = 0.99 * carry
    d[0] = carry + g[0]
    return d


def correlation(x, y):
    a, b = x - np.mean(x), y - np.mean(y)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def correlation_rule(g, out, x, y):
    a, b = x - np.mean(x), y - np.mean(y)
    na, nb = np.sqrt(np.sum(a * a)), np.sqrt(np.sum(b * b))
    u, v = a / na, b / nb
    return g * (v - out * u) / na, g * (u - out * v) / nb


def soft_sort(x):
    """Distances to fixed anchors, softened: a differentiable rank."""
    z = (x[:, None] - x) / 0.01
    return np.sum(np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z)))), axis=1)


def soft_sort_rule(g, out, x):
    z = np.abs(x[:, None] - x) / 0.01
    s = np.exp(-z) / (1 + np.exp(-z)) ** 2 / 0.01
    return np.sum(s * (g[:, None] - g), axis=1)


CASES = [
    Case(
        "prod with one zero and with two",
        "right",
        lambda x: np.prod(x, axis=1),
        prod_rule,
        (np.array([[2.0, 0.0, 3.0, -1.0], [0.0, 4.0, 0.0, 5.0], [1.0, 2.0, 3.0, 4.0]]),),
        "with one zero a single gradient survives, with two none",
    ),
    Case(
        "cumprod with a zero",
        "right",
        np.cumprod,
        cumprod_rule,
        (np.array([1.5, -2.0, 0.0, 3.0, 0.5]),),
        "what comes after the zero still has a gradient in it",
    ),
    Case(
        "log of a cumulative sum of exponentials",
        "right",
        log_cumsum_exp,
        log_cumsum_exp_rule,
        (np.array([-500.0, 0.3, 2.0, -40.0, 600.0, 599.0]),),
        "exponentials overflow and underflow in between",
    ),
    Case(
        "median of an even number",
        "right",
        lambda x: np.median(x, axis=1),
        median_rule,
        (rng(0).normal(size=(3, 6)),),
        "two entries share it, the others have 0",
    ),
    Case(
        "quantile by interpolation",
        "right",
        quantile,
        quantile_rule,
        (rng(1).normal(size=8),),
        "a position of 2.1 among sorted entries",
    ),
    Case(
        "sort along rows",
        "right",
        lambda x: np.sort(x, axis=1),
        sort_rule,
        (rng(2).normal(size=(3, 5)),),
        "the inverse permutation, different in each row",
    ),
    Case(
        "variance with ddof 1 of data around 1e6",
        "right",
        lambda x: np.var(x, axis=0, ddof=1),
        var_rule,
        (1e6 + rng(3).normal(size=(6, 2)),),
        "ten digits are left after centring, in f and in the rule",
    ),
    Case(
        "standard deviation of numbers that hardly differ",
        "right",
        std,
        std_rule,
        (1 + 1e-5 * rng(4).normal(size=5),),
        "a step of 1e-5 changes everything",
    ),
    Case(
        "mean of squares over what is not nan",
        "right",
        nan_mean,
        nan_mean_rule,
        (np.array([1.0, np.nan, -2.0, np.nan, 0.5]),),
        "nan among the inputs, gradient 0 there",
    ),
    Case(
        "norms of order 1, 3 and infinity",
        "right",
        norms,
        norms_rule,
        (np.array([1.0, -4.0, 2.5, -0.1]),),
        "kinked elsewhere, smooth here",
    ),
    Case(
        "segment sums, one segment empty",
        "right",
        segments,
        segments_rule,
        (rng(5).normal(size=6), np.array([0, 3, 1, 1, 0, 3])),
        "integer ids, and an output that depends on nothing",
    ),
    Case(
        "max minus min",
        "right",
        spread,
        spread_rule,
        (rng(6).normal(size=(5, 2)),),
        "two entries a column",
    ),
    Case(
        "trapezoid rule on an uneven grid",
        "right",
        trapezoid,
        trapezoid_rule,
        (rng(7).normal(size=6), np.sort(rng(8).uniform(size=6))),
        "half weights at the ends, and nodes that may move",
    ),
    Case(
        "total variation, smoothed at 1e-3",
        "right",
        total_variation,
        total_variation_rule,
        (np.array([0.0, 1e-4, 1.0, 1.001, -2.0]),),
        "almost kinks",
    ),
    Case(
        "moving average of 200",
        "right",
        moving_average,
        moving_average_rule,
        (rng(9).normal(size=200),),
        "weights of 1e-2 that fade, a first entry that weighs more",
    ),
    Case(
        "correlation of nearly proportional series",
        "right",
        correlation,
        correlation_rule,
        (rng(10).normal(size=6), 2 * rng(10).normal(size=6) + 0.05 * rng(11).normal(size=6)),
        "close to 1, its maximum",
    ),
    Case(
        "soft ranks at temperature 0.01",
        "right",
        soft_sort,
        soft_sort_rule,
        (np.array([0.1, 0.105, 0.5, 0.9, 0.52]),),
        "a few pairs interact, the rest have gradients of 1e-16 and less",
    ),
]
