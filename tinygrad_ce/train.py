"""Training: one loop, what it reports, and how well a model does.

>>> import numpy as np, tinygrad_ce as tg
>>> from tinygrad_ce.data import Loader, iris, split, standardise
>>> from tinygrad_ce.nn import MLP
>>> from tinygrad_ce.optim import Adam
>>> train, test = standardise(*split(iris()))
>>> model = MLP([4, 16, 3], rng=np.random.default_rng(0))
>>> optimiser = Adam(model.parameters(), lr=0.01)
>>> history = fit(model, Loader(train), tg.softmax_cross_entropy, optimiser, epochs=30, validation=test)
>>> len(history), accuracy(model, test) > 0.9
(30, True)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from .data import Dataset
from .evaluation import Batches, Loss, Model, Tally, accuracy, confusion, judge
from .history import EpochReport, History
from .value import Value

__all__ = ["EpochReport", "History", "Optimiser", "accuracy", "confusion", "fit"]


class Optimiser(Protocol):
    """What `fit` asks of an optimiser."""

    @property
    def params(self) -> Sequence[Any]: ...
    def zero_grad(self) -> None: ...
    def step(self) -> None: ...


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

    Ctrl-C is one more way to stop: parameters are then those after the last whole step, and the history is
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
        Each is called with an EpochReport after each epoch; where one returns a true value, training stops.

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
            judged: tuple[float | None, float | None] = (None, None)
            if validation is not None:
                judged = judge(model, validation, loss_fn, f"the validation of epoch {epoch}")
            report = EpochReport(epoch, planned, loss, right, *judged, seconds=perf_counter() - start)
            history.reports.append(report)
            answers = [callback(report) for callback in callbacks]
            if any(answers):
                history.stopped = True
                break
    except KeyboardInterrupt:
        parameters.restore()
        history.interrupted = True
    return history


# -- pieces --------------------------------------------------------------------------------------------


class _Parameters:
    """An optimiser's parameters as they were after the last whole step.

    An optimiser puts new arrays in the place of old ones, so to remember them takes no copy.
    """

    def __init__(self, optimiser: Optimiser) -> None:
        self.params = list(optimiser.params)
        self.settle()

    def settle(self) -> None:
        self.data = [param.data for param in self.params]

    def restore(self) -> None:
        for param, data in zip(self.params, self.data, strict=True):
            param.data = data

    def require_finite(self, epoch: int) -> None:
        for i, param in enumerate(self.params):
            if not np.all(np.isfinite(param.data)):
                name = getattr(param, "label", "") or f"number {i}"
                raise FloatingPointError(
                    f"parameter {name} is not finite after epoch {epoch}: try a smaller learning rate"
                )


def _learn(
    model: Model, loader: Batches, loss_fn: Loss, optimiser: Optimiser, parameters: _Parameters, epoch: int
) -> tuple[float, float | None]:
    """One pass over the batches: mean loss and accuracy."""
    tally = Tally(f"epoch {epoch}")
    # What overflows shows in the loss, and is raised there with its place.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for inputs, targets in loader:
            outputs = model(inputs)
            loss = loss_fn(outputs, targets)
            if not isinstance(loss, Value):
                raise TypeError(f"loss_fn returned a {type(loss).__name__}, not a Value to differentiate")
            tally.add(loss.item(), outputs, targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            parameters.settle()
    result = tally.result()
    parameters.require_finite(epoch)
    return result


def _count(epochs: int) -> int:
    try:
        count = index(epochs)
    except TypeError:
        count = 0
    if count < 1 or isinstance(epochs, bool):
        raise ValueError(f"epochs is an integer of at least 1, not {epochs!r}")
    return count
