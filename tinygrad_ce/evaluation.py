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


def accuracy(self) -> list[float | None]:
        return [report.accuracy for report in self.reports]

    @property
    def validation_loss(self) -> list[float | None]:
        return [report.validation_loss for report in self.reports]

    @property
    def validation_accuracy(self) -> list[float | None]:
        return [report.validation_accuracy for report in self.reports]

    @property
    def seconds(self) -> list[float]:
        return [report.seconds for report in self.reports]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        end = ", interrupted" * self.interrupted + ", stopped" * self.stopped
        count = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        if not self.reports:
            return f"History({count}{end})"
        last = self.reports[-1]
        text = f"History({count}: loss {last.loss:.4g}"
        text += "" if last.accuracy is None else f", accuracy {last.accuracy:.1%}".replace("%", " %")
        return f"{text}{end})"


Callback = Callable[[EpochReport], Any]


def fit(
    model: Model,
    loader: Batches,
    loss_fn: Loss,
    optimiser: Optimiser,
    epochs: int,
    *,
    validation: Dataset | Batches | None = None,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train a model: for each batch of each epoch, loss, gradient, step.

    Ctrl-C ends it as one more way to stop: parameters are then those after the last whole step, and the history
    that of the epochs completed, with `interrupted` set.

    Parameters
    ----------
    model : callable
        inputs ↦ outputs; a Module, or any function of the optimiser's parameters.
    loader : iterable of (inputs, targets)
        Iterated once for each epoch.
    loss_fn : callable
        (outputs, targets) ↦ the mean loss of the rows, as a Value.
    optimiser : optimiser
        With the parameters to train.
    epochs : int
        At least 1.
    validation : Dataset or iterable of (inputs, targets), optional
        Evaluated after each epoch, and never learnt from.
    callbacks : sequence of callables
        Each is called with an EpochReport after each epoch; training stops after the epoch in which one returns
        a true value.

    Returns
    -------
    History

    Raises
    ------
    FloatingPointError
        If a loss or a parameter is nan or infinite; the message says in which epoch and batch.
    ValueError
        If `epochs` is no positive integer, or an epoch has no batch.
    TypeError
        If `loss_fn` returns no Value.
    """
    planned = _count(epochs)
    history, parameters = History(), _Parameters(optimiser)
    try:
        for epoch in range(1, planned + 1):
            start = perf_counter()
            loss, right = _learn(model, loader, loss_fn, optimiser, parameters, epoch)
            judged = (None, None) if validation is None else _judge(model, validation, loss_fn, epoch)
            report = EpochReport(epoch, planned, loss, right, *judged, perf_counter() - start)
            history.reports.append(report)
            if any([callback(report) for callback in callbacks]):
                history.stopped = True
                break
    except KeyboardInterrupt:
        parameters.restore()
        history.interrupted = True
    return history


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
    """How often each class is taken for each: entry (i, j) counts rows of class i for which j scores highest.

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
        if _classes(outputs, targets) is None:
            raise ValueError(
                f"targets {targets!r:.60} are no class indices of outputs of shape {outputs.shape}"
            )
        k = outputs.shape[-1]
        pairs = np.ravel(targets) * k + np.ravel(np.argmax(outputs, axis=-1))
        matrix = matrix + np.bincount(pairs, minlength=k * k).reshape(k, k)
    if np.size(matrix) == 1:
        raise ValueError("no rows to judge the model by")
    counts: NDArray[np.int64] = matrix
    return counts


def judge(model: Model, data: Dataset | Batches, loss_fn: Loss, where: str) -> tuple[float, float | None]:
    """Mean loss and accuracy over data, without learning from them; `where` names the pass in errors."""
    tally = Tally(where)
    with no_grad():
        for outputs, targets in _answers(model, data):
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
        rows = len(outputs) if np.ndim(outputs) else 1
        self.rows += rows
        self.total += loss * rows
        classes = _classes(outputs, targets)
        if classes is not None:
            self.answers += classes.size
            self.right += int(np.count_nonzero(np.argmax(outputs, axis=-1) == classes))

    def result(self) -> tuple[float, float | None]:
        if not self.rows:
            raise ValueError(f"{self.where} has no batch: data that can be read only once last for one epoch")
        return self.total / self.rows, self.right / self.answers if self.answers else None


def _answers(model: Model, data: Dataset | Batches) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Outputs and targets, as arrays, batch by batch; nothing is recorded."""
    if isinstance(data, Dataset):
        data = Loader(data, _ROWS, shuffle=False) if len(data) else ()
    for inputs, targets in data:
        with no_grad():
            outputs = np.asarray(plain(model(inputs)))
        yield outputs, np.asarray(plain(targets))


def _classes(outputs: Any, targets: Any) -> NDArray[Any] | None:
    """The targets where they are class indices of the outputs, else None."""
    classes, shape = np.asarray(plain(targets)), np.shape(outputs)
    fits = classes.dtype.kind in "iu" and classes.shape == shape[:-1] and shape[-1:] > (1,)
    return classes if fits and np.all((classes >= 0) & (classes < shape[-1])) else None
