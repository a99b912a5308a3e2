"""The fast way of ndarrays through the normalisations: rows by blocks that stay in the cache, in float64 or wider.

What normalized_rows.py says in plain NumPy, number for number to rounding: forward, and the "stable" gradient of all
three inputs at once. Weights are 2-d here: (1, n) where a row's entries have one each, (rows, 1) where a row has one,
(rows, n) where every entry has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .exponentials import wide

_BLOCK = 1 << 15  # numbers in a block: with four temporaries it fits the second cache


def forward(x: Any, weight: Any, bias: Any, eps: float, centre: bool) -> Any:
    """x̂ · weight + bias, of x's dtype."""
    out = np.empty_like(x)
    for rows in _blocks(x):
        c = _centred(wide(x[rows]), centre)
        c /= np.sqrt(_mean_square(c) + eps)
        if weight is not None:
            c *= _part(weight, rows)
        if bias is not None:
            c += _part(bias, rows)
        out[rows] = c
    return out


def backward(
    g: Any, x: Any, weight: Any, eps: float, centre: bool, with_input: bool, with_weight: bool
) -> tuple[Any, Any]:
    """The gradients of x, of its dtype, and of the weight; None for those that nobody wants."""
    to_x = np.empty_like(x) if with_input else None
    to_weight = np.zeros(weight.shape, wide(x[:0]).dtype) if with_weight else None
    for rows in _blocks(x):
        c = _centred(wide(x[rows]), centre)
        h = wide(g[rows])
        square = np.einsum("ij,ij->i", c, c)[:, None]
        variance = square / max(c.shape[1], 1) + eps
        deviation = np.sqrt(variance)
        if to_weight is not None:
            _add(to_weight, h * (c / deviation), rows)
        if to_x is not None:
            h = h if weight is None else h * _part(weight, rows)
            to_x[rows] = _through(_centred(h, centre), c, square, variance, eps) / deviation
    return to_x, to_weight


def _through(h: Any, c: Any, square: Any, variance: Any, eps: float) -> Any:
    """h⊥ + α c ε / s²."""
    share = np.divide(1.0, square, out=np.zeros_like(square), where=square != 0)
    along = np.einsum("ij,ij->i", h, c)[:, None] * share
    across = h - along * c
    rest = np.einsum("ij,ij->i", across, c)[:, None] * share
    across += c * ((along + rest) * (eps / variance) - rest)
    return across


def _blocks(x: Any) -> Iterator[slice]:
    n, k = x.shape
    step = max(_BLOCK // max(k, 1), 1)
    for i in range(0, n, step):
        yield slice(i, i + step)


def _centred(x: Any, centre: bool) -> Any:
    """A copy less its rows' means: around the first entry, so that nothing is left of equal ones."""
    if not centre:
        return x.copy()
    c = x - x[:, :1]
    c -= np.add.reduce(c, axis=1, keepdims=True) / max(c.shape[1], 1)
    return c


def _mean_square(c: Any) -> Any:
    return np.einsum("ij,ij->i", c, c)[:, None] / max(c.shape[1], 1)


def _part(weight: Any, rows: slice) -> Any:
    return weight if weight.shape[0] == 1 else weight[rows]


def _add(total: Any, terms: Any, rows: slice) -> None:
    """Add terms (rows, n) up to the weight's shape."""
    if total.shape[1] == 1:
        terms = np.add.reduce(terms, axis=1, keepdims=True)
    if total.shape[0] == 1:
        total += np.add.reduce(terms, axis=0, keepdims=True)
    else:
        total[rows] += terms
