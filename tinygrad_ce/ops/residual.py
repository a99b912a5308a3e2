"""T ŷ − ỹ, the gradient of cross-entropy in the logits: two ops, for dense targets and for class indices.

Entry i is ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j, in which nothing cancels where ỹ stands at one class: ŷ_i − 1 does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..registry import op
from .exponentials import along, exponentials
from .rows import as_rows, from_rows, in_blocks, powers
from .sums import class_sum, row_sums


def column(x: Any, axis: int) -> Any:
    """One entry a row, from an array that keeps `axis` at length 1, in the order of `as_rows`."""
    return (x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)).ravel()


def checked(classes: Any, k: int) -> Any:
    """Class indices as NumPy likes them best, all of them within 0 … k − 1."""
    classes = classes.astype(np.intp)
    if np.maximum.reduce(classes.view(np.uintp), initial=0) >= k and classes.size:  # negative ones are huge, unsigned
        raise IndexError(f"a class index lies outside 0 … {k - 1}")
    return classes


# -- dense targets ---------------------------------------------------------------------------------------------


def _dense_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.dirichlet(np.ones(3), size=(2, 2)).swapaxes(1, 2)), {"axis": 1}


@op(samples=_dense_samples)
def residual(z: Any, target: Any, *, axis: int = -1) -> Any:
    """T ŷ − ỹ for scores z and dense targets ỹ, T = Σ ỹ, without cancellation. Of z's dtype or wider."""
    parts = exponentials(z, axis)
    p = parts.probabilities
    return p * (class_sum(target, axis) - target) - target * parts.complements(p)


@residual.forward
def _(z: Any, target: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray or type(target) is not np.ndarray:
        return residual.decomposition(z, target, axis=axis)
    rows = as_rows(z, axis)
    return from_rows(in_blocks(_dense, rows.dtype, rows, as_rows(target, axis)), z, axis)


def _dense(rows: Any, y: Any) -> Any:
    """[e_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} e_j] / Σ e."""
    if not rows.size:
        return rows
    p = powers(rows)
    at = p.at(p.x.argmax(axis=-1))
    own, rest = p.apart(at)
    total = (rest + own).astype(own.dtype)[:, None]
    e = p.e
    e.ravel()[at] = own
    others = total - e
    others.ravel()[at] = rest
    others *= y
    e *= row_sums(y).astype(y.dtype)[:, None] - y
    e -= others
    e /= total
    return e


# -- class indices ---------------------------------------------------------------------------------------------


def _one_class_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), np.array([[1], [0], [3]]), rng.normal(size=(3, 1))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.integers(0, 3, size=(2, 1, 2)), np.array(0.5)), {"axis": 1}


@op(constants=["indices"], samples=_one_class_samples)
def one_class_residual(z: Any, indices: Any, scale: Any, *, axis: int = -1) -> Any:
    """`scale` (ŷ − y) for class indices and a number a row (axis kept at length 1), without cancellation."""
    target = along(np.arange(z.shape[axis]), axis, z.ndim) == indices
    return scale * residual(z, target.astype(np.float64), axis=axis)


@one_class_residual.forward
def _(z: Any, indices: Any, scale: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray:
        return one_class_residual.decomposition(z, indices, scale, axis=axis)
    rows = as_rows(z, axis)
    scale = column(scale, axis) if np.ndim(scale) else scale
    classes = checked(column(indices, axis), rows.shape[-1])
    return from_rows(in_blocks(_one_class, rows.dtype, rows, classes, scale), z, axis)


def _one_class(rows: Any, classes: Any, scale: Any) -> Any:
    p = powers(rows)
    at = p.at(classes)
    own, rest = p.apart(at)
    share = scale / (rest + own)
    e = p.e
    e *= share.astype(e.dtype)[:, None]
    e.ravel()[at] = -rest * share
    return e
