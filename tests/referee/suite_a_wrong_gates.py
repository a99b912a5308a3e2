"""Activations with mistakes: kinked, gated and learned ones."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([5268, seed])


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def hard_swish_rule(g, out, x):
    return g * np.where(x <= -3, 0, np.where(x >= 6, 1, (2 * x + 3) / 6))


def glu(x):
    a, b = np.split(x, 2, axis=1)
    return a * sigmoid(b)


def glu_rule(g, out, x):
    a, b = np.split(x, 2, axis=1)
    s = sigmoid(b)
    return np.concatenate([g * a * s * (1 - s), g * s], axis=1)


def maxout(x):
    return np.max(x.reshape(len(x), -1, 3), axis=2)


def maxout_rule(g, out, x):
    blocks = x.reshape(len(x), -1, 3)
    won = np.arange(3) == np.argmax(blocks, axis=2)[..., None]
    won[-1, -1] = np.roll(won[-1, -1], 1)
    return (g[..., None] * won).reshape(x.shape)


def swish_beta(x, beta):
    return x * sigmoid(beta * x)


def swish_beta_rule(g, out, x, beta):
    s = sigmoid(beta * x)
    return g * (s + beta * x * s * (1 - s)), np.sum(g * x * x * s * (1 - s), axis=1)


def prelu(x, a):
    return np.where(x > 0, x, a * x)


def prelu_rule(g, out, x, a):
    return g * np.where(x > 0, 1, a), np.sum(g * np.where(x > 0, 0, x), axis=1)


def sparsemax(z):
    s = np.sort(z, axis=1)[:, ::-1]
    c = np.cumsum(s, axis=1) - 1
    k = np.arange(1, z.shape[1] + 1)
    n = np.sum(s * k > c, axis=1)
    tau = c[np.arange(len(z)), n - 1] / n
    return np.maximum(z - tau[:, None], 0)


def sparsemax_rule(g, out, z):
    on = out > 0
    return on * (g - np.mean(g, axis=1, keepdims=True))


def softsign_rule(g, out, x):
    return g / (1 + np.abs(x))


def squash(v):
    n2 = np.sum(v * v, axis=1, keepdims=True)
    return v * np.sqrt(n2) / (1 + n2)


def squash_rule(g, out, v):
    n2 = np.sum(v * v, axis=1, keepdims=True)
    return g * np.sqrt(n2) / (1 + n2)


X = rng(0).normal(size=7) * 2


CASES = [
    Case(
        "hard swish: upper corner at 6",
        "wrong",
        hard_swish,
        hard_swish_rule,
        (np.array([-4.0, -1.0, 0.5, 2.0, 4.0, 7.0]),),
        "between 3 and 6 the ramp goes on",
        ("mask", "one index"),
    ),
    Case(
        "hard sigmoid: Keras' 0.2 for PyTorch's 1/6",
        "wrong",
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda g, out, x: g * 0.2 * (np.abs(x) < 3),
        (np.array([-4.0, -1.0, 0.5, 2.0, 4.0]),),
        "two definitions are mixed",
        ("factor",),
    ),
    Case(
        "softsign: not squared",
        "wrong",
        lambda x: x / (1 + np.abs(x)),
        softsign_rule,
        (1e-4 * rng(3).normal(size=5),),
        "close to 0 it is off by 1e-4",
        ("elsewhere", "term missing"),
    ),
    Case(
        "relu6: no upper mask",
        "wrong",
        lambda x: np.clip(x, 0, 6),
        lambda g, out, x: g * (x > 0),
        (np.array([-1.0, 2.0, 5.9, 6.1]),),
        "one entry above 6",
        ("mask", "one index"),
    ),
    Case(
        "relu: mask shifted by one",
        "wrong",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g * (np.roll(x, 1) > 0),
        (np.array([-1.0, 2.0, 5.9, -6.1, 3.0]),),
        "the mask belongs to the neighbour",
        ("mask",),
    ),
    Case(
        "leaky relu: slope 0.01 forgotten",
        "wrong",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda g, out, x: g * (x > 0),
        (X,),
        "relu's rule",
        ("options forgotten", "mask", "term missing"),
    ),
    Case(
        "glu: halves exchanged",
        "wrong",
        glu,
        glu_rule,
        (rng(4).normal(size=(2, 6)),),
        "gate and value have each other's gradient",
        ("elsewhere", "transposed"),
    ),
    Case(
        "maxout: one winner misplaced",
        "wrong",
        maxout,
        maxout_rule,
        (rng(5).normal(size=(4, 9)),),
        "two of 36 entries",
        ("one index", "mask"),
    ),
    Case(
        "swish with learned beta: beta's gradient keeps rows",
        "wrong",
        swish_beta,
        swish_beta_rule,
        (rng(6).normal(size=(3, 4)), np.array(1.2)),
        "a scalar's gradient has shape (3,)",
        ("not summed", "shape"),
    ),
    Case(
        "prelu: slopes' gradient summed over channels",
        "wrong",
        prelu,
        prelu_rule,
        (rng(7).normal(size=(4, 4)), rng(8).uniform(0.1, 0.3, size=4)),
        "batch and channels are equally many, so the shape is right",
        ("not summed", "axis"),
    ),
    Case(
        "sparsemax: mean over all classes, not the support",
        "wrong",
        sparsemax,
        sparsemax_rule,
        (rng(9).normal(size=(3, 5)),),
        "g is centred over the wrong set",
        ("mask", "axis"),
    ),
    Case(
        "capsule squash: treated as a scaling",
        "wrong",
        squash,
        squash_rule,
        (rng(10).normal(size=(3, 4)),),
        "the factor depends on the vector's length",
        ("elementwise", "term missing"),
    ),
    Case(
        "softmin: softmax's sign",
        "wrong",
        lambda x: np.exp(-x) / np.sum(np.exp(-x)),
        lambda g, out, x: out * (g - np.sum(g * out)),
        (rng(11).normal(size=5),),
        "the inner minus is lost",
        ("sign",),
    ),
]
