"""Right gradients of divergences, metric losses and likelihoods."""

from __future__ import annotations

import math

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([1224, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(z, axis=-1):
    s = z - np.max(z, axis=axis, keepdims=True)
    return s - np.log(np.sum(np.exp(s), axis=axis, keepdims=True))


def kl_logits(p, q):
    """KL between two softmaxes, both differentiated."""
    a, b = log_softmax(p), log_softmax(q)
    return np.sum(np.exp(a) * (a - b), axis=1)


def kl_logits_rule(g, out, p, q):
    a, b = log_softmax(p), log_softmax(q)
    g, d, s = np.reshape(g, (-1, 1)), a - b, np.exp(a)
    dp = s * np.sum(s[:, None, :] * (d[:, :, None] - d[:, None, :]), axis=2)
    dq = np.exp(b) - s
    won = np.arange(p.shape[1]) == np.argmax(s, axis=1)[:, None]
    others = np.where(won, 0, dq)
    return g * dp, g * np.where(won, -np.sum(others, axis=1, keepdims=True), dq)


def cosine(a, b):
    return np.sum(a * b, axis=1) / np.sqrt(np.sum(a * a, axis=1) * np.sum(b * b, axis=1))


def cosine_rule(g, out, a, b):
    """Through the rejection of one vector from the other, which is small for near-parallel ones."""
    na, nb = np.sqrt(np.sum(a * a, axis=1, keepdims=True)), np.sqrt(np.sum(b * b, axis=1, keepdims=True))
    u, v = a / na, b / nb
    d = v - u  # exact to rounding where u and v nearly agree
    g = np.reshape(g, (-1, 1))
    half = np.sum(d * d, axis=1, keepdims=True) / 2  # 1 - cos
    return g * (d + u * half) / na, g * (-d + v * half) / nb


def triplet(a, p, n):
    gap = np.sum((a - p) ** 2 - (a - n) ** 2, axis=1) + 0.2
    return np.mean(np.maximum(gap, 0))


def triplet_rule(g, out, a, p, n):
    on = (np.sum((a - p) ** 2 - (a - n) ** 2, axis=1) + 0.2 > 0)[:, None] * (2 * g / len(a))
    return on * (n - p), on * (p - a), on * (a - n)


def info_nce(a, b):
    return -np.mean(np.diagonal(log_softmax(a @ b.T / 0.07)))


def info_nce_rule(g, out, a, b):
    p = softmax(a @ b.T / 0.07)
    eye = np.arange(len(a))[:, None] == np.arange(len(a))
    others = np.where(eye, 0, p)
    d = (others - eye * np.sum(others, axis=1, keepdims=True)) * (g / (0.07 * len(a)))
    return d @ b, d.T @ a


def gaussian_nll(x, mu, log_var):
    return 0.5 * np.sum(log_var + (x - mu) ** 2 * np.exp(-log_var) + math.log(2 * math.pi))


def gaussian_nll_rule(g, out, x, mu, log_var):
    d = g * (x - mu) * np.exp(-log_var)
    return d, -d, 0.5 * (g - (x - mu) * d)


def student_t(x, scale):
    return -np.sum(2.5 * np.log1p((x / scale) ** 2 / 4)) - x.size * np.log(scale)


def student_t_rule(g, out, x, scale):
    r = (x / scale) ** 2 / 4
    w = 5 * r / (1 + r)
    return -g * w / np.where(x == 0, 1, x), g * (np.sum(w) - x.size) / scale


def mixture(x, logits, mu):
    """Mean log-likelihood of a mixture of unit Gaussians, far out in the tails."""
    a = log_softmax(logits) - 0.5 * (x[:, None] - mu) ** 2
    m = np.max(a, axis=1)
    return np.mean(m + np.log(np.sum(np.exp(a - m[:, None]), axis=1)))


def mixture_rule(g, out, x, logits, mu):
    r = softmax(log_softmax(logits) - 0.5 * (x[:, None] - mu) ** 2)
    d = g * r * (x[:, None] - mu) / len(x)
    return -np.sum(d, axis=1), g * (np.mean(r, axis=0) - softmax(logits)), np.sum(d, axis=0)


def contrastive(a, b, same):
    d = np.sqrt(np.sum((a - b) ** 2, axis=1))
    return np.sum(np.where(same, d * d, np.maximum(0, 2 - d) ** 2))


def contrastive_rule(g, out, a, b, same):
    d = np.sqrt(np.sum((a - b) ** 2, axis=1))
    c = np.where(same, 2, -2 * np.maximum(0, 2 - d) / np.where(d > 0, d, 1))
    e = g * c[:, None] * (a - b)
    return e, -e, None


BATCH = rng(1).normal(size=(4, 5))


CASES = [
    Case(
        "KL of two softmaxes that nearly agree",
        "right",
        kl_logits,
        kl_logits_rule,
        (BATCH, BATCH + 1e-3 * rng(8).normal(size=(4, 5))),
        "loss 1e-7 and gradients 1e-4 from numbers near one",
    ),
    Case(
        "cosine of nearly parallel vectors",
        "right",
        cosine,
        cosine_rule,
        (rng(9).normal(size=(3, 4)), 3 * rng(9).normal(size=(3, 4)) + 1e-3 * rng(10).normal(size=(3, 4))),
        "the top of the cosine: gradients of 1e-4 whose curvature is 1",
    ),
    Case(
        "triplet, one in five within the margin",
        "right",
        triplet,
        triplet_rule,
        (rng(11).normal(size=(5, 3)), rng(11).normal(size=(5, 3)) + 0.1, 1.5 * rng(12).normal(size=(5, 3))),
        "most gradients are exactly 0",
    ),
    Case(
        "InfoNCE at temperature 0.07",
        "right",
        info_nce,
        info_nce_rule,
        (rng(13).normal(size=(4, 3)), rng(13).normal(size=(4, 3)) * 2),
        "saturated rows beside lost ones",
    ),
    Case(
        "Gaussian negative log-likelihood, variances from 1e-8 to 1e8",
        "right",
        gaussian_nll,
        gaussian_nll_rule,
        (rng(14).normal(size=4), rng(15).normal(size=4), np.array([-18.0, -2.0, 3.0, 18.0])),
        "one term of 1e8 hides the others in f",
    ),
    Case(
        "Student-t log-likelihood with an outlier",
        "right",
        student_t,
        student_t_rule,
        (np.array([0.3, -1.0, 1e6, 2.0]), np.array(0.8)),
        "an input at 1e6 with a gradient of 1e-6, and a scalar array",
    ),
    Case(
        "mixture log-likelihood in the tails",
        "right",
        mixture,
        mixture_rule,
        (np.array([0.1, 60.0, -45.0]), rng(16).normal(size=3), np.array([-1.0, 0.5, 4.0])),
        "densities underflow, their logarithms do not",
    ),
    Case(
        "contrastive loss with a pair beyond the margin",
        "right",
        contrastive,
        contrastive_rule,
        (rng(17).normal(size=(4, 3)), rng(18).normal(size=(4, 3)), np.array([True, False, False, True])),
        "boolean labels choose the branch",
    ),
]
