"""Targets of the losses: their three spellings, what weights and smoothing make of them, and their validation.

Class indices, one-hot rows and soft rows are three spellings of one number, the dense target y. With class
weights w, smoothing ε and the K classes that are present (not masked), a loss sees the effective target

    ỹ = w ⊙ ((1 − ε) y + ε / K),  0 in ignored rows and masked classes,

and `mean` divides by Σ_n Σ_j w_j y_nj over the rows that are not ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from ..node import plain
from .exponentials import along, class_sum, wide
from .indexing import index


@dataclass(frozen=True)
class Target:
    """Targets of one batch, along the axis of the scores."""

    given: Any  # the dense target, or None
    indices: Any  # or the class index of every row, axis kept at length 1, 0 in ignored rows
    kept: Any  # plain mask of the rows that count, axis kept; None: all
    weight: Any  # class weights, a vector; None: all 1
    present: Any  # plain mask of the classes that are not masked; None: all, or of no consequence
    smoothing: float
    axis: int
    k: int  # how many classes
    ndim: int  # of the scores

    @property
    def one_class(self) -> bool:
        """Whether each row's effective target stands at a single class, its index."""
        return self.indices is not None and not self.smoothing

    @property
    def y(self) -> Any:
        """The dense target, 0 in ignored rows."""
        if self.indices is None:
            return self.given
        y = (along(np.arange(self.k), self.axis, self.ndim) == self.indices).astype(np.float64)
        return y if self.kept is None else np.where(self.kept, y, 0.0)

    @property
    def w(self) -> Any:
        """Class weights, shaped to broadcast."""
        return None if self.weight is None else along(self.weight, self.axis, self.ndim)

    @property
    def row_weight(self) -> Any:
        """w at the index of each row, 0 in ignored ones, axis kept; None: all 1."""
        row = None
        if self.weight is not None:  # an array cannot be indexed by what is being traced: the op can
            plainly = isinstance(self.indices, np.ndarray)
            row = self.weight[self.indices] if plainly else index(self.weight, self.indices)
        return row if self.kept is None else np.where(self.kept, 1.0 if row is None else row, 0.0)

    @property
    def effective(self) -> Any:
        """ỹ, as above."""
        t = self.y
        if self.smoothing:
            t = t * (1.0 - self.smoothing) + self._floor()
        return t if self.w is None else t * self.w

    def _floor(self) -> Any:
        floor: Any = self.smoothing / self.k
        if self.present is not None:
            classes = np.maximum(np.sum(self.present, axis=self.axis, keepdims=True), 1)
            floor = np.where(self.present, self.smoothing / classes, 0.0)
        return floor if self.kept is None else np.where(self.kept, floor, 0.0)

    @property
    def divisor(self) -> Any:
        """What `mean` divides by; 1 where no row counts, so that such a batch has loss 0."""
        if self.indices is not None:
            counted = self.row_weight
            if counted is None:
                return max(float(self.indices.size), 1.0)
        else:
            counted = self.y if self.w is None else self.y * self.w
        return np.sum(counted) + np.logical_not(np.any(counted))


def read_targets(
    targets: Any,
    weight: Any,
    scores: Any,
    floor: float,
    *,
    axis: int,
    ignore_index: int | None,
    label_smoothing: float,
) -> Target:
    """Targets of any spelling, for scores (plain or Values) that are masked where they are ≤ `floor`."""
    k, ndim = scores.shape[axis], len(scores.shape)
    given = indices = kept = present = None
    if is_index(targets, ndim):
        indices = plain(targets)
        indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
        indices = indices[..., None] if axis in (-1, ndim - 1) else np.expand_dims(indices, axis)
        if ignore_index is not None:
            kept = indices != ignore_index
            indices = np.where(kept, indices, np.zeros_like(indices))
    else:
        given = wide(targets)
    if label_smoothing:
        present = np.greater(scores, floor)
        if isinstance(present, np.ndarray) and np.all(present):
            present = None
    weight = None if weight is None else wide(weight)
    return Target(given, indices, kept, weight, present, label_smoothing, axis, k, ndim)


def is_index(targets: Any, ndim: int) -> bool:
    """Whether targets are class indices: integers, with one axis fewer than the scores."""
    t = plain(targets)
    if type(t) is int:
        return ndim == 1
    return getattr(t, "ndim", 0) == ndim - 1 and getattr(t, "dtype", np.dtype(float)).kind in "iu"


def reduce(rows: Any, t: Target, reduction: str) -> Any:
    """Row losses (axis kept) as the reduction wants them."""
    if reduction == "none":
        return np.squeeze(rows, t.axis)
    total = np.sum(rows)
    return total / t.divisor if reduction == "mean" else total


def spread(g: Any, t: Target, reduction: str) -> Any:
    """The cotangent of the loss as one of the row losses, axis kept."""
    if reduction == "none":
        return np.expand_dims(wide(g), t.axis)
    return wide(g) / t.divisor if reduction == "mean" else wide(g)


def to_targets(g: Any, out: Any, t: Target, surprise: Any, targets: Any, reduction: str) -> Any:
    """The loss's gradient in a dense target, from the surprise −log ŷ of every class."""
    rows = spread(g, t, reduction) * surprise * (1.0 - t.smoothing)
    if reduction == "mean":
        rows = rows - wide(g) * out / t.divisor
    rows = rows if t.w is None else rows * t.w
    return rows * np.ones_like(plain(targets))


def to_weight(g: Any, out: Any, t: Target, surprise: Any, reduction: str) -> Any:
    """The loss's gradient in the class weights."""
    unweighted = replace(t, weight=None)
    rows = spread(g, t, reduction) * surprise * unweighted.effective
    if reduction == "mean":
        rows = rows - wide(g) * out / t.divisor * t.y
    others = tuple([i for i in range(t.ndim) if i != t.axis % t.ndim])
    return np.sum(rows, axis=others)


# -- validation ------------------------------------------------------------------------------------------------


def validate_options(op: str, label_smoothing: float, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    if not (isinstance(label_smoothing, Real) and 0.0 <= label_smoothing <= 1.0):
        raise ValueError(f"{op}: label_smoothing lies in [0, 1], not {label_smoothing!r}")


def validate_targets(op: str, scores: Any, targets: Any, weight: Any, axis: int, ignore_index: int | None) -> None:
    """Raise ValueError where a target is none, saying which row and value. Shapes always; values of ndarrays."""
    shape = np.shape(scores)
    if not shape or not -len(shape) <= axis < len(shape):
        raise ValueError(f"{op}: scores of shape {shape} have no axis {axis} of classes")
    k = shape[axis]
    if k == 0:
        raise ValueError(f"{op}: scores of shape {shape} have no classes along axis {axis}")
    _validate_weight(op, weight, k)
    rows = tuple(n for i, n in enumerate(shape) if i != axis % len(shape))
    found = np.shape(targets)
    if is_index(targets, len(shape)):
        if found != rows:
            raise ValueError(f"{op}: class indices of shape {found} for scores of shape {shape}; {rows} is wanted")
        if isinstance(targets, (np.ndarray, np.generic, int)):
            _validate_indices(op, np.asarray(targets), k, ignore_index)
        return
    dtype = getattr(targets, "dtype", None)
    if found == rows and found != shape:
        raise ValueError(f"{op}: class indices are integers, not {dtype or type(targets).__name__}; write .astype(int)")
    if found != shape:
        raise ValueError(
            f"{op}: targets of shape {found} for scores of shape {shape}; class indices have shape {rows}, "
            f"one-hot and soft targets {shape}"
        )
    if ignore_index is not None:
        raise ValueError(
            f"{op}: ignore_index is for class indices; with dense targets give the row zero weight instead"
        )
    if isinstance(targets, np.ndarray):
        _validate_dense(op, targets, axis, k)


def _validate_weight(op: str, weight: Any, k: int) -> None:
    if weight is None:
        return
    if np.shape(weight) != (k,):
        raise ValueError(f"{op}: weight of shape {np.shape(weight)} for {k} classes; ({k},) is wanted")
    if isinstance(weight, np.ndarray) and not np.all(weight >= 0):
        j = int(np.argmin(weight >= 0))
        raise ValueError(f"{op}: weight[{j}] is {weight[j]}; class weights are ≥ 0")


def _validate_indices(op: str, targets: Any, k: int, ignore_index: int | None) -> None:
    if ignore_index is None and (not targets.size or (targets.min() >= 0 and targets.max() < k)):
        return
    bad = (targets < 0) | (targets >= k)
    if ignore_index is not None:
        bad &= targets != ignore_index
    if np.any(bad):
        at = first(bad)
        raise ValueError(
            f"{op}: target{where(at)} is {targets[at]}, outside 0 … {k - 1}"
            + ("" if ignore_index is None else f" and not ignore_index={ignore_index}")
        )


def _validate_dense(op: str, targets: Any, axis: int, k: int) -> None:
    if targets.dtype.kind not in "fiub":
        raise ValueError(f"{op}: targets of dtype {targets.dtype}; class indices or probabilities are wanted")
    for bad, what in (
        (np.isnan(targets), "not a number"),
        (targets < 0, "negative"),
        (np.isinf(targets), "infinite"),
    ):
        if np.any(bad):
            raise ValueError(f"{op}: target{where(first(bad))} is {what}: {targets[first(bad)]}")
    sums = np.squeeze(class_sum(np.asarray(targets, dtype=np.float64), axis), axis)
    off = np.abs(sums - 1.0) > tolerance(targets, k)
    if np.any(off):
        at = first(off)
        row = np.moveaxis(targets, axis, -1)[at]
        if np.count_nonzero(row == 1) > 1 and np.all((row == 0) | (row == 1)):
            raise ValueError(
                f"{op}: target row{where(at)} has {np.count_nonzero(row == 1)} ones; softmax is for exactly one "
                f"true class. For several labels at once use tg.sigmoid_binary_cross_entropy"
            )
        raise ValueError(f"{op}: target row{where(at)} sums to {sums[at]!s}, not 1; validate=False allows it")


def validate_probabilities(p: Any, axis: int) -> None:
    """Raise ValueError where rows are no probabilities; asks whether logits were given."""
    if not isinstance(p, np.ndarray) or p.size == 0:
        return
    sums = np.squeeze(class_sum(np.asarray(p, dtype=np.float64), axis), axis)
    for bad, what in ((np.isnan(p), "not a number"), (p < 0, "negative")):
        if np.any(bad):
            at = first(bad)
            raise ValueError(
                f"cross_entropy: probability{where(at)} is {what}: {p[at]}. "
                f"Are these logits? Then tg.softmax_cross_entropy is meant"
            )
    off = np.abs(sums - 1.0) > tolerance(p, p.shape[axis])
    if np.any(off):
        at = first(off)
        raise ValueError(
            f"cross_entropy: the probabilities of row{where(at)} sum to {sums[at]!s}, not 1. "
            f"Are these logits? Then tg.softmax_cross_entropy is meant"
        )


def tolerance(x: Any, classes: int) -> float:
    """How far from 1 rounding may carry a row's sum, in x's dtype."""
    # The sums are taken in float64, whatever is wider.
    eps = np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps
    return max(classes, 16) * max(float(eps), float(np.finfo(np.float64).eps))


def first(mask: Any) -> tuple[int, ...]:
    """The index of the first True."""
    return tuple(int(i) for i in np.argwhere(mask)[0])


def where(at: tuple[int, ...]) -> str:
    """An index as messages show it: [3] or [3, 1]; nothing for a single row."""
    return f"[{', '.join(map(str, at))}]" if at else ""
