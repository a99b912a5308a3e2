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
    """Of rows x: x̂ · weight + bias, x̂; of each row s and Σ c², c being the row less its mean: one float64 vector."""
    n, k = x.shape
    out = np.empty(2 * n * k + 2 * n) if out is None else out
    y, normal = out[: 2 * n * k].reshape(2, n, k)
    deviations, squares = out[2 * n * k :].reshape(2, n)
    means = np.full(k, 1.0 / k)
    step = max(16384 // k, 1)
    for i in range(0, n, step):
        rows = slice(i, i + step)
        c = normal[rows]
        if centre:
            np.subtract(x[rows], x[rows, :1], out=c)  # around the first entry: nothing is left of equal ones
            np.subtract(c, (c @ means)[:, None], out=c)
        else:
            c[...] = x[rows]
        square, deviation = squares[rows], deviations[rows]
        np.einsum("ij,ij->i", c, c, out=square)
        np.sqrt(square / k + eps, out=deviation)
        np.divide(c, deviation[:, None], out=c)
        if weight is None:
            y[rows] = c
        else:
            np.multiply(c, weight, out=y[rows])
        if bias is not None:
            np.add(y[rows], bias, out=y[rows])
    return out


def norm_gradient(parts: Any, g: Any, weight: Any, *, eps: float, centre: bool, out: Any = None) -> Any:
    """Of rows g: the gradients of x, the weight and the bias, from `norm_parts`: one float64 vector.

    The part of h, the gradient of x̂, along x̂ is taken off, and what becomes of it put back: nothing cancels.
    """
    n, k = g.shape
    out = np.empty(n * k + 2 * k) if out is None else out
    normal = parts[n * k : 2 * n * k].reshape(n, k)
    deviations, squares = parts[2 * n * k :].reshape(2, n)
    to_x, to_weight, to_bias = out[: n * k].reshape(n, k), out[n * k : n * k + k], out[n * k + k :]
    to_weight.fill(0.0)
    to_bias.fill(0.0)
    step = max(16384 // k, 1)
    spare, means = np.empty((min(step, n), k)), np.full(k, 1.0 / k)
    variances = deviations * deviations
    shares = np.divide(variances, squares, out=np.zeros(n), where=squares != 0)
    kept = eps / variances
    for i in range(0, n, step):
        rows = slice(i, i + step)
        x, h, given = normal[rows], to_x[rows], g[rows]
        t = spare[: len(x)]
        np.add(to_bias, np.add.reduce(given, axis=0), out=to_bias)
        np.add(to_weight, np.einsum("ij,ij->j", given, x), out=to_weight)
        if weight is None:
            h[...] = given
        else:
            np.multiply(given, weight, out=h)
        if centre:
            np.subtract(h, h[:, :1].copy(), out=h)
            np.subtract(h, (h @ means)[:, None], out=h)
        along = np.einsum("ij,ij->i", h, x) * shares[rows]
        np.multiply(x, along[:, None], out=t)
        np.subtract(h, t, out=h)
        rest = np.einsum("ij,ij->i", h, x) * shares[rows]
        np.multiply(x, ((along + rest) * kept[rows] - rest)[:, None], out=t)
        np.add(h, t, out=h)
        np.divide(h, deviations[rows][:, None], out=h)
    return out


KERNELS = frozenset({masked_softmax, score_gradient, norm_parts, norm_gradient})
