"""Linear layers, convolution, pooling, embedding and dropout with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([4677, seed])


def linear(x, w, b):
    return x @ w.T + b


SQUARE = (rng(3).normal(size=(4, 3)), rng(4).normal(size=(3, 3)), rng(5).normal(size=3))


def conv1d(x, k):
    """Valid cross-correlation."""
    n = len(x) - len(k) + 1
    return np.stack([np.sum(x[i : i + len(k)] * k) for i in range(n)])


def conv1d_rule(g, out, x, k):
    dx = np.zeros_like(x)
    for i in range(len(g)):
        dx[i : i + len(k)] += g[i] * k[::-1]
    return dx, np.stack([np.sum(g * x[j : j + len(g)]) for j in range(len(k))])


def padded(x, p):
    return np.pad(x, ((0, 0), (p, p), (p, p)))


def conv2d(x, w, stride=2, pad=1):
    """x of (c, h, w), w of (o, c, kh, kw)."""
    xp = padded(x, pad)
    kh, kw = w.shape[2:]
    rows = range(0, xp.shape[1] - kh + 1, stride)
    cols = range(0, xp.shape[2] - kw + 1, stride)
    return np.stack(
        [np.stack([np.einsum("chw,ochw->o", xp[:, i : i + kh, j : j + kw], w) for j in cols], 1) for i in rows], 1
    )


def conv2d_rule(last):
    """`last` leaves out so many rows at the end."""

    def rule(g, out, x, w):
        xp, kh, kw = padded(x, 1), *w.shape[2:]
        dx, dw = np.zeros_like(xp), np.zeros_like(w)
        for i in range(g.shape[1] - last):
            for j in range(g.shape[2]):
                window = np.s_[:, 2 * i : 2 * i + kh, 2 * j : 2 * j + kw]
                dx[window] += np.einsum("o,ochw->chw", g[:, i, j], w)
                dw += np.einsum("o,chw->ochw", g[:, i, j], xp[window])
        return dx[:, 1:-1, 1:-1], dw

    return rule


def conv2d_shifted_rule(g, out, x, w):
    dx, dw = conv2d_rule(0)(g, out, x, w)
    return np.roll(dx, 1, axis=1), dw


def max_pool(x):
    """Windows of three, stride two: they overlap."""
    return np.stack([np.max(x[i : i + 3]) for i in range(0, len(x) - 2, 2)])


def max_pool_rule(g, out, x):
    d = np.zeros_like(x)
    for n, i in enumerate(range(0, len(x) - 2, 2)):
        d[i + np.argmax(x[i : i + 3])] = g[n]
    return d


def avg_pool(x):
    """Windows of three around each element; the padding does not count."""
    count = np.convolve(np.ones(len(x)), np.ones(3), "same")
    total = np.concatenate([x[:1] * 0, x[:-1]]) + x + np.concatenate([x[1:], x[:1] * 0])
    return total / count


def avg_pool_rule(g, out, x):
    return (np.concatenate([[0], g[:-1]]) + g + np.concatenate([g[1:], [0]])) / 3


def embed(table, index):
    return table[index] ** 2


def embed_rule(g, out, table, index):
    d = np.zeros_like(table)
    d[index] += 2 * g * table[index]
    return d, None


def embed_padding(table, index):
    return np.where((index == 0)[:, None], 0.0, table[index])


def embed_padding_rule(g, out, table, index):
    d = np.zeros_like(table)
    np.add.at(d, index, g)
    return d, None


def dropout(p):
    return lambda x, mask: np.where(mask, x, 0) / (1 - p)


def shuffle(x):
    """(4, h, w) to (2h, 2w)."""
    _, h, w = x.shape
    return x.reshape(2, 2, h, w).transpose(2, 0, 3, 1).reshape(2 * h, 2 * w)


def shuffle_rule(g, out, x):
    _, h, w = x.shape
    return g.reshape(h, 2, w, 2).transpose(3, 1, 0, 2).reshape(x.shape)


def weight_norm(v, s):
    return s[:, None] * v / np.sqrt(np.sum(v * v, axis=1, keepdims=True))


def weight_norm_rule(g, out, v, s):
    length = np.sqrt(np.sum(v * v, axis=1, keepdims=True))
    return g * s[:, None] / length, np.sum(g * v / length, axis=1)


def residual(x, w):
    return x + np.tanh(x @ w)


def residual_rule(g, out, x, w):
    d = g * (1 - np.tanh(x @ w) ** 2)
    return d @ w.T, x.T @ d


CASES = [
    Case(
        "linear: weight gradient transposed",
        "wrong",
        linear,
        lambda g, out, x, w, b: (g @ w, x.T @ g, np.sum(g, axis=0)),
        SQUARE,
        "w is square, so the shape is right",
        ("transposed",),
    ),
    Case(
        "linear: input gradient through w transposed",
        "wrong",
        linear,
        lambda g, out, x, w, b: (g @ w.T, g.T @ x, np.sum(g, axis=0)),
        (SQUARE[0], np.eye(3) + 1e-6 * SQUARE[1], SQUARE[2]),
        "w is within 1e-6 of the identity",
        ("transposed",),
    ),
    Case(
        "linear: bias gradient averaged over the batch",
        "wrong",
        linear,
        lambda g, out, x, w, b: (g @ w, g.T @ x, np.mean(g, axis=0)),
        SQUARE,
        "the loss's mean is applied a second time",
        ("factor",),
    ),
    Case(
        "linear: bias gradient summed over features",
        "wrong",
        lambda x, w, b: linear(x, w, b),
        lambda g, out, x, w, b: (g @ w, g.T @ x, np.sum(g, axis=1)),
        (SQUARE[0][:3], SQUARE[1], SQUARE[2]),
        "a batch of three with three features hides it",
        ("not summed", "axis"),
    ),
    Case(
        "conv1d: kernel not flipped",
        "wrong",
        conv1d,
        conv1d_rule,
        (rng(12).normal(size=8), np.array([1.0, 2.0, 1.0001])),
        "the kernel is symmetric to 1e-4",
        ("transposed", "elsewhere"),
    ),
    Case(
        "conv2d: last row of windows forgotten",
        "wrong",
        conv2d,
        conv2d_rule(1),
        (rng(13).normal(size=(2, 5, 5)), rng(14).normal(size=(2, 2, 3, 3))),
        "an off-by-one in the loop over rows",
        ("term missing", "one index", "mask"),
    ),
    Case(
        "conv2d: padding removed on one side",
        "wrong",
        conv2d,
        conv2d_shifted_rule,
        (rng(13).normal(size=(2, 5, 5)), rng(14).normal(size=(2, 2, 3, 3))),
        "the input's gradient is shifted by a row",
        ("elsewhere", "transposed", "options forgotten"),
    ),
    Case(
        "max pool, overlapping: assigned, not added",
        "wrong",
        max_pool,
        max_pool_rule,
        (np.array([0.0, 1.0, 5.0, 2.0, 3.0, 4.0, 6.0, -1.0, 0.5]),),
        "an element that wins twice keeps its last share",
        ("not summed", "term missing", "one index"),
    ),
    Case(
        "average pool: padding counted in the backward",
        "wrong",
        avg_pool,
        avg_pool_rule,
        (rng(15).normal(size=60),),
        "four entries at the ends are wrong",
        ("one index", "options forgotten"),
    ),
    Case(
        "embedding: repeated index keeps one share",
        "wrong",
        embed,
        embed_rule,
        (rng(16).normal(size=(5, 2)), np.array([3, 0, 3, 3])),
        "d[index] += does not accumulate",
        ("not summed", "term missing", "one index"),
    ),
    Case(
        "embedding: padding row has a gradient",
        "wrong",
        embed_padding,
        embed_padding_rule,
        (rng(17).normal(size=(5, 2)), np.array([3, 0, 1, 0])),
        "index 0 is padding",
        ("mask", "options forgotten", "one index"),
    ),
    Case(
        "dropout: scale forgotten",
        "wrong",
        dropout(0.001),
        lambda g, out, x, mask: (g * mask, None),
        (rng(18).normal(size=(3, 4)), rng(19).random((3, 4)) > 0.3),
        "a factor of 1.001",
        ("factor", "options forgotten"),
    ),
    Case(
        "dropout: scaled twice",
        "wrong",
        dropout(0.00001),
        lambda g, out, x, mask: (g * mask / (1 - 0.00001) ** 2, None),
        (rng(18).normal(size=(3, 4)), rng(19).random((3, 4)) > 0.3),
        "a factor of 1.00001",
        ("factor",),
    ),
    Case(
        "dropout: mask inverted",
        "wrong",
        dropout(0.5),
        lambda g, out, x, mask: (g * ~mask * 2, None),
        (rng(18).normal(size=(3, 4)), rng(19).random((3, 4)) > 0.5),
        "drop mask and keep mask are confused",
        ("mask",),
    ),
    Case(
        "pixel shuffle: sub-pixels transposed",
        "wrong",
        shuffle,
        shuffle_rule,
        (rng(20).normal(size=(4, 2, 3)),),
        "channels 1 and 2 are exchanged",
        ("transposed",),
    ),
    Case(
        "weight norm: length held constant",
        "wrong",
        weight_norm,
        weight_norm_rule,
        (rng(21).normal(size=(3, 4)), rng(22).uniform(0.5, 2, size=3)),
        "the projection is missing from v's gradient",
        ("term missing", "elementwise"),
    ),
    Case(
        "residual block: skip forgotten",
        "wrong",
        residual,
        residual_rule,
        (rng(23).normal(size=(3, 4)), rng(24).normal(size=(4, 4))),
        "x's gradient lacks g",
        ("term missing",),
    ),
]
