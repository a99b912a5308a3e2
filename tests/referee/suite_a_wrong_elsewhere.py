"""Right at the inputs given, wrong at others that are just as legal: ties, zeros, sizes, layouts, dtypes, ranges."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([7838, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(z):
    s = z - np.max(z, axis=-1, keepdims=True)
    return s - np.log(np.sum(np.exp(s), axis=-1, keepdims=True))


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def logsumexp(z):
    m = np.max(z, axis=-1, keepdims=True)
    return (m + np.log(np.sum(np.exp(z - m), axis=-1, keepdims=True)))[..., 0]


def naive_softmax_rule(g, out, z):
    e = np.exp(z)
    return g[..., None] * e / np.sum(e, axis=-1, keepdims=True)


def squeezed_rule(g, out, x, w):
    """squeeze drops every axis of length one, the batch's too."""
    return np.squeeze(g[:, None] * w[None, :]), g @ x


def flat_rule(g, out, x):
    """Writes through ravel(), which is a copy when the array is not C-contiguous."""
    d = np.zeros_like(x)
    flat = d.ravel()
    flat[...] = (g * 2 * x).ravel()
    return d


def memory_order_rule(g, out, x):
    """ravel(order="K") of two arrays lines them up only when their strides agree."""
    flat = np.ravel(g, order="K") * np.cos(np.ravel(x, order="K"))
    return flat.reshape(x.shape)


def huber(r):
    a = np.abs(r)
    return np.where(a <= 1, 0.5 * r * r, a - 0.5)


def layer_norm_scaled(x, gamma):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return gamma * c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + 1e-5)


def layer_norm_scaled_rule(g, out, x, gamma):
    """gamma is left out of dx."""
    c = x - np.mean(x, axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + 1e-5)
    n = c * r
    dx = r * (g - np.mean(g, axis=-1, keepdims=True) - n * np.mean(g * n, axis=-1, keepdims=True))
    return dx, np.sum(g * n, axis=0)


def masked_mean(x, mask):
    return np.sum(np.where(mask, x, 0) ** 2, axis=1) / np.sum(mask, axis=1)


def embed(table, index):
    return np.sin(table[index])


def embed_rule(g, out, table, index):
    d = np.zeros_like(table)
    d[index] += g * np.cos(table[index])
    return d, None


def ce_ignore(z, y):
    keep = y >= 0
    lp = log_softmax(z)[np.arange(len(y)), np.where(keep, y, 0)]
    return -np.sum(np.where(keep, lp, 0))


def ce_ignore_rule(g, out, z, y):
    return g * (softmax(z) - (np.where(y >= 0, y, 0)[:, None] == np.arange(z.shape[1]))), None


def soft_ce(z, y):
    return -np.sum(y * log_softmax(z), axis=-1)


def pool(x):
    n = len(x) // 2 * 2
    return np.concatenate([x[:n].reshape(-1, 2).mean(axis=1), x[n:]])


def pool_rule(g, out, x):
    """An odd last element, which passes through, is treated as half of a pair."""
    return np.repeat(g, 2)[: len(x)] / 2


def power3(x):
    return np.abs(x) ** 3


def select(x, i):
    return np.take(x, i) ** 2


def select_rule(g, out, x, i):
    """A negative index counts from the end; this one-hot knows it not."""
    hot = i[:, None] == np.arange(len(x))
    return np.sum(g[:, None] * hot * 2 * x, axis=0), None


SPD = (lambda a: a @ a.T + 3 * np.eye(3))(rng(0).normal(size=(3, 3)))

CASES = [
    Case(
        "linear unit: squeeze breaks a batch of one",
        "elsewhere",
        lambda x, w: x @ w,
        squeezed_rule,
        (rng(1).normal(size=(3, 4)), rng(2).normal(size=4)),
        "for x of shape (1, n) the gradient has shape (n,)",
        ("shape",),
    ),
    Case(
        "mean: batch of four built in",
        "elsewhere",
        lambda x: np.mean(x * x),
        lambda g, out, x: g * 2 * x / 4,
        (rng(3).normal(size=4),),
        "1/4 is right for four numbers",
        ("factor",),
    ),
    Case(
        "max: every tie gets all of g",
        "elsewhere",
        lambda x: np.max(x, axis=1),
        lambda g, out, x: g[:, None] * (x == out[:, None]),
        (rng(4).normal(size=(3, 4)),),
        "with two winners the gradient counts twice: [1, 1] is no subgradient of max at a tie",
        ("elsewhere", "not summed"),
    ),
    Case(
        "prod: out / x",
        "elsewhere",
        lambda x: np.prod(x, axis=1),
        lambda g, out, x: (g * out)[:, None] / x,
        (rng(5).normal(size=(3, 4)),),
        "0/0 at a zero, where the truth is the product of the others",
        ("not finite",),
    ),
    Case(
        "sinc: the formula at 0",
        "elsewhere",
        lambda x: np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1, x)),
        lambda g, out, x: g * (np.cos(x) / x - np.sin(x) / x**2),
        (np.array([0.5, -1.0, 3.0, 8.0]),),
        "nan at 0, where the slope is 0",
        ("not finite", "cancellation"),
    ),
    Case(
        "logsumexp: unshifted in the backward",
        "elsewhere",
        logsumexp,
        naive_softmax_rule,
        (rng(6).normal(size=(3, 4)),),
        "scores of 1000 give nan",
        ("not finite",),
    ),
    Case(
        "sigmoid: exp(x)/(1+exp(x)) squared away",
        "elsewhere",
        sigmoid,
        lambda g, out, x: g * np.exp(x) / (1 + np.exp(x)) ** 2,
        (rng(7).normal(size=5),),
        "inf/inf at x = 800",
        ("not finite",),
    ),
    Case(
        "abs: positive inputs only",
        "elsewhere",
        lambda x: np.abs(x),
        lambda g, out, x: g * np.ones_like(x),
        (rng(8).uniform(1, 2, size=5),),
        "the sign is wrong for negative numbers",
        ("sign",),
    ),
    Case(
        "|x|^3: sign lost for negative numbers",
        "elsewhere",
        power3,
        lambda g, out, x: g * 3 * np.abs(x) ** 2,
        (rng(9).uniform(1, 2, size=5),),
        "the sign is wrong for negative numbers",
        ("sign", "term missing"),
    ),
    Case(
        "cross-entropy, soft targets: on the simplex here",
        "elsewhere",
        soft_ce,
        lambda g, out, z, y: (g[:, None] * (softmax(z) - y), -g[:, None] * log_softmax(z)),
        (rng(10).normal(size=(3, 4)), rng(11).dirichlet(np.ones(4), size=3)),
        "yhat - y is wrong for targets that do not sum to one",
        ("simplex",),
    ),
    Case(
        "cross-entropy: no ignored rows here",
        "elsewhere",
        ce_ignore,
        ce_ignore_rule,
        (rng(12).normal(size=(4, 3)), np.array([0, 2, 1, 1])),
        "a row with target -1 has a gradient all the same",
        ("mask", "options forgotten"),
    ),
    Case(
        "masked mean of squares: all true here",
        "elsewhere",
        masked_mean,
        lambda g, out, x, mask: ((g[:, None] * 2 * x / x.shape[1]).astype(x.dtype), None),
        (rng(13).normal(size=(3, 4)), np.ones((3, 4), dtype=bool)),
        "a mask with a False changes count and entries",
        ("mask", "options forgotten"),
    ),
    Case(
        "square: writes through ravel of a C-ordered array",
        "elsewhere",
        lambda x: x * x,
        flat_rule,
        (rng(14).normal(size=(3, 4)),),
        "for a Fortran-ordered x the gradient stays zero",
        ("elsewhere", "transposed", "term missing"),
    ),
    Case(
        "sin: arrays lined up in memory order",
        "elsewhere",
        np.sin,
        memory_order_rule,
        (rng(15).normal(size=(3, 4)),),
        "for a transposed x entries change places",
        ("transposed", "elsewhere"),
    ),
    Case(
        "scaled sum: float64 constants",
        "elsewhere",
        lambda x: np.sum(x * np.array([1.0, 2.0, 3.0], dtype=x.dtype)),
        lambda g, out, x: g * np.array([1.0, 2.0, 3.0]),
        (rng(16).normal(size=3),),
        "the gradient of a float32 input is float64",
        ("dtype",),
    ),
    Case(
        "softplus: 1 above 15",
        "elsewhere",
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        lambda g, out, x: g * np.where(x > 15, 1, sigmoid(x)),
        (np.array([-3.0, 0.5, 4.0]),),
        "at 16 the slope is 1 - 1.1e-7",
        ("elsewhere", "factor", "cancellation"),
    ),
    Case(
        "huber: quadratic here",
        "elsewhere",
        huber,
        lambda g, out, r: g * r,
        (rng(17).uniform(-0.9, 0.9, size=5),),
        "beyond 1 the slope is the sign",
        ("elsewhere", "mask", "not linear"),
    ),
    Case(
        "clip: nothing below the lower bound here",
        "elsewhere",
        lambda x: np.clip(x, -1, 1),
        lambda g, out, x: g * (x < 1),
        (np.array([-0.5, 0.3, 2.0]),),
        "x < -1 gets a gradient",
        ("mask",),
    ),
    Case(
        "layer norm: gamma of ones here",
        "elsewhere",
        layer_norm_scaled,
        layer_norm_scaled_rule,
        (rng(18).normal(size=(3, 5)), np.ones(5)),
        "dx lacks gamma",
        ("options forgotten", "term missing", "factor"),
    ),
    Case(
        "embedding: distinct indices here",
        "elsewhere",
        embed,
        embed_rule,
        (rng(19).normal(size=(5, 2)), np.array([3, 0, 4])),
        "d[index] += keeps one of several equal indices",
        ("not summed", "term missing"),
    ),
    Case(
        "quadratic form: symmetric matrix here",
        "elsewhere",
        lambda x, a: x @ a @ x,
        lambda g, out, x, a: (2 * g * (a @ x), g * np.outer(x, x)),
        (rng(22).normal(size=3), SPD),
        "2Ax is (A + AT)x for symmetric A only",
        ("transposed", "term missing"),
    ),
    Case(
        "solve: symmetric matrix here",
        "elsewhere",
        lambda a, b: np.linalg.solve(a, b),
        lambda g, out, a, b: (-np.outer(np.linalg.solve(a, g), out), np.linalg.solve(a, g)),
        (SPD, rng(23).normal(size=3)),
        "the adjoint solves with AT",
        ("transposed",),
    ),
    Case(
        "average of pairs: even length here",
        "elsewhere",
        pool,
        pool_rule,
        (rng(24).normal(size=6),),
        "the odd one out passes through with slope 1",
        ("one index", "factor"),
    ),
    Case(
        "selection: non-negative indices here",
        "elsewhere",
        select,
        select_rule,
        (rng(25).normal(size=5), np.array([0, 3, 3])),
        "index -1 is the last element and gets no gradient",
        ("one index", "mask", "term missing"),
    ),
    Case(
        "leaky relu: positive inputs here",
        "elsewhere",
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda g, out, x: np.where(x > 0, g, 0.01 * g),
        (rng(26).uniform(1, 2, size=5),),
        "the slope of the negative side is 0.1",
        ("factor", "options forgotten"),
    ),
    Case(
        "sigmoid: out (1 - out), small scores here",
        "elsewhere",
        sigmoid,
        lambda g, out, x: g * out * (1 - out),
        (rng(27).normal(size=5),),
        "at 30 the slope 9e-14 has three digits left",
        ("cancellation",),
    ),
    Case(
        "variance: E[x^2] - E[x]^2 in the gradient, centred data here",
        "elsewhere",
        lambda x: np.log(np.var(x)),
        lambda g, out, x: g * 2 / x.size * (x - np.mean(x)) / (np.mean(x * x) - np.mean(x) ** 2),
        (rng(28).normal(size=6),),
        "for data around 1e7 the denominator has lost its digits",
        ("cancellation", "not finite"),
    ),
    Case(
        "sqrt(1 + x^2) arctan(x): logarithmic derivative",
        "elsewhere",
        lambda x: np.sqrt(1 + x * x) * np.arctan(x),
        lambda g, out, x: g * (out * x / (1 + x * x) + out / np.arctan(x) / (1 + x * x)),
        (rng(29).normal(size=5),),
        "0/0 at x = 0, where the slope is 1",
        ("not finite",),
    ),
]
