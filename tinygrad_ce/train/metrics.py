"""Metrics: each a sum over batches, and what is made of the sum.

    TopK(3)(scores, targets)                        at once
    fit(..., metrics=[TopK(3), F1()])               epoch by epoch, in reports as "top3", "f1"
    evaluate(model, data, loss, metrics=[...])      over data

Scores are of shape (..., K) with class indices (...) for targets; or of the targets' own shape (a last axis of 1 does
not count), and then a score above 0 says class 1 of two: the logit that `sigmoid_binary_cross_entropy` takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..node import plain

Sums = NDArray[np.float64]


class Metric:
    """A number that tells how good scores are. A subclass says what is summed, and what the sum means.

    Attributes
    ----------
    name : str
        What reports call it.
    """

    name = "metric"

    def sums(self, scores: Any, targets: Any) -> Sums:
        """What adds up over batches.

        Raises
        ------
        ValueError
            If these are no scores and classes.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no sums(self, scores, targets)")

    def value(self, sums: Sums) -> float:
        """What the sum over all batches says."""
        raise NotImplementedError(f"{type(self).__name__} defines no value(self, sums)")

    def __call__(self, scores: Any, targets: Any) -> float:
        """The metric of one batch of scores and targets."""
        return self.value(self.sums(scores, targets))


@dataclass(frozen=True)
class Accuracy(Metric):
    """The fraction of rows whose largest score is the target's.

    >>> Accuracy()([[0.9, 0.1], [0.8, 0.2]], [0, 1])
    0.5
    """

    name = "accuracy"

    def sums(self, scores: Any, targets: Any) -> Sums:
        table, classes = _table(scores, targets)
        return np.array([np.sum(np.argmax(table, axis=-1) == classes), len(classes)], float)

    def value(self, sums: Sums) -> float:
        return _quotient(sums[0], sums[1])


@dataclass(frozen=True)
class TopK(Metric):
    """The fraction of rows whose target is among the k largest scores; of equal scores, the first counts as larger.

    >>> TopK(2)([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]], [1, 2])
    0.5
    """

    k: int = 5

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or index(self.k) < 1:
            raise ValueError(f"k is an integer of at least 1, not {self.k!r}")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"top{self.k}"

    def sums(self, scores: Any, targets: Any) -> Sums:
        table, classes = _table(scores, targets)
        best = np.argsort(-table, axis=-1, kind="stable")[:, : self.k]
        return np.array([np.sum(best == classes[:, None]), len(classes)], float)

    def value(self, sums: Sums) -> float:
        return _quotient(sums[0], sums[1])


class _Counted(Metric):
    """A metric that follows from how often each class is taken for each."""

    def sums(self, scores: Any, targets: Any) -> Sums:
        table, classes = _table(scores, targets)
        k = table.shape[-1]
        pairs = classes * k + np.argmax(table, axis=-1)
        return np.bincount(pairs, minlength=k * k).reshape(k, k).astype(float)


@dataclass(frozen=True)
class F1(_Counted):
    """F₁ = 2·TP / (2·TP + FP + FN) of each class, averaged; a class that is neither there nor given counts 0.

    Parameters
    ----------
    average : "macro", "weighted" or "micro"
        Over classes alike; by their rows; or of the sums, which is the accuracy.

    Examples
    --------
    >>> round(F1()([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1]), 4)
    0.6667
    """

    average: str = "macro"
    name = "f1"

    def __post_init__(self) -> None:
        if self.average not in ("macro", "weighted", "micro"):
            raise ValueError(f"average is 'macro', 'weighted' or 'micro', not {self.average!r}")

    def value(self, sums: Sums) -> float:
        right, given, there = np.diag(sums), sums.sum(axis=0), sums.sum(axis=1)
        if self.average == "micro":
            return _quotient(right.sum(), sums.sum())
        each = 2 * right / np.maximum(given + there, 1)
        # As elsewhere: a class that nobody has met and nobody gives is no class of this sample.
        known = (given + there) > 0
        weight = there if self.average == "weighted" else known
        return _quotient((each * weight).sum(), weight.sum())


@dataclass(frozen=True)
class Calibration(Metric):
    """The expected calibration error: Σ_b |B_b|/N · |accuracy(B_b) − confidence(B_b)| over bins of confidence.

    The confidence is the largest probability (Guo et al., 2017); bins are of equal width, closed above.

    Parameters
    ----------
    bins : int
    logits : bool
        Whether scores are logits, as models give them, or probabilities already.

    Examples
    --------
    >>> Calibration(logits=False)([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    0.0
    """

    bins: int = 15
    logits: bool = True
    name = "ece"

    def __post_init__(self) -> None:
        if isinstance(self.bins, bool) or index(self.bins) < 1:
            raise ValueError(f"bins is an integer of at least 1, not {self.bins!r}")

    def sums(self, scores: Any, targets: Any) -> Sums:
        table, classes = _table(scores, targets, self.logits)
        probabilities = np.exp(_log_softmax(table)) if self.logits else table
        confidence, given = probabilities.max(axis=-1), probabilities.argmax(axis=-1)
        place = np.clip(np.ceil(confidence * self.bins).astype(int) - 1, 0, self.bins - 1)
        weights = (np.ones_like(confidence), given == classes, confidence)
        return np.stack([np.bincount(place, weight, minlength=self.bins) for weight in weights])

    def value(self, sums: Sums) -> float:
        rows, right, confidence = sums
        return _quotient(np.abs(right - confidence).sum(), rows.sum())


@dataclass(frozen=True)
class Perplexity(Metric):
    """exp of the mean negative log-probability of the targets: how many equally likely choices it amounts to.

    Parameters
    ----------
    ignore_index : int, optional
        Targets of this class are left out.

    Examples
    --------
    >>> round(Perplexity()([[0.0, 0.0, 0.0]], [1]), 12)
    3.0
    """

    ignore_index: int | None = None
    name = "perplexity"

    def sums(self, scores: Any, targets: Any) -> Sums:
        if self.ignore_index is not None:
            kept = np.asarray(plain(targets)) != self.ignore_index
            scores, targets = np.asarray(plain(scores))[kept], np.asarray(plain(targets))[kept]
        table, classes = _table(scores, targets)
        return np.array([-_log_softmax(table)[np.arange(len(classes)), classes].sum(), len(classes)])

    def value(self, sums: Sums) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(_quotient(sums[0], sums[1])))


# -- pieces -------------------------------------------------------------------------------------------------


def _quotient(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def _log_softmax(table: Any) -> Any:
    shifted = table - table.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _table(scores: Any, targets: Any, logits: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores as rows of K, and the class of each row."""
    found, classes = np.asarray(plain(scores), dtype=float), np.asarray(plain(targets))
    if found.shape in (classes.shape, (*classes.shape, 1)):
        flat = found.reshape(-1)
        # A logit s of class 1 says what the logits (0, s) say.
        found = np.stack([np.zeros_like(flat) if logits else 1 - flat, flat], axis=-1).reshape(*classes.shape, 2)
    whole = classes.dtype.kind in "iub" or (classes.dtype.kind == "f" and bool(np.all(classes == np.round(classes))))
    k = found.shape[-1] if found.ndim else 0
    if not whole or classes.shape != found.shape[:-1] or np.any((classes < 0) | (classes >= k)):
        raise ValueError(f"targets {targets!r:.60} are no classes of scores of shape {np.shape(plain(scores))}")
    return found.reshape(-1, k), classes.astype(np.int64).reshape(-1)
