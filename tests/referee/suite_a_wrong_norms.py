"""Normalisation with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([4677, seed])


def standardise(x, axis, eps=1e-5):
    c = x - np.mean(x, axis=axis, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=axis, keepdims=True) + eps)
    return c * r, r


def standardise_rule(g, n, r, axis):
    return r * (g - np.mean(g, axis=axis, keepdims=True) - n * np.mean(g * n, axis=axis, keepdims=True))


def layer_norm(x, gamma, beta):
    return gamma * standardise(x, -1)[0] + beta


def layer_norm_rule(dx):
    def rule(g, out, x, gamma, beta):
        n, r = standardise(x, -1)
        return dx(g, n, r, gamma), np.sum(g * n, axis=0), np.sum(g, axis=0)

    return rule


def mean_of(a):
    return np.mean(a, axis=-1, keepdims=True)


def ln_eps_forgotten(g, n, r, gamma):
    s = 1 / np.sqrt(1 / r**2 - 1e-5)
    return standardise_rule(g * gamma, n * s / r, s, -1)


LN = (rng(0).normal(size=(3, 6)), rng(1).uniform(0.5, 2, size=6), rng(2).normal(size=6))


def batch_norm(x):
    return standardise(x, 0)[0]


def batch_norm_ddof_rule(g, out, x):
    """The unbiased variance, which is for the running statistics, in the backward."""
    c = x - np.mean(x, axis=0)
    r = 1 / np.sqrt(np.mean(c * c, axis=0) + 1e-5)
    return r * (g - np.mean(g, axis=0) - out * np.sum(g * out, axis=0) / (len(x) - 1))


def group_norm(x):
    n, _ = standardise(x.reshape(len(x), 2, -1), -1)
    return n.reshape(x.shape)


def group_norm_rule(g, out, x):
    """Groups in the forward, the whole layer's sums in the backward."""
    _, r = standardise(x.reshape(len(x), 2, -1), -1)
    r = np.repeat(r[..., 0], x.shape[1] // 2, axis=1)
    return standardise_rule(g, out, r, -1)


def rms_norm(x):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def rms_norm_rule(g, out, x):
    r = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6)
    return r * (g - out * np.sum(g * out, axis=-1, keepdims=True))


def instance_norm(x, gamma):
    return gamma[:, None] * standardise(x, -1)[0]


def instance_norm_rule(g, out, x, gamma):
    n, r = standardise(x, -1)
    return standardise_rule(g * gamma[:, None], n, r, -1), np.sum(g * n, axis=(0, 1))


CASES = [
    Case(
        "layer norm: the mean's term forgotten",
        "wrong",
        layer_norm,
        layer_norm_rule(lambda g, n, r, gamma: r * (g * gamma - n * mean_of(g * gamma * n))),
        LN,
        "one of three terms is missing",
        ("term missing", "elementwise"),
    ),
    Case(
        "layer norm: treated as elementwise",
        "wrong",
        layer_norm,
        layer_norm_rule(lambda g, n, r, gamma: r * g * gamma),
        LN,
        "mean and variance are held constant",
        ("elementwise", "term missing"),
    ),
    Case(
        "layer norm: epsilon forgotten in the backward",
        "wrong",
        layer_norm,
        layer_norm_rule(ln_eps_forgotten),
        LN,
        "1e-5 beside a variance of one",
        ("options forgotten", "factor"),
    ),
    Case(
        "layer norm: gamma applied after the means",
        "wrong",
        layer_norm,
        layer_norm_rule(lambda g, n, r, gamma: gamma * standardise_rule(g, n, r, -1)),
        LN,
        "gamma belongs inside, as it varies along the axis",
        ("elsewhere", "options forgotten"),
    ),
    Case(
        "layer norm: beta's gradient is gamma's",
        "wrong",
        layer_norm,
        lambda g, out, x, gamma, beta: (
            standardise_rule(g * gamma, *standardise(x, -1), -1),
            np.sum(g * (out - beta) / gamma, axis=0),
            np.sum(g * (out - beta) / gamma, axis=0),
        ),
        LN,
        "a line was copied and not changed",
        ("elsewhere",),
    ),
    Case(
        "batch norm: statistics held constant",
        "wrong",
        batch_norm,
        lambda g, out, x: g * standardise(x, 0)[1],
        (rng(6).normal(size=(5, 3)),),
        "the evaluation rule during training",
        ("elementwise", "term missing"),
    ),
    Case(
        "batch norm: N - 1 in the backward",
        "wrong",
        batch_norm,
        batch_norm_ddof_rule,
        (rng(7).normal(size=(300, 2)),),
        "off by 1/300 in one of three terms",
        ("elsewhere", "options forgotten"),
    ),
    Case(
        "group norm: sums over the whole layer",
        "wrong",
        group_norm,
        group_norm_rule,
        (rng(8).normal(size=(3, 6)),),
        "two groups are mixed",
        ("axis", "mask"),
    ),
    Case(
        "rms norm: sum for mean in the projection",
        "wrong",
        rms_norm,
        rms_norm_rule,
        (rng(9).normal(size=(3, 4)),),
        "n times too much is projected out",
        ("elsewhere", "axis"),
    ),
    Case(
        "instance norm: gamma's gradient summed over channels",
        "wrong",
        instance_norm,
        instance_norm_rule,
        (rng(10).normal(size=(2, 4, 4)), rng(11).uniform(0.5, 2, size=4)),
        "channels and length are equally many",
        ("not summed", "axis"),
    ),
]
