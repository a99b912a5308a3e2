"""Linear layers, products, einsum, indexing, and the moving about of entries."""

import numpy as np

from .b_forms import T, like, rng, unsum
from .case import Case

X = rng(501).normal(size=(6, 4))
SQ = rng(502).normal(size=(5, 5))
W = rng(503).normal(size=(4, 3))
BIAS = rng(504).normal(size=3)
BATCHED = rng(505).normal(size=(3, 2, 4))
CUBE = rng(506).normal(size=(4, 4, 4))
TABLE = rng(507).normal(size=(7, 3))
REPEATED = np.array([[2, 5, 2], [0, 2, 6]])
DISTINCT = np.array([[3, 5, 1], [0, 2, 6]])
LONG, SCALES = rng(508).normal(size=(2, 5000))
FIXED = rng(509).normal(size=(4, 3))


def linear(x, w, b):
    return x @ w + b


def linear_rule(dw=lambda x, g: x.T @ g, db=unsum):
    return lambda g, out, x, w, b: (like(g @ w.T, x), like(dw(x, g), w), like(db(g, b.shape), b))


def matmul_rule(reduce):
    return lambda g, out, a, b: (like(g @ T(b), a), like(reduce(T(a) @ g, b.shape), b))


def trilinear(x, w, y):
    return np.einsum("bi,ijk,bk->bj", x, w, y)


def trilinear_rule(w_term):
    def rule(g, out, x, w, y):
        return (
            like(np.einsum("bj,ijk,bk->bi", g, w, y), x),
            like(np.einsum(w_term, x, g, y), w),
            like(np.einsum("bj,bi,ijk->bk", g, x, w), y),
        )

    return rule


def add_rule(db):
    return lambda g, out, a, b: (like(g, a), like(db(g, b.shape), b))


def embedding(table, idx):
    return table[idx]


def embed_add(g, out, table, idx):
    grad = np.zeros_like(table)
    np.add.at(grad, idx, g)
    return grad, None


def embed_set(g, out, table, idx):
    grad = np.zeros_like(table)
    grad[idx] = g
    return grad, None


def gather(x, idx):
    return np.take_along_axis(x, idx, axis=1)


def gather_onehot(g, out, x, idx):
    return like(np.einsum("bk,bkn->bn", g, idx[..., None] == np.arange(x.shape[1])), x), None


def gather_add(g, out, x, idx):
    grad = np.zeros_like(x)
    np.add.at(grad, (np.arange(len(x))[:, None], idx), g)
    return grad, None


def join(a, b):
    return np.concatenate([a, b], axis=1) ** 2


def join_rule(g, out, a, b):
    g = 2 * g * np.concatenate([a, b], axis=1)
    n = b.shape[1]
    return like(g[:, n:], a), like(g[:, :n], b)


def reflect(x):
    return np.pad(x, 2, mode="reflect")


def reflect_rule(folds):
    def rule(g, out, x):
        grad = like(g[2:-2], x)
        if folds:
            grad[1:3] += g[1::-1]
            grad[-3:-1] += g[:-3:-1]
        return grad

    return rule


def scale_last_forgotten(g, out, x):
    grad = np.zeros_like(x)
    for i in range(x.shape[0] - 1):
        grad[i] = g[i] * SCALES[i]
    return grad


def flat_writes(g, out, x):
    """Writes through a flat view of the gradient, which is a copy where the memory is not row-major."""
    grad = np.zeros_like(x)
    flat, s = grad.reshape(-1), (2 * g * x).reshape(-1)
    for i in range(s.shape[0]):
        flat[i] = s[i]
    return grad


CASES = [
    Case(
        "linear: weight's gradient transposed",
        "wrong",
        linear,
        linear_rule(dw=lambda x, g: g.T @ x),
        (SQ, SQ[::-1].copy(), SQ[0].copy()),
        "g.T x for x.T g; batch and features are both five.",
        ("transposed",),
    ),
    Case(
        "linear: bias summed over features",
        "wrong",
        linear,
        linear_rule(db=lambda g, shape: g.sum(1)),
        (SQ, SQ.T.copy(), SQ[1].copy()),
        "The bias is summed over axis 1; a square batch hides it.",
        ("axis", "not summed", "transposed"),
    ),
    Case(
        "batched matmul: shared matrix takes the last batch",
        "wrong",
        np.matmul,
        matmul_rule(lambda d, shape: d[-1]),
        (BATCHED, W),
        "The shared factor's gradient must sum over the batch.",
        ("not summed",),
    ),
    Case(
        "einsum: two equal axes exchanged",
        "wrong",
        trilinear,
        trilinear_rule("bi,bj,bk->kji"),
        (X, CUBE, X[::-1].copy()),
        "The core's gradient has its first and last axes exchanged.",
        ("transposed", "axis"),
    ),
    Case(
        "add: column broadcast summed over rows",
        "wrong",
        lambda a, b: a * 1.0 + b,
        add_rule(lambda g, shape: g.sum(0)[:, None]),
        (SQ, SQ[:, :1].copy()),
        "A (5, 1) column is summed over axis 0 and stood up again.",
        ("axis", "not summed", "transposed"),
    ),
    Case(
        "embedding: repeated rows overwritten",
        "wrong",
        embedding,
        embed_set,
        (TABLE, REPEATED),
        "grad[idx] = g keeps only the last of the repeated rows.",
        ("not summed", "one index"),
    ),
    Case(
        "gather: negative indices lost",
        "wrong",
        gather,
        gather_onehot,
        (X, rng(510).integers(-4, 4, size=(6, 2))),
        "Index -1 equals no entry of arange, so its gradient vanishes.",
        ("one index", "mask", "term missing"),
    ),
    Case(
        "concatenate: pieces read in the wrong order",
        "wrong",
        join,
        join_rule,
        (rng(512).normal(size=(3, 4)), rng(513).normal(size=(3, 3))),
        "The first columns of g go to the second input; all shapes are right.",
        ("elsewhere", "transposed", "axis"),
    ),
    Case(
        "reflect pad: borders not folded in",
        "wrong",
        reflect,
        reflect_rule(False),
        (LONG[:30],),
        "The copies at both ends add to their sources.",
        ("term missing", "not summed", "one index"),
    ),
    Case(
        "scale: last of five thousand forgotten",
        "wrong",
        lambda x: x * SCALES,
        scale_last_forgotten,
        (LONG,),
        "The loop stops one early: one entry of 5,000 is zero.",
        ("one index",),
    ),
    # elsewhere
    Case(
        "embedding: right while indices are distinct",
        "elsewhere",
        embedding,
        embed_set,
        (TABLE, DISTINCT),
        "With a repeated index only the last occurrence is kept.",
        ("not summed", "one index", "elsewhere"),
    ),
    Case(
        "square: gradient written through a flat view",
        "elsewhere",
        lambda x: x * x,
        flat_writes,
        (X,),
        "For a Fortran-ordered or transposed input reshape(-1) copies and the gradient stays zero.",
        ("elsewhere", "term missing"),
    ),
    # right
    Case(
        "linear: weights of 1e-8, inputs of 1e8",
        "right",
        linear,
        linear_rule(),
        (1e8 * X, 1e-8 * W, BIAS),
        "Gradients of 1e-8 and of 1e8 in one tuple.",
    ),
    Case(
        "linear: integer inputs",
        "right",
        lambda x, w: x @ w,
        lambda g, out, x, w: (None, like(x.T @ g, w)),
        (rng(514).integers(-3, 4, size=(5, 4)), W),
        "Integer features have no gradient.",
    ),
    Case(
        "linear: fixed weights, float32",
        "right",
        lambda x: np.maximum(x @ FIXED.astype(x.dtype), 0.1),
        lambda g, out, x: like((g * (out > 0.1)) @ FIXED.T, x),
        (X.astype(np.float32),),
        "Weights in a closure, which fix the number of features.",
    ),
    Case(
        "matmul: both batches broadcast",
        "right",
        np.matmul,
        lambda g, out, a, b: (like(unsum(g @ T(b), a.shape), a), like(unsum(T(a) @ g, b.shape), b)),
        (rng(515).normal(size=(3, 1, 2, 4)), rng(516).normal(size=(2, 4, 3))),
        "Each factor is repeated along the other.",
    ),
    Case(
        "embedding: repeated rows",
        "right",
        embedding,
        embed_add,
        (TABLE, REPEATED.astype(np.int32)),
        "int32 indices, some rows taken thrice and some never.",
    ),
    Case(
        "gather: negative indices",
        "right",
        gather,
        gather_add,
        (X, rng(510).integers(-4, 4, size=(6, 2))),
        "Indices that count from the end.",
    ),
    Case(
        "scale: five thousand over thirty decades",
        "right",
        lambda x: x * 10 ** (15 * np.tanh(SCALES)),
        lambda g, out, x: like(unsum(g * 10 ** (15 * np.tanh(SCALES)), x.shape), x),
        (LONG,),
        "Gradients from 1e-15 to 1e15 in one array.",
    ),
    Case(
        "sum: cancels to nothing",
        "right",
        lambda x: (x - x.mean()).sum(),
        lambda g, out, x: np.zeros_like(x),
        (1e8 * LONG[:50],),
        "Deviations from the mean sum to zero, whatever x is.",
    ),
    # alias
    Case(
        "add: one gradient for both",
        "alias",
        lambda a, b: a + b,
        lambda g, out, a, b: (g, g),
        (X, X[::-1].copy()),
        "Both entries of the result are g itself.",
    ),
    Case(
        "reshape: a view of g",
        "alias",
        lambda x: x.reshape(3, 8).copy(),
        lambda g, out, x: g.reshape(x.shape),
        (X,),
        "The result shares g's memory.",
    ),
    Case(
        "concatenate: views of g",
        "alias",
        lambda a, b: np.concatenate([a, b]),
        lambda g, out, a, b: (g[: len(a)], g[len(a) :]),
        (X, SQ[:2, :4].copy()),
        "Both results are slices of g.",
    ),
    Case(
        "add three: one fresh buffer for all",
        "alias",
        lambda a, b, c: a + b + c,
        lambda g, out, a, b, c: (lambda d: (d, d, d))(g.copy()),
        (X, X + 1, X * 2),
        "Fresh memory, but the same for all three results.",
    ),
]
