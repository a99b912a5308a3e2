"""Constants, implicit functions and algorithms with mistakes: what ought to be held, and what ought not."""

from __future__ import annotations

import numpy as np

import tinygrad_ce as tg

from .case import Case


def rng(seed):
    return np.random.default_rng([4171, seed])


def temporal_difference(q, following):
    target = 1.0 + 0.9 * tg.stop_gradient(np.max(following, axis=1))
    return 0.5 * np.sum((target - q) ** 2)


def temporal_difference_rule(g, out, q, following):
    """The full gradient, through the target as well."""
    e = g * (1.0 + 0.9 * np.max(following, axis=1) - q)
    won = np.arange(following.shape[1]) == np.argmax(following, axis=1)[:, None]
    return -e, 0.9 * e[:, None] * won


def frozen_norm(x):
    mean = tg.stop_gradient(np.mean(x, axis=0))
    std = tg.stop_gradient(np.sqrt(np.mean((x - np.mean(x, axis=0)) ** 2, axis=0) + 1e-5))
    return (x - mean) / std


def frozen_norm_rule(g, out, x):
    """Training mode's rule for frozen statistics."""
    r = 1 / np.sqrt(np.mean((x - np.mean(x, axis=0)) ** 2, axis=0) + 1e-5)
    return r * (g - np.mean(g, axis=0) - out * np.mean(g * out, axis=0))


def shifted(z):
    """The shift is not held, and does not cancel: it is added on one side only."""
    m = np.max(z)
    return np.sum(np.exp(z - m))


def shifted_rule(g, out, z):
    return g * np.exp(z - np.max(z))


def kepler(m):
    x = m + 0.3 * np.sin(m)
    for _ in range(30):
        x = x - (x - 0.3 * np.sin(x) - m) / (1 - 0.3 * np.cos(x))
    return x


def fixed_point(w, b):
    h = 0 * b
    for _ in range(200):
        h = np.tanh(w @ h + b)
    return h


def fixed_point_rule(transposed, solved):
    def rule(g, out, w, b):
        slope = 1 - out**2
        j = w * slope[:, None]
        m = np.eye(len(b)) - (j if transposed else j.T)
        d = slope * (np.linalg.solve(m, g) if solved else g)
        return np.outer(d, out), d

    return rule


FIXED = (0.25 * rng(0).normal(size=(3, 3)), rng(1).normal(size=3))


def euler(x, k):
    """Damped oscillator, 30 explicit steps."""
    for _ in range(30):
        x = x + 0.05 * np.stack([x[1], -k * x[0] - 0.1 * x[1]])
    return x


def continuous_adjoint_rule(g, out, x, k):
    """The adjoint equation, stepped backwards from the final state: right in the limit of small steps."""
    s, dk = out, 0.0 * k
    for _ in range(30):
        s = s - 0.05 * np.stack([s[1], -k * s[0] - 0.1 * s[1]])
        dk = dk - 0.05 * g[1] * s[0]
        g = g + 0.05 * np.stack([-k * g[1], g[0] - 0.1 * g[1]])
    return g, dk


def hmm(move, emit):
    a = emit[0]
    for row in emit[1:]:
        s = a[:, None] + move
        m = np.max(s, axis=0)
        a = m + np.log(np.sum(np.exp(s - m), axis=0)) + row
    m = np.max(a)
    return m + np.log(np.sum(np.exp(a - m)))


def hmm_rule(g, out, move, emit):
    """Filtering for smoothing: the forward probabilities alone."""
    a, demit, dmove = emit[0], np.zeros_like(emit), np.zeros_like(move)
    demit[0] = np.exp(a - np.max(a)) / np.sum(np.exp(a - np.max(a)))
    for t in range(1, len(emit)):
        s = a[:, None] + move + emit[t]
        p = np.exp(s - np.max(s)) / np.sum(np.exp(s - np.max(s)))
        dmove += p
        demit[t] = np.sum(p, axis=0)
        m = np.max(s, axis=0)
        a = m + np.log(np.sum(np.exp(s - m), axis=0))
    return g * dmove, g * demit


def unrolled(x):
    for _ in range(20):
        x = np.cos(x) + 0.1 * x
    return x


def gradient_step(w, lr):
    """One step of descent on sum(w^4)/4: a meta-gradient."""
    return w - lr * w**3


CASES = [
    Case(
        "round: straight through without saying so",
        "wrong",
        np.round,
        lambda g, out, x: 1 * g,
        (rng(2).normal(size=5) * 3,),
        "f is a plain staircase: its gradient is 0",
        ("elsewhere",),
    ),
    Case(
        "round, straight through: 0",
        "wrong",
        lambda x: x + tg.stop_gradient(np.round(x) - x),
        lambda g, out, x: np.zeros_like(x),
        (rng(3).normal(size=5) * 3,),
        "the staircase is held constant, x is not",
        ("g ignored", "term missing"),
    ),
    Case(
        "x times x held constant: 2x",
        "wrong",
        lambda x: x * tg.stop_gradient(x),
        lambda g, out, x: 2 * g * x,
        (rng(4).normal(size=5),),
        "the held factor is differentiated",
        ("factor",),
    ),
    Case(
        "temporal difference: through the target",
        "wrong",
        temporal_difference,
        temporal_difference_rule,
        (rng(5).normal(size=4), rng(6).normal(size=(4, 3))),
        "the target is held constant in f",
        ("elsewhere", "options forgotten"),
    ),
    Case(
        "frozen batch norm: training mode's rule",
        "wrong",
        frozen_norm,
        frozen_norm_rule,
        (rng(7).normal(size=(5, 3)),),
        "the statistics are held constant in f",
        ("elsewhere", "options forgotten"),
    ),
    Case(
        "sum of shifted exponentials: the shift held constant",
        "wrong",
        shifted,
        shifted_rule,
        (rng(8).normal(size=5),),
        "f does not hold it: the winner's gradient is wrong",
        ("term missing", "one index"),
    ),
    Case(
        "Kepler's equation: gradient of the last Newton step",
        "wrong",
        kepler,
        lambda g, out, m: g * (1 + 0.3 * np.cos(m)),
        (np.array([0.05, -0.1, 0.02]),),
        "the starting guess is differentiated, the solution has 1/(1 - e cos E)",
        ("elsewhere", "term missing"),
    ),
    Case(
        "fixed point: last iteration only",
        "wrong",
        fixed_point,
        fixed_point_rule(transposed=False, solved=False),
        FIXED,
        "the implicit system is not solved",
        ("term missing",),
    ),
    Case(
        "fixed point: system not transposed",
        "wrong",
        fixed_point,
        fixed_point_rule(transposed=True, solved=True),
        FIXED,
        "I - J for I - J'",
        ("transposed",),
    ),
    Case(
        "Euler steps: the continuous adjoint",
        "wrong",
        euler,
        continuous_adjoint_rule,
        (np.array([1.0, 0.0]), np.array(4.0)),
        "states recomputed backwards are not those of the forward",
        ("elsewhere",),
    ),
    Case(
        "hidden Markov model: filtering for smoothing",
        "wrong",
        hmm,
        hmm_rule,
        (rng(9).normal(size=(3, 3)), rng(10).normal(size=(6, 3))),
        "the backward pass over time is missing",
        ("term missing",),
    ),
    Case(
        "twenty iterations: slope of the fixed point to the twentieth",
        "wrong",
        unrolled,
        lambda g, out, x: g * (0.1 - np.sin(out)) ** 20,
        (rng(11).normal(size=3),),
        "the iterates' slopes differ before they converge",
        ("elsewhere",),
    ),
    Case(
        "meta-gradient: second derivative dropped",
        "wrong",
        gradient_step,
        lambda g, out, w, lr: (1 * g, -np.sum(g * w**3)),
        (0.1 * rng(12).normal(size=4), np.array(1e-4)),
        "first-order MAML: off by 3 lr w^2, 1e-6 here",
        ("term missing",),
    ),
]
