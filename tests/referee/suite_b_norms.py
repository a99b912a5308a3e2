"""Normalisations: layer, batch, group, instance, RMS, weight, response."""

import numpy as np

from .b_forms import like, rng, unsum
from .case import Case

X = rng(401).normal(size=(4, 6))
SQ = rng(402).normal(size=(5, 5))
CUBE = rng(403).normal(size=(4, 4, 4))
IMG = rng(404).normal(size=(2, 4, 3, 3))
WIDE = rng(405).normal(size=(3, 64))
GAMMA, BETA = 1 + 0.2 * rng(406).normal(size=6), 0.1 * rng(407).normal(size=6)


def standardise(x, axis, eps):
    """(x - mean) / sqrt(var + eps) along `axis`, and the standard deviation it divides by."""
    c = x - x.mean(axis=axis, keepdims=True)
    n = c.size // c.sum(axis=axis).size
    s = np.sqrt((c * c).sum(axis=axis, keepdims=True) / n + eps)
    return c / s, s


def back(g, xhat, s, axis, ddof=0, centre=True, project=True):
    """The three-term gradient of `standardise`, each term optional."""
    n = xhat.size // xhat.sum(axis=axis).size
    d = g - centre * g.mean(axis=axis, keepdims=True)
    return (d - project * xhat * (g * xhat).sum(axis=axis, keepdims=True) / (n - ddof)) / s


def plain(axis=-1, eps=1e-5):
    return lambda x: standardise(x, axis, eps)[0]


def plain_rule(axis=-1, back_axis=None, **options):
    def rule(g, out, x):
        xhat, s = standardise(x, axis, 1e-5)
        return like(back(g, xhat, s, axis if back_axis is None else back_axis, **options), x)

    return rule


def ddof_rule(g, out, x):
    xhat, s = standardise(x, -1, 1e-5)
    return like(back(g, xhat, s, -1, ddof=1), x)


def eps_outside_rule(g, out, x):
    xhat, s = standardise(x, -1, 0.0)
    return like(back(g, xhat, s + 1e-3, -1), x)


def affine(x, w, b):
    return w * standardise(x, -1, 1e-5)[0] + b


def affine_rule(over):
    def rule(g, out, x, w, b):
        xhat, s = standardise(x, -1, 1e-5)
        return like(back(g * w, xhat, s, -1), x), like((g * xhat).sum(axis=over), w), like(g.sum(axis=(0, 1)), b)

    return rule


def rms(eps):
    return lambda x, w: w * x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def rms_rule(eps, centre=False):
    def rule(g, out, x, w):
        s = np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        xhat, gw = x / s, g * w
        grad = (gw - centre * gw.mean(-1, keepdims=True) - xhat * (gw * xhat).mean(-1, keepdims=True)) / s
        return like(grad, x), like(unsum(g * xhat, w.shape), w)

    return rule


def unit(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def unit_rule(power):
    def rule(g, out, x):
        n2 = (x * x).sum(-1, keepdims=True)
        return like(g / np.sqrt(n2) - x * (g * x).sum(-1, keepdims=True) / n2**power, x)

    return rule


def guarded_unit(x):
    return x / np.maximum(np.sqrt((x * x).sum(-1, keepdims=True)), 1e-3)


def guarded_unit_rule(g, out, x):
    n = np.sqrt((x * x).sum(-1, keepdims=True))
    m = np.maximum(n, 1e-3)
    return like((g - np.where(n > 1e-3, out * (g * out).sum(-1, keepdims=True), 0.0)) / m, x)


def neighbours(a):
    p = np.pad(a, ((0, 0), (1, 1)))
    return p[:, :-2] + p[:, 1:-1] + p[:, 2:]


def response(x):
    return x * (2 + 0.1 * neighbours(x * x)) ** -0.75


def response_rule(cross):
    def rule(g, out, x):
        s = 2 + 0.1 * neighbours(x * x)
        d = g * x * s**-1.75
        return like(g * s**-0.75 - 0.15 * x * (neighbours(d) if cross else d), x)

    return rule


def in_float64(x):
    return standardise(x.astype(np.float64), -1, 1e-5)[0].astype(x.dtype)


def in_float64_rule(g, out, x):
    xhat, s = standardise(x.astype(np.float64), -1, 1e-5)
    return like(back(g.astype(np.float64), xhat, s, -1), x)


def one_pass_rule(g, out, x):
    """float32 throughout, with the variance as the mean of squares less the square of the mean."""
    m = x.mean(-1, keepdims=True)
    s = np.sqrt(np.maximum((x * x).mean(-1, keepdims=True) - m * m, 0) + 1e-5)
    return like(back(g, (x - m) / s, s, -1), x)


def looped(x):
    """Instance norm one map at a time, into a buffer."""
    out = np.empty(x.shape, dtype=x.dtype)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[i, c] = standardise(x[i, c], (0, 1), 1e-5)[0]
    return out


CASES = [
    Case(
        "layer norm: standard deviation held constant",
        "wrong",
        plain(),
        plain_rule(centre=False, project=False),
        (X,),
        "g/s alone: both coupling terms are dropped.",
        ("elementwise", "term missing"),
    ),
    Case(
        "layer norm: n - 1 in the projection",
        "wrong",
        plain(),
        ddof_rule,
        (WIDE,),
        "The forward's variance divides by n, one term of the rule by n - 1, with n 64.",
        ("factor", "term missing", "options forgotten", "elsewhere"),
    ),
    Case(
        "layer norm: epsilon outside the root",
        "wrong",
        plain(eps=1e-3),
        eps_outside_rule,
        (X,),
        "s + eps in the rule for sqrt(var + eps): a few parts in ten thousand.",
        ("options forgotten", "factor", "elsewhere", "term missing"),
    ),
    Case(
        "layer norm: gain summed over the wrong axes",
        "wrong",
        affine,
        affine_rule((0, 2)),
        (CUBE, GAMMA[:4], BETA[:4]),
        "The gain belongs to the last axis; a cube hides the mistake.",
        ("axis", "not summed", "transposed"),
    ),
    Case(
        "batch norm: statistics along features in the gradient",
        "wrong",
        plain(axis=0),
        plain_rule(axis=0, back_axis=-1),
        (SQ,),
        "The two means in the rule run along the features.",
        ("axis", "transposed"),
    ),
    Case(
        "rms norm: centred as a layer norm",
        "wrong",
        rms(1e-5),
        rms_rule(1e-5, True),
        (X, GAMMA),
        "Copied from layer norm: the mean of g is subtracted though nothing is centred.",
        ("elsewhere", "term missing"),
    ),
    Case(
        "unit vector: wrong power of the norm",
        "wrong",
        unit,
        unit_rule(1.0),
        (1.0003 * unit(X),),
        "|x|^2 where |x|^3 is due, at vectors of length 1.0003.",
        ("factor", "term missing", "elsewhere"),
    ),
    Case(
        "response norm: own channel only",
        "wrong",
        response,
        response_rule(False),
        (X,),
        "Neighbouring channels' denominators are taken as constants.",
        ("elementwise", "term missing"),
    ),
    Case(
        "layer norm: one-pass variance in float32",
        "wrong",
        plain(),
        one_pass_rule,
        ((1000 + X).astype(np.float32),),
        "mean(x^2) - mean(x)^2 at x = 1000 leaves one digit of a variance of 1.",
        ("cancellation",),
    ),
    # right
    Case(
        "layer norm: rows that are constant",
        "right",
        plain(),
        plain_rule(),
        (np.array([[3.0] * 6, [-2.0] * 6, [0.0] * 6]),),
        "Variance exactly 0: slopes of 316 within a width of 3e-3.",
    ),
    Case(
        "layer norm: offset of ten thousand",
        "right",
        plain(),
        plain_rule(),
        (1e4 + np.round(X * 64) / 64,),
        "The mean is 1e4 times the spread.",
    ),
    Case(
        "batch norm: sum of the output",
        "right",
        lambda x: plain(axis=0)(x).sum(),
        lambda g, out, x: np.zeros_like(x),
        (X,),
        "The sum of centred columns is identically zero.",
    ),
    Case(
        "rms norm: one zero row",
        "right",
        rms(1e-6),
        rms_rule(1e-6),
        (np.concatenate([X, 0 * X[:1]]), GAMMA),
        "At the zero row the slope is 1000.",
    ),
    Case(
        "unit vector: lengths from 1e-6 to 1e6",
        "right",
        unit,
        unit_rule(1.5),
        (np.array([1e-6, 1e-2, 1e2, 1e6])[:, None] * X,),
        "Slopes over twelve decades in one array.",
    ),
    Case(
        "unit vector: guarded below 1e-3",
        "right",
        guarded_unit,
        guarded_unit_rule,
        (np.array([0.0, 1e-6, 3e-4, 1e2])[:, None] * X,),
        "Linear inside the guard, projected outside, and one zero row.",
    ),
    Case(
        "layer norm: float64 inside, float32 outside",
        "right",
        in_float64,
        in_float64_rule,
        ((100 + X).astype(np.float32),),
        "The forward rounds to float32 at its end only.",
    ),
    Case(
        "instance norm: one map at a time",
        "right",
        looped,
        plain_rule(axis=(2, 3)),
        (IMG,),
        "Loops and a buffer in the forward, a closed form in the rule.",
    ),
]
