"""Losses other than plain cross-entropy."""

import numpy as np

from .b_forms import like, log_softmax, lse, onehot, pick, rng, sigmoid, softmax, softplus, unsum
from .case import Case

S = rng(301).normal(size=9)
SIGNS = np.where(rng(302).random(9) < 0.5, -1, 1)
Z = rng(303).normal(size=(6, 4))
Y = rng(304).integers(0, 4, size=6)
R = rng(305).normal(size=(5, 3))
A, B = rng(306).normal(size=(2, 6, 4))
TRIPLET = tuple(rng(307).normal(size=(3, 6, 4)))
BINARY = (rng(308).random(9) < 0.5).astype(float)
DESIGN, TARGET = rng(309).normal(size=(12, 5)), rng(310).normal(size=12)
TIMES, EVENTS = rng(311).permutation(10), rng(312).random(10) < 0.7
CRF = (rng(313).normal(size=(5, 3)), rng(314).normal(size=(3, 3)))


def hinge(s, y):
    return np.maximum(0, 1 - y * s).mean()


def hinge_rule(margin):
    return lambda g, out, s, y: (like(-g * y * (y * s < margin) / s.size, s), None)


def multi_hinge(z, y):
    m = np.maximum(0, z - pick(z, y)[:, None] + 1)
    return np.where(onehot(y, z.shape[1], bool), 0.0, m).sum(1).mean()


def multi_hinge_rule(label):
    def rule(g, out, z, y):
        own = onehot(y, z.shape[1], bool)
        on = (z - pick(z, y)[:, None] + 1 > 0) & ~own
        return like(g * np.where(own, -label(on)[:, None], on) / len(y), z), None

    return rule


def cosine(a, b):
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def cosine_rule(project):
    def rule(g, out, a, b):
        aa, bb = (a * a).sum(-1, keepdims=True), (b * b).sum(-1, keepdims=True)
        g, o, n = g[..., None], out[..., None] if project else 0.0, np.sqrt(aa * bb)
        return like(g * (b / n - o * a / aa), a), like(g * (a / n - out[..., None] * b / bb), b)

    return rule


def triplet(margin):
    return lambda a, p, n: np.maximum(0, ((a - p) ** 2).sum(-1) - ((a - n) ** 2).sum(-1) + margin).mean()


def triplet_rule(margin):
    def rule(g, out, a, p, n):
        on = ((a - p) ** 2).sum(-1, keepdims=True) - ((a - n) ** 2).sum(-1, keepdims=True) + margin > 0
        w = 2 * g * on / len(a)
        return like(w * (n - p), a), like(w * (p - a), p), like(w * (a - n), n)

    return rule


def log_cosh(r):
    return (np.abs(r) + np.log1p(np.exp(-2 * np.abs(r))) - np.log(2)).mean()


def crf(u, a):
    """log Z of a chain: the forward algorithm."""
    alpha = u[0]
    for t in range(1, len(u)):
        alpha = lse(alpha[:, None] + a, axis=0) + u[t]
    return lse(alpha)


def crf_rule(last):
    def rule(g, out, u, a):
        n = len(u)
        alpha, beta = u.copy(), np.zeros_like(u)
        for t in range(1, n):
            alpha[t] = lse(alpha[t - 1][:, None] + a, axis=0) + u[t]
        for t in range(n - 2, -1, -1):
            beta[t] = lse(a + u[t + 1] + beta[t + 1], axis=1)
        da = np.zeros((u.shape[1], u.shape[1]))
        for t in range(1, n - 1 + last):
            da += np.exp(alpha[t - 1][:, None] + a + u[t] + beta[t] - out)
        return like(g * np.exp(alpha + beta - out), u), like(g * unsum(da, a.shape), a)

    return rule


def cox(s, time, event):
    later = time[None, :] >= time[:, None]
    return np.where(event, lse(np.where(later, s[None, :], -np.inf)) - s, 0.0).mean()


def cox_rule(g, out, s, time, event):
    p = softmax(np.where(time[None, :] >= time[:, None], s[None, :], -np.inf))
    return like(g * ((event[:, None] * p).sum(0) - event) / s.size, s), None, None


def soft_dtw(d, gamma=0.5):
    n, m = d.shape
    r = np.full((n + 1, m + 1), np.inf, dtype=d.dtype)
    r[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            best = np.stack([r[i - 1, j - 1], r[i - 1, j], r[i, j - 1]])
            r[i, j] = d[i - 1, j - 1] - gamma * lse(-best / gamma)
    return r[n, m]


def soft_dtw_rule(g, out, d, gamma=0.5):
    n, m = d.shape
    r, e = np.full((n + 1, m + 1), np.inf), np.zeros((n + 1, m + 1))
    r[0, 0], e[n, m] = 0, 1
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            best = np.array([r[i - 1, j - 1], r[i - 1, j], r[i, j - 1]])
            r[i, j] = d[i - 1, j - 1] - gamma * lse(-best / gamma)
    for i in range(n, 0, -1):
        for j in range(m, 0, -1):
            for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)):
                e[p] += e[i, j] * np.exp(-(r[p] - r[i, j] + d[i - 1, j - 1]) / gamma)
    return like(g * e[1:, 1:], d)


def focal(z, y):
    s = np.where(y == 1, z, -z)
    return (sigmoid(-s) ** 2 * softplus(-s)).mean()


def focal_rule(modulated):
    def rule(g, out, z, y):
        s = np.where(y == 1, z, -z)
        q = sigmoid(-s)
        d = -(q**3) - modulated * 2 * q * q * sigmoid(s) * softplus(-s)
        return like(g * np.where(y == 1, d, -d) / z.size, z), None

    return rule


def bce(p, y):
    return -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean()


def bce_eps_rule(g, out, p, y):
    return (like(g * (p - y) / (p * (1 - p) + 1e-6) / p.size, p), like(g * (np.log1p(-p) - np.log(p)) / p.size, y))


def bce_logits(z, y):
    return (y * softplus(-z) + (1 - y) * softplus(z)).mean()


def bce_logits_rule(g, out, z, y):
    dz = (1 - y) * sigmoid(z) - y * sigmoid(-z)
    return like(g * dz / z.size, z), like(g * (softplus(-z) - softplus(z)) / z.size, y)


def kl(p, q):
    return (p * (np.log(p) - np.log(q))).sum()


def confident(z, y):
    lp = log_softmax(z)
    return -pick(lp, y).mean() + 1e-4 * (np.exp(lp) * lp).sum(-1).mean()


def confident_rule(beta):
    def rule(g, out, z, y):
        p, lp = softmax(z), log_softmax(z)
        h = -(p * lp).sum(-1, keepdims=True)
        return like(g * (p - onehot(y, z.shape[1]) + beta * p * (lp + h)) / len(y), z), None

    return rule


def ridge(w):
    return ((DESIGN @ w - TARGET) ** 2).mean() + 0.5e-6 * (w * w).sum()


def contrastive(a, b, same):
    d = np.sqrt(((a - b) ** 2).sum(-1))
    return np.where(same, d * d, np.maximum(0, 2 - d) ** 2).mean()


def contrastive_rule(g, out, a, b, same):
    d = np.sqrt(((a - b) ** 2).sum(-1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        w = g * np.where(same[:, None], 2 * d, -2 * np.maximum(0, 2 - d)) / d / len(a)
        return like(w * (a - b), a), like(-w * (a - b), b), None


PAIRS = (A, B, np.arange(6) % 2 == 0)
PROBS = rng(315).uniform(0.1, 0.9, size=9)
P, Q = rng(316).dirichlet(np.ones(6), size=2)
WEIGHTS = rng(317).normal(size=5)

CASES = [
    Case(
        "hinge: gated at zero margin",
        "wrong",
        hinge,
        hinge_rule(0.0),
        (S, SIGNS),
        "Right answers within the margin lose their gradient.",
        ("mask", "options forgotten"),
    ),
    Case(
        "multi-class hinge: label counted once",
        "wrong",
        multi_hinge,
        multi_hinge_rule(lambda on: on.any(1).astype(float)),
        (Z, Y),
        "The label's gradient is minus the number of violations, not minus one.",
        ("one index", "term missing", "factor", "elsewhere"),
    ),
    Case(
        "cosine similarity: norm held constant",
        "wrong",
        cosine,
        cosine_rule(False),
        (A, B),
        "The first vector's gradient is not projected off it; the second's is.",
        ("term missing", "elementwise"),
    ),
    Case(
        "log-cosh: r for tanh r",
        "wrong",
        log_cosh,
        lambda g, out, r: like(g * r / r.size, r),
        (0.02 * R,),
        "Residuals of 0.02 make it almost the squared loss: 1e-4 relative.",
        ("elsewhere", "term missing"),
    ),
    Case(
        "crf: last transition not counted",
        "wrong",
        crf,
        crf_rule(0),
        CRF,
        "The pairwise marginals are summed over all steps but the last.",
        ("term missing",),
    ),
    Case(
        "charbonnier: epsilon forgotten",
        "wrong",
        lambda r: np.sqrt(r * r + 1e-6).sum(),
        lambda g, out, r: like(g * np.sign(r), r),
        (0.1 * np.abs(R) + 0.05,),
        "sign(r) in place of r/sqrt(r^2 + eps^2): within 1e-4 at these residuals.",
        ("options forgotten", "term missing"),
    ),
    Case(
        "focal: modulating factor held constant",
        "wrong",
        focal,
        focal_rule(0.0),
        (S, (BINARY == 1)),
        "(1-p)^gamma is treated as a given weight.",
        ("term missing", "options forgotten"),
    ),
    Case(
        "bce: safety epsilon in the denominator",
        "wrong",
        bce,
        bce_eps_rule,
        (PROBS, BINARY),
        "p(1-p) + 1e-6 shrinks every gradient by a few parts in a million.",
        ("term missing", "elsewhere", "factor"),
    ),
    Case(
        "kl: the one missing",
        "wrong",
        kl,
        lambda g, out, p, q: (like(g * (np.log(p) - np.log(q)), p), like(-g * p / q, q)),
        (P, Q),
        "d(p log p) is log p + 1; on the simplex's tangent nobody sees it.",
        ("term missing",),
    ),
    Case(
        "confidence penalty: tiny term reversed",
        "wrong",
        confident,
        confident_rule(-1e-4),
        (Z, Y),
        "The entropy term, weight 1e-4, has the wrong sign.",
        ("sign", "term missing"),
    ),
    Case(
        "ridge: decay of 1e-6 forgotten",
        "wrong",
        ridge,
        lambda g, out, w: like(g * 2 * DESIGN.T @ (DESIGN @ w - TARGET) / len(TARGET), w),
        (WEIGHTS,),
        "The penalty's gradient, a millionth of the rest, is absent.",
        ("term missing", "options forgotten"),
    ),
    # elsewhere
    Case(
        "contrastive: nan where a like pair coincides",
        "elsewhere",
        contrastive,
        contrastive_rule,
        PAIRS,
        "2 d (a-b)/d is 0/0 at a = b, where the truth for a pair of the same kind is 0.",
        ("not finite", "elsewhere"),
    ),
    # right
    Case(
        "bce with logits: sure and wrong",
        "right",
        bce_logits,
        bce_logits_rule,
        (50 * S, BINARY),
        "Scores of either sign up to 50 and more: gradients from 1e-30 to 1.",
    ),
    Case(
        "hinge: margins 1e-7 away",
        "right",
        hinge,
        hinge_rule(1.0),
        (SIGNS * (1 + 1e-7 * np.sign(S)), SIGNS),
        "Every entry is within a step of its kink.",
    ),
    Case(
        "mse: at its minimum on a pedestal",
        "right",
        lambda p: 1e6 + ((p - 1) ** 2).mean(),
        lambda g, out, p: like(2 * g * (p - 1) / p.size, p),
        (1 + np.round(2**20 * R) / 2**47,),
        "Gradients of 1e-9 under a constant of 1e6.",
    ),
    Case(
        "cosine similarity: one of 1e-8, one of 1e8",
        "right",
        cosine,
        cosine_rule(True),
        (1e-8 * A, 1e8 * B),
        "Gradients of 1e8 and of 1e-8, from scale-free values.",
    ),
    Case(
        "triplet: none active",
        "right",
        triplet(-500.0),
        triplet_rule(-500.0),
        TRIPLET,
        "The loss and all gradients are exactly zero.",
    ),
    Case(
        "crf: forward and backward in loops",
        "right",
        crf,
        crf_rule(1),
        CRF,
        "Neither pass can be followed by a tracer; every entry is coupled.",
    ),
    Case(
        "cox: at risk",
        "right",
        cox,
        cox_rule,
        (3 * S.repeat(2)[:10], TIMES, EVENTS),
        "Integer times, boolean events, a -inf in every row but one; gradients sum to zero.",
    ),
    Case(
        "soft-dtw: dynamic program",
        "right",
        soft_dtw,
        soft_dtw_rule,
        (rng(321).random((5, 4)),),
        "A double loop over a table with infinities in its border.",
    ),
    Case(
        "poisson: rates of e^20",
        "right",
        lambda u, y: (np.exp(u) - y * u).sum(),
        lambda g, out, u, y: (like(g * (np.exp(u) - y), u), like(-g * u, y)),
        (np.array([-20.0, 0.0, 7.5, 20.0]), np.array([0.0, 1.0, 1800.0, 4.8e8])),
        "Terms of 1e9 in the sum, and gradients of 1e-9.",
    ),
    # kink
    Case(
        "hinge: exactly on the margin",
        "kink",
        hinge,
        hinge_rule(1.0),
        (np.where(S > 0, SIGNS, S), SIGNS),
        "At margin one the rule takes slope 0.",
    ),
]
