"""Right gradients of algorithms: fixed points, root finding, integration, dynamic programming."""

from __future__ import annotations

import math

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([2205, seed])


def contraction(w):
    """A matrix of norm below 0.9, whatever w is."""
    return 0.9 * w / np.sqrt(1 + np.sum(w * w))


def fixed_point(w, b):
    """h = tanh(Wh + b), iterated until it stands still."""
    if w.shape != (len(b), len(b)):
        raise ValueError(f"w of shape {w.shape} does not map a state of {len(b)} to itself")
    c, h = contraction(w), 0 * b
    for _ in range(500):
        new = np.tanh(c @ h + b)
        if np.all(new == h):
            break
        h = new
    return h


def fixed_point_rule(g, out, w, b):
    c = contraction(w)
    slope = 1 / np.cosh(c @ out + b) ** 2
    d = slope * np.linalg.solve(np.eye(len(b), dtype=b.dtype) - c.T * slope, g)
    dc = np.outer(d, out)
    n = 1 + np.sum(w * w)
    return 0.9 / np.sqrt(n) * (dc - w * np.sum(dc * w) / n), d


def kepler(m, t):
    """Eccentric anomaly E - e sin E = M for e = 0.95 tanh t, by Newton's method from a point that never fails."""
    e = 0.95 * np.tanh(t)
    turn = 2 * np.pi
    x = np.where(e >= 0, turn * np.floor(m / turn) + np.pi, turn * np.floor(m / turn + 0.5)).astype(m.dtype)
    for _ in range(60):
        x = x - (x - e * np.sin(x) - m) / (1 - e * np.cos(x))
    return x


def kepler_rule(g, out, m, t):
    d = g / (1 - 0.95 * np.tanh(t) * np.cos(out))
    return d, np.sum(d * np.sin(out)) * t.dtype.type(0.95) / np.cosh(t) ** 2


def bisected(a):
    """x with x^3 + x = a, by 200 halvings: every step is a comparison."""
    lo, hi = -np.abs(a) - 1, np.abs(a) + 1
    for _ in range(200):
        mid = (lo + hi) / 2
        below = mid**3 + mid < a
        lo, hi = np.where(below, mid, lo), np.where(below, hi, mid)
    return lo


def babylonian(x):
    """sqrt(1 + x^2) by averaging."""
    s = 1 + x * x
    a = (1 + s) / 2
    for _ in range(100):
        a = (a + s / a) / 2
    return a


def runge_kutta(x, mu):
    """van der Pol's oscillator, 40 steps of RK4."""

    def field(s):
        return np.stack([s[1], mu * (1 - s[0] ** 2) * s[1] - s[0]])

    for _ in range(40):
        a = field(x)
        b = field(x + 0.025 * a)
        c = field(x + 0.025 * b)
        d = field(x + 0.05 * c)
        x = x + 0.05 / 6 * (a + 2 * b + 2 * c + d)
    return x


def runge_kutta_rule(g, out, x, mu):
    """The discrete adjoint, stage by stage."""

    def field(s):
        return np.stack([s[1], mu * (1 - s[0] ** 2) * s[1] - s[0]])

    def pull(s, v):
        return np.stack([v[1] * (-2 * mu * s[0] * s[1] - 1), v[0] + v[1] * mu * (1 - s[0] ** 2)]), v[1] * (
            (1 - s[0] ** 2) * s[1]
        )

    stages = []
    for _ in range(40):
        a = field(x)
        b = field(x + 0.025 * a)
        c = field(x + 0.025 * b)
        d = field(x + 0.05 * c)
        stages.append((x, x + 0.025 * a, x + 0.025 * b, x + 0.05 * c))
        x = x + 0.05 / 6 * (a + 2 * b + 2 * c + d)
    dmu = 0 * mu
    for p, q, r, s in reversed(stages):
        h = 0.05 / 6 * g
        xs, m4 = pull(s, h)
        xr, m3 = pull(r, 2 * h + 0.05 * xs)
        xq, m2 = pull(q, 2 * h + 0.025 * xr)
        xp, m1 = pull(p, h + 0.025 * xq)
        g = g + xs + xr + xq + xp
        dmu = dmu + m1 + m2 + m3 + m4
    return g, dmu


def hmm(start, move, emit):
    """Log-likelihood of a hidden Markov model, scores unnormalised, by the forward algorithm."""
    if not len(start) == len(move) == emit.shape[1]:
        raise ValueError("start, move and emit differ in their number of states")
    a = start + emit[0]
    for row in emit[1:]:
        s = a[:, None] + move
        m = np.max(s, axis=0)
        a = m + np.log(np.sum(np.exp(s - m), axis=0)) + row
    m = np.max(a)
    return m + np.log(np.sum(np.exp(a - m)))


def log_sum(s, axis):
    m = np.max(s, axis=axis, keepdims=True)
    return np.squeeze(m + np.log(np.sum(np.exp(s - m), axis=axis, keepdims=True)), axis=axis)


def hmm_rule(g, out, start, move, emit):
    """Forward-backward."""
    alphas = [start + emit[0]]
    for row in emit[1:]:
        alphas.append(log_sum(alphas[-1][:, None] + move, 0) + row)
    beta = np.zeros_like(start)
    dmove, demit = np.zeros_like(move), np.zeros_like(emit)
    for t in range(len(emit) - 1, 0, -1):
        demit[t] = np.exp(alphas[t] + beta - out)
        dmove += np.exp(alphas[t - 1][:, None] + move + emit[t] + beta - out)
        beta = log_sum(move + emit[t] + beta, 1)
    demit[0] = np.exp(alphas[0] + beta - out)
    return g * demit[0], g * dmove, g * demit


def soft_dtw(d):
    """Dynamic time warping with a soft minimum at temperature 0.1."""
    n, m = d.shape
    r = {(i, j): np.inf for i in range(n + 1) for j in range(m + 1)}
    r[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            three = [
                v for v in (r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]) if not (isinstance(v, float) and v == np.inf)
            ]
            low = min(three)
            r[i, j] = d[i - 1, j - 1] + low - 0.1 * np.log(sum(np.exp((low - v) / 0.1) for v in three))
    return r[n, m]


def soft_dtw_rule(g, out, d):
    """Expected alignment: backward recursion over the table."""
    n, m = d.shape
    r = np.full((n + 2, m + 2), np.inf)
    r[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            three = np.array([r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]])
            low = np.min(three)
            r[i, j] = d[i - 1, j - 1] + low - 0.1 * np.log(np.sum(np.exp((low - three) / 0.1)))
    e = np.zeros((n + 2, m + 2))
    e[n, m] = 1
    for i in range(n, 0, -1):
        for j in range(m, 0, -1):
            for p, q in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                if p <= n and q <= m:
                    e[i, j] += e[p, q] * np.exp((r[p, q] - d[p - 1, q - 1] - r[i, j]) / 0.1)
    return (g * e[1:-1, 1:-1]).astype(d.dtype)


def sinkhorn(x):
    """Entropic transport between uniform marginals at costs tanh(x), 200 iterations in the log domain; x is square."""
    c, n = np.tanh(x), x.shape[0]
    if x.shape != (n, n):
        raise ValueError(f"as many sources as sinks are needed, not {x.shape}")
    u, v = potentials(c)
    return np.sum(u) / n + np.sum(v) / n


def potentials(c):
    n = c.shape[0]
    u, v = 0 * c[:, 0], 0 * c[0]
    for _ in range(200):
        u = -math.log(n) - log_sum(v - c, 1)
        v = -math.log(n) - log_sum(u[:, None] - c, 0)
    return u, v


def sinkhorn_rule(g, out, x):
    """At the optimum the dual's gradient is the plan (Danskin)."""
    c = np.tanh(x)
    u, v = potentials(c)
    return g * np.exp(u[:, None] + v - c) / np.cosh(x) ** 2


def horner(c, x):
    out = 0 * x
    for a in c[::-1]:
        out = out * x + a
    return out


def horner_rule(g, out, c, x):
    d, value = 0 * x, 0 * x
    for a in c[::-1]:
        d, value = d * x + value, value * x + a
    return np.stack([np.sum(g * x**k) for k in range(len(c))]), g * d


def viterbi(scores):
    """Best path through a trellis: the moves are fixed, the emissions an input."""
    best = scores[0]
    for row in scores[1:]:
        best = np.max(best[:, None] + MOVES.astype(scores.dtype), axis=0) + row
    return np.max(best)


MOVES = rng(0).normal(size=(3, 3))


def viterbi_rule(g, out, scores):
    moves = MOVES.astype(scores.dtype)
    best, back = scores[0], []
    for row in scores[1:]:
        s = best[:, None] + moves
        back.append(np.argmax(s, axis=0))
        best = np.max(s, axis=0) + row
    d = np.zeros_like(scores)
    k = int(np.argmax(best))
    for t in range(len(scores) - 1, -1, -1):
        d[t, k] = g
        k = int(back[t - 1][k]) if t else k
    return d


def dominant(a):
    """Eigenvalue of largest modulus of the symmetric part, by 60 squarings."""
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"a square matrix is needed, not {a.shape}")
    s = (a + a.T) / 2
    m = s @ s
    for _ in range(60):
        m = m / np.sqrt(np.sum(m * m))
        m = m @ m
    v = m[np.argmax(np.diagonal(m))]
    return v @ s @ v / (v @ v)


def dominant_rule(g, out, a):
    w, v = np.linalg.eigh((a + a.T) / 2)
    top = v[:, np.argmax(np.abs(w))]
    return g * np.outer(top, top)


def newton_schulz(b):
    """Square root of the matrix I + B B'."""
    eye = np.eye(len(b), dtype=b.dtype)
    a = eye + b @ b.T
    n = np.sqrt(np.sum(a * a))
    y, z = a / n, eye
    for _ in range(60):
        t = (3 * eye - z @ y) / 2
        y, z = y @ t, t @ z
    return y * np.sqrt(n)


def newton_schulz_rule(g, out, b):
    """S with XS + SX = G for the root X, then through B B'."""
    n = len(b)
    w, v = np.linalg.eigh((out + out.T) / 2)
    s = v @ (v.T @ g @ v / (w[:, None] + w)) @ v.T
    return ((s + s.T) @ b).reshape(n, -1)


CASES = [
    Case(
        "fixed point of tanh(Wh + b)",
        "right",
        fixed_point,
        fixed_point_rule,
        (rng(1).normal(size=(4, 4)), rng(2).normal(size=4)),
        "iterated until nothing changes; the rule solves a linear system",
    ),
    Case(
        "Kepler's equation, eccentricity 0.89",
        "right",
        kepler,
        kepler_rule,
        (np.array([0.5, 1.0, 3.0, -2.0]), np.array(1.7)),
        "60 Newton steps and an implicit gradient",
    ),
    Case(
        "cubic root by bisection",
        "right",
        bisected,
        lambda g, out, a: g / (3 * out**2 + 1),
        (np.array([0.3, -5.0, 40.0, 1e-3]),),
        "nothing but comparisons: whoever differentiates the program gets another answer",
    ),
    Case(
        "square root of 1 + x^2 by averaging",
        "right",
        babylonian,
        lambda g, out, x: g * x / out,
        (np.array([1e-4, -2.0, 1e8]),),
        "100 iterations, converged to the last bit or flickering in it",
    ),
    Case(
        "van der Pol, 40 Runge-Kutta steps",
        "right",
        runge_kutta,
        runge_kutta_rule,
        (np.array([1.5, -0.5]), np.array(2.0)),
        "the discrete adjoint of a nonlinear oscillator",
    ),
    Case(
        "hidden Markov model, forward algorithm",
        "right",
        hmm,
        hmm_rule,
        (3 * rng(3).normal(size=3), 3 * rng(4).normal(size=(3, 3)), 5 * rng(5).normal(size=(7, 3))),
        "posterior probabilities, some of them 1e-20",
    ),
    Case(
        "soft dynamic time warping",
        "right",
        soft_dtw,
        soft_dtw_rule,
        (rng(6).uniform(size=(4, 5)),),
        "a table that starts with infinities",
    ),
    Case(
        "entropic transport by Sinkhorn",
        "right",
        sinkhorn,
        sinkhorn_rule,
        (rng(7).uniform(size=(3, 3)),),
        "the iterations' own gradient vanishes at convergence",
    ),
    Case(
        "Horner's rule, degree 9",
        "right",
        horner,
        horner_rule,
        (rng(8).normal(size=10), np.array([0.3, -2.0, 1.0])),
        "powers from 1 to 512 among the coefficients' gradients",
    ),
    Case(
        "best path through a trellis",
        "right",
        viterbi,
        viterbi_rule,
        (rng(9).normal(size=(5, 3)),),
        "piecewise linear: one-hot gradients along a path",
    ),
    Case(
        "dominant eigenvalue by squaring",
        "right",
        dominant,
        dominant_rule,
        (np.diag([5.0, 2.0, 1.0]) + 0.3 * rng(10).normal(size=(3, 3)),),
        "sixty matrix squares, a rule by another algorithm",
    ),
    Case(
        "matrix square root by Newton-Schulz",
        "right",
        newton_schulz,
        newton_schulz_rule,
        (rng(11).normal(size=(3, 3)),),
        "converges quadratically; the rule is a Sylvester equation",
    ),
]
