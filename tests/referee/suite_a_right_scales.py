"""Right rules where numbers are hard: sizes from 1e-300 to 1e300, curvature, close kinks, large constants."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([4134, seed])


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def expm1_ratio(x):
    """(exp(x) - 1) / x, 1 at 0."""
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.expm1(safe) / safe)


def expm1_ratio_rule(g, out, x):
    near = np.abs(x) < 0.5
    t = np.where(near, x, 0)
    series = np.zeros_like(x)
    for n in range(16, 0, -1):  # sum of n x^(n-1) / (n+1)!
        series = series * t + n / np.prod(np.arange(1.0, n + 2)).astype(x.dtype)
    safe = np.where(near, 1, x)
    return g * np.where(near, series, (np.exp(safe) * (safe - 1) + 1) / safe**2)


def sinc(x):
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.sin(safe) / safe)


def sinc_rule(g, out, x):
    near = np.abs(x) < 0.5
    t = np.where(near, x * x, 0)
    s = np.zeros_like(x)
    for n in range(9, 0, -1):  # sum of (-1)^n 2n x^(2n-1) / (2n+1)!
        s = s * t + (-1) ** n * 2 * n / np.prod(np.arange(1.0, 2 * n + 2)).astype(x.dtype)
    safe = np.where(near, 1, x)
    return g * np.where(near, s * x, (safe * np.cos(safe) - np.sin(safe)) / safe**2)


def logistic_map(x):
    for _ in range(12):
        x = 3.9 * x * (1 - x)
    return x


def logistic_map_rule(g, out, x):
    d = np.ones_like(x)
    for _ in range(12):
        d = d * 3.9 * (1 - 2 * x)
        x = 3.9 * x * (1 - x)
    return g * d


def scaled_norm(x):
    m = np.max(np.abs(x))
    return m * np.sqrt(np.sum((x / m) ** 2)) if m > 0 else m


CASES = [
    Case(
        "sin(1e4 x): curvature 1e8",
        "right",
        lambda x: np.sin(1e4 * x),
        lambda g, out, x: g * 1e4 * np.cos(1e4 * x),
        (rng(0).uniform(-1, 1, size=6),),
        "a step of 1e-5 sees a different function",
    ),
    Case(
        "exp(50 x)",
        "right",
        lambda x: np.exp(50 * x),
        lambda g, out, x: g * 50 * out,
        (rng(1).uniform(-1, 1, size=6),),
        "gradients from 1e-20 to 1e22 side by side",
    ),
    Case(
        "Runge's peak 1/(1e-4 + x^2)",
        "right",
        lambda x: 1 / (1e-4 + x * x),
        lambda g, out, x: -2 * g * x * out * out,
        (np.array([0.0, 1e-5, -0.003, 0.0099, 0.3, 40.0]),),
        "the peak is 0.01 wide and the slope changes sign at its top",
    ),
    Case(
        "relu, kinks 1e-7 away",
        "right",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g * (x > 0),
        (np.array([1e-7, -1e-7, 3e-8, -2e-9, 1.0, -1.0]),),
        "any ordinary step crosses the kink",
    ),
    Case(
        "abs, kinks 1e-12 away",
        "right",
        np.abs,
        lambda g, out, x: g * np.sign(x),
        (np.array([1e-12, -1e-12, 5.0, -1e-10]),),
        "any ordinary step crosses the kink",
    ),
    Case(
        "max along rows, runner-up 1e-8 behind",
        "right",
        lambda x: np.max(x, axis=1),
        lambda g, out, x: g[:, None] * (np.arange(x.shape[1]) == np.argmax(x, axis=1)[:, None]),
        (np.array([[1.0, 1.0 + 1e-8, 0.0], [2.0, -1.0, 2.0 - 1e-9]]),),
        "a step changes the winner",
    ),
    Case(
        "1e6 + 1e-3 sin(x)",
        "right",
        lambda x: 1e6 + 1e-3 * np.sin(x),
        lambda g, out, x: g * 1e-3 * np.cos(x),
        (rng(3).normal(size=5),),
        "the constant leaves differences seven digits",
    ),
    Case(
        "1e9 + total, one number",
        "right",
        lambda x: 1e9 + np.sum(x**3),
        lambda g, out, x: g * 3 * x**2,
        (1e-3 * rng(4).normal(size=6),),
        "the change of f is below one ulp of it for any step below 0.1",
    ),
    Case(
        "cubes at 1e-8",
        "right",
        lambda x: x**3,
        lambda g, out, x: g * 3 * x**2,
        (1e-8 * rng(5).normal(size=6),),
        "gradients of 1e-16 are not zero",
    ),
    Case(
        "cubes at 1e-40",
        "right",
        lambda x: x * x * x,
        lambda g, out, x: g * 3 * x * x,
        (1e-40 * rng(6).normal(size=6),),
        "gradients of 1e-80 are not zero either",
    ),
    Case(
        "squares at 1e150",
        "right",
        lambda x: x * x,
        lambda g, out, x: 2 * g * x,
        (1e150 * rng(7).normal(size=4),),
        "f is close to overflow",
    ),
    Case(
        "log at 1e-300 and 1e300",
        "right",
        np.log,
        lambda g, out, x: g / x,
        (np.array([1e-300, 1e-8, 1.0, 1e8, 1e300]),),
        "an absolute step leaves the domain or does nothing",
    ),
    Case(
        "sqrt at 1e-16 and 1e16",
        "right",
        np.sqrt,
        lambda g, out, x: g * 0.5 / out,
        (np.array([1e-16, 1e-8, 1.0, 1e8, 1e16]),),
        "the domain ends 1e-16 away",
    ),
    Case(
        "reciprocal at 1e8",
        "right",
        lambda x: 1 / x,
        lambda g, out, x: -g * out * out,
        (1e8 * rng(8).uniform(1, 2, size=5),),
        "gradients of 1e-16 at inputs of 1e8",
    ),
    Case(
        "10**x over thirty orders",
        "right",
        lambda x: 10.0**x,
        lambda g, out, x: g * out * np.log(10.0).astype(x.dtype),
        (np.linspace(-20, 10, 7),),
        "one array of gradients spans 30 orders of magnitude",
    ),
    Case(
        "exp at -690",
        "right",
        np.exp,
        lambda g, out, x: g * out,
        (np.array([-690.0, -650.0, -1.0, 3.0]),),
        "gradients of 1e-300, just above the denormals",
    ),
    Case(
        "total of a row spanning thirty orders",
        "right",
        lambda x: np.sum(np.exp(x)),
        lambda g, out, x: g * np.exp(x),
        (np.linspace(-60, 10, 8),),
        "the small entries' effect is far below one ulp of f",
    ),
    Case(
        "softplus at +-40",
        "right",
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        lambda g, out, x: g * sigmoid(x),
        (np.array([-40.0, -1e-9, 0.0, 1e-9, 36.0, 40.0, -300.0]),),
        "saturated at both ends and smooth at the point where its branches meet",
    ),
    Case(
        "(exp(x) - 1)/x around 0",
        "right",
        expm1_ratio,
        expm1_ratio_rule,
        (np.array([0.0, 1e-12, -1e-8, 1e-3, -0.4, 2.0, -30.0]),),
        "a removable singularity, at it and near it",
    ),
    Case(
        "sin(x)/x around 0",
        "right",
        sinc,
        sinc_rule,
        (np.array([0.0, 1e-10, -1e-5, 0.01, 0.4, 3.0, 100.0]),),
        "a removable singularity, and slopes of 1e-11 beside it",
    ),
    Case(
        "logistic map, 12 steps",
        "right",
        logistic_map,
        logistic_map_rule,
        (rng(9).uniform(0.1, 0.9, size=5),),
        "chaos: the second derivative is a thousand times the first",
    ),
    Case(
        "norm of numbers at 1e-200",
        "right",
        scaled_norm,
        lambda g, out, x: g * x / out if out > 0 else 0 * x,
        (1e-200 * rng(10).normal(size=4),),
        "squares underflow, the function and its gradient do not",
    ),
]
