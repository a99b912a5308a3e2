"""Closed forms that several files of the suite share, and the helpers that its rules use."""

import numpy as np


def rng(seed):
    return np.random.default_rng(seed)


def like(a, x):
    """`a` as a fresh array of x's dtype: a gradient owns its memory and has the dtype of its input."""
    return np.array(a, dtype=x.dtype)


def unsum(g, shape):
    """Sum g over the axes along which an array of `shape` was broadcast."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True) if 1 in shape else g


def T(a):
    return np.swapaxes(a, -1, -2)


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1 + e)


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def lse(z, axis=-1, keepdims=False):
    m = z.max(axis=axis, keepdims=True)
    s = m + np.log(np.exp(z - m).sum(axis=axis, keepdims=True))
    return s if keepdims else np.squeeze(s, axis=axis)


def log_softmax(z, axis=-1):
    return z - lse(z, axis=axis, keepdims=True)


def onehot(y, k, dtype=np.float64):
    """One-hot rows; a label outside 0..k-1 (an ignored one) gives a row of zeros."""
    return (y[..., None] == np.arange(k)).astype(dtype)


def pick(z, y):
    """z[..., y]: the entry of each row that its label names (ignored labels may name any)."""
    k = z.shape[-1]
    return np.take_along_axis(z, np.where((y >= 0) & (y < k), y, 0)[..., None], axis=-1)[..., 0]
