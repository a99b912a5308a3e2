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
    """Σ x along the last axis of numbers ≥ 0 in float64 or wider, in longdouble, rounded once."""
    if (x.shape[-1] <= _SHORT and EXTENDED) or x.dtype == np.longdouble:
        return np.add.reduce(x, axis=-1, dtype=np.longdouble)
    # Every number is cut at one place, so high that the upper parts add up exactly, and so low that the lower
    # ones are of no account (Rump's extraction).
    sums = np.add.reduce(x, axis=-1, keepdims=True)
    cut = 3.0 * sums
    largest = np.maximum.reduce(cut, axis=None, initial=0.0)
    cut = largest if np.minimum.reduce(cut, axis=None, initial=np.inf) > largest * 2.0**-25 else cut
    upper = x + cut
    upper -= cut
    total = np.add.reduce(upper, axis=-1)
    np.subtract(x, upper, out=upper)
    exact = total + np.add.reduce(upper, axis=-1).astype(np.longdouble)
    sums = sums[..., 0]
    return np.where(np.isfinite(sums), exact, sums)


def class_sum(x: Any, axis: int) -> Any:
    """Σ x along `axis`, kept as an axis of length 1; pairwise, for NumPy adds pairwise along the last axis only."""
    if type(x) is not np.ndarray or axis % x.ndim == x.ndim - 1:
        return np.sum(x, axis=axis, keepdims=True)
    last = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    return np.expand_dims(np.add.reduce(last, axis=-1), axis)


def total(x: Any) -> Any:
    """Σ x over everything: of an ndarray in longdouble."""
    return np.add.reduce(x, axis=None, dtype=np.longdouble) if type(x) is np.ndarray else np.sum(x)
