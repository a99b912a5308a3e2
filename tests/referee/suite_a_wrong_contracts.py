"""The right formula in wrong hands: what is done with g, with shapes and with dtypes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([9588, seed])


def cosine(x):
    return np.cos(x)


def affine(x, w, b):
    return x @ w + b


def complex_rule(g, out, a, b):
    """Through the Fourier transform, and never back to the reals."""
    n = len(a)
    return (
        np.fft.ifft(np.fft.fft(g, n) * np.conj(np.fft.fft(b, n))),
        np.fft.ifft(np.fft.fft(g, n) * np.conj(np.fft.fft(a, n))),
    )


def circular(a, b):
    n = len(a)
    i = (np.arange(n)[:, None] - np.arange(n)) % n
    return np.sum(a * b[i], axis=1)


X = rng(0).normal(size=5)


CASES = [
    Case(
        "cos: g squared",
        "wrong",
        cosine,
        lambda g, out, x: -(g**2) * np.sin(x),
        (X,),
        "right only where g is 1",
        ("not linear",),
    ),
    Case(
        "cos: |g|",
        "wrong",
        cosine,
        lambda g, out, x: -np.abs(g) * np.sin(x),
        (X,),
        "right only where g is positive",
        ("not linear", "sign"),
    ),
    Case(
        "cos: sign of g",
        "wrong",
        cosine,
        lambda g, out, x: -np.sign(g) * np.sin(x),
        (X,),
        "right only where g is 1 or -1",
        ("not linear", "g ignored"),
    ),
    Case(
        "cos: gradient clipped at 5",
        "wrong",
        cosine,
        lambda g, out, x: np.clip(-g * np.sin(x), -5, 5),
        (X,),
        "right for small g",
        ("not linear",),
    ),
    Case(
        "cos: gradients below 1e-6 flushed to 0",
        "wrong",
        cosine,
        lambda g, out, x: np.where(np.abs(g) < 1e-6, 0, -g * np.sin(x)),
        (X,),
        "right for large g",
        ("not linear",),
    ),
    Case(
        "cos: g normalised to length 1 when longer than 100",
        "wrong",
        cosine,
        lambda g, out, x: -g * np.sin(x) / max(1.0, float(np.sqrt(np.sum(g * g))) / 100),
        (X,),
        "global norm clipping inside of a rule",
        ("not linear",),
    ),
    Case(
        "cos: g ignored",
        "wrong",
        cosine,
        lambda g, out, x: -np.sin(x),
        (X,),
        "right for g of ones",
        ("g ignored", "not linear"),
    ),
    Case(
        "cos: g's mean for g",
        "wrong",
        cosine,
        lambda g, out, x: -np.mean(g) * np.sin(x),
        (X,),
        "right for a constant g; linear in g",
        ("elsewhere", "g ignored", "axis"),
    ),
    Case(
        "cos: weight decay added",
        "wrong",
        cosine,
        lambda g, out, x: -g * np.sin(x) + 1e-4 * x,
        (X,),
        "affine in g",
        ("not linear",),
    ),
    Case(
        "cos: 1e-8 added for safety",
        "wrong",
        cosine,
        lambda g, out, x: -g * np.sin(x) + 1e-8,
        (X,),
        "affine in g, and an absolute tolerance sleeps over it",
        ("not linear",),
    ),
    Case(
        "cos: g rounded to bfloat-like steps",
        "wrong",
        cosine,
        lambda g, out, x: -np.round(g * 4096) / 4096 * np.sin(x),
        (X,),
        "quantised communication: 1e-4, and 0 for small g",
        ("not linear", "cancellation"),
    ),
    Case(
        "logsumexp of rows: g of the first row for all",
        "wrong",
        lambda z: np.log(np.sum(np.exp(z), axis=1)),
        lambda g, out, z: g[0] * np.exp(z - out[:, None]),
        (rng(1).normal(size=(3, 4)),),
        "right for a mean loss, whose g is constant",
        ("g ignored", "elsewhere"),
    ),
    Case(
        "sum of squares: (n, 1) for (n,)",
        "wrong",
        lambda x: np.sum(x * x),
        lambda g, out, x: (g * 2 * x)[:, None],
        (X,),
        "the numbers are right",
        ("shape",),
    ),
    Case(
        "affine: bias gradient keeps an axis",
        "wrong",
        affine,
        lambda g, out, x, w, b: (g @ w.T, x.T @ g, np.sum(g, axis=0, keepdims=True)),
        (rng(2).normal(size=(3, 4)), rng(3).normal(size=(4, 2)), rng(4).normal(size=2)),
        "(1, 2) where (2,) belongs",
        ("shape", "not summed"),
    ),
    Case(
        "sum: g itself, to be broadcast",
        "wrong",
        np.sum,
        lambda g, out, x: g,
        (rng(5).normal(size=(2, 3)),),
        "a scalar that would broadcast to the right numbers",
        ("shape",),
    ),
    Case(
        "row sums: (n, 1), to be broadcast",
        "wrong",
        lambda x: np.sum(x, axis=1),
        lambda g, out, x: g[:, None],
        (rng(6).normal(size=(2, 3)),),
        "broadcasting would give the right numbers",
        ("shape",),
    ),
    Case(
        "product: b's gradient forgotten",
        "wrong",
        lambda a, b: a * b,
        lambda g, out, a, b: (g * b, None),
        (rng(7).normal(size=3), rng(8).normal(size=3)),
        "None says that there is no gradient, but there is",
        ("term missing", "shape", "g ignored"),
    ),
    Case(
        "affine: two gradients for three inputs",
        "wrong",
        affine,
        lambda g, out, x, w, b: (g @ w.T, x.T @ g),
        (rng(2).normal(size=(3, 4)), rng(3).normal(size=(4, 2)), rng(4).normal(size=2)),
        "the bias is forgotten altogether",
        ("shape", "term missing"),
    ),
    Case(
        "a * exp(b): gradients exchanged",
        "wrong",
        lambda a, b: a * np.exp(b),
        lambda g, out, a, b: (g * out, g * np.exp(b)),
        (rng(7).normal(size=3), rng(8).normal(size=3)),
        "same shapes, wrong order",
        ("elsewhere", "transposed"),
    ),
    Case(
        "exp: float32 for float64",
        "wrong",
        np.exp,
        lambda g, out, x: (g * out).astype(np.float32),
        (X,),
        "half the digits are gone",
        ("dtype", "cancellation"),
    ),
    Case(
        "exp: through float32 and back",
        "wrong",
        np.exp,
        lambda g, out, x: g * np.exp(x.astype(np.float32)).astype(np.float64),
        (X,),
        "the dtype is right and half the digits are gone",
        ("cancellation",),
    ),
    Case(
        "exp: through float16 tables in float32",
        "wrong",
        np.exp,
        lambda g, out, x: g * out.astype(np.float16).astype(np.float32),
        (X.astype(np.float32),),
        "three digits of seven are left",
        ("cancellation",),
    ),
    Case(
        "exp: float64 for float32",
        "wrong",
        np.exp,
        lambda g, out, x: g.astype(np.float64) * out,
        (X.astype(np.float32),),
        "the gradient of a float32 array is float64",
        ("dtype",),
    ),
    Case(
        "doubling: float16",
        "wrong",
        lambda x: 2 * x,
        lambda g, out, x: (2 * g).astype(np.float16),
        (X,),
        "float16 for float64",
        ("dtype", "cancellation"),
    ),
    Case(
        "circular convolution: complex gradients",
        "wrong",
        circular,
        complex_rule,
        (rng(9).normal(size=5), rng(10).normal(size=5)),
        "real numbers with an imaginary part of 1e-17",
        ("dtype",),
    ),
    Case(
        "floor: integer zeros",
        "wrong",
        lambda x: np.floor(x),
        lambda g, out, x: np.zeros(x.shape, dtype=np.int64),
        (X,),
        "zeros of the wrong type",
        ("dtype",),
    ),
]
