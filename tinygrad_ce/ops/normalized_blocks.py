"""The fast way of ndarrays through the normalisations: rows by blocks that stay in the cache.

What normalized_rows.py says in plain NumPy, number for number to rounding: forward, and the "stable" gradient of all
three inputs at once. Weights are 2-d here: (1, n) where a row's entries have one each, (rows, 1) where a row has one,
(rows, n) where every entry has.

Short rows of float32 are computed in float32, unless squares would leave its range; all others in float64 or wider.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .exponentials import wide

_BLOCK = 1 << 18  # bytes in a block: with three temporaries it fits the second cache
_SHORT = 1024  # rows up to here lose little when float32 is added up in float32
_LOW, _HIGH = 1e-25, 1e25  # sums of products in float32 that have all their digits


def forward(x: Any, weight: Any, bias: Any, eps: float, centre: bool) -> Any:
    """x̂ · weight + bias, of x's dtype."""
    out = np.empty_like(x)
    for rows in _blocks(x):
        if not (_narrow(x) and _forward(x[rows], weight, bias, eps, centre, rows, out[rows])):
            _forward(wide(x[rows]), weight, bias, eps, centre, rows, out[rows])
    return out


def _forward(x: Any, weight: Any, bias: Any, eps: float, centre: bool, rows: slice, out: Any) -> bool:
    """One block, in x's precision; False where float32 does not do."""
    c = _centred(x, centre)
    variance = _products(c, c) / max(c.shape[1], 1) + eps
    if x.dtype == np.float32 and not _usual(variance):
        return False
    c /= np.sqrt(variance)
    if weight is not None:
        c *= _part(weight, rows)
    if bias is not None:
        c += _part(bias, rows)
    out[...] = c
    return True


def backward(
    g: Any, x: Any, weight: Any, eps: float, centre: bool, with_input: bool, with_weight: bool
) -> tuple[Any, Any]:
    """The gradients of x, of its dtype, and of the weight; None for those that nobody wants."""
    to_x = np.empty_like(x) if with_input else None
    to_weight = np.zeros(weight.shape, wide(x[:0]).dtype) if with_weight else None
    for rows in _blocks(x):
        given = weight, eps, centre, rows, None if to_x is None else to_x[rows], to_weight
        if not (_narrow(x) and g.dtype == x.dtype and _backward(g[rows], x[rows], *given)):
            _backward(wide(g[rows]), wide(x[rows]), *given)
    return to_x, to_weight


def _backward(g: Any, x: Any, weight: Any, eps: float, centre: bool, rows: slice, to_x: Any, to_weight: Any) -> bool:
    """One block, in the precision of g and x; False, and nothing done, where float32 does not do."""
    fast = x.dtype == np.float32
    c = _centred(x, centre)
    square = _products(c, c)
    variance = square / max(c.shape[1], 1) + eps
    if fast and not _usual(variance):
        return False
    deviation = np.sqrt(variance)
    if to_x is not None:
        h = _centred(g if weight is None else g * _part(weight, rows), centre)
        along = _products(h, c)
        if fast and not _usual_sums(along):
            return False
        share = np.divide(1.0, square, out=np.zeros_like(square), where=square != 0)
        along *= share
        h -= along * c
        # Once more: where h was all along c, the first pass has left its rounding.
        rest = _products(h, c) * share
        h += c * ((along + rest) * (eps / variance) - rest)
        np.divide(h, deviation, out=to_x, casting="same_kind")
    if to_weight is not None:
        c /= deviation
        c *= g
        _add(to_weight, c, rows)
    return True


def _narrow(x: Any) -> bool:
    return bool(x.dtype == np.float32 and x.shape[1] <= _SHORT)


def _usual(variance: Any) -> bool:
    """Whether variances are all in the middle of float32's range; not where one is nan."""
    return not variance.size or bool(np.minimum.reduce(variance, axis=None) > _LOW and _usual_sums(variance))


def _usual_sums(sums: Any) -> bool:
    """Whether the largest of some sums, beside which others do not matter, is."""
    return not sums.size or bool(_LOW < np.maximum.reduce(np.abs(sums), axis=None) < _HIGH)


def _blocks(x: Any) -> Iterator[slice]:
    n, k = x.shape
    step = max(_BLOCK // max(k * x.itemsize, 1), 1)
    for i in range(0, n, step):
        yield slice(i, i + step)


def _centred(x: Any, centre: bool) -> Any:
    """A copy less its rows' means: around the first entry, so that nothing is left of equal ones."""
    if not centre:
        return x.copy()
    c = x - x[:, :1]
    c -= _sums(c) / max(c.shape[1], 1)
    return c


def _sums(x: Any) -> Any:
    """The sum of each row; of float32, whose rows are short, by a product, which is faster."""
    if x.dtype == np.float32:
        return x @ np.ones((x.shape[1], 1), x.dtype)
    return np.add.reduce(x, axis=1, keepdims=True)


def _products(a: Any, b: Any) -> Any:
    """The sum of each row's products."""
    return np.einsum("ij,ij->i", a, b)[:, None]


def _part(weight: Any, rows: slice) -> Any:
    return weight if weight.shape[0] == 1 else weight[rows]


def _add(total: Any, terms: Any, rows: slice) -> None:
    """Add terms (rows, n) up to the weight's shape."""
    if total.shape[1] == 1:
        terms = np.add.reduce(terms, axis=1, keepdims=True)
    if total.shape[0] == 1:
        total += np.ones((1, len(terms)), terms.dtype) @ terms
    else:
        total[rows] += terms
