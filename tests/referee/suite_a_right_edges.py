"""Right rules exactly at kinks, and right numbers in memory that they do not own."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([6115, seed])


def max_first_rule(g, out, x):
    return g[:, None] * (np.arange(x.shape[1]) == np.argmax(x, axis=1)[:, None])


def max_split_rule(g, out, x):
    top = x == out[:, None]
    return g[:, None] * top / np.sum(top, axis=1, keepdims=True).astype(x.dtype)


def hinge(s, y):
    return np.sum(np.maximum(0, 1 - y * s))


def windows(x):
    return np.max(x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2), axis=(1, 3))


def windows_rule(g, out, x):
    """The last of several winners takes all."""
    blocks = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    flat = blocks.reshape(*blocks.shape[:2], 4)[..., ::-1]
    won = np.arange(4) == np.argmax(flat, axis=-1)[..., None]
    d = (g[..., None] * won)[..., ::-1].reshape(blocks.shape)
    return d.transpose(0, 2, 1, 3).reshape(x.shape)


def norm(x):
    return np.sqrt(np.sum(x * x, axis=1))


def norm_rule(g, out, x):
    safe = np.where(out > 0, out, 1)
    return (g / safe)[:, None] * x


def median_low_rule(g, out, x):
    """Odd length: the element whose stable rank is the middle one."""
    order = np.argsort(x, axis=1, kind="stable")
    d = np.zeros_like(x)
    i = np.arange(len(x))
    d[i, order[:, x.shape[1] // 2]] = g
    return d


def top2(x):
    return np.sum(np.sort(x, axis=1)[:, -2:], axis=1)


def top2_rule(g, out, x):
    order = np.argsort(x, axis=1, kind="stable")
    d = np.zeros_like(x)
    np.put_along_axis(d, order[:, -2:], g[:, None], axis=1)
    return d


def shared_buffer_rule(g, out, a, b):
    """Both gradients are the same array."""
    d = g * 2.0
    return d, d


def affine(x, w, b):
    return x @ w + b


def overlapping_rule(g, out, a, b):
    """a and b are concatenated with one entry added to both: the results overlap in one buffer."""
    return g[: len(a)], g[len(a) - 1 :]


def overlapping(a, b):
    z = np.zeros(len(a) + len(b) - 1, dtype=a.dtype)
    z[: len(a)] += a
    z[len(a) - 1 :] += b
    return z


CASES = [
    Case(
        "relu at 0, slope 0",
        "kink",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g * (x > 0),
        (np.array([0.0, 1.0, -1.0, 0.0]),),
        "the common convention",
    ),
    Case(
        "relu at 0, slope 1",
        "kink",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g * (x >= 0),
        (np.array([0.0, 2.0, -3.0]),),
        "the other end of the subdifferential",
    ),
    Case(
        "relu at 0 and -0, slope 1/2",
        "kink",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g * np.heaviside(x, 0.5).astype(x.dtype),
        (np.array([0.0, -0.0, 5.0]),),
        "the midpoint, also at negative zero",
    ),
    Case(
        "abs at 0, sign(0) = 0",
        "kink",
        np.abs,
        lambda g, out, x: g * np.sign(x),
        (np.array([0.0, -2.0, 0.0, 1e-9]),),
        "the symmetric choice",
    ),
    Case(
        "abs at 0, slope -1",
        "kink",
        np.abs,
        lambda g, out, x: np.where(x > 0, g, -g),
        (np.array([0.0, -2.0, 3.0]),),
        "an end of [-1, 1]",
    ),
    Case(
        "leaky relu at 0, slope 0.01",
        "kink",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda g, out, x: g * np.where(x > 0, 1, 0.01).astype(x.dtype),
        (np.array([0.0, 1.0, -4.0]),),
        "0.01 and 1 are the ends",
    ),
    Case(
        "relu6 at both corners",
        "kink",
        lambda x: np.clip(x, 0, 6),
        lambda g, out, x: g * ((x >= 0) & (x <= 6)),
        (np.array([0.0, 6.0, 3.0, 7.0]),),
        "slope 1 taken at 0 and at 6",
    ),
    Case(
        "max of ties, the first takes all",
        "kink",
        lambda x: np.max(x, axis=1),
        max_first_rule,
        (np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]),),
        "NumPy's and PyTorch's choice along an axis",
    ),
    Case(
        "max of ties, split evenly",
        "kink",
        lambda x: np.max(x, axis=1),
        max_split_rule,
        (np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]),),
        "the average of the winners' unit vectors",
    ),
    Case(
        "maximum(a, a), half each",
        "kink",
        np.maximum,
        lambda g, out, a, b: (0.5 * (g * (a > b) + g * (a >= b)), 0.5 * (g * (b > a) + g * (b >= a))),
        (np.array([1.0, 2.0, 0.0]), np.array([1.0, -2.0, 0.0])),
        "ties between two inputs",
    ),
    Case(
        "hinge at the margin",
        "kink",
        hinge,
        lambda g, out, s, y: ((-g * y * (1 - y * s > 0)).astype(s.dtype), None),
        (np.array([1.0, -1.0, 0.3]), np.array([1, -1, 1])),
        "slope 0 at the margin itself",
    ),
    Case(
        "max pool over a constant picture, the last takes all",
        "kink",
        windows,
        windows_rule,
        (np.ones((4, 4)),),
        "sixteen ties",
    ),
    Case(
        "norm at the origin, 0",
        "kink",
        norm,
        norm_rule,
        (np.array([[0.0, 0.0], [3.0, 4.0]]),),
        "any vector of the unit ball is a subgradient",
    ),
    Case(
        "L1 distance of equal points",
        "kink",
        lambda a, b: np.sum(np.abs(a - b)),
        lambda g, out, a, b: (g * np.sign(a - b), -g * np.sign(a - b)),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 3.0])),
        "a target met exactly",
    ),
    Case(
        "top two of four with a tie for second place",
        "kink",
        top2,
        top2_rule,
        (np.array([[1.0, 3.0, 1.0, 0.0], [5.0, 4.0, 4.0, 4.0]]),),
        "the later ones are taken",
    ),
    Case(
        "median with a tie in the middle",
        "kink",
        lambda x: np.median(x, axis=1),
        median_low_rule,
        (np.array([[2.0, 2.0, 1.0, 3.0, 0.0], [1.0, 2.0, 3.0, 4.0, 9.0]]),),
        "one of the two equal elements, which both could be the middle",
    ),
    Case(
        "identity: returns g",
        "alias",
        lambda x: x + 0,
        lambda g, out, x: g,
        (rng(0).normal(size=(2, 3)),),
        "the result is g itself",
    ),
    Case(
        "add: g for both",
        "alias",
        np.add,
        lambda g, out, a, b: (g, g),
        (rng(1).normal(size=4), rng(2).normal(size=4)),
        "the results are one array, and g",
    ),
    Case(
        "reshape: a view of g",
        "alias",
        lambda x: x.reshape(-1) * 1.0,
        lambda g, out, x: g.reshape(x.shape),
        (rng(3).normal(size=(2, 3)),),
        "another shape, the same memory",
    ),
    Case(
        "transpose: a view of g",
        "alias",
        lambda x: x.T.copy(),
        lambda g, out, x: g.T,
        (rng(4).normal(size=(2, 3)),),
        "other strides, the same memory",
    ),
    Case(
        "flip: a reversed view of g",
        "alias",
        lambda x: x[::-1].copy(),
        lambda g, out, x: g[::-1],
        (rng(5).normal(size=5),),
        "a negative stride",
    ),
    Case(
        "row sums: g broadcast, read-only, stride 0",
        "alias",
        lambda x: np.sum(x, axis=1),
        lambda g, out, x: np.broadcast_to(g[:, None], x.shape),
        (rng(6).normal(size=(3, 4)),),
        "all columns are one number in memory",
    ),
    Case(
        "concatenate: slices of g",
        "alias",
        lambda a, b: np.concatenate([a, b], axis=1),
        lambda g, out, a, b: (g[:, : a.shape[1]], g[:, a.shape[1] :]),
        (rng(7).normal(size=(2, 3)), rng(8).normal(size=(2, 2))),
        "two disjoint views of g",
    ),
    Case(
        "2a + 2b: one new array for both",
        "alias",
        lambda a, b: 2 * a + 2 * b,
        shared_buffer_rule,
        (rng(9).normal(size=4), rng(10).normal(size=4)),
        "the results share memory with each other only",
    ),
    Case(
        "overlap-add: overlapping slices of g",
        "alias",
        overlapping,
        overlapping_rule,
        (rng(11).normal(size=3), rng(12).normal(size=4)),
        "one entry of g belongs to both results",
    ),
    Case(
        "affine: the bias of one row is g's row",
        "alias",
        affine,
        lambda g, out, x, w, b: (g @ w.T, x.T @ g, g[0] if len(g) == 1 else np.sum(g, axis=0)),
        (rng(13).normal(size=(1, 3)), rng(14).normal(size=(3, 2)), rng(15).normal(size=2)),
        "a shortcut for a batch of one returns a view",
    ),
    Case(
        "diag: the diagonal of g",
        "alias",
        lambda x: np.diag(x),
        lambda g, out, x: np.diagonal(g),
        (rng(17).normal(size=4),),
        "a read-only strided view of g",
    ),
]
