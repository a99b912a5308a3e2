"""Right gradients of layers: normalisation, convolution, pooling, attention, recurrence, interpolation."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([8856, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def standardise(x, axis):
    c = x - np.mean(x, axis=axis, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=axis, keepdims=True) + x.dtype.type(1e-5))
    return c * r, r


def standardise_rule(g, n, r, axis):
    return r * (g - np.mean(g, axis=axis, keepdims=True) - n * np.mean(g * n, axis=axis, keepdims=True))


def batch_norm(x, gamma, beta):
    return standardise(x, 0)[0] * gamma + beta


def batch_norm_rule(g, out, x, gamma, beta):
    n, r = standardise(x, 0)
    return standardise_rule(g * gamma, n, r, 0), np.sum(g * n, axis=0), np.sum(g, axis=0)


def group_norm(x):
    return standardise(x.reshape(len(x), 2, -1), -1)[0].reshape(x.shape)


def group_norm_rule(g, out, x):
    n, r = standardise(x.reshape(len(x), 2, -1), -1)
    return standardise_rule(g.reshape(n.shape), n, r, -1).reshape(x.shape)


def rms_norm(x, w):
    return w * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(1e-6))


def rms_norm_rule(g, out, x, w):
    r = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + x.dtype.type(1e-6))
    n = x * r
    return r * (g * w - n * np.mean(g * w * n, axis=-1, keepdims=True)), np.sum(g * n, axis=0)


def windows(n, k, stride, dilation, pad):
    """For each output the padded positions that it reads."""
    count = (n + 2 * pad - dilation * (k - 1) - 1) // stride + 1
    return np.arange(count)[:, None] * stride + np.arange(k) * dilation


def conv1d(x, w):
    """Stride 2, dilation 2, padding 3; x of (batch, in, n), w of (out, in, k)."""
    i = windows(x.shape[2], w.shape[2], 2, 2, 3)
    xp = np.pad(x, ((0, 0), (0, 0), (3, 3)))
    return np.einsum("bcik,ock->boi", xp[:, :, i], w)


def conv1d_rule(g, out, x, w):
    i = windows(x.shape[2], w.shape[2], 2, 2, 3)
    xp = np.pad(x, ((0, 0), (0, 0), (3, 3)))
    d = np.zeros_like(xp)
    np.add.at(d, np.s_[:, :, i], np.einsum("boi,ock->bcik", g, w))
    return d[:, :, 3:-3], np.einsum("boi,bcik->ock", g, xp[:, :, i])


def conv2d(x, w, b):
    """Valid, stride 1; x of (c, h, w)."""
    kh, kw = w.shape[2:]
    h, v = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    out = np.zeros((w.shape[0], h, v), dtype=x.dtype)
    for i in range(kh):
        for j in range(kw):
            out = out + np.tensordot(w[:, :, i, j], x[:, i : i + h, j : j + v], axes=1)
    return out + b[:, None, None]


def conv2d_rule(g, out, x, w, b):
    h, v = g.shape[1:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(w.shape[2:]):
        dx[:, i : i + h, j : j + v] += np.einsum("ohw,oc->chw", g, w[:, :, i, j])
        dw[:, :, i, j] = np.einsum("ohw,chw->oc", g, x[:, i : i + h, j : j + v])
    return dx, dw, np.sum(g, axis=(1, 2))


def max_pool(x):
    """Windows of three, stride two, -inf beyond the ends."""
    edge = np.full(1, -np.inf, dtype=x.dtype)
    p = np.concatenate([edge, x, edge])
    return np.max(p[windows(len(x), 3, 2, 1, 1)], axis=1)


def max_pool_rule(g, out, x):
    edge = np.full(1, -np.inf, dtype=x.dtype)
    p = np.concatenate([edge, x, edge])
    i = windows(len(x), 3, 2, 1, 1)
    d = np.zeros_like(p)
    np.add.at(d, i[np.arange(len(i)), np.argmax(p[i], axis=1)], g)
    return d[1:-1]


def causal_attention(q, k, v):
    s = q @ k.T / np.sqrt(q.dtype.type(q.shape[1]))
    return softmax(np.where(np.tri(len(q), len(k), dtype=bool), s, -np.inf)) @ v


def causal_attention_rule(g, out, q, k, v):
    c = 1 / np.sqrt(q.dtype.type(q.shape[1]))
    p = softmax(np.where(np.tri(len(q), len(k), dtype=bool), q @ k.T * c, -np.inf))
    dp = g @ v.T
    ds = np.stack([np.sum(p[i][:, None] * p[i] * (dp[i][:, None] - dp[i]), axis=1) for i in range(len(p))])
    return ds @ k * c, ds.T @ q * c, p.T @ g


def rotary(x):
    t = (np.arange(len(x)) * 0.3).astype(x.dtype)[:, None]
    a, b = x[:, ::2], x[:, 1::2]
    return np.concatenate([a * np.cos(t) - b * np.sin(t), a * np.sin(t) + b * np.cos(t)], axis=1)


def rotary_rule(g, out, x):
    t = (np.arange(len(x)) * 0.3).astype(x.dtype)[:, None]
    a, b = np.split(g, 2, axis=1)
    d = np.zeros_like(x)
    d[:, ::2] = a * np.cos(t) + b * np.sin(t)
    d[:, 1::2] = b * np.cos(t) - a * np.sin(t)
    return d


def rnn(x, w, u):
    """Hidden states of 30 steps through a matrix whose largest singular value is above one."""
    h = 0 * u[0]
    for row in x:
        h = np.tanh(row @ w + h @ u)
    return h


def rnn_rule(g, out, x, w, u):
    hs = [0 * u[0]]
    for row in x:
        hs.append(np.tanh(row @ w + hs[-1] @ u))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    dh = g
    for t in range(len(x) - 1, -1, -1):
        da = dh / np.cosh(x[t] @ w + hs[t] @ u) ** 2
        dx[t] = da @ w.T
        dw += np.outer(x[t], da)
        du += np.outer(hs[t], da)
        dh = da @ u.T
    return dx, dw, du


def lstm(x, w, c):
    z = x @ w
    i, f, o, n = np.split(z, 4)
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
    return np.concatenate([sigmoid(o) * np.tanh(new), new])


def lstm_rule(g, out, x, w, c):
    i, f, o, n = np.split(x @ w, 4)
    gh, gc = np.split(g, 2)
    new = np.split(out, 2)[1]
    si, sf, so, tn = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(n)
    dn = gh * so / np.cosh(new) ** 2 + gc
    dz = np.concatenate(
        [
            dn * tn * si * sigmoid(-i),
            dn * c * sf * sigmoid(-f),
            gh * np.tanh(new) * so * sigmoid(-o),
            dn * si / np.cosh(n) ** 2,
        ]
    )
    return w @ dz, np.outer(x, dz), dn * sf


def grid_sample(image, at):
    """Bilinear interpolation at positions (row, column) inside of the picture."""
    i, j = np.floor(at).astype(int).T
    i, j = np.clip(i, 0, image.shape[0] - 2), np.clip(j, 0, image.shape[1] - 2)
    u, v = at[:, 0] - i, at[:, 1] - j
    a, b, c, d = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    return (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)


def grid_sample_rule(g, out, image, at):
    i, j = np.floor(at).astype(int).T
    i, j = np.clip(i, 0, image.shape[0] - 2), np.clip(j, 0, image.shape[1] - 2)
    u, v = (at[:, 0] - i).astype(at.dtype), (at[:, 1] - j).astype(at.dtype)
    a, b, c, d = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    pixels = np.zeros_like(image)
    for di, dj, weight in ((0, 0, (1 - u) * (1 - v)), (0, 1, (1 - u) * v), (1, 0, u * (1 - v)), (1, 1, u * v)):
        np.add.at(pixels, (i + di, j + dj), g * weight)
    row = g * ((1 - v) * (c - a) + v * (d - b))
    column = g * ((1 - u) * (b - a) + u * (d - c))
    return pixels, np.stack([row, column], axis=1).astype(at.dtype)


def gelu(x):
    c = x.dtype.type(np.sqrt(2 / np.pi))
    return x * sigmoid(2 * c * (x + 0.044715 * x**3))


def gelu_rule(g, out, x):
    c = x.dtype.type(np.sqrt(2 / np.pi))
    z = 2 * c * (x + 0.044715 * x**3)
    return g * sigmoid(z) * (1 + x * sigmoid(-z) * 2 * c * (1 + 3 * 0.044715 * x * x))


def dropout(x, mask):
    return np.where(mask, x / 0.9, 0)


def weight_norm(v, s):
    return s[:, None] * v / np.sqrt(np.sum(v * v, axis=1, keepdims=True))


def weight_norm_rule(g, out, v, s):
    length = np.sqrt(np.sum(v * v, axis=1, keepdims=True))
    u = v / length
    inner = np.sum(g * u, axis=1, keepdims=True)
    return s[:, None] / length * (g - inner * u), inner[:, 0]


def mish_rule(g, out, x):
    t = np.tanh(np.logaddexp(0, x))
    return g * (t + x * sigmoid(x) / np.cosh(np.logaddexp(0, x)) ** 2)


CASES = [
    Case(
        "batch norm with scale and shift",
        "right",
        batch_norm,
        batch_norm_rule,
        (rng(0).normal(size=(6, 3)) * np.array([1e-3, 1.0, 1e3]), rng(1).normal(size=3), rng(2).normal(size=3)),
        "channels of very different scale; a channel of 1e-3 feels epsilon",
    ),
    Case(
        "group norm",
        "right",
        group_norm,
        group_norm_rule,
        (rng(3).normal(size=(3, 6)),),
        "gradients of a group sum to 0",
    ),
    Case(
        "rms norm in float32",
        "right",
        rms_norm,
        rms_norm_rule,
        (rng(4).normal(size=(3, 5)).astype(np.float32), rng(5).normal(size=5).astype(np.float32)),
        "float32 with a sum over the batch",
    ),
    Case(
        "conv1d with stride, dilation and padding",
        "right",
        conv1d,
        conv1d_rule,
        (rng(6).normal(size=(2, 2, 9)), rng(7).normal(size=(3, 2, 3))),
        "some inputs are read by no window",
    ),
    Case(
        "conv2d with bias",
        "right",
        conv2d,
        conv2d_rule,
        (rng(8).normal(size=(2, 5, 4)), rng(9).normal(size=(3, 2, 3, 2)), rng(10).normal(size=3)),
        "three gradients of different ranks",
    ),
    Case(
        "max pool, overlapping and padded with -inf",
        "right",
        max_pool,
        max_pool_rule,
        (rng(11).normal(size=9),),
        "a winner of two windows gets both shares",
    ),
    Case(
        "causal attention with scores in the hundreds",
        "right",
        causal_attention,
        causal_attention_rule,
        (30 * rng(12).normal(size=(4, 3)), 5 * rng(13).normal(size=(4, 3)), rng(14).normal(size=(4, 3))),
        "weights of 1e-60, a first row that has no choice",
    ),
    Case(
        "rotary embedding",
        "right",
        rotary,
        rotary_rule,
        (rng(15).normal(size=(4, 6)),),
        "the transpose of a rotation",
    ),
    Case(
        "rnn over 30 steps",
        "right",
        rnn,
        rnn_rule,
        (rng(16).normal(size=(30, 2)), rng(17).normal(size=(2, 3)), rng(18).normal(size=(3, 3))),
        "gradients that fade over many orders",
    ),
    Case(
        "lstm cell",
        "right",
        lstm,
        lstm_rule,
        (rng(19).normal(size=4), 3 * rng(20).normal(size=(4, 12)), rng(21).normal(size=3)),
        "saturated gates, both outputs in one array",
    ),
    Case(
        "bilinear interpolation",
        "right",
        grid_sample,
        grid_sample_rule,
        (rng(22).normal(size=(4, 5)), np.array([[0.3, 1.7], [2.0 + 1e-7, 3.4], [1.5, 0.2], [0.31, 1.69]])),
        "kinked at whole positions, one of them 1e-7 away",
    ),
    Case(
        "gelu at -7 and in the middle",
        "right",
        gelu,
        gelu_rule,
        (np.array([-7.0, -0.75, 0.0, 0.3, 6.0]),),
        "the far left decays like exp(-x^2), the minimum is flat",
    ),
    Case(
        "mish at -30 and in the middle",
        "right",
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        mish_rule,
        (np.array([-30.0, -1.19, 0.0, 2.0, 25.0]),),
        "a slope of 1e-12, and one near 0 at the minimum",
    ),
    Case(
        "dropout, all but one dropped",
        "right",
        dropout,
        lambda g, out, x, mask: (np.where(mask, g / 0.9, 0), None),
        (rng(23).normal(size=(2, 3)), np.array([[0, 0, 0], [0, 1, 0]], dtype=bool)),
        "almost all gradients are exactly 0",
    ),
    Case(
        "weight norm of long vectors",
        "right",
        weight_norm,
        weight_norm_rule,
        (1e5 * rng(24).normal(size=(3, 4)), rng(25).normal(size=3)),
        "gradients of 1e-5 at right angles to the vectors",
    ),
]
