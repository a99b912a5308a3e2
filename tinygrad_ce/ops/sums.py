"""Sums over classes: exact to the last place where that matters, pairwise along any axis everywhere.

NumPy adds a row in eight interleaved runs, each from left to right. Among equal numbers the roundings of a run all go
one way (127 classes lose up to 9 ulp), and along any axis but the last it adds from left to right throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
_SHORT = 64  # rows up to here are added fastest one number after another, in extended precision


def row_sums(x: Any) -> Any:
    """Σ x of rows of numbers ≥ 0 in float64 or wider: a vector in longdouble, exact but for a rounding.

    Numbers of either sign are added up too, with NumPy's accuracy.
    """
    k = x.shape[-1]
    if (k <= _SHORT and EXTENDED) or x.dtype == np.longdouble:
        return np.einsum("ij->i", x.astype(np.longdouble, copy=False))  # faster than add.reduce
    cut = 2.0 * k * np.maximum.reduce(x, axis=None, initial=0.0)
    sums = _sums_cut(x, cut)
    if np.minimum.reduce(sums, axis=None, initial=np.inf) > cut * 2.0**-25:
        return sums
    rough = np.add.reduce(x, axis=-1, keepdims=True)  # rows of very different sizes: each has a cut of its own
    return np.where(np.isfinite(rough[:, 0]), _sums_cut(x, 3.0 * rough), rough[:, 0])


def _sums_cut(x: Any, cut: Any) -> Any:
    """The sums of the numbers' upper and of their lower parts (Rump's extraction).

    `cut`, above every sum, decides where: so high that the upper parts add up exactly, and so low that the lower
    ones hardly count.
    """
    upper = x + cut
    upper -= cut
    sums = np.add.reduce(upper, axis=-1)
    np.subtract(x, upper, out=upper)
    return sums + np.add.reduce(upper, axis=-1).astype(np.longdouble)


def class_sum(x: Any, axis: int) -> Any:
    """Σ x along `axis`, kept as an axis of length 1; pairwise, for NumPy adds pairwise along the last axis only."""
    if type(x) is not np.ndarray:
        return np.sum(x, axis=axis, keepdims=True)
    if axis % x.ndim == x.ndim - 1:
        return np.add.reduce(x, axis=-1, keepdims=True)
    last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    return np.expand_dims(np.add.reduce(last, axis=-1), axis)


def total(x: Any) -> Any:
    """Σ x over everything: of an ndarray in longdouble."""
    return np.add.reduce(x, axis=None, dtype=np.longdouble) if type(x) is np.ndarray else np.sum(x)
