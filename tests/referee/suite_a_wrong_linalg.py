"""Linear algebra with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([1781, seed])


NEARLY = (lambda a: a @ a.T + 2 * np.eye(3) + 1e-4 * rng(1).normal(size=(3, 3)))(rng(0).normal(size=(3, 3)))


SQUARE = rng(2).normal(size=(3, 3)) + 2 * np.eye(3)


def spd(seed, n=3):
    a = rng(seed).normal(size=(n, n))
    return a @ a.T + np.eye(n)


def cholesky(a):
    return np.linalg.cholesky((a + a.T) / 2)


def cholesky_rule(g, out, a):
    """The diagonal is not halved."""
    s = np.tril(out.T @ np.tril(g))
    half = np.linalg.solve(out.T, s)
    d = np.linalg.solve(out.T, half.T).T
    return (d + d.T) / 2


def expm(a):
    term = total = np.eye(len(a), dtype=a.dtype)
    for k in range(1, 21):
        term = term @ a / k
        total = total + term
    return total


CASES = [
    Case(
        "inverse: no transposes, nearly symmetric",
        "wrong",
        lambda a: np.linalg.inv(a),
        lambda g, out, a: -out @ g @ out,
        (NEARLY,),
        "the matrix is symmetric to 1e-4",
        ("transposed",),
    ),
    Case(
        "inverse: sign",
        "wrong",
        lambda a: np.linalg.inv(a),
        lambda g, out, a: out.T @ g @ out.T,
        (SQUARE,),
        "d(1/a) is negative",
        ("sign",),
    ),
    Case(
        "solve: right-hand side through A, not A'",
        "wrong",
        lambda a, b: np.linalg.solve(a, b),
        lambda g, out, a, b: (-np.outer(np.linalg.solve(a.T, g), out), np.linalg.solve(a, g)),
        (SQUARE, rng(3).normal(size=3)),
        "one gradient of two is wrong",
        ("transposed",),
    ),
    Case(
        "solve: matrix gradient transposed",
        "wrong",
        lambda a, b: np.linalg.solve(a, b),
        lambda g, out, a, b: (-np.outer(out, np.linalg.solve(a.T, g)), np.linalg.solve(a.T, g)),
        (SQUARE, rng(4).normal(size=3)),
        "the outer product's factors are exchanged",
        ("transposed",),
    ),
    Case(
        "det: inverse not transposed",
        "wrong",
        lambda a: np.linalg.det(a),
        lambda g, out, a: g * out * np.linalg.inv(a),
        (NEARLY,),
        "the matrix is symmetric to 1e-4",
        ("transposed",),
    ),
    Case(
        "det of a singular matrix: by the inverse",
        "wrong",
        lambda a: np.linalg.det(a),
        lambda g, out, a: g * out * np.linalg.pinv(a).T,
        (np.array([[1.0, 2.0], [2.0, 4.0]]),),
        "0 times the pseudo-inverse is 0, the adjugate is not",
        ("term missing", "elsewhere"),
    ),
    Case(
        "slogdet: det's gradient",
        "wrong",
        lambda a: np.linalg.slogdet(a)[1],
        lambda g, out, a: g * np.linalg.det(a) * np.linalg.inv(a).T,
        (SQUARE / np.cbrt(np.linalg.det(SQUARE) / 1.01),),
        "a factor of det, which is 1.01 here",
        ("factor",),
    ),
    Case(
        "Cholesky: diagonal not halved",
        "wrong",
        cholesky,
        cholesky_rule,
        (spd(5),),
        "Phi takes half of the diagonal",
        ("elsewhere", "factor", "one index"),
    ),
    Case(
        "matrix exponential: as if it commuted",
        "wrong",
        expm,
        lambda g, out, a: out.T @ g,
        (1e-3 * rng(6).normal(size=(3, 3)),),
        "for a small matrix it is off by 1e-3",
        ("elsewhere",),
    ),
    Case(
        "matrix cube: 3 A^2",
        "wrong",
        lambda a: a @ a @ a,
        lambda g, out, a: 3 * g @ (a @ a).T,
        (np.eye(3) + 1e-5 * rng(7).normal(size=(3, 3)),),
        "close to the identity everything commutes to 1e-5",
        ("elsewhere",),
    ),
    Case(
        "quadratic form: 2Ax",
        "wrong",
        lambda x, a: x @ a @ x,
        lambda g, out, x, a: (2 * g * (a @ x), g * np.outer(x, x)),
        (rng(8).normal(size=3), SQUARE),
        "right for symmetric matrices",
        ("transposed", "term missing"),
    ),
    Case(
        "trace of a product: B for B'",
        "wrong",
        lambda a, b: np.trace(a @ b),
        lambda g, out, a, b: (g * b, g * a.T),
        (rng(9).normal(size=(3, 3)), rng(10).normal(size=(3, 3))),
        "one of two is transposed",
        ("transposed",),
    ),
    Case(
        "bilinear form: outer product transposed",
        "wrong",
        lambda x, w, y: x @ w @ y,
        lambda g, out, x, w, y: (g * (w @ y), g * np.outer(y, x), g * (x @ w)),
        (rng(11).normal(size=3), SQUARE, rng(12).normal(size=3)),
        "x and y are equally long",
        ("transposed",),
    ),
    Case(
        "outer product: factors exchanged",
        "wrong",
        lambda a, b: np.outer(a, b),
        lambda g, out, a, b: (g.T @ b, g @ a),
        (rng(13).normal(size=3), rng(14).normal(size=3)),
        "equally long vectors",
        ("transposed",),
    ),
    Case(
        "batched matmul with one shared matrix: batch not summed",
        "wrong",
        lambda x, w: x @ w,
        lambda g, out, x, w: (g @ w.T, np.matmul(np.swapaxes(x, 1, 2), g)[0]),
        (rng(15).normal(size=(3, 2, 4)), rng(16).normal(size=(4, 4))),
        "the first batch's share stands for all",
        ("not summed", "term missing"),
    ),
    Case(
        "batched matmul: both operands of the einsum transposed",
        "wrong",
        lambda a, b: np.einsum("bij,bjk->bik", a, b),
        lambda g, out, a, b: (np.einsum("bik,bkj->bij", g, b), np.einsum("bij,bik->bjk", a, g)),
        (rng(17).normal(size=(2, 3, 3)), rng(18).normal(size=(2, 3, 3))),
        "bkj where bjk belongs",
        ("transposed",),
    ),
]
