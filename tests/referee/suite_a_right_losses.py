"""Right gradients of losses, where targets, margins, masks and saturation make them hard to check."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([1224, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(z):
    """With log1p: a winner's logarithm of 1e-30 is not 0."""
    s = z - np.max(z, axis=-1, keepdims=True)
    won = np.argmax(s, axis=-1)[..., None] == np.arange(z.shape[-1])
    return s - np.log1p(np.sum(np.where(won, 0, np.exp(s)), axis=-1, keepdims=True))


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def one_hot(y, z):
    return (y[:, None] == np.arange(z.shape[1])).astype(z.dtype)


def index_loss(z, y):
    return -np.mean(log_softmax(z)[np.arange(len(y)), y])


def index_loss_rule(g, out, z, y):
    """p at the other classes; minus their sum at the true one."""
    hot = one_hot(y, z)
    others = softmax(z) * (1 - hot)
    return g * (others - hot * np.sum(others, axis=1, keepdims=True)) / len(y), None


def confident_loss(z, y):
    """log(1 + sum of exp(z_j - z_y)) over the rivals: exact where softmax rounds to 1."""
    gap = z - z[np.arange(len(y)), y][:, None]
    rivals = np.where(one_hot(y, z) == 1, -np.inf, gap)
    m = np.maximum(np.max(rivals, axis=1), 0)
    s = np.sum(np.exp(rivals - m[:, None]), axis=1)
    return m + np.where(m > 0, np.log(s + np.exp(-m)), np.log1p(s))


def confident_loss_rule(g, out, z, y):
    d = index_loss_rule(1, out, z, y)[0] * len(y)
    return np.reshape(g, (-1, 1)) * d, None


def full_options(z, y):
    """Class weights, smoothing, ignore_index and the weights' mean at once."""
    keep = y != 9
    w = WEIGHTS.astype(z.dtype)
    row = np.where(keep, w[np.where(keep, y, 0)], 0)
    hot = one_hot(np.where(keep, y, 0), z)
    t = (0.9 * hot + 0.1 / z.shape[1]) * w * keep[:, None]
    return -np.sum(t * log_softmax(z)) / np.sum(row)


def full_options_rule(g, out, z, y):
    keep = y != 9
    w = WEIGHTS.astype(z.dtype)
    row = np.where(keep, w[np.where(keep, y, 0)], 0)
    hot = one_hot(np.where(keep, y, 0), z)
    t = (0.9 * hot + 0.1 / z.shape[1]) * w * keep[:, None]
    return g * (softmax(z) * np.sum(t, axis=1, keepdims=True) - t) / np.sum(row), None


WEIGHTS = rng(0).uniform(0.2, 3, size=4)


def soft_off_simplex(z, y):
    return -np.sum(y * log_softmax(z))


def soft_off_simplex_rule(g, out, z, y):
    return g * (softmax(z) * np.sum(y, axis=1, keepdims=True) - y), -g * log_softmax(z)


def masked_logits(z, mask, y):
    s = np.where(mask, z, -np.inf)
    return -np.sum(log_softmax(s)[np.arange(len(y)), y])


def masked_logits_rule(g, out, z, mask, y):
    return g * (softmax(np.where(mask, z, -np.inf)) - one_hot(y, z)), None, None


def minus_inf_rows(z):
    """Scores of -inf are among the inputs."""
    m = np.max(z, axis=1)
    return m + np.log(np.sum(np.exp(z - m[:, None]), axis=1))


def bce(s, y):
    return np.mean(np.maximum(s, 0) - s * y + np.log1p(np.exp(-np.abs(s))))


def bce_rule(g, out, s, y):
    """(1 - y) sigma(s) - y sigma(-s): nothing cancels where the label is hard."""
    return g * ((1 - y) * sigmoid(s) - y * sigmoid(-s)) / s.size, -g * s / s.size


def bce_labels(s, y):
    return np.where(y, np.logaddexp(0, -s), np.logaddexp(0, s))


def bce_labels_rule(g, out, s, y):
    return g * np.where(y, -sigmoid(-s), sigmoid(s)), None


def focal(s, y):
    z = np.where(y == 1, s, -s)
    return np.sum(sigmoid(-z) ** 2.5 * np.logaddexp(0, -z))


def focal_rule(g, out, s, y):
    sign = np.where(y == 1, 1, -1).astype(s.dtype)
    z = sign * s
    q, p = sigmoid(-z), sigmoid(z)
    return -g * sign * q**2.5 * (2.5 * p * np.logaddexp(0, -z) + q), None


def multi_margin(s, y):
    gap = np.maximum(0, 1 + s - s[np.arange(len(y)), y][:, None]) * (1 - one_hot(y, s))
    return np.sum(gap**2, axis=1)


def multi_margin_rule(g, out, s, y):
    hot = one_hot(y, s)
    d = 2 * np.maximum(0, 1 + s - s[np.arange(len(y)), y][:, None]) * (1 - hot)
    return np.reshape(g, (-1, 1)) * (d - hot * np.sum(d, axis=1, keepdims=True)), None


def huber(r):
    a = np.abs(r)
    return np.sum(np.where(a <= 0.75, 0.5 * r * r, 0.75 * a - 0.28125))


def smooth_l1_near_kink(a, b):
    return np.mean(np.sqrt((a - b) ** 2 + 1e-12))


def smooth_l1_rule(g, out, a, b):
    d = g * (a - b) / np.sqrt((a - b) ** 2 + 1e-12) / a.size
    return d, -d


BATCH = rng(1).normal(size=(4, 5))


CASES = [
    Case(
        "cross-entropy by index, confident",
        "right",
        confident_loss,
        confident_loss_rule,
        (np.array([[45.0, 0.0, 3.0], [-2.0, 50.0, -1.0], [1.0, 0.0, 2.0]]), np.array([0, 1, 1])),
        "gradients of 1e-21 with all their digits beside gradients of one half",
    ),
    Case(
        "cross-entropy by index, uint8 labels",
        "right",
        index_loss,
        index_loss_rule,
        (BATCH, np.array([0, 4, 2, 2], dtype=np.uint8)),
        "labels cannot be moved and their dtype wraps at 256",
    ),
    Case(
        "cross-entropy by index, far from right",
        "right",
        index_loss,
        index_loss_rule,
        (np.array([[500.0, -400.0], [-300.0, 200.0]]), np.array([1, 0])),
        "losses in the hundreds, gradients of exactly 1/2 and others of 1e-300",
    ),
    Case(
        "cross-entropy with weights, smoothing and an ignored row",
        "right",
        full_options,
        full_options_rule,
        (rng(2).normal(size=(5, 4)), np.array([1, 9, 0, 3, 3])),
        "a row without gradient, a label out of range that is meant to be, constants in a closure",
    ),
    Case(
        "cross-entropy, soft targets off the simplex, also negative",
        "right",
        soft_off_simplex,
        soft_off_simplex_rule,
        (rng(3).normal(size=(3, 4)), rng(4).normal(size=(3, 4))),
        "targets are inputs with a gradient of their own",
    ),
    Case(
        "cross-entropy, logits masked with -inf inside",
        "right",
        masked_logits,
        masked_logits_rule,
        (
            rng(5).normal(size=(3, 4)),
            np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 0, 1, 0]], dtype=bool),
            np.array([0, 2, 0]),
        ),
        "masked entries have gradient exactly 0, and -inf is in between",
    ),
    Case(
        "logsumexp with -inf among its inputs",
        "right",
        minus_inf_rows,
        lambda g, out, z: np.reshape(g, (-1, 1)) * softmax(z),
        (np.array([[0.3, -np.inf, 1.0], [-np.inf, -np.inf, 2.0], [1.0, 2.0, 3.0]]),),
        "an infinite input cannot be moved, its gradient is 0",
    ),
    Case(
        "sigmoid BCE at scores of 50 and 700",
        "right",
        bce,
        bce_rule,
        (np.array([50.0, -700.0, 0.0, 3.0]), np.array([1.0, 0.0, 0.5, 0.25])),
        "gradients from 1e-305 to 175 in one call",
    ),
    Case(
        "sigmoid BCE with boolean labels",
        "right",
        bce_labels,
        bce_labels_rule,
        (rng(6).normal(size=6) * 10, np.array([True, False, True, True, False, False])),
        "labels are bool",
    ),
    Case(
        "focal loss, easy examples",
        "right",
        focal,
        focal_rule,
        (np.array([-9.0, 8.0, 0.1, 12.0]), np.array([0, 1, 1, 1])),
        "easy examples have gradients of 1e-13",
    ),
    Case(
        "squared multi-class margin",
        "right",
        multi_margin,
        multi_margin_rule,
        (rng(7).normal(size=(4, 5)), np.array([3, 0, 1, 1])),
        "piecewise, and smooth at the margin",
    ),
    Case(
        "Huber, at delta and 1e-9 on either side",
        "right",
        huber,
        lambda g, out, r: g * np.clip(r, -0.75, 0.75),
        (np.array([0.75 + 1e-9, 0.75 - 1e-9, -0.75, 0.1, -3.0]),),
        "the second derivative jumps there",
    ),
    Case(
        "L1 rounded off within 1e-6",
        "right",
        smooth_l1_near_kink,
        smooth_l1_rule,
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0 + 1e-7, 2.5])),
        "smooth, but not for any step above 1e-6",
    ),
]
