"""Mistakes that hide: one entry of thousands, gradients tiny beside others, rounded constants, digits lost."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([8662, seed])


def sin_rule(change):
    def rule(g, out, x):
        d = g * np.cos(x)
        return change(d)

    return rule


def last_is_zero(d):
    d.flat[-1] = 0
    return d


def one_off_by_a_thousandth(d):
    d.flat[3141] *= 1.001
    return d


def two_exchanged(d):
    d.flat[[1234, 1235]] = d.flat[[1235, 1234]]
    return d


def one_nan(d):
    d.flat[2500] = np.nan
    return d


def row_repeated(d):
    d[-1] = d[-2]
    return d


def loss_with_faint_penalty(x, w):
    return np.sum(x * x) + 1e-9 * np.sum(np.cos(w))


def faint_wrong_sign(g, out, x, w):
    return 2 * g * x, 1e-9 * g * np.sin(w)


def mixed_columns(x):
    """Features of very different scale in one array."""
    return np.sum(np.sin(x) * SCALES, axis=1)


SCALES = np.array([1.0, 1e3, 1e-9, 1.0])


def mixed_columns_rule(g, out, x):
    return g[:, None] * np.cos(x) * np.array([1.0, 1e3, -1e-9, 1.0])


def chained_scale(a, b):
    """One factor is all but inert here."""
    return np.exp(-20 - a) * np.sin(b)


def variance_by_moments(x):
    c = x - np.mean(x)
    return np.log(np.mean(c * c))


def variance_by_moments_rule(g, out, x):
    v = np.mean(x * x) - np.mean(x) ** 2
    return g * 2 / x.size * (x - np.mean(x)) / v


def log1p_exp_rule(g, out, x):
    """1 - exp(-softplus): as good as sigmoid on paper."""
    return g * (1 - np.exp(-out))


def hypotenuse_rule(g, out, a, b):
    """b's gradient by difference of squares."""
    return g * a / out, g * np.sqrt(np.maximum(out**2 - a**2, 0)) / out


def cosine_distance(a, b):
    return 1 - np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def cosine_distance_rule(g, out, a, b):
    """Computed in single precision to save memory."""
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    na, nb = np.sqrt(np.sum(a32 * a32)), np.sqrt(np.sum(b32 * b32))
    c = np.sum(a32 * b32) / (na * nb)
    da = -(b32 / nb - c * a32 / na) / na
    db = -(a32 / na - c * b32 / nb) / nb
    return g * da.astype(np.float64), g * db.astype(np.float64)


def erf(x):
    """Abramowitz and Stegun 7.1.26, which is what f is."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - p * np.exp(-x * x))


def planck(x):
    return x**3 / np.expm1(x)


def planck_rule(g, out, x):
    """exp(x) - 1 for expm1."""
    e = np.exp(x) - 1
    return g * (3 * x**2 / e - x**3 * np.exp(x) / e**2)


def many_terms(x):
    k = np.arange(1, 101)
    return np.sum(np.sin(x[:, None] * k) / k**3, axis=1)


def many_terms_rule(g, out, x):
    k = np.arange(1, 100)
    return g * np.sum(np.cos(x[:, None] * k) / k**2, axis=1)


def deep(x):
    for _ in range(50):
        x = x + 0.1 * np.tanh(x)
    return x


def deep_rule(g, out, x):
    """One layer of fifty is skipped where its slope is smallest."""
    d = np.ones_like(x)
    for n in range(50):
        if n < 49:
            d = d * (1 + 0.1 / np.cosh(x) ** 2)
        x = x + 0.1 * np.tanh(x)
    return g * d


def bfloat_rule(g, out, x):
    """bfloat16 accumulation: eight bits of mantissa, rounded to nearest."""
    d = (g * np.cos(x)).astype(np.float32)
    bits = d.view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


BIG = rng(0).normal(size=(50, 100))

CASES = [
    Case(
        "sin of 5,000: the last entry is 0",
        "wrong",
        np.sin,
        sin_rule(last_is_zero),
        (BIG,),
        "an off-by-one in a loop",
        ("one index",),
    ),
    Case(
        "sin of 5,000: one entry off by a thousandth",
        "wrong",
        np.sin,
        sin_rule(one_off_by_a_thousandth),
        (BIG,),
        "entry 3,141; the whole gradient's norm changes by 1e-5",
        ("one index",),
    ),
    Case(
        "sin of 5,000: two neighbours exchanged",
        "wrong",
        np.sin,
        sin_rule(two_exchanged),
        (BIG,),
        "entries 1,234 and 1,235; sums do not notice",
        ("one index", "transposed"),
    ),
    Case(
        "sin of 5,000: one nan",
        "wrong",
        np.sin,
        sin_rule(one_nan),
        (BIG,),
        "entry 2,500",
        ("not finite", "one index"),
    ),
    Case(
        "sin of 5,000: last row is a copy of the one before",
        "wrong",
        np.sin,
        sin_rule(row_repeated),
        (BIG,),
        "a remainder loop with the wrong start",
        ("one index",),
    ),
    Case(
        "faint penalty: wrong sign at 1e-9",
        "wrong",
        loss_with_faint_penalty,
        faint_wrong_sign,
        (rng(1).normal(size=4), rng(2).normal(size=4)),
        "the second input's gradient is a billionth of the first one's",
        ("sign",),
    ),
    Case(
        "features of mixed scale: the faintest has the wrong sign",
        "wrong",
        mixed_columns,
        mixed_columns_rule,
        (rng(3).normal(size=(3, 4)),),
        "a column of 1e-9 beside one of 1e3",
        ("sign", "one index"),
    ),
    Case(
        "inert factor: its gradient is 2e-9 and wrong by two",
        "wrong",
        chained_scale,
        lambda g, out, a, b: (-2 * g * out, g * np.exp(-20 - a) * np.cos(b)),
        (rng(4).normal(size=3), rng(5).normal(size=3)),
        "all gradients are below any absolute tolerance",
        ("factor",),
    ),
    Case(
        "gradients of 1e-12: returned as zeros",
        "wrong",
        lambda x: 1e-12 * np.sin(x),
        lambda g, out, x: np.zeros_like(x),
        (rng(6).normal(size=4),),
        "underflow by decree",
        ("g ignored", "term missing"),
    ),
    Case(
        "log2: 1/ln 2 rounded to 1.4427",
        "wrong",
        lambda x: np.log2(x),
        lambda g, out, x: g * 1.4427 / x,
        (rng(7).uniform(0.5, 3, size=4),),
        "a factor of 1 + 3.4e-6",
        ("factor",),
    ),
    Case(
        "exp2: ln 2 as 0.6931472",
        "wrong",
        lambda x: np.exp2(x),
        lambda g, out, x: g * out * 0.6931472,
        (rng(8).normal(size=4),),
        "a factor of 1 + 2.8e-8",
        ("factor",),
    ),
    Case(
        "degrees: pi as 3.14159265",
        "wrong",
        lambda x: np.sin(x * np.pi / 180),
        lambda g, out, x: g * np.cos(x * np.pi / 180) * 3.14159265 / 180,
        (rng(9).uniform(-80, 80, size=4),),
        "a factor of 1 - 1.1e-9",
        ("factor",),
    ),
    Case(
        "normal density: 1/sqrt(2 pi) as 0.3989",
        "wrong",
        lambda x: np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi),
        lambda g, out, x: -g * x * np.exp(-0.5 * x * x) * 0.3989,
        (rng(10).normal(size=4),),
        "a factor of 1 - 1.1e-4",
        ("factor",),
    ),
    Case(
        "square: 2.0001",
        "wrong",
        lambda x: x * x,
        lambda g, out, x: g * 2.0001 * x,
        (rng(11).normal(size=5).astype(np.float32),),
        "5e-5, in float32, where differences of f know it to 1e-3 at best",
        ("factor",),
    ),
    Case(
        "erf by a rational approximation: the exact derivative",
        "wrong",
        erf,
        lambda g, out, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x),
        (np.array([0.3, -1.0, 1.7]),),
        "f approximates erf to 1e-7, its slope is another by 1e-6",
        ("elsewhere",),
    ),
    Case(
        "log variance of data around 1e6: by moments",
        "wrong",
        variance_by_moments,
        variance_by_moments_rule,
        (1e6 + rng(12).normal(size=8),),
        "E[x^2] - E[x]^2 keeps four digits where centring keeps ten",
        ("cancellation", "factor"),
    ),
    Case(
        "log variance in float32: by moments",
        "wrong",
        variance_by_moments,
        variance_by_moments_rule,
        ((30 + rng(13).normal(size=8)).astype(np.float32),),
        "three or four digits where centring keeps six",
        ("cancellation", "factor"),
    ),
    Case(
        "expm1 at -30: out + 1",
        "wrong",
        np.expm1,
        lambda g, out, x: g * (out + 1),
        (np.array([-30.0, -25.0, 0.1]),),
        "a slope of 1e-13 with three digits",
        ("cancellation",),
    ),
    Case(
        "softplus at -25: 1 - exp(-out)",
        "wrong",
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
        log1p_exp_rule,
        (np.array([-25.0, -22.0, 1.0]),),
        "a slope of 1e-11 with five digits",
        ("cancellation",),
    ),
    Case(
        "hypot: small leg by difference of squares",
        "wrong",
        lambda a, b: np.sqrt(a * a + b * b),
        hypotenuse_rule,
        (np.array([1.0, 2.0]), np.array([1e-6, 0.5])),
        "b/out from out^2 - a^2: four digits at b = 1e-6",
        ("cancellation",),
    ),
    Case(
        "cosine distance of near-parallel vectors: float32 inside",
        "wrong",
        cosine_distance,
        cosine_distance_rule,
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.001])),
        "terms of 0.3 cancel to 1e-4: four digits",
        ("cancellation",),
    ),
    Case(
        "Planck's law at 1e-9: exp(x) - 1",
        "wrong",
        planck,
        planck_rule,
        (np.array([1e-9, 0.01, 2.0]),),
        "expm1 in the forward only: seven digits are left",
        ("cancellation",),
    ),
    Case(
        "a hundred terms: the last one forgotten",
        "wrong",
        many_terms,
        many_terms_rule,
        (rng(14).uniform(-3, 3, size=4),),
        "range(100) starts at 1 and ends at 99: 1e-4",
        ("term missing",),
    ),
    Case(
        "fifty layers: the last one skipped",
        "wrong",
        deep,
        deep_rule,
        (3 + rng(15).uniform(size=3),),
        "it is saturated by then: 1e-7",
        ("term missing", "factor"),
    ),
    Case(
        "sin in float32: bfloat16 gradient",
        "wrong",
        np.sin,
        bfloat_rule,
        (rng(16).normal(size=6).astype(np.float32),),
        "two to three digits",
        ("cancellation", "not linear"),
    ),
    Case(
        "sum of 1,000 float32 in float16",
        "wrong",
        lambda x, w: x * w,
        lambda g, out, x, w: (g * w, np.sum((g * x).astype(np.float16), dtype=np.float16).astype(np.float32)),
        (rng(17).normal(size=1000).astype(np.float32), np.array(0.5, dtype=np.float32)),
        "the scale's gradient is accumulated in half precision",
        ("cancellation", "not summed"),
    ),
]
