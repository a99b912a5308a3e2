"""How well a model does: passes over data without learning from them.

Each takes a model (inputs ↦ outputs) and data: a Dataset, or an iterable of (inputs, targets). A Module is in eval mode
for the while, and every part of it is then what it was before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset, Loader
from ..nn import Module
from ..node import plain
from ..transforms import no_grad
from .arguments import pairs, require_batches, require_function, several
from .metrics import Metric
from .mistakes import blamed, not_finite

Model = Callable[[Any], Any]
Loss = Callable[[Any, Any], Any]
Batches = Iterable[tuple[Any, Any]]

# Rows evaluated at a time: enough for speed, few enough for memory.
_ROWS = 1024


def evaluate(
    model: Model, data: Dataset | Batches, loss_fn: Loss | None = None, metrics: Metric | Sequence[Metric] = ()
) -> dict[str, float]:
    """Mean loss, accuracy where targets are classes, and metrics, by name.

    Parameters
    ----------
    model : callable
        inputs ↦ outputs.
    data : Dataset or iterable of (inputs, targets)
    loss_fn : callable, optional
        (outputs, targets) ↦ the mean loss of the rows.
    metrics : Metric, or sequence of them

    Raises
    ------
    TypeError
        If an argument is of another kind, or a batch is no pair.
    ValueError
        If there are no rows, or targets are not what a metric takes.
    FloatingPointError
        If the loss is nan or infinite; the message says in which batch.

    Examples
    --------
    >>> from tinygrad_ce.train import TopK
    >>> evaluate(lambda x: x, [([[0.9, 0.1], [0.8, 0.2]], [0, 1])], metrics=[TopK(2)])
    {'accuracy': 0.5, 'top2': 1.0}
    """
    if loss_fn is not None:
        require_function("loss_fn", loss_fn)
    tally = Tally("the evaluation", several("metric", metrics, "sums", "F1()"))
    for inputs, outputs, targets in _answers(model, data):
        loss = None if loss_fn is None else _loss(loss_fn, outputs, targets, tally)
        tally.add(loss, outputs, targets, inputs)
    found, right = tally.result()
    told = {} if loss_fn is None else {"loss": found}
    return told | ({} if right is None else {"accuracy": right}) | tally.measured()


def predict(model: Model, inputs: Any, rows: int = _ROWS) -> NDArray[Any]:
    """The model's outputs for inputs of shape (N, ...), some rows at a time, as one array.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    array = np.asarray(inputs)
    if array.ndim == 0 or not len(array):
        raise ValueError(f"inputs have shape (rows, ...), at least one row, not {array.shape}")
    parts = [(array[i : i + rows], None) for i in range(0, len(array), rows)]
    return np.concatenate([np.asarray(plain(outputs)) for _, outputs, _ in _answers(model, parts)])


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
    for _, outputs, targets in _answers(model, dataset):
        scores = np.asarray(plain(outputs))
        classes = classes_of(scores, targets)
        if classes is None:
            raise ValueError(f"targets {targets!r:.60} are no classes of outputs of shape {scores.shape}")
        k = scores.shape[-1]
        pairs = np.ravel(classes) * k + np.ravel(np.argmax(scores, axis=-1))
        matrix = matrix + np.bincount(pairs, minlength=k * k).reshape(k, k)
    if np.size(matrix) == 1:
        raise ValueError("no rows to judge the model by")
    counts: NDArray[np.int64] = matrix
    return counts


def judge(
    model: Model, data: Dataset | Batches, loss_fn: Loss, tally: Tally, asked: Callable[[], bool] = lambda: False
) -> bool:
    """Add up losses and answers over data, without learning from them; False where it was asked to leave off."""
    for inputs, outputs, targets in _answers(model, data):
        tally.add(_loss(loss_fn, outputs, targets, tally), outputs, targets, inputs)
        if asked():
            return False
    return True


class Tally:
    """Losses, right answers and metrics, added up over batches; `where` names the pass in errors."""

    def __init__(self, where: str, metrics: Sequence[Metric] = ()) -> None:
        self.where = where
        self.metrics = tuple(metrics)
        self.sums: dict[str, Any] = {}
        self.batches = self.rows = self.answers = self.right = 0
        self.total = 0.0

    def add(self, loss: float | None, outputs: Any, targets: Any, inputs: Any) -> None:
        self.batches += 1
        if loss is not None and not isfinite(loss):
            raise FloatingPointError(not_finite(loss, f"{self.where}, batch {self.batches}", inputs, targets, outputs))
        rows = (*np.shape(outputs), 1)[0]
        self.rows += rows
        self.total += (loss or 0.0) * rows
        classes = classes_of(outputs, targets)
        if classes is not None:
            self.answers += classes.size
            self.right += int(np.count_nonzero(np.argmax(plain(outputs), axis=-1) == classes))
        for metric in self.metrics:
            found = metric.sums(outputs, targets)
            self.sums[metric.name] = found + self.sums.get(metric.name, 0.0)

    def result(self) -> tuple[float, float | None]:
        """Mean loss and accuracy."""
        if not self.batches:
            raise ValueError(f"{self.where} has no batch: data that can be read only once last for one epoch")
        if not self.rows:
            raise ValueError(f"{self.where} has batches, but no row in them")
        return self.total / self.rows, self.right / self.answers if self.answers else None

    def measured(self) -> dict[str, float]:
        """The metrics."""
        return {metric.name: metric.value(self.sums[metric.name]) for metric in self.metrics if self.batches}

    def state(self) -> dict[str, Any]:
        """What has been added up, as plain data."""
        kept = {k: v for k, v in vars(self).items() if k not in ("where", "metrics", "sums")}
        return {**kept, "sums": dict(self.sums)}

    def restore(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A context in which a Module is in eval mode; afterwards each of its parts is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()] if isinstance(model, Module) else []
    for module, _ in before:
        module.training = False
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def classes_of(outputs: Any, targets: Any) -> NDArray[Any] | None:
    """The targets where they are class indices of the outputs, else None."""
    classes, shape = np.asarray(plain(targets)), np.shape(outputs)
    fits = classes.dtype.kind in "iu" and classes.shape == shape[:-1] and shape[-1:] > (1,)
    return classes if fits and np.all((classes >= 0) & (classes < shape[-1])) else None


def _loss(loss_fn: Loss, outputs: Any, targets: Any, tally: Tally) -> float:
    """The loss of a batch, without a graph; where outputs are nan or infinite, an error that says in which batch."""
    try:
        with no_grad(), np.errstate(all="ignore"), blamed(None, None, targets) as seen:
            seen.append(outputs)
            return float(plain(loss_fn(outputs, targets)))
    except FloatingPointError as error:
        raise FloatingPointError(f"in {tally.where}, batch {tally.batches + 1}: {error}") from error


def _answers(model: Model, data: Dataset | Batches) -> Iterator[tuple[Any, Any, Any]]:
    """Inputs, outputs and targets, batch by batch; nothing is recorded."""
    require_function("model", model)
    require_batches("data", data)
    if isinstance(data, Dataset):
        data = Loader(data, _ROWS, shuffle=False) if len(data) else ()
    for inputs, targets in pairs(data, "the data"):
        # What overflows shows in the outputs and the loss.
        with no_grad(), evaluating(model), np.errstate(all="ignore"), blamed(model, inputs, targets):
            outputs = model(inputs)
        yield inputs, outputs, targets
