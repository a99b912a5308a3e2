"""Reductions, scans, order statistics, moments."""

import numpy as np

from .b_forms import like, rng
from .case import Case

X = rng(801).normal(size=(4, 5))
SQ = rng(802).normal(size=(5, 5))
LONG = rng(803).normal(size=1001)
POS = rng(804).uniform(0.5, 2, size=8)
WEIGHTS = rng(805).uniform(0.1, 1, size=8)
MASK = rng(806).random((4, 5)) < 0.6
MASK[:, 1] = True
ODD, EVEN = rng(807).normal(size=(3, 7)), rng(808).normal(size=(3, 6))


def var_rule(divisor):
    def rule(g, out, x):
        c = x - x.mean()
        return like(2 * g * (c - c.mean()) / divisor(x.size), x)

    return rule


def std_rule(axis):
    def rule(g, out, x):
        c = x - x.mean(1, keepdims=True)
        return like(np.expand_dims(g / out, axis) * c / x.shape[1], x)

    return rule


def norm3(x):
    return (np.abs(x) ** 3).sum(-1) ** (1 / 3)


def norm3_rule(signed):
    def rule(g, out, x):
        with np.errstate(divide="ignore", invalid="ignore"):
            d = np.where(out[:, None] > 0, x * (np.abs(x) if signed else x) / out[:, None] ** 2, 0.0)
        return like(g[:, None] * d, x)

    return rule


def prod_by_division(g, out, x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return like(g[..., None] * out[..., None] / x, x)


def prod_rule(g, out, x):
    """The product of all the others, without dividing."""
    one = np.ones_like(x[..., :1])
    left = np.cumprod(np.concatenate([one, x[..., :-1]], -1), -1)
    right = np.cumprod(np.concatenate([one, x[..., :0:-1]], -1), -1)[..., ::-1]
    return like(g[..., None] * left * right, x)


def max_rule(g, out, x):
    grad = np.zeros_like(x)
    grad[np.arange(len(x)), x.argmax(1)] = g
    return grad


def max_shared_rule(g, out, x):
    top = x == out[:, None]
    return like(g[:, None] * top / top.sum(1, keepdims=True), x)


def cumprod_rule(g, out, x):
    """Entry j collects every later product with x_j left out."""
    grad = np.zeros_like(x)
    for j in range(x.shape[-1]):
        rest = np.concatenate([x[..., :j], np.ones_like(x[..., :1]), x[..., j + 1 :]], -1)
        grad[..., j] = (g[..., j:] * np.cumprod(rest, -1)[..., j:]).sum(-1)
    return grad


def median(x):
    return np.median(x, axis=-1)


def median_rule(both):
    def rule(g, out, x):
        n = x.shape[-1]
        order = x.argsort(-1)
        grad = np.zeros_like(x)
        for k in ((n - 1) // 2, n // 2) if both else (n // 2, n // 2):
            np.put_along_axis(
                grad, order[..., k : k + 1], np.take_along_axis(grad, order[..., k : k + 1], -1) + g[..., None] / 2, -1
            )
        return grad

    return rule


def masked_mean(x, mask):
    return np.where(mask, x, 0.0).sum(1) / np.maximum(mask.sum(1), 1).astype(x.dtype)


def masked_mean_rule(counts):
    return lambda g, out, x, mask: (like(np.where(mask, (g / counts(mask))[:, None], 0.0), x), None)


def average(x, w):
    return (x * w).sum() / w.sum()


def average_rule(centre):
    return lambda g, out, x, w: (like(g * w / w.sum(), x), like(g * (x - centre * out) / w.sum(), w))


def trapezoid(x):
    return ((x[..., 1:] + x[..., :-1]) / 2).sum(-1)


def covariance(x):
    c = x - x.mean(0)
    return c.T @ c / (len(x) - 1)


def covariance_rule(both):
    def rule(g, out, x):
        c = x - x.mean(0)
        return like(c @ (g + g.T if both else 2 * g) / (len(x) - 1), x)

    return rule


def third_moment(x):
    return ((x - x.mean()) ** 3).mean()


def third_rule(centre):
    def rule(g, out, x):
        c2 = (x - x.mean()) ** 2
        return like(3 * g * (c2 - centre * c2.mean()) / x.size, x)

    return rule


def safe_norm(x):
    """Euclidean norm scaled by the largest entry."""
    m = np.abs(x).max()
    return m * np.sqrt(((x / m) ** 2).sum())


CASES = [
    Case(
        "variance: unbiased in the rule alone",
        "wrong",
        np.var,
        var_rule(lambda n: n - 1),
        (LONG,),
        "A factor of 1.001 with a thousand and one numbers.",
        ("factor", "options forgotten"),
    ),
    Case(
        "std: row's statistic laid along columns",
        "wrong",
        lambda x: x.std(1),
        std_rule(0),
        (SQ,),
        "g/out is broadcast along the wrong axis of a square.",
        ("axis", "transposed"),
    ),
    Case(
        "3-norm: sign lost",
        "wrong",
        norm3,
        norm3_rule(False),
        (X,),
        "x^2 for x|x|: negative entries are pulled up.",
        ("sign", "one index"),
    ),
    Case(
        "product: division forgotten near one",
        "wrong",
        lambda x: x.prod(),
        lambda g, out, x: like(g * out * np.ones_like(x), x),
        (1 + 1e-4 * X[0],),
        "g out for g out/x, at factors within 1e-4 of one.",
        ("term missing", "factor", "elsewhere"),
    ),
    Case(
        "cumsum: summed forwards again",
        "wrong",
        lambda x: np.cumsum(x, -1),
        lambda g, out, x: like(np.cumsum(g, -1), x),
        (X,),
        "The adjoint runs backwards.",
        ("transposed", "axis"),
    ),
    Case(
        "masked mean: masked entries counted",
        "wrong",
        masked_mean,
        masked_mean_rule(lambda m: m.shape[1]),
        (X, MASK),
        "Divided by the row's length.",
        ("factor", "mask", "options forgotten"),
    ),
    Case(
        "weighted average: weights' mean held",
        "wrong",
        average,
        average_rule(0.0),
        (POS, WEIGHTS),
        "The weights' gradient lacks -out/sum w.",
        ("term missing",),
    ),
    Case(
        "trapezoid: ends in full",
        "wrong",
        trapezoid,
        lambda g, out, x: like(g[..., None] * np.ones_like(x), x),
        (X,),
        "The first and last points weigh one half.",
        ("one index", "factor"),
    ),
    Case(
        "covariance: g taken as symmetric",
        "wrong",
        covariance,
        covariance_rule(False),
        (X,),
        "2 c g for c (g + g^T): right only for a symmetric cotangent.",
        ("transposed", "term missing", "elsewhere"),
    ),
    Case(
        "third moment: mean held constant",
        "wrong",
        third_moment,
        third_rule(0.0),
        (POS,),
        "For a variance the mean's term vanishes; for a third moment it does not.",
        ("term missing", "elementwise"),
    ),
    # elsewhere
    Case(
        "product: by division",
        "elsewhere",
        lambda x: x.prod(-1),
        prod_by_division,
        (X,),
        "A zero among the factors makes it 0/0, where the truth is the product of the others.",
        ("not finite", "elsewhere"),
    ),
    Case(
        "median: one middle",
        "elsewhere",
        median,
        median_rule(False),
        (ODD,),
        "Right for an odd number; for an even one the two middles share.",
        ("one index", "factor", "elsewhere"),
    ),
    Case(
        "1-norm: positive numbers",
        "elsewhere",
        lambda x: np.abs(x).sum(),
        lambda g, out, x: like(g * np.ones_like(x), x),
        (POS,),
        "Negative entries have slope -1.",
        ("sign", "elsewhere"),
    ),
    # right
    Case(
        "variance: offset of 1e6",
        "right",
        lambda x: np.var(x),
        var_rule(lambda n: n),
        (1e6 + np.round(256 * LONG) / 256,),
        "A spread of one on a million.",
    ),
    Case(
        "product: two zeros in a row",
        "right",
        lambda x: x.prod(-1),
        prod_rule,
        (np.array([[2.0, 0, -3, 0.5], [0, 1, 0, 4], [1e-100, 1e200, -1e-100, 3]]),),
        "One zero leaves one gradient, two leave none; and a row over 300 decades.",
    ),
    Case(
        "cumprod: through a zero",
        "right",
        lambda x: np.cumprod(x, -1),
        cumprod_rule,
        (np.where(np.arange(5) == 2, 0.0, X),),
        "Everything after the zero is zero, its gradient is not.",
    ),
    Case(
        "max: runners-up 1e-9 behind",
        "right",
        lambda x: x.max(1),
        max_rule,
        (1 + 1e-9 * rng(809).permutation(20).reshape(4, 5),),
        "Any usual step changes the winner.",
    ),
    Case("median: even number", "right", median, median_rule(True), (EVEN,), "Two halves."),
    Case(
        "mean of 1e5 numbers",
        "right",
        np.mean,
        lambda g, out, x: like(np.full(x.shape, g / x.size), x),
        (rng(810).normal(size=100_000),),
        "Every gradient is 1e-5, and there are very many.",
    ),
    Case(
        "masked mean: a row with nothing",
        "right",
        masked_mean,
        masked_mean_rule(lambda m: np.maximum(m.sum(1), 1)),
        (X, MASK & (np.arange(4) != 2)[:, None]),
        "An empty row is zero, with gradient zero.",
    ),
    Case(
        "norm: entries of 1e-170",
        "right",
        safe_norm,
        lambda g, out, x: like(g * (x / out), x),
        (1e-170 * X[0],),
        "Squares would underflow; a difference of usual step would forget the point.",
    ),
    Case(
        "argmax as a float: piecewise constant",
        "right",
        lambda x: x.argmax(-1).astype(x.dtype),
        lambda g, out, x: np.zeros_like(x),
        (X,),
        "Jumps of whole numbers, slope zero.",
    ),
    # kink
    Case(
        "max: ties shared equally",
        "kink",
        lambda x: x.max(1),
        max_shared_rule,
        (np.round(X),),
        "Equal maxima share g: the centre of the subdifferential.",
    ),
    # alias
    Case(
        "sum: a broadcast view of g",
        "alias",
        lambda x: x.sum(0),
        lambda g, out, x: np.broadcast_to(g, x.shape),
        (X,),
        "The result is g seen many times over, read-only.",
    ),
]
