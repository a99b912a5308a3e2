"""The exponentials of an ndarray's scores, as contiguous rows of classes, in float64 or wider.

What the losses need are quotients of e_j = exp(x_j − c), in which c, one number a row, cancels. Where every score is
within ±REACH, c = 0 and nothing is subtracted, so nothing is rounded but exp itself. Elsewhere c is the row's largest
score, the difference is rounded, and what it lost, l, enters as exp(h + l) = e^h + l e^h.

A number that is to be set off against the rest (the true class, the largest one) is taken out of the sum, so that where
the rest is small it is still there: softmax's complement is rest / (rest + own), the loss log1p(rest / own).
Sums and what is made of them, one number a row, are longdouble where the scores are float64: it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .sums import row_sums

REACH = 200.0
_BLOCK = 1 << 16  # numbers in a block of rows: with its temporaries it fits the second cache, or nearly


@dataclass(slots=True, eq=False)
class Powers:
    """e = exp(x − c) of rows of scores."""

    x: Any  # (rows, classes), wide
    e: Any
    c: Any  # (rows, 1), or 0.0
    near: bool  # whether every score is within ±REACH, or masked
    masked: bool  # whether there may be a −inf
    fine: bool  # whether the scores were given in float64 or wider

    def at(self, classes: Any) -> Any:
        """Flat indices of one class in each row."""
        n, k = self.x.shape
        return classes + np.arange(0, n * k, k)

    def apart(self, at: Any) -> tuple[Any, Any]:
        """e at a flat index for each row, which becomes 0, and the sum of the others: two vectors."""
        flat = self.e.ravel()
        own = flat[at]
        flat[at] = 0.0
        return own, self.sums()

    def sums(self) -> Any:
        """Σ e of each row; of float32 scores in float64, else in longdouble."""
        return self.added(self.e)

    def added(self, x: Any) -> Any:
        """Σ x of each row, as accurately as the scores deserve."""
        return row_sums(x) if self.fine else np.add.reduce(x, axis=-1)


def powers(rows: Any, times: Any = None) -> Powers:
    """exp(x − c) of rows as `as_rows` gives them, of which quotients will be multiplied by `times`."""
    fine = rows.dtype.itemsize >= 8
    x = rows if fine else rows.astype(np.float64)
    near, masked = _is_near(rows)
    if near:
        return Powers(x, np.exp(x), 0.0, True, masked, fine)
    c = np.maximum.reduce(x, axis=-1, keepdims=True, initial=-np.inf)
    if times is not None and np.max(np.abs(times), initial=0.0) > 1.0:
        c = c - REACH  # quotients that underflow may yet be normal numbers when multiplied: weights up to e^REACH
    c = np.where(np.isfinite(c), c, 0.0)
    high = x - c
    e = np.exp(high)
    if fine:
        low = _rounding_error(x, c, high)
        low *= e
        e += low
    return Powers(x, e, c, False, masked, fine)


def _is_near(rows: Any) -> tuple[bool, bool]:
    """Whether every score that is not masked is within ±REACH; whether there may be a −inf."""
    flat = rows.ravel()
    if flat.size <= 4096 and flat.dot(flat) <= REACH**2:  # so quick a test that it is worth trying
        return True, False
    size = np.abs(rows)
    largest = np.maximum.reduce(size, axis=None, initial=0.0)
    if largest != np.inf:
        return bool(largest <= REACH), False
    return bool(np.maximum.reduce(size, axis=None, initial=0.0, where=rows != -np.inf) <= REACH), True


def _rounding_error(x: Any, y: Any, difference: Any) -> Any:
    """What fl(x − y) lost, exactly (Knuth's two-sum); 0 where that is not finite."""
    back = x - difference
    low = difference + back
    np.subtract(x, low, out=low)
    back -= y
    low += back
    if not np.isfinite(np.add.reduce(low, axis=None)):
        low[~np.isfinite(low)] = 0.0
    return low


# -- between arrays and rows -----------------------------------------------------------------------------------


def as_rows(x: Any, axis: int) -> Any:
    """An ndarray as contiguous (rows, classes)."""
    if normalize_axis_index(axis, x.ndim) != x.ndim - 1:
        x = np.moveaxis(x, axis, -1)
    if x.ndim != 2 or not x.flags.c_contiguous:
        x = np.ascontiguousarray(x).reshape(prod(x.shape[:-1]), x.shape[-1])
    return x


def from_rows(rows: Any, like: Any, axis: int) -> Any:
    """Rows of classes back in the shape of what they came from."""
    shape = like.shape
    if len(shape) == 2 and axis % 2 == 1:
        return rows
    moved = tuple([n for i, n in enumerate(shape) if i != axis % len(shape)])
    return np.moveaxis(rows.reshape(*moved, shape[axis]), -1, axis)


def from_column(x: Any, like: Any, axis: int, keepdims: bool = True) -> Any:
    """One number a row back in the shape of what it came from, with `axis` at length 1 or gone."""
    axis %= like.ndim
    return x.reshape(like.shape[:axis] + (1,) * keepdims + like.shape[axis + 1 :])


def column(x: Any, axis: int) -> Any:
    """One entry a row, from an array that keeps `axis` at length 1, in the order of `as_rows`."""
    return (x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)).ravel()


def floating(x: Any) -> Any:
    """An ndarray of scores in a floating dtype: its own, or float64."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def in_blocks(kernel: Callable[..., Any], dtype: Any, rows: Any, *columns: Any) -> Any:
    """kernel(rows, *columns) by blocks of rows that fit the cache, in `dtype`; nothing in it warns.

    A column has an entry or a row for each row; a number or None is given to every block.
    """
    n, k = rows.shape
    step = max(_BLOCK // max(k, 1), 1)
    with np.errstate(all="ignore"):
        if n <= step:
            return kernel(rows, *columns).astype(dtype, copy=False)
        out = None
        for i in range(0, n, step):
            block = slice(i, i + step)
            part = kernel(rows[block], *[x[block] if np.ndim(x) else x for x in columns])
            if out is None:
                out = np.empty((n, *part.shape[1:]), dtype)
            out[block] = part
        return out
