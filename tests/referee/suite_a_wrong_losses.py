"""Softmax and cross-entropy with mistakes, in all spellings."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([9821, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(z, axis=-1):
    s = z - np.max(z, axis=axis, keepdims=True)
    return s - np.log(np.sum(np.exp(s), axis=axis, keepdims=True))


def softmax_rule(g, out, axis=-1):
    return out * (g - np.sum(g * out, axis=axis, keepdims=True))


def one_hot(y, k):
    return (y[:, None] == np.arange(k)).astype(float)


def picked(z, y):
    return log_softmax(z)[np.arange(len(y)), y]


Z = rng(0).normal(size=(5, 5))


Y = np.array([1, 4, 0, 0, 2])


W = 1 + 1e-4 * rng(1).normal(size=5)


WIDE = rng(2).uniform(0.2, 3, size=5)


def weighted(z, y):
    w = WIDE[y]
    return -np.sum(w * picked(z, y)) / np.sum(w)


def smoothed(eps):
    def f(z, y):
        t = (1 - eps) * one_hot(y, z.shape[1]) + eps / z.shape[1]
        return -np.sum(t * log_softmax(z)) / len(y)

    return f


def smoothed_rule(eps, off):
    def rule(g, out, z, y):
        k = z.shape[1]
        hot = one_hot(y, k)
        return g * (softmax(z) - hot * (1 - eps) - off(eps, k) * (1 - hot) - eps / k * hot) / len(y), None

    return rule


def ignoring(z, y):
    keep = y != -100
    return -np.sum(np.where(keep, picked(z, np.where(keep, y, 0)), 0.0)) / np.sum(keep)


def ignoring_rule(g, out, z, y, masked=True, counted=True):
    keep = y != -100
    d = softmax(z) - one_hot(np.where(keep, y, 0), z.shape[1])
    return g * d * (keep[:, None] if masked else 1) / (np.sum(keep) if counted else len(y)), None


def soft_ce(z, y):
    return -np.sum(y * log_softmax(z), axis=-1)


def soft_rule(g, out, z, y):
    return g[:, None] * (softmax(z) - y), -g[:, None] * log_softmax(z)


def simplex(seed, shape, total):
    y = rng(seed).dirichlet(np.ones(shape[1]), size=shape[0])
    return y * total


def confident(z):
    """Stable: the sum of the rivals, never 1 - p."""
    m = z - z[:, :1]
    return np.log1p(np.sum(np.exp(m[:, 1:]), axis=1))


def confident_rule(g, out, z):
    p = softmax(z)
    p[:, 0] -= 1
    return g[:, None] * p


CASES = [
    Case(
        "softmax: treated as elementwise",
        "wrong",
        softmax,
        lambda g, out, z: g * out * (1 - out),
        (rng(10).normal(size=(3, 4)),),
        "the off-diagonal of diag(s) - s sT is left out",
        ("elementwise", "term missing"),
    ),
    Case(
        "softmax: sum over axis 0 in the backward",
        "wrong",
        softmax,
        lambda g, out, z: softmax_rule(g, out, axis=0),
        (rng(11).normal(size=(4, 4)),),
        "the inner product runs over the batch",
        ("axis",),
    ),
    Case(
        "softmax with temperature 1.001: forgotten",
        "wrong",
        lambda z: softmax(z / 1.001),
        lambda g, out, z: softmax_rule(g, out),
        (rng(12).normal(size=(3, 4)),),
        "1/T is missing, a factor of 1.001",
        ("factor", "options forgotten"),
    ),
    Case(
        "softmax: one class of 3,000 loses its coupling",
        "wrong",
        softmax,
        lambda g, out, z: out * (g - np.sum((g * out)[:, :-1], axis=1, keepdims=True)),
        (rng(13).normal(size=(2, 3000)),),
        "the inner product stops one class early: everything is off by 1e-4",
        ("one index", "term missing", "elementwise"),
    ),
    Case(
        "log_softmax: g summed over axis 0",
        "wrong",
        log_softmax,
        lambda g, out, z: g - np.exp(out) * np.sum(g, axis=0, keepdims=True),
        (rng(14).normal(size=(4, 4)),),
        "the batch's sum stands where the classes' sum belongs",
        ("axis",),
    ),
    Case(
        "log_softmax: as if g summed to one",
        "wrong",
        log_softmax,
        lambda g, out, z: g - np.exp(out),
        (rng(15).normal(size=(4, 5)),),
        "right for a log-likelihood only; affine in g",
        ("not linear", "g ignored"),
    ),
    Case(
        "logsumexp: cotangent of the rows ignored",
        "wrong",
        lambda z: np.max(z, axis=1) + np.log(np.sum(np.exp(z - np.max(z, axis=1, keepdims=True)), axis=1)),
        lambda g, out, z: softmax(z),
        (rng(16).normal(size=(4, 5)),),
        "returns softmax without g",
        ("g ignored", "not linear"),
    ),
    Case(
        "cross-entropy, mean: not divided by N",
        "wrong",
        lambda z, y: -np.mean(picked(z, y)),
        lambda g, out, z, y: (g * (softmax(z) - one_hot(y, z.shape[1])), None),
        (Z, Y),
        "N times too large",
        ("factor",),
    ),
    Case(
        "cross-entropy, mean: divided by N*K",
        "wrong",
        lambda z, y: -np.mean(picked(z, y)),
        lambda g, out, z, y: (g * (softmax(z) - one_hot(y, z.shape[1])) / z.size, None),
        (Z, Y),
        "the mean over rows is confused with the mean over entries",
        ("factor",),
    ),
    Case(
        "cross-entropy, weighted mean: divided by N",
        "wrong",
        weighted,
        lambda g, out, z, y: (g * WIDE[y][:, None] * (softmax(z) - one_hot(y, 5)) / len(y), None),
        (Z, Y),
        "the weights' sum is the denominator",
        ("factor", "options forgotten"),
    ),
    Case(
        "cross-entropy, weights near 1: forgotten",
        "wrong",
        lambda z, y: -np.sum(W[y] * picked(z, y)),
        lambda g, out, z, y: (g * (softmax(z) - one_hot(y, 5)), None),
        (Z, Y),
        "weights that differ from 1 by 1e-4 are left out",
        ("options forgotten",),
    ),
    Case(
        "cross-entropy, weights: looked up by position",
        "wrong",
        lambda z, y: -np.sum(WIDE[y] * picked(z, y)),
        lambda g, out, z, y: (g * WIDE[: len(y)][:, None] * (softmax(z) - one_hot(y, 5)), None),
        (Z, Y),
        "the weight of class n is given to row n",
        ("options forgotten", "axis"),
    ),
    Case(
        "cross-entropy, smoothing 1e-6: forgotten",
        "wrong",
        smoothed(1e-6),
        lambda g, out, z, y: (g * (softmax(z) - one_hot(y, 5)) / len(y), None),
        (Z, Y),
        "an absolute difference of 1e-7 in every entry",
        ("options forgotten",),
    ),
    Case(
        "cross-entropy, smoothing: eps/(K-1) off the class",
        "wrong",
        smoothed(0.1),
        smoothed_rule(0.1, lambda eps, k: eps / (k - 1)),
        (Z, Y),
        "two definitions of smoothing are mixed, so the gradient does not sum to zero",
        ("options forgotten", "simplex"),
    ),
    Case(
        "cross-entropy, ignore_index: ignored rows have a gradient",
        "wrong",
        ignoring,
        lambda g, out, z, y: ignoring_rule(g, out, z, y, masked=False),
        (Z, np.array([1, -100, 0, -100, 2])),
        "the loss masks them and the backward does not",
        ("mask", "options forgotten"),
    ),
    Case(
        "cross-entropy, ignore_index: divided by all rows",
        "wrong",
        ignoring,
        lambda g, out, z, y: ignoring_rule(g, out, z, y, counted=False),
        (Z, np.array([1, -100, 0, 3, 2])),
        "the mean is over rows that count",
        ("factor", "options forgotten", "mask"),
    ),
    Case(
        "cross-entropy, soft targets that sum to 2",
        "wrong",
        soft_ce,
        soft_rule,
        (Z, simplex(20, (5, 5), 2.0)),
        "yhat - y where (sum y) * yhat - y is right",
        ("simplex",),
    ),
    Case(
        "cross-entropy, soft targets that sum to 1 + 1e-6",
        "wrong",
        soft_ce,
        soft_rule,
        (Z, simplex(21, (5, 5), 1 + 1e-6)),
        "yhat - y is off by 1e-6 * yhat",
        ("simplex",),
    ),
    Case(
        "cross-entropy on probabilities: p + 1e-7 in the denominator",
        "wrong",
        lambda p, y: -np.sum(y * np.log(p)),
        lambda g, out, p, y: (-g * y / (p + 1e-7), -g * np.log(p)),
        (rng(22).dirichlet(np.ones(4), size=3), np.eye(4)[[0, 3, 1]]),
        "an epsilon that the forward does not have",
        ("elsewhere", "factor"),
    ),
    Case(
        "cross-entropy, confident: yhat - 1 cancels",
        "wrong",
        confident,
        confident_rule,
        (np.array([[30.0, 0.0, 1.0], [3.0, 1.0, 0.0]]),),
        "the true class keeps 3 digits of its 1e-13 gradient",
        ("cancellation",),
    ),
    Case(
        "cross-entropy, confident in float32: yhat - 1 cancels",
        "wrong",
        confident,
        confident_rule,
        (np.array([[14.0, 0.0, 1.0], [1.0, 0.5, 0.0]], dtype=np.float32),),
        "the true class keeps one digit of its 3e-6 gradient",
        ("cancellation",),
    ),
]
