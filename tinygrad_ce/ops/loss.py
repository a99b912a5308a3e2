"""What the two cross-entropies share: reading targets, weighing log-probabilities, their samples, T = 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..derivation import Assumption
from .exponentials import class_sum
from .targets import Target, first, read_targets, reduce, tolerance, where


def of_logits(z: Any, targets: Any, weight: Any, o: dict[str, Any]) -> Target:
    return read_targets(targets, weight, z, -np.inf, **o)


def of_probabilities(p: Any, targets: Any, weight: Any, o: dict[str, Any]) -> Target:
    return read_targets(targets, weight, p, 0.0, **o)


def weighed(log_p: Any, t: Target, reduction: str) -> Any:
    """−Σ ỹ log p from log-probabilities, in plain ops; terms without weight are dropped, not multiplied."""
    target = t.effective
    dropped = np.isneginf(log_p) & np.equal(target, 0)
    terms = target * np.where(dropped, 0.0, log_p)
    return reduce(-np.sum(terms, axis=t.axis, keepdims=True), t, reduction)


def _is_plain(
    z: Any, targets: Any, weight: Any, *, axis: int, label_smoothing: float, ignore_index: Any, **_: Any
) -> bool | str:
    """Whether T = 1 and ỹ = y in every row."""
    if label_smoothing:
        return f"label_smoothing is {label_smoothing}"
    if weight is not None and not np.all(np.asarray(weight) == 1):
        return "there are class weights"
    t = read_targets(targets, None, z, -np.inf, axis=axis, ignore_index=ignore_index, label_smoothing=0.0)
    sums = class_sum(t.y, axis)
    off = np.abs(sums - 1.0) > tolerance(np.asarray(targets), t.y.shape[axis])
    off = off if t.kept is None else off & t.kept
    if np.any(off):
        at = first(np.squeeze(off, axis))
        return f"target row{where(at)} sums to {float(np.squeeze(sums, axis)[at])!r}"
    return True


def _plain_equations(
    z: Any, targets: Any, weight: Any, *, axis: int, label_smoothing: float, ignore_index: Any, **_: Any
) -> list[Any]:
    t = read_targets(targets, None, z, -np.inf, axis=axis, ignore_index=ignore_index, label_smoothing=0.0)
    off = class_sum(t.y, axis) - 1.0
    off = off if t.kept is None else np.where(t.kept, off, 0.0)
    return [off, label_smoothing, 0.0 if weight is None else weight - 1.0]


PLAIN = Assumption("Σy = 1, no class weights, no smoothing", _is_plain, _plain_equations)


def sampler(as_scores: Any) -> Any:
    """Samples of a loss: every spelling of the target, every option; `as_scores` makes what the loss is on."""

    def samples(rng: np.random.Generator) -> Iterable[Any]:
        z = rng.normal(size=(3, 4))
        soft = rng.dirichlet(np.ones(4), size=3)
        w = rng.uniform(0.5, 2.0, size=4)
        yield (as_scores(z, -1), np.array([1, 0, 3]), None), {}
        yield (as_scores(z, -1), np.array([1, -7, 3]), w), {"ignore_index": -7}
        yield (as_scores(z, -1), soft, None), {"reduction": "none"}
        yield (as_scores(z, -1), soft, w), {"label_smoothing": 0.2}
        yield (as_scores(z, -1), rng.normal(size=(3, 4)), w), {"reduction": "sum"}
        yield (as_scores(z.T, 0), np.array([1, 0, 3]), w), {"axis": 0, "label_smoothing": 0.1}
        yield (as_scores(rng.normal(size=(2, 3, 2)), 1), rng.integers(0, 3, size=(2, 2)), None), {"axis": 1}
        yield (as_scores(rng.normal(size=5), -1), np.array(2), None), {}
        yield (as_scores(rng.normal(size=(1, 2)), -1), np.array([[0.25, 0.75]]), None), {}
        yield (as_scores(rng.normal(size=(2, 1)), -1), np.array([0, 0]), None), {}
        yield (as_scores(rng.normal(size=(0, 3)), -1), np.zeros(0, dtype=int), None), {}

    return samples
