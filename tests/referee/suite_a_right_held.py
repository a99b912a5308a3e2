"""Right rules for values held constant, constant pieces, and straight-through tricks."""

from __future__ import annotations

import numpy as np

import tinygrad_ce as tg

from .case import Case


def rng(seed):
    return np.random.default_rng([7244, seed])


def straight_through(x):
    return x + tg.stop_gradient(np.round(x) - x)


def temporal_difference(q, following):
    """The target is held constant: semi-gradients."""
    target = 1.0 + 0.9 * tg.stop_gradient(np.max(following, axis=1))
    return 0.5 * np.sum((target - q) ** 2)


def temporal_difference_rule(g, out, q, following):
    target = 1.0 + 0.9 * np.max(following, axis=1)
    return -g * (target - q), np.zeros_like(following)


def frozen_norm(x):
    """Batch statistics held constant."""
    mean = tg.stop_gradient(np.mean(x, axis=0))
    std = tg.stop_gradient(np.sqrt(np.mean((x - np.mean(x, axis=0)) ** 2, axis=0) + 1e-5))
    return (x - mean) / std


def frozen_norm_rule(g, out, x):
    return g / np.sqrt(np.mean((x - np.mean(x, axis=0)) ** 2, axis=0) + 1e-5)


def commitment(z, codes):
    """Vector quantisation: nearest codes, the two losses with opposite sides held."""
    d = np.sum((z[:, None] - codes) ** 2, axis=2)
    e = codes[np.argmin(d, axis=1)]
    return np.sum((tg.stop_gradient(z) - e) ** 2) + 0.25 * np.sum((z - tg.stop_gradient(e)) ** 2)


def commitment_rule(g, out, z, codes):
    index = np.argmin(np.sum((z[:, None] - codes) ** 2, axis=2), axis=1)
    gap = z - codes[index]
    d = np.zeros_like(codes)
    np.add.at(d, index, -2 * g * gap)
    return 0.5 * g * gap, d


def policy_gradient(logits, advantages, actions):
    s = logits - np.max(logits, axis=1, keepdims=True)
    lp = (s - np.log(np.sum(np.exp(s), axis=1, keepdims=True)))[np.arange(len(actions)), actions]
    return -np.mean(tg.stop_gradient(advantages - np.mean(advantages)) * lp)


def policy_gradient_rule(g, out, logits, advantages, actions):
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    hot = actions[:, None] == np.arange(logits.shape[1])
    a = (advantages - np.mean(advantages))[:, None]
    others = np.where(hot, 0, p)
    d = np.where(hot, -np.sum(others, axis=1, keepdims=True), others)
    return g * a * d / len(actions), np.zeros_like(advantages), None


def shifted_logsumexp(z):
    m = tg.stop_gradient(np.max(z))
    return m + np.log(np.sum(np.exp(z - m)))


def shifted_logsumexp_rule(g, out, z):
    return g * np.exp(z - out)


def twin(a, b):
    """A Siamese loss: each branch sees the other one as a constant."""

    def half(p, q):
        return -np.sum(p * tg.stop_gradient(q)) / 2

    return half(a, b) + half(b, a)


def one_hot_argmax(x):
    return (np.arange(x.shape[1]) == np.argmax(x, axis=1)[:, None]) * 1.0


def ranks(x):
    return np.argsort(np.argsort(x)).astype(x.dtype)


def staircase(x):
    return np.floor(x) + 0.5 * np.floor(2 * x)


def histogram(x):
    return np.stack([np.sum((x >= lo) & (x < lo + 1)) * 1.0 for lo in range(-2, 2)])


def quantised(x):
    """Symmetric 8-bit quantisation, straight through inside the range, nothing outside."""
    c = np.clip(x, -1, 1)
    return c + tg.stop_gradient(np.round(c * 127) / 127 - c)


def gumbel(logits, noise):
    """Hard one-hot forward, soft backward."""
    s = np.exp((logits + noise) / 0.5)
    p = s / np.sum(s)
    hard = (np.arange(len(p)) == np.argmax(p)) * 1.0
    return p + tg.stop_gradient(hard - p)


def gumbel_rule(g, out, logits, noise):
    s = np.exp((logits + noise) / 0.5)
    p = s / np.sum(s)
    d = (2 * p * (g - np.sum(g * p))).astype(logits.dtype)
    return d, d.copy()


def loop_held(x):
    """Truncated recursion: the state is held every other step."""
    h = 0.1 * x
    for t in range(6):
        h = np.sin(x + h)
        if t % 2:
            h = tg.stop_gradient(h)
    return h * x


def loop_held_rule(g, out, x):
    h = 0.1 * x
    for _ in range(6):
        h = np.sin(x + h)
    return g * h


CASES = [
    Case(
        "round, straight through",
        "right",
        straight_through,
        lambda g, out, x: 1 * g,
        (rng(0).normal(size=5) * 3,),
        "f is a staircase and the slope is 1 all the same",
    ),
    Case(
        "x times x held constant",
        "right",
        lambda x: x * tg.stop_gradient(x),
        lambda g, out, x: g * x,
        (rng(1).normal(size=5),),
        "f is x^2 and the gradient x, not 2x",
    ),
    Case(
        "gradient reversal: 2 held minus x",
        "right",
        lambda x: 2 * tg.stop_gradient(x) - x,
        lambda g, out, x: -g,
        (rng(2).normal(size=5),),
        "f is the identity and the gradient -g",
    ),
    Case(
        "temporal difference with a held target",
        "right",
        temporal_difference,
        temporal_difference_rule,
        (rng(3).normal(size=4), rng(4).normal(size=(4, 3))),
        "f moves with its second input, whose gradient is 0",
    ),
    Case(
        "batch norm with held statistics",
        "right",
        frozen_norm,
        frozen_norm_rule,
        (rng(5).normal(size=(5, 3)),),
        "the means depend on x and count for nothing",
    ),
    Case(
        "vector quantisation: both losses",
        "right",
        commitment,
        commitment_rule,
        (rng(6).normal(size=(5, 2)), rng(7).normal(size=(3, 2))),
        "nearest neighbours, and each side held once",
    ),
    Case(
        "policy gradient with held advantages",
        "right",
        policy_gradient,
        policy_gradient_rule,
        (rng(8).normal(size=(4, 3)), rng(9).normal(size=4), np.array([0, 2, 1, 1])),
        "a float input whose gradient is 0, an integer one that has none",
    ),
    Case(
        "logsumexp with its shift held",
        "right",
        shifted_logsumexp,
        shifted_logsumexp_rule,
        (rng(10).normal(size=6) * 20,),
        "the shift cancels: held or not, the gradient is the same",
    ),
    Case(
        "siamese loss, each branch holding the other",
        "right",
        twin,
        lambda g, out, a, b: (-g * b / 2, -g * a / 2),
        (rng(11).normal(size=4), rng(12).normal(size=4)),
        "half of the full gradient",
    ),
    Case(
        "8-bit quantisation, straight through and clipped",
        "right",
        quantised,
        lambda g, out, x: g * (np.abs(x) < 1),
        (np.array([0.3, -0.77, 1.5, -2.0, 0.004]),),
        "held values beside a clip",
    ),
    Case(
        "hard Gumbel softmax, soft backward",
        "right",
        gumbel,
        gumbel_rule,
        (rng(13).normal(size=4), rng(14).gumbel(size=4)),
        "f is a constant one-hot vector and its gradient softmax's",
    ),
    Case(
        "recursion held every other step",
        "right",
        loop_held,
        loop_held_rule,
        (rng(15).normal(size=4),),
        "stop_gradient is called three times, in a loop",
    ),
    Case(
        "argmax as one-hot",
        "right",
        one_hot_argmax,
        lambda g, out, x: np.zeros_like(x),
        (rng(16).normal(size=(3, 4)),),
        "constant around every point",
    ),
    Case(
        "ranks",
        "right",
        ranks,
        lambda g, out, x: np.zeros_like(x),
        (rng(17).normal(size=6),),
        "constant around every point",
    ),
    Case(
        "staircase, 1e-6 beside its steps",
        "right",
        staircase,
        lambda g, out, x: np.zeros_like(x),
        (np.array([1 + 1e-6, 0.5 - 1e-6, -2.3, 7.7]),),
        "a step of 1e-5 crosses a jump and measures a slope of 1e5",
    ),
    Case(
        "sign of a comparison, times x",
        "right",
        lambda x, t: np.where(x > t, x, -x),
        lambda g, out, x, t: (np.where(x > t, g, -g), np.zeros_like(t)),
        (rng(18).normal(size=5), rng(19).normal(size=5)),
        "the threshold is a float input with gradient 0, and f jumps at it",
    ),
    Case(
        "histogram",
        "right",
        histogram,
        lambda g, out, x: np.zeros_like(x),
        (rng(20).normal(size=9),),
        "counts do not move",
    ),
    Case(
        "an input that is not used",
        "right",
        lambda x, y: np.sin(x),
        lambda g, out, x, y: (g * np.cos(x), np.zeros_like(y)),
        (rng(21).normal(size=3), rng(22).normal(size=(2, 2))),
        "the second gradient is 0 whatever its shape",
    ),
]
