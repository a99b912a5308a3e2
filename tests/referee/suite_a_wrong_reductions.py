"""Reductions, scans, sorting and order statistics with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([6006, seed])


def std(x):
    c = x - np.mean(x, axis=0)
    return np.sqrt(np.sum(c * c, axis=0) / len(x))


def cumprod_rule(g, out, x):
    """Sums start behind the entry itself."""
    d = np.zeros_like(x)
    for i in range(len(x)):
        without = x.copy()
        without[i] = 1
        d[i] = np.sum((g * np.cumprod(without))[i + 1 :])
    return d


def log_cumsum_exp_rule(g, out, x):
    """A known formula that takes the logarithm of g: for positive g only."""
    low = np.logaddexp.accumulate((np.log(g) - out)[::-1])[::-1]
    return np.exp(low + x)


def median_rule(g, out, x):
    """The lower middle takes it all, for even counts too."""
    d = np.zeros_like(x)
    order = np.argsort(x, axis=1)
    d[np.arange(len(x)), order[:, (x.shape[1] - 1) // 2]] = g
    return d


def sort_rule(g, out, x):
    """Gathers with the permutation where it ought to scatter."""
    return np.take_along_axis(g, np.argsort(x, axis=1), axis=1)


def weighted_lse(z, b):
    m = np.max(z)
    return m + np.log(np.sum(b * np.exp(z - m)))


def weighted_lse_rule(g, out, z, b):
    e = np.exp(z - np.max(z))
    return g * e / np.sum(e), g * np.exp(z - out)


def trapezoid(y):
    return np.sum(y[1:] + y[:-1]) / 2 * 0.1


def smoothness(x):
    return np.sum(np.diff(x) ** 2)


def smoothness_rule(g, out, x):
    d = 2 * g * np.diff(x)
    return np.concatenate([-d[:1], d[:-1] - d[1:], 0 * d[-1:]])


def moving_average(x):
    m = [x[0]]
    for v in x[1:]:
        m.append(0.9 * m[-1] + 0.1 * v)
    return np.stack(m)


def moving_average_rule(g, out, x):
    """The first entry is weighed like the others."""
    d = np.zeros_like(x)
    carry = 0.0
    for i in range(len(x) - 1, -1, -1):
        carry = 0.9 * carry + g[i]
        d[i] = 0.1 * carry
    return d


def weighted_mean(x, w):
    return np.sum(w * x) / np.sum(w)


def top3(x):
    return np.sum(np.sort(x, axis=1)[:, -3:] ** 2, axis=1)


def top3_rule(g, out, x):
    """The threshold itself is left out."""
    level = np.sort(x, axis=1)[:, -3:-2]
    return g[:, None] * 2 * x * (x > level)


def quantile(x):
    s = np.sort(x)
    return 0.75 * s[2] + 0.25 * s[3]


def quantile_rule(g, out, x):
    order = np.argsort(x)
    d = np.zeros_like(x)
    d[order[2]], d[order[3]] = 0.25 * g, 0.75 * g
    return d


def geometric_mean(x):
    return np.exp(np.mean(np.log(x), axis=1))


def autocorrelation(x):
    return np.stack([np.sum(x[k:] * x[: len(x) - k]) for k in range(3)])


def autocorrelation_rule(g, out, x):
    """Only the leading factor of each product is differentiated for lags above 0."""
    d = 2 * g[0] * x
    for k in (1, 2):
        d[k:] += g[k] * x[: len(x) - k]
    return d


CASES = [
    Case(
        "mean over two of three axes: one count forgotten",
        "wrong",
        lambda x: np.mean(x, axis=(0, 2)),
        lambda g, out, x: np.ones_like(x) * g[:, None] / x.shape[0],
        (rng(0).normal(size=(2, 3, 4)),),
        "divided by 2 where 8 is right",
        ("factor",),
    ),
    Case(
        "mean over axis 0: g laid along the wrong axis",
        "wrong",
        lambda x: np.mean(x, axis=0),
        lambda g, out, x: np.ones_like(x) * g[:, None] / len(x),
        (rng(1).normal(size=(4, 4)),),
        "a square array hides it",
        ("axis", "transposed"),
    ),
    Case(
        "variance of 5,000, ddof 1: ddof 0 in the backward",
        "wrong",
        lambda x: np.var(x, ddof=1),
        lambda g, out, x: g * 2 * (x - np.mean(x)) / x.size,
        (rng(2).normal(size=5000),),
        "a factor of 0.9998",
        ("factor", "options forgotten"),
    ),
    Case(
        "third central moment: the mean held constant",
        "wrong",
        lambda x: np.mean((x - np.mean(x)) ** 3),
        lambda g, out, x: g * 3 * (x - np.mean(x)) ** 2 / x.size,
        (rng(3).normal(size=6),),
        "harmless for the second moment, whose deviations sum to 0, and not for the third",
        ("term missing",),
    ),
    Case(
        "standard deviation: variance's gradient",
        "wrong",
        std,
        lambda g, out, x: g * 2 * (x - np.mean(x, axis=0)) / len(x),
        (rng(4).normal(size=(6, 3)),),
        "1/(2 std) is missing, which differs between columns",
        ("elsewhere", "term missing"),
    ),
    Case(
        "norm: divided by its square",
        "wrong",
        lambda x: np.sqrt(np.sum(x * x)),
        lambda g, out, x: g * x / out**2,
        (rng(5).normal(size=4),),
        "one power of the norm too many",
        ("factor",),
    ),
    Case(
        "prod with a zero: out / x",
        "wrong",
        lambda x: np.prod(x),
        lambda g, out, x: g * out / x,
        (np.array([2.0, 0.0, 3.0]),),
        "0/0 where 6 is right",
        ("not finite",),
    ),
    Case(
        "prod with a zero: nan replaced by 0",
        "wrong",
        lambda x: np.prod(x),
        lambda g, out, x: np.where(x == 0, 0, g * out / np.where(x == 0, 1, x)),
        (np.array([2.0, 0.0, 3.0]),),
        "a guard that hides the only gradient",
        ("term missing", "one index", "mask"),
    ),
    Case(
        "cumsum: not reversed in the backward",
        "wrong",
        np.cumsum,
        lambda g, out, x: np.cumsum(g),
        (rng(6).normal(size=5),),
        "the transpose of a lower triangle is an upper one",
        ("transposed",),
    ),
    Case(
        "cumsum: the entry itself left out",
        "wrong",
        np.cumsum,
        lambda g, out, x: np.cumsum(g[::-1])[::-1] - g,
        (rng(7).normal(size=5),),
        "exclusive where inclusive is right",
        ("term missing", "one index"),
    ),
    Case(
        "cumprod: the entry's own product left out",
        "wrong",
        np.cumprod,
        cumprod_rule,
        (rng(8).normal(size=5),),
        "exclusive where inclusive is right",
        ("term missing", "one index"),
    ),
    Case(
        "logcumsumexp: logarithm of g",
        "wrong",
        lambda x: np.logaddexp.accumulate(x),
        log_cumsum_exp_rule,
        (rng(9).normal(size=5),),
        "nan for any negative g",
        ("not finite", "not linear"),
    ),
    Case(
        "median of six: lower middle takes all",
        "wrong",
        lambda x: np.median(x, axis=1),
        median_rule,
        (rng(10).normal(size=(2, 6)),),
        "the mean of two middles is differentiated as the first",
        ("one index", "term missing"),
    ),
    Case(
        "sort: permutation for its inverse",
        "wrong",
        lambda x: np.sort(x, axis=1),
        sort_rule,
        (rng(11).normal(size=(3, 5)),),
        "right for self-inverse permutations",
        ("transposed",),
    ),
    Case(
        "logsumexp with weights: forgotten",
        "wrong",
        weighted_lse,
        weighted_lse_rule,
        (rng(12).normal(size=5), rng(13).uniform(0.5, 1.5, size=5)),
        "z's gradient is plain softmax",
        ("options forgotten",),
    ),
    Case(
        "trapezoid rule: whole weights at the ends",
        "wrong",
        trapezoid,
        lambda g, out, y: g * 0.1 * np.ones_like(y),
        (rng(14).normal(size=100),),
        "two of a hundred entries are twice too large",
        ("one index",),
    ),
    Case(
        "smoothness penalty: last difference dropped at its end",
        "wrong",
        smoothness,
        smoothness_rule,
        (rng(15).normal(size=30),),
        "the last entry has gradient 0",
        ("one index", "term missing"),
    ),
    Case(
        "moving average: first entry weighed like the others",
        "wrong",
        moving_average,
        moving_average_rule,
        (rng(16).normal(size=12),),
        "one entry is ten times too small",
        ("one index", "factor"),
    ),
    Case(
        "weighted mean: weights' gradient without the mean",
        "wrong",
        weighted_mean,
        lambda g, out, x, w: (g * w / np.sum(w), g * x / np.sum(w)),
        (rng(17).normal(size=5), rng(18).uniform(0.5, 2, size=5)),
        "x where x - mean is right",
        ("term missing",),
    ),
    Case(
        "top three: the third left out",
        "wrong",
        top3,
        top3_rule,
        (rng(19).normal(size=(2, 7)),),
        "> for >=",
        ("mask", "one index"),
    ),
    Case(
        "|x|^3 summed: sign lost",
        "wrong",
        lambda x: np.sum(np.abs(x) ** 3),
        lambda g, out, x: g * 3 * x**2,
        (np.array([1.0, 2.0, -1e-3, 0.5]),),
        "wrong at one entry whose gradient is 3e-6",
        ("sign", "one index"),
    ),
    Case(
        "quantile: interpolation weights exchanged",
        "wrong",
        quantile,
        quantile_rule,
        (rng(20).normal(size=8),),
        "1/4 and 3/4 have changed places",
        ("elsewhere", "transposed", "one index"),
    ),
    Case(
        "geometric mean: not multiplied by the mean",
        "wrong",
        geometric_mean,
        lambda g, out, x: g[:, None] / x / x.shape[1],
        (rng(21).uniform(0.9, 1.1, size=(3, 4)),),
        "the mean is close to 1 here",
        ("term missing", "elsewhere"),
    ),
    Case(
        "autocorrelation: trailing factors held constant",
        "wrong",
        autocorrelation,
        autocorrelation_rule,
        (rng(22).normal(size=8),),
        "half of each product rule is missing",
        ("term missing",),
    ),
    Case(
        "min and max: spread's minimum has the wrong sign",
        "wrong",
        lambda x: np.max(x) - np.min(x),
        lambda g, out, x: g * ((x == np.max(x)) * 1.0 + (x == np.min(x)) * 1.0),
        (rng(23).normal(size=9),),
        "one entry",
        ("sign", "one index"),
    ),
    Case(
        "broadcast product: summed over the wrong axis",
        "wrong",
        lambda x, s: x * s,
        lambda g, out, x, s: (g * s, np.sum(g * x, axis=1)),
        (rng(24).normal(size=(3, 3)), rng(25).normal(size=3)),
        "s runs along the last axis",
        ("not summed", "axis"),
    ),
    Case(
        "broadcast product: first row only",
        "wrong",
        lambda x, s: x * s,
        lambda g, out, x, s: (g * s, (g * x)[0]),
        (rng(26).normal(size=(4, 3)), rng(27).normal(size=3)),
        "the shape is right, the sum is missing",
        ("not summed", "term missing"),
    ),
    Case(
        "scalar scale: mean for sum",
        "wrong",
        lambda x, s: x * s,
        lambda g, out, x, s: (g * s, np.mean(g * x)),
        (rng(28).normal(size=(4, 3)), np.array(1.3)),
        "a twelfth of the scale's gradient",
        ("factor", "not summed"),
    ),
]
