"""Losses with mistakes: binary, margin, divergence and contrastive losses."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([5340, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(z, axis=-1):
    s = z - np.max(z, axis=axis, keepdims=True)
    return s - np.log(np.sum(np.exp(s), axis=axis, keepdims=True))


def bce(s, y):
    return np.maximum(s, 0) - s * y + np.log1p(np.exp(-np.abs(s)))


def sigmoid(s):
    e = np.exp(-np.abs(s))
    return np.where(s >= 0, 1 / (1 + e), e / (1 + e))


def bce_pos(s, y):
    soft = np.log1p(np.exp(-np.abs(s))) + np.maximum(-s, 0)
    return (1 - y) * s + (1 + (2.5 - 1) * y) * soft


def bce_pos_rule(g, out, s, y):
    soft = np.log1p(np.exp(-np.abs(s))) + np.maximum(-s, 0)
    return g * ((1 - y) - 2.5 * y * (1 - sigmoid(s))), g * (1.5 * soft - s)


def focal(s, y):
    p = np.where(y == 1, sigmoid(s), sigmoid(-s))
    return -np.sum((1 - p) ** 2 * np.log(p))


def focal_rule(g, out, s, y):
    sign = np.where(y == 1, 1.0, -1.0)
    p = sigmoid(sign * s)
    return g * sign * (1 - p) ** 2 * -(1 - p), None


def crammer(s, y):
    i = np.arange(len(y))
    gap = 1 + s - s[i, y][:, None]
    gap[i, y] = 0
    return np.mean(np.sum(np.maximum(gap, 0), axis=1))


def crammer_rule(g, out, s, y):
    i = np.arange(len(y))
    gap = 1 + s - s[i, y][:, None]
    d = (gap > 0).astype(s.dtype)
    d[i, y] = -1.0
    return g * d / len(y), None


def kl(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=1)


def kl_rule(g, out, p, q):
    return g[:, None] * (np.log(p) - np.log(q)), -g[:, None] * p / q


def info_nce(a, b):
    return -np.mean(np.diagonal(log_softmax(a @ b.T / 0.5)))


def info_nce_rule(g, out, a, b):
    d = (softmax(a @ b.T / 0.5) - np.eye(len(a))) / len(a) / 0.5 * g
    return d @ b, -(a / len(a) / 0.5 * g)


def normalised(a):
    return a / np.sqrt(np.sum(a * a, axis=1, keepdims=True))


def cosine_scores(a, b):
    return np.sum(normalised(a) * normalised(b), axis=1)


def triplet(a, p, n):
    gap = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 1.0
    return np.sum(np.maximum(gap, 0))


def triplet_rule(g, out, a, p, n):
    on = (np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 1.0 > 0)[:, None] * g
    return 2 * on * (a - p), -2 * on * (a - p), 2 * on * (a - n)


def clip_loss(a, b):
    s = a @ b.T
    return -np.mean(np.diagonal(log_softmax(s, 1)) + np.diagonal(log_softmax(s, 0))) / 2


def clip_rule(g, out, a, b):
    s = a @ b.T
    d = g * (softmax(s, 1) - np.eye(len(a))) / len(a)
    return d @ b, d.T @ a


def pinball(r):
    return np.mean(np.maximum(0.55 * r, (0.55 - 1) * r))


def dice(s, y):
    p = sigmoid(s)
    return 1 - 2 * np.sum(p * y) / (np.sum(p) + np.sum(y))


def dice_rule(g, out, s, y):
    p = sigmoid(s)
    return g * -2 * y / (np.sum(p) + np.sum(y)) * p * (1 - p), None


CASES = [
    Case(
        "sigmoid BCE: y - p",
        "wrong",
        bce,
        lambda g, out, s, y: (g * (y - sigmoid(s)), -g * s),
        (rng(23).normal(size=6), rng(24).uniform(size=6)),
        "the sign of the scores' gradient",
        ("sign",),
    ),
    Case(
        "sigmoid BCE: soft targets' gradient has the wrong sign",
        "wrong",
        lambda s, y: np.sum(bce(s, y)),
        lambda g, out, s, y: (g * (sigmoid(s) - y), g * s),
        (1e-6 * rng(25).normal(size=6), rng(26).uniform(size=6)),
        "only the second gradient is wrong and it is a million times smaller than the first",
        ("sign",),
    ),
    Case(
        "sigmoid BCE with pos_weight: dropped on the logistic part of negatives",
        "wrong",
        bce_pos,
        bce_pos_rule,
        (rng(27).normal(size=6), np.array([0.0, 1.0, 0.0, 0.25, 1.0, 0.0])),
        "(1-y)(1-sigma) is missing from the derivative of the softplus term",
        ("term missing",),
    ),
    Case(
        "focal loss: the modulating factor held constant",
        "wrong",
        focal,
        focal_rule,
        (rng(28).normal(size=6), np.array([0, 1, 1, 0, 1, 0])),
        "the derivative of (1-p)^2 is missing",
        ("term missing",),
    ),
    Case(
        "multi-class hinge: true class gets -1, not -count",
        "wrong",
        crammer,
        crammer_rule,
        (rng(29).normal(size=(4, 6)), np.array([0, 5, 2, 3])),
        "several rivals within the margin each push the true class",
        ("term missing", "one index", "not summed"),
    ),
    Case(
        "KL: the +1 of p log p forgotten",
        "wrong",
        kl,
        kl_rule,
        (rng(30).dirichlet(np.ones(4), size=3), rng(31).dirichlet(np.ones(4), size=3)),
        "d(p log p) = log p + 1",
        ("term missing",),
    ),
    Case(
        "InfoNCE: keys receive the positives' gradient only",
        "wrong",
        info_nce,
        info_nce_rule,
        (rng(32).normal(size=(4, 3)), rng(33).normal(size=(4, 3))),
        "a key is also a negative of all other queries",
        ("term missing",),
    ),
    Case(
        "CLIP loss: columns' direction forgotten",
        "wrong",
        clip_loss,
        clip_rule,
        (rng(34).normal(size=(4, 3)), rng(35).normal(size=(4, 3))),
        "the symmetric loss is differentiated along rows only",
        ("axis", "term missing"),
    ),
    Case(
        "cosine similarity: norms held constant",
        "wrong",
        cosine_scores,
        lambda g, out, a, b: (
            g[:, None] * normalised(b) / np.sqrt(np.sum(a * a, axis=1, keepdims=True)),
            g[:, None] * normalised(a) / np.sqrt(np.sum(b * b, axis=1, keepdims=True)),
        ),
        (rng(36).normal(size=(4, 3)), rng(37).normal(size=(4, 3))),
        "the projection off a is missing",
        ("term missing", "elementwise"),
    ),
    Case(
        "triplet: anchor sees the positive only",
        "wrong",
        triplet,
        triplet_rule,
        (rng(38).normal(size=(5, 3)), rng(39).normal(size=(5, 3)), rng(40).normal(size=(5, 3))),
        "the anchor's pull from the negative is missing",
        ("term missing",),
    ),
    Case(
        "pinball loss: quantile 0.55 and 0.45 exchanged",
        "wrong",
        pinball,
        lambda g, out, r: g * np.where(r > 0, 0.45, -0.55) / r.size,
        (rng(41).normal(size=8),),
        "the sides' slopes are exchanged",
        ("elsewhere", "options forgotten"),
    ),
    Case(
        "dice loss: the denominator held constant",
        "wrong",
        dice,
        dice_rule,
        (rng(42).normal(size=(3, 4)), rng(43).integers(0, 2, size=(3, 4)).astype(bool)),
        "the quotient rule's second half is missing",
        ("term missing",),
    ),
]
