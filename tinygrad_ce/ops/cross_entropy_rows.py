"""The loss on logits and its gradient in them, of ndarrays: what softmax_cross_entropy.py says, made fast.

For rows with one class each, y with weight w, and for any target ỹ ≥ 0 with T = Σ ỹ, a the largest score:

    loss        w log1p(Σ_{j≠y} e_j / e_y)       Σ ỹ_j (s_a − s_j) + T log1p(Σ_{j≠a} e_j / e_a)
    gradient    w ŷ_i,  −w Σ_{j≠y} ŷ_j           T ŷ_i − ỹ_i,  [e_a Σ_{j≠a} ỹ_j − ỹ_a Σ_{j≠a} e_j] / Σ e

No term is negative in a loss, and in a gradient none that matters cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import as_rows, column, floating, from_column, from_rows, in_blocks, powers
from .sums import row_sums
from .targets import Target

_HUGE, _TINY = 1e200, 1e-250  # of e_j / e_i, beyond which another formula has the digits


def losses(z: Any, t: Target) -> Any:
    """The loss of each row, axis kept."""
    rows = floating(as_rows(z, t.axis))
    if t.one_class:
        w = t.row_weight
        found = in_blocks(_one_class_losses, t.dtype, rows, _classes(t), w if w is None else column(w, t.axis))
    else:
        found = in_blocks(_dense_losses, t.dtype, rows, t.as_rows())
    return from_column(found, z, t.axis)


def losses_of_probabilities(p: Any, t: Target) -> Any:
    """−Σ ỹ log p of each row; terms with ỹ = 0 at p = 0 are dropped."""
    rows = floating(as_rows(p, t.axis))
    return from_column(in_blocks(_losses_of_probabilities, t.dtype, rows, t.as_rows()), p, t.axis)


def gradient(z: Any, t: Target, scale: Any) -> Any:
    """The loss's gradient in z, times `scale`: a number, or one for each row."""
    rows = floating(as_rows(z, t.axis))
    scale = np.asarray(scale, np.longdouble)  # one number a row: not to round more than once
    if t.one_class:
        scale = scale if t.row_weight is None else scale * column(t.row_weight, t.axis)
        made = in_blocks(_one_class_gradient, rows.dtype, rows, _classes(t), scale)
    else:
        made = in_blocks(_dense_gradient, rows.dtype, rows, t.as_rows(), scale.astype(t.dtype))
    return from_rows(made, z, t.axis)


def _classes(t: Target) -> Any:
    """Class indices as NumPy likes them best, none out of bounds."""
    classes = column(t.indices, t.axis).astype(np.intp, copy=False)
    if np.maximum.reduce(classes.view(np.uintp), initial=0) >= t.k and classes.size:  # negative ones are huge, unsigned
        raise IndexError(f"a class index lies outside 0 … {t.k - 1}")
    return classes


# -- one class a row -------------------------------------------------------------------------------------------


def _one_class_losses(rows: Any, classes: Any, weight: Any) -> Any:
    p = powers(rows, weight)
    at = p.at(classes)
    own, rest = p.apart(at)
    ratio = (rest / own).astype(own.dtype)
    found = np.log1p(ratio)
    if not p.near:  # e_y may be nothing beside the others: then log Σ e_j + c − s_y, both ≥ 0
        far = (p.c - p.x.ravel()[at][:, None]).ravel() + np.log(rest.astype(own.dtype))
        found = np.where(ratio < _HUGE, found, far)
    if weight is None:
        return found
    return np.where(weight == 0, 0.0, weight * found if p.near else _weighed(weight, found, rest, own))


def _one_class_gradient(rows: Any, classes: Any, scale: Any) -> Any:
    p = powers(rows, scale)
    at = p.at(classes)
    own, rest = p.apart(at)
    share = scale / (rest + own)
    e = p.e
    e *= share.astype(e.dtype)[:, None]
    e.ravel()[at] = -rest * share
    return e


# -- any target ------------------------------------------------------------------------------------------------


def _dense_losses(rows: Any, target: Target) -> Any:
    if not rows.size:
        return np.zeros(len(rows))
    y = target.effective
    p = powers(rows, y)
    at = p.at(rows.argmax(axis=-1))
    behind = p.x.ravel()[at][:, None] - p.x
    own, rest = p.apart(at)
    if p.masked:
        behind[y == 0] = 0.0
    behind *= y
    found = np.log1p((rest / own).astype(own.dtype))
    total = p.added(y)
    found = total * found if p.near else _weighed(total, found, rest, own)
    return p.added(behind) + found


def _dense_gradient(rows: Any, target: Target, scale: Any) -> Any:
    return dense_residual(rows, target.effective * (scale[:, None] if np.ndim(scale) else scale))


def dense_residual(rows: Any, y: Any) -> Any:
    """T ŷ − y of rows, T = Σ y: as it stands but for the largest class, for only its ŷ may be nearly 1."""
    if not rows.size:
        return rows
    p = powers(rows, y)
    at = p.at(rows.argmax(axis=-1))
    own, rest = p.apart(at)
    t, total, top = p.added(y), rest + own, y.ravel()[at]
    e = p.e
    e *= (t / total).astype(e.dtype)[:, None]
    e -= y
    e.ravel()[at] = (own * (t - top) - top * rest) / total
    return e


def _losses_of_probabilities(rows: Any, target: Target) -> Any:
    y = target.effective
    terms = np.log(rows.astype(y.dtype))
    terms *= -y
    terms[(rows == 0) & (y == 0)] = 0.0
    return row_sums(terms) if rows.dtype.itemsize >= 8 else np.add.reduce(terms, axis=-1)


def _weighed(weight: Any, found: Any, rest: Any, own: Any) -> Any:
    """weight · log1p(rest / own), also where rest / own is too small a number to have all its digits."""
    return np.where(rest < own * _TINY, rest * (weight / own), weight * found)
