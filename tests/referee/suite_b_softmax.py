"""Softmax, its logarithm, and cross-entropy in its spellings."""

import numpy as np

from .b_forms import T, like, log_softmax, lse, onehot, pick, rng, sigmoid, softmax, softplus
from .case import Case

Z = rng(201).normal(size=(8, 5))
SQ = rng(202).normal(size=(6, 6))
Y = rng(203).integers(0, 5, size=8)
SOFT = rng(204).dirichlet(np.ones(5), size=8)
IGNORED = np.where(np.arange(8) % 4 == 2, -100, Y)
W = np.array([1.0, 1.02, 0.97, 1.01, 1.03])
MASK = rng(205).random((8, 5)) < 0.6
MASK[:, 2] = True


def softmax_rule(g, out, z):
    return like(out * (g - (g * out).sum(-1, keepdims=True)), z)


def masked_softmax(z, mask):
    return softmax(np.where(mask, z, -np.inf))


def xent(z, y):
    return (lse(z) - pick(z, y)).mean()


def xent_rule(divisor=lambda z: z[..., 0].size):
    return lambda g, out, z, y: (like(g * (softmax(z) - onehot(y, z.shape[-1])) / divisor(z), z), None)


def xent_skips_last_row(g, out, z, y):
    p = softmax(z)
    for i in range(len(y) - 1):
        p[i, y[i]] -= 1
    return like(g * p / len(y), z), None


def xent_promoted(g, out, z, y):
    return g * (softmax(z) - np.eye(z.shape[-1])[y]) / len(y), None


def others(z, y):
    """log sum over the classes other than the label of exp(z_j - z_y)."""
    d = np.where(onehot(y, z.shape[-1], bool), -np.inf, z - pick(z, y)[..., None])
    return d, lse(d)


def xent_exact(z, y):
    return softplus(others(z, y)[1]).mean()


def xent_exact_rule(g, out, z, y):
    d, s = others(z, y)
    s = s[..., None]
    grad = np.where(onehot(y, z.shape[-1], bool), -sigmoid(s), sigmoid(s) * np.exp(d - s))
    return like(g * grad / len(y), z), None


def xent_axis1(z, y):
    return (lse(z, axis=1) - pick(T(z), y)).mean()


def xent_axis1_rule(axis):
    def rule(g, out, z, y):
        return like(g * (softmax(z, axis=axis) - T(onehot(y, z.shape[1]))) / y.size, z), None

    return rule


def soft(z, t):
    return -(t * log_softmax(z)).sum(-1).mean()


def soft_rule(total=lambda t: t.sum(-1, keepdims=True), sign=-1.0):
    def rule(g, out, z, t):
        return like(g * (total(t) * softmax(z) - t) / len(z), z), like(sign * g * log_softmax(z) / len(z), t)

    return rule


def smoothed(eps):
    return lambda z, y: -(((1 - eps) * onehot(y, z.shape[-1]) + eps / z.shape[-1]) * log_softmax(z)).sum(-1).mean()


def smoothed_rule(on, off):
    def rule(g, out, z, y):
        t = np.where(onehot(y, z.shape[-1], bool), on, off)
        return like(g * (softmax(z) - t) / len(y), z), None

    return rule


def weighted(z, y):
    return (W[y] * (lse(z) - pick(z, y))).sum() / W[y].sum()


def weighted_rule(divisor):
    def rule(g, out, z, y):
        return like(g * W[y][:, None] * (softmax(z) - onehot(y, 5)) / divisor(y), z), None

    return rule


def ignoring(z, y):
    kept = y >= 0
    return np.where(kept, lse(z) - pick(z, y), 0.0).sum() / max(kept.sum(), 1)


def ignoring_rule(masks, counts):
    def rule(g, out, z, y):
        kept = (y >= 0)[:, None]
        grad = (softmax(z) - onehot(y, z.shape[-1])) / (max(kept.sum(), 1) if counts else len(y))
        return like(g * (np.where(kept, grad, 0.0) if masks else grad), z), None

    return rule


def weighted_ignoring(z, y):
    w = np.where(y >= 0, W[np.maximum(y, 0)], 0.0)
    return (w * (lse(z) - pick(z, y))).sum() / np.maximum(w.sum(), 1e-30)


def weighted_ignoring_rule(g, out, z, y):
    w = np.where(y >= 0, W[np.maximum(y, 0)], 0.0)
    grad = w[:, None] * (softmax(z) - onehot(y, 5)) / np.maximum(w.sum(), 1e-30)
    return like(g * grad, z), None


def entropy(z, mask):
    z = np.where(mask, z, -np.inf)
    p, lp = softmax(z), log_softmax(z)
    return -(p * np.where(mask, lp, 0.0)).sum(-1)


def entropy_rule(guarded):
    def rule(g, out, z, mask):
        s = np.where(mask, z, -np.inf)
        p, lp = softmax(s), log_softmax(s)
        if guarded:
            lp = np.where(mask, lp, 0.0)
        with np.errstate(invalid="ignore"):
            return like(-g[:, None] * p * (lp + out[:, None]), z), None

    return rule


def sparsemax(z):
    s = np.sort(z, axis=-1)[..., ::-1]
    c = np.cumsum(s, axis=-1)
    k = np.arange(1, z.shape[-1] + 1).astype(z.dtype)
    n = (1 + k * s > c).sum(-1, keepdims=True)
    return np.maximum(z - (np.take_along_axis(c, n - 1, axis=-1) - 1) / n.astype(z.dtype), 0)


def sparsemax_rule(g, out, z):
    on = out > 0
    return like(np.where(on, g - (g * on).sum(-1, keepdims=True) / on.sum(-1, keepdims=True), 0.0), z)


def sparsemax_all_rule(g, out, z):
    return like(np.where(out > 0, g - g.mean(-1, keepdims=True), 0.0), z)


def z_loss(z, y):
    return xent(z, y) + 1e-4 * (lse(z) ** 2).mean()


def naive_lse_rule(g, out, z):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(z)
        return like(g[..., None] * e / e.sum(-1, keepdims=True), z)


CASES = [
    Case(
        "softmax: treated as elementwise",
        "wrong",
        softmax,
        lambda g, out, z: like(g * out * (1 - out), z),
        (Z,),
        "The logistic's slope, entry by entry; the off-diagonal terms are dropped.",
        ("elementwise", "term missing"),
    ),
    Case(
        "softmax: inner product along the batch",
        "wrong",
        softmax,
        lambda g, out, z: like(out * (g - (g * out).sum(0, keepdims=True)), z),
        (SQ,),
        "sum(g out) runs over axis 0; the square input hides it.",
        ("axis", "transposed"),
    ),
    Case(
        "softmax: temperature forgotten",
        "wrong",
        lambda z: softmax(z / 1.05),
        softmax_rule,
        (Z,),
        "The chain's 1/T is missing, with T 1.05.",
        ("factor", "options forgotten"),
    ),
    Case(
        "log_softmax: g assumed to sum to one",
        "wrong",
        log_softmax,
        lambda g, out, z: like(g - np.exp(out), z),
        (Z,),
        "The sum of g is left out, as if g were a one-hot row.",
        ("not linear", "term missing", "g ignored", "simplex"),
    ),
    Case(
        "cross-entropy: last label never subtracted",
        "wrong",
        xent,
        xent_skips_last_row,
        (Z, Y),
        "A loop that stops one row early.",
        ("one index",),
    ),
    Case(
        "cross-entropy: softmax along the last of three axes",
        "wrong",
        xent_axis1,
        xent_axis1_rule(-1),
        (rng(208).normal(size=(3, 4, 4)), rng(209).integers(0, 4, size=(3, 4))),
        "Classes are on axis 1; the rule normalises over positions.",
        ("axis", "transposed"),
    ),
    Case(
        "soft cross-entropy: targets that sum to 1.02",
        "wrong",
        soft,
        soft_rule(lambda t: 1.0),
        (Z, 1.02 * SOFT),
        "yhat - y holds on the simplex alone; here a residual of yhat (sum y - 1) is left.",
        ("simplex",),
    ),
    Case(
        "smoothed cross-entropy: smoothing forgotten",
        "wrong",
        smoothed(1e-3),
        smoothed_rule(1.0, 0.0),
        (Z, Y),
        "The forward smooths by 1e-3, the rule has hard labels.",
        ("options forgotten",),
    ),
    Case(
        "weighted cross-entropy: divided by the batch",
        "wrong",
        weighted,
        weighted_rule(len),
        (Z, Y),
        "The forward divides by the sum of weights, which is nearly the batch.",
        ("factor", "options forgotten"),
    ),
    Case(
        "cross-entropy: ignored rows still pull",
        "wrong",
        ignoring,
        ignoring_rule(False, True),
        (Z, IGNORED),
        "Rows with ignore_index get yhat, as their one-hot is zero.",
        ("mask", "options forgotten"),
    ),
    Case(
        "softmax entropy: zero times log of zero",
        "wrong",
        entropy,
        entropy_rule(False),
        (Z, MASK),
        "Masked classes have p = 0 and log p = -inf; their product is nan, their gradient 0.",
        ("not finite", "mask"),
    ),
    Case(
        "sparsemax: mean over all classes",
        "wrong",
        sparsemax,
        sparsemax_all_rule,
        (2 * Z,),
        "The mean of g runs over the support only.",
        ("axis", "mask", "elementwise", "term missing", "factor"),
    ),
    Case(
        "cross-entropy: z-loss left out",
        "wrong",
        z_loss,
        xent_rule(),
        (Z, Y),
        "The 1e-4 logsumexp^2 penalty is not differentiated.",
        ("term missing", "options forgotten"),
    ),
    # elsewhere
    Case(
        "soft cross-entropy: right on the simplex alone",
        "elsewhere",
        soft,
        soft_rule(lambda t: 1.0),
        (Z, SOFT),
        "Wrong for soft targets that do not sum to one, by yhat (sum y - 1).",
        ("simplex", "elsewhere"),
    ),
    Case(
        "logsumexp: exponentials without a shift",
        "elsewhere",
        lse,
        naive_lse_rule,
        (3 * Z,),
        "At scores of 1000 it is inf/inf = nan; the truth is a softmax.",
        ("not finite", "elsewhere"),
    ),
    Case(
        "cross-entropy: float32 scores get a float64 gradient",
        "elsewhere",
        xent,
        xent_promoted,
        (Z, Y),
        "np.eye is float64 and promotes the gradient of float32 scores.",
        ("dtype", "elsewhere"),
    ),
    Case(
        "cross-entropy: batch size written down",
        "elsewhere",
        xent,
        xent_rule(lambda z: 8),
        (Z, Y),
        "The 8 is right for eight rows, and off by a factor for any other number.",
        ("factor", "elsewhere"),
    ),
    # right
    Case(
        "softmax: scores of a thousand",
        "right",
        softmax,
        softmax_rule,
        (1e3 * np.round(Z) + Z,),
        "Classes in groups a thousand apart: saturated between them and not within.",
    ),
    Case(
        "softmax: masked with minus infinity",
        "right",
        masked_softmax,
        lambda g, out, z, mask: (softmax_rule(g, out, z), None),
        (Z, MASK),
        "The forward meets -inf; masked scores get exactly zero.",
    ),
    Case(
        "cross-entropy: won by forty nats",
        "right",
        xent_exact,
        xent_exact_rule,
        (40 * onehot(Y, 5) + Z, Y),
        "All gradients are about 1e-18, the winner's included.",
    ),
    Case(
        "soft cross-entropy: far off the simplex",
        "right",
        soft,
        soft_rule(),
        (Z, rng(210).normal(size=(8, 5))),
        "Targets of either sign that sum to anything.",
    ),
    Case(
        "weighted cross-entropy with ignored rows",
        "right",
        weighted_ignoring,
        weighted_ignoring_rule,
        (Z, IGNORED),
        "Class weights, negative labels and a divisor that depends on both.",
    ),
    Case(
        "logsumexp: scores near 1e8",
        "right",
        lse,
        lambda g, out, z: like(g[..., None] * softmax(z), z),
        (1e8 + np.round(4 * Z) / 4,),
        "One unit in the last place of the output is 1.5e-8.",
    ),
    Case(
        "softmax: temperature of a thousandth",
        "right",
        lambda z: softmax(z / 1e-3),
        lambda g, out, z: like(1e3 * out * (g - (g * out).sum(-1, keepdims=True)), z),
        (2e-3 * Z,),
        "All the action is within 1e-3 of the point.",
    ),
    Case(
        "sparsemax: some classes at zero",
        "right",
        sparsemax,
        sparsemax_rule,
        (2 * Z,),
        "Piecewise linear, with hidden kinks and exact zeros.",
    ),
    Case(
        "soft cross-entropy: at its minimum",
        "right",
        soft,
        soft_rule(),
        (np.log(SOFT), SOFT),
        "yhat equals y, so every score's gradient is zero but for rounding.",
    ),
]
