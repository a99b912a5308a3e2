"""Attention, recurrent cells and other compound models with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([8082, seed])


def softmax(z, axis=-1):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def attention(q, k, v):
    return softmax(q @ k.T / np.sqrt(float(q.shape[1]))) @ v


def attention_rule(scale_q=True, swap=False, through=True):
    def rule(g, out, q, k, v):
        c = 1 / np.sqrt(float(q.shape[1]))
        p = softmax(q @ k.T * c)
        dp = g @ v.T
        ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True)) if through else dp * p * (1 - p)
        return ds @ k * (c if scale_q else 1), ds.T @ q * c, (p if swap else p.T) @ g

    return rule


QKV = tuple(rng(s).normal(size=(4, 3)) for s in (0, 1, 2))


def causal(q, k, v):
    s = q @ k.T / np.sqrt(float(q.shape[1]))
    keep = np.tri(len(q), len(k), dtype=bool)
    return softmax(np.where(keep, s, -np.inf)) @ v


def causal_rule(g, out, q, k, v):
    """The weights are recomputed without the mask."""
    c = 1 / np.sqrt(float(q.shape[1]))
    p = softmax(q @ k.T * c)
    dp = g @ v.T
    ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True)) * np.tri(len(q), len(k))
    masked = softmax(np.where(np.tri(len(q), len(k), dtype=bool), q @ k.T * c, -np.inf))
    return ds @ k * c, ds.T @ q * c, masked.T @ g


def causal_nan_rule(g, out, q, k, v):
    """p log p of a masked score: 0 times -inf."""
    c = 1 / np.sqrt(float(q.shape[1]))
    s = np.where(np.tri(len(q), len(k), dtype=bool), q @ k.T * c, -np.inf)
    p = softmax(s)
    dp = g @ v.T + 0 * s
    ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
    return ds @ k * c, ds.T @ q * c, p.T @ g


def heads(x):
    return np.cumsum(x.reshape(len(x), 2, -1).transpose(1, 0, 2), axis=1)


def heads_rule(g, out, x):
    d = np.flip(np.cumsum(np.flip(g, 1), axis=1), 1)
    return d.reshape(x.shape)


def rotary(x):
    t = np.arange(len(x))[:, None] * 0.3
    a, b = x[:, ::2], x[:, 1::2]
    return np.concatenate([a * np.cos(t) - b * np.sin(t), a * np.sin(t) + b * np.cos(t)], axis=1)


def rotary_rule(g, out, x):
    t = np.arange(len(x))[:, None] * 0.3
    a, b = np.split(g, 2, axis=1)
    d = np.zeros_like(x)
    d[:, ::2] = a * np.cos(t) - b * np.sin(t)
    d[:, 1::2] = a * np.sin(t) + b * np.cos(t)
    return d


def rnn(x, w, u):
    h = np.zeros(u.shape[0])
    for row in x:
        h = np.tanh(row @ w + h @ u)
    return h


def rnn_rule(truncate):
    """Backward through time; `truncate` steps are cut off at the start."""

    def rule(g, out, x, w, u):
        hs = [np.zeros(u.shape[0])]
        for row in x:
            hs.append(np.tanh(row @ w + hs[-1] @ u))
        dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
        dh = g
        for t in range(len(x) - 1, truncate - 1, -1):
            da = dh * (1 - hs[t + 1] ** 2)
            dx[t], dw, du = da @ w.T, dw + np.outer(x[t], da), du + np.outer(hs[t], da)
            dh = da @ u.T
        return dx, dw, du

    return rule


def rnn_last_state_rule(g, out, x, w, u):
    """The recurrent weights meet the new state instead of the old one."""
    hs = [np.zeros(u.shape[0])]
    for row in x:
        hs.append(np.tanh(row @ w + hs[-1] @ u))
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    dh = g
    for t in range(len(x) - 1, -1, -1):
        da = dh * (1 - hs[t + 1] ** 2)
        dx[t], dw, du = da @ w.T, dw + np.outer(x[t], da), du + np.outer(hs[t + 1], da)
        dh = da @ u.T
    return dx, dw, du


RNN = (rng(3).normal(size=(8, 2)), rng(4).normal(size=(2, 3)), 0.3 * rng(5).normal(size=(3, 3)))


def lstm(z, c):
    """Gates i, f, o, n side by side in z; returns h over c."""
    i, f, o, n = np.split(z, 4)
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
    return np.stack([sigmoid(o) * np.tanh(new), new])


def lstm_rule(old_cell=True, cell_cotangent=True):
    def rule(g, out, z, c):
        i, f, o, n = np.split(z, 4)
        si, sf, so, tn = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(n)
        h, new = out
        dnew = g[0] * so * (1 - np.tanh(new) ** 2) + (g[1] if cell_cotangent else 0)
        df = dnew * (c if old_cell else new) * sf * (1 - sf)
        do = g[0] * np.tanh(new) * so * (1 - so)
        return np.concatenate([dnew * tn * si * (1 - si), df, do, dnew * si * (1 - tn**2)]), dnew * sf

    return rule


LSTM = (rng(6).normal(size=12), rng(7).normal(size=3))


def gru(z, r, n, h, u):
    return (1 - sigmoid(z)) * np.tanh(n + sigmoid(r) * (h @ u)) + sigmoid(z) * h


def gru_rule(g, out, z, r, n, h, u):
    """The reset gate is taken to act before the product with u."""
    sz, sr = sigmoid(z), sigmoid(r)
    t = np.tanh(n + sr * (h @ u))
    dt = g * (1 - sz) * (1 - t * t)
    through = dt @ u.T
    return (
        g * (h - t) * sz * (1 - sz),
        through * h * sr * (1 - sr),
        dt,
        g * sz + through * sr,
        np.outer(h * sr, dt),
    )


GRU = tuple(rng(s).normal(size=4) for s in (8, 9, 10, 11)) + (rng(12).normal(size=(4, 4)),)


def mlp(x, w1, w2):
    return np.maximum(x @ w1, 0) @ w2


def mlp_rule(g, out, x, w1, w2):
    h = x @ w1
    d = (g @ w2.T) * (np.maximum(h, 0) >= 0)
    return d @ w1.T, x.T @ d, np.maximum(h, 0).T @ g


def swiglu(x, a, b):
    s = x @ a
    return s * sigmoid(s) * (x @ b)


def swiglu_rule(g, out, x, a, b):
    s, t = x @ a, x @ b
    ds = g * t * (sigmoid(s) + s * sigmoid(s) * (1 - sigmoid(s)))
    dt = g * s * sigmoid(s)
    return ds @ a.T, x.T @ ds, x.T @ dt


def mixture_of_experts(x, gate, experts):
    p = softmax(x @ gate)
    return np.einsum("nk,nd,kd->n", p, x, experts)


def mixture_rule(g, out, x, gate, experts):
    """The gate's normalisation is ignored."""
    p = softmax(x @ gate)
    s = x @ experts.T
    d = g[:, None] * s * p * (1 - p)
    return d @ gate.T + g[:, None] * (p @ experts), x.T @ d, np.einsum("n,nk,nd->kd", g, p, x)


def highway(x, w):
    t = sigmoid(x @ w)
    return t * np.tanh(x) + (1 - t) * x


def highway_rule(g, out, x, w):
    t = sigmoid(x @ w)
    d = g * np.tanh(x) * t * (1 - t)
    return g * t * (1 - np.tanh(x) ** 2) + g * (1 - t) + d @ w.T, x.T @ d


def tied(x, w):
    """The decoder uses the encoder's weights."""
    return np.tanh(x @ w) @ w.T


def tied_rule(g, out, x, w):
    h = np.tanh(x @ w)
    d = (g @ w) * (1 - h * h)
    return d @ w.T, x.T @ d


CASES = [
    Case(
        "attention: scale forgotten for the queries",
        "wrong",
        attention,
        attention_rule(scale_q=False),
        QKV,
        "dq is sqrt(d) times too large, dk is right",
        ("factor", "options forgotten"),
    ),
    Case(
        "attention: weights not transposed for the values",
        "wrong",
        attention,
        attention_rule(swap=True),
        QKV,
        "as many queries as keys hide it",
        ("transposed",),
    ),
    Case(
        "attention: softmax treated as elementwise",
        "wrong",
        attention,
        attention_rule(through=False),
        QKV,
        "queries and keys get a diagonal Jacobian",
        ("elementwise", "term missing"),
    ),
    Case(
        "causal attention: weights recomputed without the mask",
        "wrong",
        causal,
        causal_rule,
        QKV,
        "the first rows give weight to the future",
        ("mask", "options forgotten"),
    ),
    Case(
        "causal attention: 0 times -inf",
        "wrong",
        causal,
        causal_nan_rule,
        QKV,
        "nan from masked scores",
        ("not finite", "mask"),
    ),
    Case(
        "heads: reshaped without transposing back",
        "wrong",
        heads,
        heads_rule,
        (rng(13).normal(size=(3, 4)),),
        "head and time are mixed",
        ("transposed", "elsewhere"),
    ),
    Case(
        "rotary embedding: rotated forward again",
        "wrong",
        rotary,
        rotary_rule,
        (rng(14).normal(size=(3, 4)),),
        "the transpose of a rotation turns back",
        ("transposed", "sign"),
    ),
    Case(
        "rnn: first of eight steps cut off",
        "wrong",
        rnn,
        rnn_rule(1),
        RNN,
        "what is missing has faded to a millionth and less",
        ("term missing", "one index"),
    ),
    Case(
        "rnn: new state for old in the recurrent weights",
        "wrong",
        rnn,
        rnn_last_state_rule,
        RNN,
        "off by one in time",
        ("elsewhere", "one index"),
    ),
    Case(
        "lstm: new cell for old in the forget gate",
        "wrong",
        lstm,
        lstm_rule(old_cell=False),
        LSTM,
        "one block of four is wrong",
        ("elsewhere",),
    ),
    Case(
        "lstm: cotangent of the cell ignored",
        "wrong",
        lstm,
        lstm_rule(cell_cotangent=False),
        LSTM,
        "h's half of g alone is propagated",
        ("g ignored", "term missing"),
    ),
    Case(
        "gru: reset before the product in the backward",
        "wrong",
        gru,
        gru_rule,
        GRU,
        "two conventions are mixed",
        ("elsewhere", "transposed", "term missing"),
    ),
    Case(
        "mlp: mask taken from the activation with >=",
        "wrong",
        mlp,
        mlp_rule,
        (rng(15).normal(size=(2, 3)), rng(16).normal(size=(3, 5)), rng(17).normal(size=(5, 2))),
        "max(h, 0) >= 0 is always true",
        ("mask",),
    ),
    Case(
        "swiglu: the value branch does not reach x",
        "wrong",
        swiglu,
        swiglu_rule,
        (rng(18).normal(size=(3, 4)), rng(19).normal(size=(4, 2)), rng(20).normal(size=(4, 2))),
        "a branch of the graph is forgotten",
        ("term missing",),
    ),
    Case(
        "mixture of experts: gate treated as elementwise",
        "wrong",
        mixture_of_experts,
        mixture_rule,
        (rng(21).normal(size=(3, 4)), rng(22).normal(size=(4, 3)), rng(23).normal(size=(3, 4))),
        "experts compete and the rule does not know",
        ("elementwise", "term missing"),
    ),
    Case(
        "highway: carry gate's pull forgotten",
        "wrong",
        highway,
        highway_rule,
        (0.01 * rng(24).normal(size=(3, 4)), rng(25).normal(size=(4, 4))),
        "tanh(x) stands for tanh(x) - x in the gate's gradient",
        ("term missing",),
    ),
    Case(
        "tied autoencoder: the decoder's share of w forgotten",
        "wrong",
        tied,
        tied_rule,
        (rng(26).normal(size=(3, 4)), rng(27).normal(size=(4, 2))),
        "w is used twice",
        ("term missing", "not summed"),
    ),
]
