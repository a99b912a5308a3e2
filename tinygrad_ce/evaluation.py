"""How well a model does: accuracy, the confusion matrix, and the tally of a pass over the data.

Each takes a model (inputs ↦ outputs) and data: a Dataset, or an iterable of (inputs, targets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import Dataset, Loader
from .node import plain
from .transforms import no_grad

Model = Callable[[Any], Any]
Loss = Callable[[Any, Any], Any]
Batches = Iterable[tuple[Any, Any]]

# Rows evaluated at a time: enough for speed, few enough for memory.
_ROWS = 1024


def accuracy(model: Model, dataset: Dataset | Batches) -> float:
    """The fraction of rows for which the largest output is the target's.

    Parameters
    ----------
    model : callable
        inputs ↦ scores of shape (..., K).
    dataset : Dataset or iterable of (inputs, targets)
        With class indices for targets.

    Raises
    ------
    ValueError
        If there are no rows, or targets are no class indices.

    Examples
    --------
    >>> accuracy(lambda x: x, [([[0.9, 0.1], [0.8, 0.2]], [0, 1])])
    0.5
    """
    matrix = confusion(model, dataset)
    return float(np.trace(matrix) / matrix.sum())


def confusion(model: Model, dataset: Dataset | Batches) -> NDArray[np.int64]:
    """How often each class is taken for each: entry (i, j) counts rows of class i that are given j.

    Parameters
    ----------
    model, dataset
        As for `accuracy`.

    Returns
    -------
    ndarray of int64, shape (K, K)

    Raises
    ------
    ValueError
        As `accuracy`.

    Examples
    --------
    >>> confusion(lambda x: x, [([[0.9, 0.1], [0.8, 0.2]], [0, 1])]).tolist()
    [[1, 0], [1, 0]]
    """
    matrix: Any = 0
    for outputs, targets in _answers(model, dataset):
        scores = np.asarray(plain(outputs))
        classes = _classes(scores, targets)
        if classes is None:
            raise ValueError(f"targets {targets!r:.60} are no classes of outputs of shape {scores.shape}")
        k = scores.shape[-1]
        pairs = np.ravel(classes) * k + np.ravel(np.argmax(scores, axis=-1))
        matrix = matrix + np.bincount(pairs, minlength=k * k).reshape(k, k)
    if np.size(matrix) == 1:
        raise ValueError("no rows to judge the model by")
    counts: NDArray[np.int64] = matrix
    return counts


def judge(model: Model, data: Dataset | Batches, loss_fn: Loss, where: str) -> tuple[float, float | None]:
    """Mean loss and accuracy over data, without learning from them; `where` names the pass in errors."""
    tally = Tally(where)
    for outputs, targets in _answers(model, data):
        with no_grad():
            tally.add(float(plain(loss_fn(outputs, targets))), outputs, targets)
    return tally.result()


class Tally:
    """Losses and right answers, added up over batches."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.batches = self.rows = self.answers = self.right = 0
        self.total = 0.0

    def add(self, loss: float, outputs: Any, targets: Any) -> None:
        self.batches += 1
        if not isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in {self.where}, batch {self.batches}: try a smaller learning rate, "
                f"and look for nan or very large numbers in the inputs"
            )
        rows = (*np.shape(outputs), 1)[0]
        self.rows += rows
        self.total += loss * rows
        classes = _classes(outputs, targets)
        if classes is not None:
            self.answers += classes.size
            self.right += int(np.count_nonzero(np.argmax(plain(outputs), axis=-1) == classes))

    def result(self) -> tuple[float, float | None]:
        if not self.rows:
            raise ValueError(f"{self.where} has no batch: data that can be read only once last for one epoch")
        return self.total / self.rows, self.right / self.answers if self.answers else None


def _answers(model: Model, data: Dataset | Batches) -> Iterator[tuple[Any, Any]]:
    """Outputs and targets, batch by batch; nothing is recorded."""
    if isinstance(data, Dataset):
        data = Loader(data, _ROWS, shuffle=False) if len(data) else ()
    for inputs, targets in data:
        with no_grad():
            outputs = model(inputs)
        yield outputs, targets


def _classes(outputs: Any, targets: Any) -> NDArray[Any] | None:
    """The targets where they are class indices of the outputs, else None."""
    classes, shape = np.asarray(plain(targets)), np.shape(outputs)
    fits = classes.dtype.kind in "iu" and classes.shape == shape[:-1] and shape[-1:] > (1,)
    return classes if fits and np.all((classes >= 0) & (classes < shape[-1])) else None
