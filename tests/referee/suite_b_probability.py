"""Likelihoods, divergences, distances, kernels, flows."""

import math

import numpy as np

from .b_forms import like, lse, rng, softmax
from .case import Case

X = rng(1001).normal(size=6)
MU = rng(1002).normal(size=6)
SIGMA = rng(1003).uniform(0.5, 2, size=6)
POINTS, CENTRES = rng(1004).normal(size=(5, 3)), rng(1005).normal(size=(5, 3))
LOGITS, MEANS = rng(1006).normal(size=(2, 5))
SAMPLES = 2 * rng(1007).normal(size=5)


def gauss(x, m, s):
    return -(0.5 * ((x - m) / s) ** 2 + np.log(s)).sum()


def gauss_rule(normaliser):
    def rule(g, out, x, m, s):
        z = (x - m) / s
        return like(-g * z / s, x), like(g * z / s, m), like(g * (z * z - normaliser) / s, s)

    return rule


def student(nu):
    return lambda x, s: -(0.5 * (nu + 1) * np.log1p((x / s) ** 2 / nu) + np.log(s)).sum()


def student_rule(nu, top):
    def rule(g, out, x, s):
        w = top / (nu * s * s + x * x)
        return like(-g * w * x, x), like(g * (w * x * x - 1) / s, s)

    return rule


def mixture_terms(x, logits, means):
    return logits - lse(logits) - 0.5 * (x[:, None] - means) ** 2


def mixture(x, logits, means):
    return lse(mixture_terms(x, logits, means)).sum()


def mixture_rule(axis):
    def rule(g, out, x, logits, means):
        r = softmax(mixture_terms(x, logits, means), axis=axis)
        d = x[:, None] - means
        return (
            like(-g * (r * d).sum(1), x),
            like(g * (r.sum(0) - len(x) * softmax(logits)), logits),
            like(g * (r * d).sum(0), means),
        )

    return rule


def vae_kl(m, v):
    return 0.5 * (m * m + np.expm1(v) - v).sum()


def rbf(x, y, log_ell):
    return np.exp(-0.5 * sqdist(x, y) * np.exp(-2 * log_ell))


def rbf_rule(sign):
    def rule(g, out, x, y, log_ell):
        precision = np.exp(-2 * log_ell)
        w = (g * out)[..., None] * (x[:, None] - y) * precision
        return like(-w.sum(1), x), like(sign * w.sum(0), y), like((g * out * sqdist(x, y)).sum() * precision, log_ell)

    return rule


def sqdist(x, y):
    return ((x[:, None] - y) ** 2).sum(-1)


def sqdist_expanded(g, out, x, y):
    """2 (x sum g - g y): quick, and a difference of large numbers far from the origin."""
    return like(2 * (x * g.sum(1)[:, None] - g @ y), x), like(2 * (y * g.sum(0)[:, None] - g.T @ x), y)


def sqdist_rule(g, out, x, y):
    d = 2 * g[..., None] * (x[:, None] - y)
    return like(d.sum(1), x), like(-d.sum(0), y)


def planar(x, u, w):
    """log |det| of x + u tanh(w x), a row a point."""
    return np.log(np.abs(1 + (1 - np.tanh(x @ w) ** 2) * (u @ w)))


def planar_rule(inner):
    def rule(g, out, x, u, w):
        t = np.tanh(x @ w)
        h = 1 - t * t
        c = g / (1 + h * (u @ w))
        da = inner * -2 * t * h * (u @ w) * c
        return (like(da[:, None] * w, x), like((c * h).sum() * w, u), like((c * h).sum() * u + x.T @ da, w))

    return rule


def potentials(c):
    """Sinkhorn's potentials at temperature 0.3 between uniform weights, iterated until they stand still."""
    n, m = c.shape
    f, h = 0 * c[:, 0], 0 * c[0]
    for _ in range(20_000):
        old = f
        f = -0.3 * lse((h - c) / 0.3 - math.log(m), axis=1)
        h = -0.3 * lse((f[:, None] - c) / 0.3 - math.log(n), axis=0)
        if np.abs(f - old).max() < 1e-14:
            break
    return f, h


def sinkhorn(c):
    f, h = potentials(c)
    return f.mean() + h.mean()


def sinkhorn_rule(g, out, c):
    """The envelope theorem: the plan itself."""
    f, h = potentials(c.astype(np.float64))
    return like(g * np.exp((f[:, None] + h - c) / 0.3) / c.size, c)


def kalman(y, q):
    """Log-likelihood of a random walk seen with unit noise; q is the log of its variance."""
    m, p, total = 0 * y[0], 1 + 0 * y[0], 0 * y[0]
    for t in range(len(y)):
        p = p + np.exp(q)
        s, r = p + 1, y[t] - m
        total = total - 0.5 * (np.log(s) + r * r / s)
        m, p = m + p / s * r, p / s
    return total


def kalman_rule(g, out, y, q):
    """Forward mode for q, backward for the observations."""
    n, e = len(y), np.exp(q)
    m, dm, p, dp, dq, r, s, k = 0.0, 0.0, 1.0, 0.0, 0.0, [], [], []
    for t in range(n):
        p, dp = p + e, dp + e
        sv, rv, dr = p + 1, y[t] - m, -dm
        dq += -0.5 * (dp / sv + 2 * rv * dr / sv - rv * rv * dp / sv**2)
        gain, dgain = p / sv, dp / sv**2
        r.append(rv), s.append(sv), k.append(gain)
        m, dm, p, dp = m + gain * rv, dm + dgain * rv + gain * dr, gain, dgain
    dy, adj = np.zeros_like(y), 0.0
    for t in range(n - 1, -1, -1):
        dr = -r[t] / s[t] + k[t] * adj
        dy[t], adj = dr, adj - dr
    return like(g * dy, y), like(g * dq, q)


CASES = [
    Case(
        "student: nu for nu plus one",
        "wrong",
        student(200.0),
        student_rule(200.0, 200.0),
        (X, SIGMA),
        "A factor of 200/201 on one part of it.",
        ("factor", "term missing"),
    ),
    Case(
        "mixture: responsibilities over points",
        "wrong",
        mixture,
        mixture_rule(0),
        (SAMPLES, LOGITS, MEANS),
        "Normalised along the points; five points and five components.",
        ("axis", "transposed"),
    ),
    Case(
        "vae kl: log-variance reversed where it matters little",
        "wrong",
        vae_kl,
        lambda g, out, m, v: (like(g * m, m), like(-0.5 * g * np.expm1(v), v)),
        (MU, 1e-9 * X),
        "The log-variances are about 1e-9 and so are their gradients, which have the wrong sign.",
        ("sign", "factor"),
    ),
    Case(
        "rbf kernel: second points pushed the same way",
        "wrong",
        rbf,
        rbf_rule(-1.0),
        (POINTS, CENTRES, np.array(0.26)),
        "The second argument's gradient has the first one's sign.",
        ("sign", "factor"),
    ),
    Case(
        "squared distances: expanded, in float32",
        "wrong",
        sqdist,
        sqdist_expanded,
        ((3000 + POINTS).astype(np.float32), (3000 + CENTRES).astype(np.float32)),
        "x sum g - g y cancels three digits and a half of seven.",
        ("cancellation",),
    ),
    Case(
        "planar flow: inner tanh held constant",
        "wrong",
        planar,
        planar_rule(0.0),
        (POINTS, 0.1 * MU[:3], X[:3]),
        "How the slope of tanh changes with x is left out.",
        ("term missing",),
    ),
    # right
    Case(
        "gaussian: variance 1e-12",
        "right",
        gauss,
        gauss_rule(1.0),
        (MU + 1e-6 * X, MU, 1e-6 * SIGMA),
        "Gradients of a million and curvature of 1e12.",
    ),
    Case(
        "student: outliers of 1e8",
        "right",
        student(3.0),
        student_rule(3.0, 4.0),
        (np.array([1e8, -1e8, 1e-8, 0.3, -2, 0]), SIGMA),
        "The pull falls off with distance.",
    ),
    Case(
        "mixture: modes a hundred apart",
        "right",
        mixture,
        mixture_rule(1),
        (100 * SAMPLES, LOGITS, 100 * MEANS),
        "Densities that underflow; responsibilities of 0 and 1.",
    ),
    Case(
        "vae kl: at its minimum",
        "right",
        vae_kl,
        lambda g, out, m, v: (like(g * m, m), like(0.5 * g * np.expm1(v), v)),
        (1e-9 * MU, 1e-9 * X),
        "All gradients are about 1e-9 and the value is 1e-18.",
    ),
    Case(
        "rbf kernel: a thousandth wide",
        "right",
        rbf,
        rbf_rule(1.0),
        (1e-3 * POINTS, 1e-3 * CENTRES, np.array(np.log(1e-3))),
        "Points, centres and width of 1e-3.",
    ),
    Case(
        "squared distances: float32, far from the origin",
        "right",
        sqdist,
        sqdist_rule,
        ((3000 + POINTS).astype(np.float32), (3000 + CENTRES).astype(np.float32)),
        "The twin of a wrong one, with differences taken first.",
    ),
    Case(
        "sinkhorn: iterated to its end",
        "right",
        sinkhorn,
        sinkhorn_rule,
        (rng(1008).random((5, 4)),),
        "The rule is the transport plan; the forward runs an iteration until it stands still.",
    ),
    Case(
        "kalman filter: log-likelihood",
        "right",
        kalman,
        kalman_rule,
        (np.cumsum(rng(1009).normal(size=20)), np.array(-1.5)),
        "Twenty steps of a recursion, with one 0-d input.",
    ),
]
