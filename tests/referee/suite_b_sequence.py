"""Attention, positions, recurrent cells, dropout."""

import numpy as np

from .b_forms import T, like, rng, sigmoid, softmax, unsum
from .case import Case

QKV = tuple(rng(701).normal(size=(3, 2, 5, 4)))
HEADS = tuple(rng(703).normal(size=(3, 3, 3, 4)))
GROUPED = (rng(704).normal(size=(4, 5, 3)), *rng(705).normal(size=(2, 2, 5, 3)))
SEQ = rng(706).normal(size=(6, 4))
STATE = tuple(rng(707).normal(size=(2, 3)))
CELL = (rng(708).normal(size=2), *STATE, 0.5 * rng(709).normal(size=(5, 12)))


def attention(q, k, v):
    return softmax(q @ T(k) / np.sqrt(q.shape[-1]).astype(q.dtype)) @ v


def attention_rule(k_scale=1.0, p_grad=None, v_side=T):
    def rule(g, out, q, k, v):
        c = 1 / np.sqrt(q.shape[-1])
        p = softmax(q @ T(k) * c)
        dp = g @ T(v)
        ds = c * (p * (dp - (p * dp).sum(-1, keepdims=True)) if p_grad is None else p_grad(p, dp))
        return like(ds @ k, q), like(k_scale * T(ds) @ q, k), like(v_side(p) @ g, v)

    return rule


def causal(q, k, v):
    s = q @ T(k)
    later = np.triu(np.ones(s.shape[-2:], bool), 1)
    return softmax(np.where(later, -np.inf, s)) @ v


def causal_rule(masked):
    def rule(g, out, q, k, v):
        s = q @ T(k)
        p = softmax(np.where(np.triu(np.ones(s.shape[-2:], bool), 1), -np.inf, s) if masked else s)
        dp = g @ T(v)
        ds = p * (dp - (p * dp).sum(-1, keepdims=True))
        return like(ds @ k, q), like(T(ds) @ q, k), like(T(p) @ g, v)

    return rule


def masked(q, k, v, keep):
    return softmax(np.where(keep, q @ T(k), -1e30)) @ v


def merged(q, k, v):
    """Heads (h, t, d) attended and merged to (t, h d)."""
    out = attention(q, k, v)
    return out.swapaxes(0, 1).reshape(out.shape[1], -1)


def merged_rule(order):
    def rule(g, out, q, k, v):
        h, t, d = q.shape[0], q.shape[1], v.shape[2]
        g = g.reshape(t, h, d).transpose(order)
        return attention_rule()(g, None, q, k, v)

    return rule


def grouped(q, k, v):
    return attention(q, k.repeat(2, axis=0), v.repeat(2, axis=0))


def grouped_rule(reduce):
    def rule(g, out, q, k, v):
        dq, dk, dv = attention_rule()(g, out, q, k.repeat(2, axis=0), v.repeat(2, axis=0))
        return dq, like(reduce(dk.reshape(-1, 2, *dk.shape[1:])), k), like(reduce(dv.reshape(-1, 2, *dv.shape[1:])), v)

    return rule


def rotate(x, turn=1.0):
    a = turn * np.arange(len(x))[:, None] * np.array([1.0, 0.01])
    c, s, (u, v) = np.cos(a), np.sin(a), np.split(x, 2, axis=1)
    return np.concatenate([u * c - v * s, u * s + v * c], axis=1)


def kernel_attention(q, k, v):
    fq, fk = 1e-3 + np.exp(q), 1e-3 + np.exp(k)
    return (fq @ (fk.T @ v)) / (fq @ fk.sum(0))[:, None]


def kernel_rule(normaliser):
    def rule(g, out, q, k, v):
        fq, fk = 1e-3 + np.exp(q), 1e-3 + np.exp(k)
        z = (fq @ fk.sum(0))[:, None]
        gz = -normaliser * (g * out).sum(1, keepdims=True) / z
        gn = g / z
        dq = gn @ (fk.T @ v).T + gz * fk.sum(0)
        dk = v @ (fq.T @ gn).T + (fq * gz).sum(0)
        return like(dq * np.exp(q), q), like(dk * np.exp(k), k), like(fk @ (fq.T @ gn), v)

    return rule


def lstm_parts(x, h, c, w):
    i, f, o, u = np.split(np.concatenate([x, h]) @ w, 4)
    i, f, o, u = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(u)
    new = f * c + i * u
    return i, f, o, u, new


def lstm(x, h, c, w):
    i, f, o, u, new = lstm_parts(x, h, c, w)
    return np.concatenate([o * np.tanh(new), new])


def lstm_rule(old=True, through=True):
    def rule(g, out, x, h, c, w):
        i, f, o, u, new = lstm_parts(x, h, c, w)
        gh, gc = np.split(g, 2)
        t = np.tanh(new)
        gc = gc + gh * o * ((1 - t * t) if through else 1.0)
        d = np.concatenate(
            [gc * u * i * (1 - i), gc * (c if old else new) * f * (1 - f), gh * t * o * (1 - o), gc * i * (1 - u * u)]
        )
        dxh = w @ d
        return (
            like(dxh[: len(x)], x),
            like(dxh[len(x) :], h),
            like(gc * f, c),
            like(np.outer(np.concatenate([x, h]), d), w),
        )

    return rule


def rnn(xs, w):
    """The states of h = tanh(x + h W), from zero."""
    hs, h = [], 0 * xs[0]
    for x in xs:
        h = np.tanh(x + h @ w)
        hs.append(h)
    return np.stack(hs)


def rnn_rule(through):
    def rule(g, out, xs, w):
        dx, dw, carry = np.zeros_like(xs), np.zeros_like(w), 0 * xs[0]
        for t in range(len(xs) - 1, -1, -1):
            d = (g[t] + carry) * (1 - out[t] ** 2)
            dx[t] = d
            if t:
                dw += np.outer(out[t - 1], d)
            carry = w @ d if through else carry
        return dx, dw

    return rule


def dropout(x, keep):
    return np.where(keep, x / 0.999, 0.0)


def dropout_rule(scale):
    return lambda g, out, x, keep: (like(np.where(keep, g * scale, 0.0), x), None)


def scan(x, a):
    """Gated linear recurrence: h = s h + (1 - s) x with s = sigmoid(a), one gate a channel."""
    s, h = sigmoid(a), 0 * x[0]
    out = np.zeros(x.shape, dtype=x.dtype)
    for t in range(len(x)):
        h = s * h + (1 - s) * x[t]
        out[t] = h
    return out


def scan_rule(g, out, x, a):
    s, adj, dx, ds = sigmoid(a), 0 * x[0], np.zeros_like(x), 0 * a
    for t in range(len(x) - 1, -1, -1):
        adj = g[t] + s * adj
        dx[t] = (1 - s) * adj
        ds = ds + adj * ((out[t - 1] if t else 0) - x[t])
    return dx, like(unsum(ds, a.shape) * s * sigmoid(-a), a)


CASES = [
    Case(
        "attention: scale forgotten for the keys",
        "wrong",
        attention,
        attention_rule(k_scale=2.0),
        QKV,
        "sqrt(d) is 2; the keys' gradient lacks the division.",
        ("factor", "options forgotten"),
    ),
    Case(
        "causal attention: rule looks ahead",
        "wrong",
        causal,
        causal_rule(False),
        QKV,
        "The probabilities are computed again without the mask.",
        ("mask", "options forgotten"),
    ),
    Case(
        "multi-head attention: merged heads split wrongly",
        "wrong",
        merged,
        merged_rule((0, 1, 2)),
        HEADS,
        "As many heads as positions: the swap back is missing and shapes agree.",
        ("transposed", "axis"),
    ),
    Case(
        "grouped-query attention: first head speaks for its group",
        "wrong",
        grouped,
        grouped_rule(lambda d: d[:, 0]),
        GROUPED,
        "Shared keys and values take one head's gradient instead of the sum.",
        ("not summed",),
    ),
    Case(
        "rotary positions: gradient turned forwards",
        "wrong",
        rotate,
        lambda g, out, x: like(rotate(g), x),
        (SEQ,),
        "The adjoint of a rotation turns back.",
        ("sign", "transposed"),
    ),
    Case(
        "kernel attention: normaliser held constant",
        "wrong",
        kernel_attention,
        kernel_rule(0.0),
        tuple(rng(716).normal(size=(3, 5, 3))),
        "The denominator's gradient is dropped.",
        ("term missing", "elementwise"),
    ),
    Case(
        "lstm: output tanh passed through",
        "wrong",
        lstm,
        lstm_rule(through=False),
        (*CELL[:2], 1e-2 * CELL[2], 1e-2 * CELL[3]),
        "1 - tanh^2 is left out, where the cell state is about 1e-2.",
        ("term missing",),
    ),
    Case(
        "rnn: truncated to one step",
        "wrong",
        rnn,
        rnn_rule(False),
        (SEQ, 1e-5 * rng(717).normal(size=(4, 4))),
        "Nothing flows through the state; with weights of 1e-5 that is 1e-5 of the gradient.",
        ("term missing", "elementwise"),
    ),
    Case(
        "dropout: not rescaled",
        "wrong",
        dropout,
        dropout_rule(1.0),
        (SEQ, rng(718).random((6, 4)) < 0.9),
        "1/(1-p) with p of a thousandth.",
        ("factor", "options forgotten"),
    ),
    # right
    Case("causal attention", "right", causal, causal_rule(True), QKV, "The first query sees one key: -inf in its row."),
    Case(
        "attention: saturated",
        "right",
        attention,
        attention_rule(),
        tuple(a * s for a, s in zip(QKV, (6, 6, 1), strict=True)),
        "Scores of a hundred; most score gradients vanish.",
    ),
    Case(
        "lstm: long saturated gates",
        "right",
        lstm,
        lstm_rule(),
        (8 * CELL[0], CELL[1], 1e3 * CELL[2], CELL[3]),
        "Gates near 0 and 1 and a cell state of 1e3.",
    ),
    Case(
        "rnn: chaotic weights",
        "right",
        rnn,
        rnn_rule(True),
        (np.tile(0.3 * SEQ, (3, 1)), 2 * rng(717).normal(size=(4, 4))),
        "Eighteen steps, each of which may expand.",
    ),
    Case(
        "gated recurrence: gates almost shut",
        "right",
        scan,
        scan_rule,
        (SEQ, np.array([-30.0, 0.0, 12.0, 30.0])),
        "Gate gradients from 1e-13 to 1.",
    ),
]
