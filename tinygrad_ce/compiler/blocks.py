"""Kernels over rows, block by block, so that what is between passes stays in the cache.

    masked_softmax      softmax of the last axis, causal or not
    score_gradient      its gradient, from the weights
    norm_parts          layer norm and rms norm, with what their gradient needs
    norm_gradient       that of the input, the weight and the bias, in one pass

These functions come along in the text of what is compiled, so they speak of NumPy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SHORT = 1024  # rows of float32 up to here lose little when they are added up in float32


def masked_softmax(scores: Any, *, causal: bool, out: Any = None) -> Any:
    """exp(s − max s) / Σ along the last axis, of earlier keys alone where `causal`; 0 in a row of −inf throughout."""
    out = np.empty(scores.shape, scores.dtype) if out is None else out
    queries, keys = scores.shape[-2:]
    s, p = scores.reshape(-1, queries, keys), out.reshape(-1, queries, keys)
    seen = np.tri(queries, keys, dtype=scores.dtype)
    hidden = np.where(seen, 0.0, -np.inf).astype(scores.dtype)
    ones, lowest = np.ones(keys, scores.dtype), np.finfo(scores.dtype).min
    step = max(16384 // (queries * keys), 1)
    for i in range(0, len(s), step):
        given, e = s[i : i + step], p[i : i + step]
        near = np.maximum.reduce(given, axis=None) <= 60.0 and np.minimum.reduce(given, axis=None) >= -60.0
        if near:  # exponentials that can be added up as they are, even in float32
            np.exp(given, out=e)
            if causal:
                np.multiply(e, seen, out=e)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                if causal:
                    given = np.add(given, hidden, out=e)
                top = np.maximum.reduce(given, axis=-1, keepdims=True)
                np.subtract(given, np.maximum(top, lowest), out=e)
                np.exp(e, out=e)
        total = np.matmul(e, ones)
        if not near:
            np.maximum(total, 1.0, out=total)  # it is 1 at least; 0 in a row of -inf
        np.divide(e, total[..., None], out=e)
    return out


def score_gradient(p: Any, g: Any, *, out: Any = None) -> Any:
    """p ⊙ (g − Σ g p) along the last axis; g at the largest p is taken off the row before, so that nothing cancels."""
    out = np.empty(p.shape, p.dtype) if out is None else out
    keys = p.shape[-1]
    if not p.size:
        return out
    p, g, d = p.reshape(-1, keys), g.reshape(-1, keys), out.reshape(-1, keys)
    step = max(16384 // keys, 1)
    starts = np.arange(0, min(step, len(p)) * keys, keys)
    for i in range(0, len(p), step):
        weights, given, made = p[i : i + step], g[i : i + step], d[i : i + step]
        winner = np.argmax(weights, axis=1) + starts[: len(weights)]
        np.subtract(given, given.reshape(-1)[winner][:, None], out=made)
        along = np.einsum("ij,ij->i", made, weights)
        np.subtract(made, along[:, None], out=made)
        np.multiply(made, weights, out=made)
    return out


def norm_parts(x: Any, weight: Any, bias: Any, *, eps: float, centre: bool, out: Any = None) -> Any:
    """Of rows x: x̂ · weight + bias, x̂; of each row s and s² / Σ c², c being the row less its mean: one vector.

    It is of float64, or of float32 where rows of float32 are short: blocks in which that would not do are of float64
    even then, until they are stored.
    """
    n, k = x.shape
    dtype = np.dtype(np.float32 if x.dtype == np.float32 and k <= SHORT else np.float64)
    out = np.empty(2 * n * k + 2 * n, dtype) if out is None else out
    y, normal = out[: 2 * n * k].reshape(2, n, k)
    deviations, shares = out[2 * n * k :].reshape(2, n)
    step = max(16384 // k, 1)
    for i in range(0, n, step):
        rows = slice(i, i + step)
        c = normal[rows]
        square = centred_rows(x[rows], c, centre)
        if dtype == np.float32 and not usual(square / k + eps):
            c = np.empty(c.shape)
            square = centred_rows(x[rows].astype(np.float64), c, centre)
        variance = square / k + eps
        deviation = np.sqrt(variance)
        np.divide(c, deviation[:, None], out=c)
        normal[rows] = c
        deviations[rows] = deviation
        # Where eps is all there is, what is along x̂ makes no difference.
        shares[rows] = np.divide(variance, square, out=np.zeros(len(c)), where=square > 1e-30 * variance)
        if weight is None:
            y[rows] = c
        else:
            np.multiply(c, weight, out=y[rows], casting="same_kind")
        if bias is not None:
            np.add(y[rows], bias, out=y[rows])
    return out


def centred_rows(x: Any, c: Any, centre: bool) -> Any:
    """Rows less their means into c, and the sums of their squares."""
    if centre:
        np.subtract(x, x[:, :1], out=c)  # around the first entry: nothing is left of equal ones
        np.subtract(c, row_means(c), out=c)
    else:
        c[...] = x
    return np.einsum("ij,ij->i", c, c)


def row_means(x: Any) -> Any:
    return (x @ np.ones(x.shape[1], x.dtype) / x.shape[1])[:, None]


def usual(sums: Any) -> bool:
    """Whether sums of products are in the middle of float32's range, the largest where they have signs."""
    return bool(1e-25 < np.maximum.reduce(sums, axis=None) < 1e25 and np.minimum.reduce(sums, axis=None) > -1e25)


def norm_gradient(parts: Any, g: Any, weight: Any, *, eps: float, centre: bool, out: Any = None) -> Any:
    """Of rows g: the gradients of x, the weight and the bias, from `norm_parts`: one vector of its dtype.

    The part of h, the gradient of x̂, along x̂ is taken off, and what becomes of it put back: nothing cancels.
    """
    n, k = g.shape
    out = np.empty(n * k + 2 * k, parts.dtype) if out is None else out
    normal = parts[n * k : 2 * n * k].reshape(n, k)
    deviations, shares = parts[2 * n * k :].reshape(2, n)
    to_x = out[: n * k].reshape(n, k)
    sums = np.zeros((2, k))
    step = max(16384 // k, 1)
    for i in range(0, n, step):
        rows = slice(i, i + step)
        x, given, h = normal[rows], g[rows], to_x[rows]
        stats = deviations[rows], shares[rows]
        if parts.dtype == np.float32 and not (usual(np.abs(given)) and usual(deviations[rows])):
            x, given, h = x.astype(np.float64), given.astype(np.float64), np.empty(h.shape)
            stats = deviations[rows].astype(np.float64), shares[rows].astype(np.float64)
        sums[0] += np.einsum("ij,ij->j", given, x)
        sums[1] += np.add.reduce(given, axis=0)
        norm_gradient_rows(x, given, weight, *stats, eps, centre, h)
        if h.dtype != out.dtype:
            to_x[rows] = h
    out[n * k :] = sums.reshape(-1)
    return out


def norm_gradient_rows(
    x: Any, g: Any, weight: Any, deviation: Any, share: Any, eps: float, centre: bool, h: Any
) -> None:
    """The gradient of the input into h, of a block."""
    if weight is None:
        h[...] = g
    else:
        np.multiply(g, weight, out=h)
    if centre:
        np.subtract(h, h[:, :1].copy(), out=h)
        np.subtract(h, row_means(h), out=h)
    along = np.einsum("ij,ij->i", h, x) * share
    t = x * along[:, None]
    np.subtract(h, t, out=h)
    rest = np.einsum("ij,ij->i", h, x) * share
    kept = eps / deviation / deviation
    np.multiply(x, ((along + rest) * kept - rest)[:, None], out=t)
    np.add(h, t, out=h)
    np.divide(h, deviation[:, None], out=h)


KERNELS = frozenset({masked_softmax, score_gradient, norm_parts, norm_gradient})
