"""Right rules on inputs that are not plain: views, read-only, shared, empty; and forwards that return views."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([4878, seed])


def read_only(x):
    x.flags.writeable = False
    return x


def square_rule(g, out, x):
    return 2 * g * x


def product_rule(g, out, a, b):
    return g * b, g * a


def carved_rule(g, out, x, w, b):
    """Both gradients in one new buffer, side by side: nothing overlaps."""
    flat = np.empty(w.size + b.size, dtype=w.dtype)
    dw, db = flat[: w.size].reshape(w.shape), flat[w.size :]
    np.matmul(x.T, g, out=dw)
    np.sum(g, axis=0, out=db)
    return g @ w.T, dw, db


def alternating(x):
    """Assembled in place, with a loop."""
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i] = x[i] * x[i - 1]
    return out


def alternating_rule(g, out, x):
    return g * np.roll(x, 1) + np.roll(g * x, -1)


def running(x):
    """A recursion through its own output."""
    y = x.copy()
    for i in range(1, len(y)):
        y[i] += 0.5 * y[i - 1]
    return y


def running_rule(g, out, x):
    d = g.copy()
    for i in range(len(d) - 2, -1, -1):
        d[i] += 0.5 * d[i + 1]
    return d


def broadcast_three(a, b, c):
    return a * b + c


def broadcast_three_rule(g, out, a, b, c):
    return np.sum(g * b, axis=1, keepdims=True), np.sum(g * a, axis=0), np.sum(g)


def gathered(x, i):
    return x[i] ** 2


def gathered_rule(g, out, x, i):
    d = np.zeros_like(x)
    np.add.at(d, i, 2 * g * x[i])
    return d, None


def chosen(x, y, mask):
    return np.where(mask, x * y, x - y)


def chosen_rule(g, out, x, y, mask):
    return g * np.where(mask, y, 1), g * np.where(mask, x, -1), None


def many(*xs):
    return sum((k + 1) * x for k, x in enumerate(xs))


def many_rule(g, out, *xs):
    return tuple((k + 1) * g for k in range(len(xs)))


def unused_rows(x):
    return np.exp(x[::2])


def unused_rows_rule(g, out, x):
    d = np.zeros_like(x)
    d[::2] = g * out
    return d


def scalar_chain(x):
    return np.float64(np.sum(x * x)) ** 0.5 if x.dtype == np.float64 else np.sqrt(np.sum(x * x))


WEIGHTS = rng(0).normal(size=(3, 2))
BASE = rng(1).normal(size=12)
SHARED = rng(2).normal(size=4)

CASES = [
    Case(
        "square of a read-only array",
        "right",
        lambda x: x * x,
        square_rule,
        (read_only(rng(3).normal(size=4)),),
        "whoever moves an input in place fails",
    ),
    Case(
        "square of a transposed view",
        "right",
        lambda x: x * x,
        square_rule,
        (rng(4).normal(size=(3, 4)).T,),
        "Fortran order",
    ),
    Case(
        "square of a reversed, strided view",
        "right",
        lambda x: x * x,
        square_rule,
        (BASE[::-3],),
        "negative strides with gaps",
    ),
    Case(
        "square of a broadcast array",
        "right",
        lambda x: x * x,
        square_rule,
        (np.broadcast_to(rng(5).normal(size=3), (4, 3)),),
        "stride 0 and read-only: an entry moved in place moves four",
    ),
    Case(
        "one array given twice",
        "right",
        lambda a, b: a * np.exp(b),
        lambda g, out, a, b: (g * np.exp(b), g * out),
        (SHARED, SHARED),
        "moving one input in place moves the other",
    ),
    Case(
        "overlapping views of one buffer",
        "right",
        lambda a, b: a * b,
        product_rule,
        (BASE[:5], BASE[2:7]),
        "the inputs share memory in part",
    ),
    Case(
        "a number without axes",
        "right",
        lambda x: np.sin(x) * x,
        lambda g, out, x: g * (np.cos(x) * x + np.sin(x)),
        (np.array(0.7),),
        "a 0-d array in, a NumPy scalar out",
    ),
    Case(
        "an empty batch",
        "right",
        lambda x, w: np.tanh(x @ w),
        lambda g, out, x, w: ((g * (1 - out**2)) @ w.T, x.T @ (g * (1 - out**2))),
        (np.zeros((0, 3)), rng(6).normal(size=(3, 2))),
        "no rows: one gradient is empty and the other exactly 0",
    ),
    Case(
        "an axis of length one everywhere",
        "right",
        broadcast_three,
        broadcast_three_rule,
        (rng(7).normal(size=(3, 1)), rng(8).normal(size=4), np.array(0.3)),
        "three ways of broadcasting in one expression",
    ),
    Case(
        "the input returned as it is",
        "right",
        lambda x: x,
        lambda g, out, x: 1 * g,
        (rng(9).normal(size=4),),
        "out is the input: whoever moves one moves both",
    ),
    Case(
        "a view of the input returned",
        "right",
        lambda x: x.T[1:],
        lambda g, out, x: np.concatenate([np.zeros_like(x[:, :1]), g.T], axis=1),
        (rng(10).normal(size=(2, 3)),),
        "out shares memory with the input",
    ),
    Case(
        "gradients carved from one buffer",
        "right",
        lambda x, w, b: x @ w + b,
        carved_rule,
        (rng(11).normal(size=(4, 3)), WEIGHTS, rng(12).normal(size=2)),
        "the results have a common base and do not overlap",
    ),
    Case(
        "a layer with its weights in a closure",
        "right",
        lambda x: np.tanh(x @ WEIGHTS.astype(x.dtype)),
        lambda g, out, x: (g / np.cosh(x @ WEIGHTS.astype(x.dtype)) ** 2) @ WEIGHTS.T.astype(x.dtype),
        (rng(13).normal(size=(4, 3)),),
        "the shape of the rows is fixed from outside",
    ),
    Case(
        "assembled in place",
        "right",
        alternating,
        alternating_rule,
        (rng(14).normal(size=6),),
        "out[i] = x[i] * x[i - 1] in a loop: nothing to trace",
    ),
    Case(
        "recursion in place",
        "right",
        running,
        running_rule,
        (rng(15).normal(size=8),),
        "a copy of the input is overwritten while it is read",
    ),
    Case(
        "gather with repeated and negative indices",
        "right",
        gathered,
        gathered_rule,
        (rng(16).normal(size=(5, 2)), np.array([3, -1, 3, 0, -5], dtype=np.int32)),
        "0 and -5 are the same row",
    ),
    Case(
        "int8 exponents",
        "right",
        lambda x, n: x**n,
        lambda g, out, x, n: (g * n * x ** (n - np.int8(1)), None),
        (rng(17).uniform(0.5, 2, size=4), np.array([1, 2, 3, 5], dtype=np.int8)),
        "an integer input that is not an index",
    ),
    Case(
        "boolean mask chooses between formulas",
        "right",
        chosen,
        chosen_rule,
        (rng(18).normal(size=5), rng(19).normal(size=5), np.array([True, False, True, False, True])),
        "bool inputs have no gradient",
    ),
    Case(
        "nine inputs",
        "right",
        many,
        many_rule,
        tuple(rng(20 + k).normal(size=3) for k in range(9)),
        "rule and function take any number of inputs",
    ),
    Case(
        "every other row unused",
        "right",
        unused_rows,
        unused_rows_rule,
        (rng(30).normal(size=(5, 2)),),
        "half of the gradient is exactly 0",
    ),
    Case(
        "sqrt of a Python-like number",
        "right",
        scalar_chain,
        lambda g, out, x: g * x / np.where(out > 0, out, 1),
        (rng(31).normal(size=4),),
        "the forward leaves arrays for a NumPy scalar and its ** operator",
    ),
    Case(
        "one large layer, 120,000 weights",
        "right",
        lambda x, w: np.sum(np.tanh(x @ w), axis=1),
        lambda g, out, x, w: (
            (np.reshape(g, (-1, 1)) / np.cosh(x @ w) ** 2) @ w.T,
            x.T @ (np.reshape(g, (-1, 1)) / np.cosh(x @ w) ** 2),
        ),
        (rng(32).normal(size=(2, 400)), 0.05 * rng(33).normal(size=(400, 300))),
        "entry by entry takes too long",
    ),
    Case(
        "float32 beside float64",
        "right",
        lambda a, b: a.astype(np.float64) * b,
        lambda g, out, a, b: ((g * b).astype(a.dtype), (g * a).astype(b.dtype)),
        (rng(34).normal(size=4).astype(np.float32), rng(35).normal(size=4)),
        "each gradient has the dtype of its own input",
    ),
    Case(
        "five axes",
        "right",
        lambda x: np.einsum("abcde,abcde->ace", x, x),
        lambda g, out, x: 2 * g[:, None, :, None, :] * x,
        (rng(36).normal(size=(2, 1, 2, 3, 2)),),
        "axes of length one in between",
    ),
]
