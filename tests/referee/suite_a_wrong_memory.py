"""The right formula in wrong hands: arrays that belong to the caller, and dice."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([9588, seed])


def in_place_g(g, out, x):
    g *= 2 * x
    return g


def in_place_input(g, out, x):
    """Centres x for its own convenience."""
    x -= np.mean(x)
    return g * 2 / x.size * x


def in_place_and_back(g, out, x):
    """Adds a third and takes it away again: some last bits have changed."""
    x += 1 / 3
    d = g * 2 * (x - 1 / 3)
    x -= 1 / 3
    return d


def in_place_out(g, out, x):
    out *= g
    return out


def in_place_mask(g, out, x, mask):
    """Repairs the mask it was given."""
    d = g * np.where(mask, 2 * x, 0)
    mask[0] = True
    return d, None


def in_place_sorted(g, out, x):
    """Sorts the caller's array while it looks for the median."""
    m = x.copy()
    x.sort()
    return g * (m == x[len(x) // 2])


def in_place_labels(g, out, z, y):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    y[:] = 0
    return g * p, None


def nll(z, y):
    s = z - np.max(z, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(s), axis=1)) - s[np.arange(len(y)), y])


def finite_difference_rule(g, out, x):
    """A numerical gradient, one-sided."""
    h = 1e-8
    return g * (np.exp(np.sin(x + h)) - np.exp(np.sin(x))) / h


def noisy_dropout(g, out, x):
    return g * (np.random.random(x.shape) < 0.5) * 2


SCRATCH = np.random.default_rng(99)


def noisy_last_digit(g, out, x):
    return g * np.exp(x) * (1 + 1e-9 * SCRATCH.standard_normal(x.shape))


X = rng(0).normal(size=5)


CASES = [
    Case(
        "square: g overwritten",
        "wrong",
        lambda x: x * x,
        in_place_g,
        (X,),
        "g *= 2x saves an array and spoils the caller's",
        ("mutation",),
    ),
    Case(
        "variance: the input is centred in place",
        "wrong",
        np.var,
        in_place_input,
        (X + 3,),
        "the gradient is right, x is another array now",
        ("mutation", "state"),
    ),
    Case(
        "square: the input moved and moved back",
        "wrong",
        lambda x: x * x,
        in_place_and_back,
        (rng(11).normal(size=40),),
        "the last bits of some entries change",
        ("mutation", "state"),
    ),
    Case(
        "exp: out overwritten",
        "wrong",
        np.exp,
        in_place_out,
        (X,),
        "out *= g; return out",
        ("mutation",),
    ),
    Case(
        "masked square: the mask is repaired in place",
        "wrong",
        lambda x, mask: np.where(mask, x * x, 0),
        in_place_mask,
        (X, np.array([False, True, False, True, True])),
        "a boolean input is written to after use",
        ("mutation", "state"),
    ),
    Case(
        "median: the input is sorted in place",
        "wrong",
        np.median,
        in_place_sorted,
        (X,),
        "the numbers are right",
        ("mutation", "state"),
    ),
    Case(
        "cross-entropy: the labels are cleared",
        "wrong",
        nll,
        in_place_labels,
        (rng(12).normal(size=(3, 4)), np.array([3, 1, 2])),
        "an integer input is written to",
        ("mutation", "state"),
    ),
    Case(
        "exp(sin x): one-sided numerical gradient",
        "wrong",
        lambda x: np.exp(np.sin(x)),
        finite_difference_rule,
        (X,),
        "eight digits",
        ("cancellation", "elsewhere"),
    ),
    Case(
        "dropout: drawn again in the backward",
        "wrong",
        lambda x, mask: x * mask * 2,
        lambda g, out, x, mask: (noisy_dropout(g, out, x), None),
        (X, np.array([True, False, True, True, False])),
        "the mask that the forward used is ignored",
        ("noise", "mask"),
    ),
    Case(
        "exp: noise in the ninth digit",
        "wrong",
        np.exp,
        noisy_last_digit,
        (X,),
        "two calls differ by 1e-9",
        ("noise",),
    ),
]
