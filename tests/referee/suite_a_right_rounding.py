"""Right rules whose sums cancel, saturate or round: float32, float32 within float64, edges of domains."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([3278, seed])


def softmax_total(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return np.sum(e / np.sum(e, axis=-1, keepdims=True), axis=-1)


def softmax_total_rule(g, out, z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    s = e / np.sum(e, axis=-1, keepdims=True)
    g = np.asarray(g)[..., None] * np.ones_like(z)
    return s * (g - np.sum(g * s, axis=-1, keepdims=True))


def layer_norm(x):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + x.dtype.type(1e-5))


def layer_norm_rule(g, out, x):
    c = x - np.mean(x, axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + x.dtype.type(1e-5))
    return r * (g - np.mean(g, axis=-1, keepdims=True) - out * np.mean(g * out, axis=-1, keepdims=True))


def saturated_softmax_rule(g, out, z):
    """sum over j of s_i s_j (g_i - g_j): no digit lost for the winner."""
    return np.sum(out[..., :, None] * out[..., None, :] * (g[..., :, None] - g[..., None, :]), axis=-1)


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def centred_total(x):
    return np.sum(x - np.mean(x))


def through_float32(x):
    """Computes in float32, whatever comes in."""
    return np.tanh(x.astype(np.float32) * np.float32(1.5)).astype(np.float64)


def through_float64(x):
    """float32 in and out, float64 within."""
    return np.log(np.mean(np.exp(x.astype(np.float64)), axis=-1)).astype(x.dtype)


def through_float64_rule(g, out, x):
    return (np.asarray(g, np.float64)[..., None] * softmax(x.astype(np.float64))).astype(x.dtype)


CASES = [
    Case(
        "total of softmax",
        "right",
        softmax_total,
        softmax_total_rule,
        (rng(11).normal(size=(3, 4)),),
        "f is 1, its gradient 0, and the rule's is 1e-17: rounding, not a mistake",
    ),
    Case(
        "mean of a layer norm",
        "right",
        lambda x: np.mean(layer_norm(x), axis=-1),
        lambda g, out, x: layer_norm_rule(np.asarray(g)[..., None] / x.shape[-1] * np.ones_like(x), layer_norm(x), x),
        (rng(12).normal(size=(3, 5)),),
        "f is 0 and so is its gradient, in exact arithmetic",
    ),
    Case(
        "total after centring",
        "right",
        centred_total,
        lambda g, out, x: g * (1 - np.ones_like(x) * (np.sum(np.ones_like(x)) / x.size)),
        (1e3 * rng(13).normal(size=7),),
        "f is rounding noise around 0 and the gradient exactly 0",
    ),
    Case(
        "softmax, saturated by 40",
        "right",
        softmax,
        saturated_softmax_rule,
        (np.array([[40.0, 0.0, 1.0], [-35.0, 2.0, 2.5], [0.1, 0.2, 0.3]]),),
        "gradients of 1e-17 with all their digits",
    ),
    Case(
        "layer norm in float32",
        "right",
        layer_norm,
        layer_norm_rule,
        (rng(14).normal(size=(3, 8)).astype(np.float32),),
        "differences in float32 have three digits",
    ),
    Case(
        "layer norm of rows that hardly vary",
        "right",
        layer_norm,
        layer_norm_rule,
        (5 + 1e-4 * rng(15).normal(size=(3, 6)),),
        "epsilon decides the scale",
    ),
    Case(
        "float32 products of eight",
        "right",
        lambda x: np.prod(x, axis=1),
        lambda g, out, x: np.stack([g * np.prod(np.delete(x, j, axis=1), axis=1) for j in range(x.shape[1])], axis=1),
        (rng(16).uniform(0.5, 2, size=(3, 8)).astype(np.float32),),
        "eight roundings in float32",
    ),
    Case(
        "tanh computed in float32 within float64",
        "right",
        through_float32,
        lambda g, out, x: (g * 1.5 / np.cosh(1.5 * x) ** 2).astype(x.dtype),
        (rng(17).normal(size=5),),
        "f moves in steps of 1e-7",
    ),
    Case(
        "log of a mean of exponentials, float64 within float32",
        "right",
        through_float64,
        through_float64_rule,
        (rng(18).normal(size=(3, 6)).astype(np.float32),),
        "the output is rounded once, the gradient too",
    ),
    Case(
        "mean over 20,000",
        "right",
        lambda x: np.mean(np.sin(x)),
        lambda g, out, x: g * np.cos(x) / x.size,
        (rng(19).normal(size=(100, 200)),),
        "each entry's effect on f is 5e-5 of its own and the loop over entries is long",
    ),
    Case(
        "sqrt(1 - x^2) an ulp from the edge",
        "right",
        lambda x: np.sqrt((1 - x) * (1 + x)),
        lambda g, out, x: -g * x / np.sqrt((1 - x) * (1 + x)),
        (np.array([1 - 1e-12, -1 + 1e-10, 0.5, 0.0]),),
        "the domain ends closer than any step, and the slope is 1e6",
    ),
    Case(
        "(1 + 1/x)^x",
        "right",
        lambda x: np.exp(x * np.log1p(1 / x)),
        lambda g, out, x: g * out * (np.log1p(1 / x) - 1 / (1 + x)),
        (np.array([3.0, 100.0, 5.0]),),
        "two nearly equal terms are subtracted: conditioning, not a mistake",
    ),
    Case(
        "gaussian bump 1e-5 wide",
        "right",
        lambda x: np.exp(-0.5 * (x / 1e-5) ** 2),
        lambda g, out, x: -g * out * x / 1e-10,
        (np.array([0.0, 4e-6, -2e-5, 5e-5]),),
        "a step of 1e-5 jumps across the whole feature",
    ),
]
