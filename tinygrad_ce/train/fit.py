"""The training loop."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import index
from time import perf_counter
from typing import Any

import numpy as np

from ..data import Dataset
from ..nn import Module
from ..optim import LBFGS, clip_grad_norm
from .arguments import pairs, require_batches, require_function, require_optimiser, several
from .callbacks import Callback, Checkpoints, Stepping
from .evaluation import Batches, Loss, Model, Tally, judge
from .history import EpochReport, History
from .interrupts import deferred
from .learning import learner
from .metrics import Metric
from .progress import Progress
from .run import Callbacks, Optimiser, Run


def fit(
    model: Model,
    loader: Batches,
    loss_fn: Loss,
    optimiser: Optimiser,
    epochs: int,
    *,
    validation: Dataset | Batches | None = None,
    metrics: Metric | Sequence[Metric] = (),
    callbacks: Callbacks = (),
    schedule: Any = None,
    clip_norm: float | None = None,
    compiled: bool = False,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | Checkpoints | None = None,
    resume: bool = False,
    generators: Mapping[str, np.random.Generator] | None = None,
) -> History:
    """Train a model: for each batch of each epoch, loss, gradient, step.

    Nothing is drawn here: what `loader` and `model` draw by a seed makes the run reproducible to the bit.

    Ctrl-C is one more way to stop: the step that is going on is finished, a checkpoint saved where one was asked
    for, and the history is that of the epochs completed, with `interrupted` set. A second one stops at once:
    parameters and buffers are then those after the last whole step.

    Parameters
    ----------
    model : callable
        inputs ↦ outputs; a Module, or any function of the optimiser's parameters. A Module in eval mode is put into
        training mode for the while; one in training mode is left as it is, so a part in eval mode stays so.
    loader : iterable of (inputs, targets)
        Iterated once for each epoch.
    loss_fn : callable
        (outputs, targets) ↦ the mean loss of the rows, as a Value.
    optimiser : optimiser
        With the parameters to train.
    epochs : int
        At least 1.
    validation : Dataset or iterable of (inputs, targets), optional
        Evaluated in eval mode after each epoch, and never learnt from.
    metrics : Metric, or sequence of them
        Reported for each epoch, on what was learnt from and on `validation`.
    callbacks : callable or Callback, or sequence of them
        Each is called with an EpochReport after each epoch; where one returns a true value, training stops.
    schedule : object with step(), or Stepping
        Steps after each epoch; `Stepping(schedule, every="step")` does after each step.
    clip_norm : float, optional
        Gradients are scaled down together so that their norm is at most this.
    compiled : bool
        Whether loss and gradients of a batch are compiled (`tg.compile`), once for each shape of a batch. The numbers
        are eager code's to rounding; gradients lie in arrays that the next step writes into.
    progress : bool
        Show how it goes: a bar on a terminal, a table in a notebook, lines elsewhere.
    checkpoint : path or Checkpoints, optional
        Where to save, after each epoch and at the end, all that it takes to go on.
    resume : bool
        Go on from `checkpoint` where there is one. The run is then, bit for bit, the one that was not interrupted.
    generators : mapping of names to numpy.random.Generator, optional
        Sources of randomness that model or loss draw from and that are in no Module: kept in checkpoints.

    Returns
    -------
    History

    Raises
    ------
    FloatingPointError
        If a loss or a parameter is nan or infinite; the message says in which epoch and batch.
    ValueError
        If `epochs` is no positive integer, an epoch has no batch, a batch has no row, or shapes do not fit: the message
        names the layer.
    TypeError
        If an argument is of another kind, a batch is no pair, or `loss_fn` returns no Value.
    NotCaptured
        With `compiled`, if model or loss do what cannot be compiled; the message says what to write.
    OSError
        If the checkpoint cannot be written where it is to be; said before the first epoch.

    Warns
    -----
    RuntimeWarning
        If the first epoch makes the loss ten times as large as it was.
    """
    planned = _count(epochs)
    require_function("model", model)
    require_function("loss_fn", loss_fn)
    require_optimiser(optimiser)
    require_batches("the loader", loader)
    if validation is not None:
        require_batches("validation", validation)
    measured: tuple[Metric, ...] = several("metric", metrics, "sums", "F1()")
    told = several("callback", callbacks, "__call__", "EarlyStopping()")
    saver = checkpoint if isinstance(checkpoint, Checkpoints) or checkpoint is None else Checkpoints(checkpoint)
    if resume and saver is None:
        raise ValueError("resume=True goes on from a checkpoint: say which with checkpoint=path")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is a number above 0, not {clip_norm!r}")
    _require_fitting(model, optimiser)
    listed: list[Any] = [*told, *_stepping(schedule), *([saver] if saver else []), *[Progress()] * bool(progress)]
    run = Run(model, optimiser, loader, planned, listed, generators)
    if resume and saver is not None:
        run.resume(saver.path)
    training = _Training(run, loss_fn, validation, measured, clip_norm, compiled)
    with _training_mode(model), deferred() as asked:
        training.asked = asked
        _carry_out(run, training)
    return run.history


# -- pieces --------------------------------------------------------------------------------------------


def _require_fitting(model: Model, optimiser: Optimiser) -> None:
    """What would train nothing."""
    if isinstance(model, Module):
        held = {id(param) for param in optimiser.params}
        if not any(id(param) in held for param in model.parameters()):
            raise ValueError(
                f"the optimiser holds none of the parameters of this {type(model).__name__}: "
                f"make it of model.parameters()"
            )


def _carry_out(run: Run, training: _Training) -> None:
    told = [callback for callback in run.callbacks if isinstance(callback, Callback)]
    begun: list[Callback] = []
    try:
        for callback in told:
            callback.begin(run)
            begun.append(callback)
        while run.epoch <= run.epochs and not run.history.stopped and training.epoch():
            pass
        run.history.interrupted = training.asked()
    except KeyboardInterrupt:
        run.restore()
        run.history.interrupted = True
    except BaseException:
        run.failed = True
        raise
    finally:
        # What is saved is where training stands, not what another callback makes of the model at the end.
        for callback in sorted(begun, key=lambda callback: not isinstance(callback, Checkpoints)):
            callback.end(run)


class _Training:
    """What is done in an epoch; each method is false where Ctrl-C cut it short."""

    def __init__(
        self,
        run: Run,
        loss_fn: Loss,
        validation: Dataset | Batches | None,
        metrics: Sequence[Metric],
        clip_norm: float | None,
        compiled: bool,
    ) -> None:
        self.run, self.loss_fn, self.validation = run, loss_fn, validation
        self.learn = learner(run.model, loss_fn, run.optimiser.params, compiled)
        self.metrics, self.clip_norm = metrics, clip_norm
        self.told = [c for c in run.callbacks if isinstance(c, Callback) and type(c).step is not Callback.step]
        self.asked: Callable[[], bool] = lambda: False

    def epoch(self) -> bool:
        """Learn from every batch, judge by the validation, and tell callbacks."""
        run = self.run
        run.begin_epoch(Tally(f"epoch {run.epoch}", self.metrics))
        judged = Tally(f"the validation of epoch {run.epoch}", self.metrics)
        start = perf_counter() - run.seconds
        whole = self._learn(start) and (
            self.validation is None or judge(run.model, self.validation, self.loss_fn, judged, self.asked)
        )
        if not whole:
            return False
        assert run.tally is not None
        loss, right = run.tally.result()
        validation_loss, validation_right = judged.result() if self.validation is not None else (None, None)
        report = EpochReport(
            run.epoch,
            run.epochs,
            loss,
            right,
            validation_loss,
            validation_right,
            seconds=perf_counter() - start,
            step=run.step,
            lr=getattr(run.optimiser, "lr", None),
            metrics=run.tally.measured(),
            validation_metrics=judged.measured(),
        )
        run.history.reports.append(report)
        run.epoch, run.batch, run.tally = run.epoch + 1, 0, None
        answers = [callback(report) for callback in run.callbacks]
        run.history.stopped = any(answers)
        run.flush()
        return not self.asked()

    def _learn(self, start: float) -> bool:
        """One pass over the batches."""
        run, tally = self.run, self.run.tally
        assert tally is not None
        first = None
        # What overflows shows in the loss, and is raised there with its place.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            batches = _from(run.loader, run.batch)
            for inputs, targets in pairs(batches, f"epoch {run.epoch}", run.batch + 1):
                loss = self._step(inputs, targets)
                first = loss if first is None else first
                run.seconds = perf_counter() - start
                run.flush()
                if self.asked():
                    return False
        mean, _ = tally.result()
        run.require_finite()
        if run.epoch == 1 and first is not None and mean > 10 * max(first, 1e-3):
            lr = getattr(run.optimiser, "lr", None)
            warnings.warn(
                f"the loss was {first:.3g} at first and {mean:.3g} over epoch 1: the learning rate"
                f"{'' if lr is None else f' {lr:g}'} is probably too large; tinygrad_ce.train.find_lr finds one",
                RuntimeWarning,
                stacklevel=5,
            )
        return True

    def _step(self, inputs: Any, targets: Any) -> float:
        run = self.run
        assert run.tally is not None
        run.settled = False
        try:
            outputs, loss = self.learn(inputs, targets)
        except FloatingPointError as error:
            raise FloatingPointError(f"in epoch {run.epoch}, batch {run.batch + 1}: {error}") from error
        if np.shape(outputs)[:1] == (0,):
            raise ValueError(f"batch {run.batch + 1} of epoch {run.epoch} has no row: leave empty batches out")
        value = loss.item()
        run.tally.add(value, outputs, targets, inputs)  # which refuses what is not finite, before the step
        if self.clip_norm is not None:
            clip_grad_norm(run.optimiser.params, self.clip_norm)
        if isinstance(run.optimiser, LBFGS):  # which looks at the loss elsewhere before it takes a step
            run.optimiser.step(lambda: self.learn(inputs, targets)[1])
        else:
            run.optimiser.step()
        run.batch, run.step, run.loss = run.batch + 1, run.step + 1, value
        for callback in self.told:
            callback.step(run)
        run.settle()
        return value


def _from(loader: Batches, batch: int) -> Iterator[Any]:
    """The batches of an epoch from a given one on: those before it are drawn, and passed over."""
    batches = iter(loader)
    for _ in range(batch):
        with suppress(StopIteration):
            next(batches)
    yield from batches


def _stepping(schedule: Any) -> list[Stepping]:
    if schedule is None:
        return []
    return [schedule if isinstance(schedule, Stepping) else Stepping(schedule)]


class _training_mode:
    """A context in which a Module whose root is in eval mode trains."""

    def __init__(self, model: Any) -> None:
        asleep = isinstance(model, Module) and not model.training
        self.before = [(module, module.training) for module in model.modules()] if asleep else []

    def __enter__(self) -> None:
        for module, _ in self.before:
            module.training = True

    def __exit__(self, *error: object) -> None:
        for module, training in self.before:
            module.training = training


def _count(epochs: int) -> int:
    try:
        count = index(epochs)
    except TypeError:
        count = 0
    if count < 1 or isinstance(epochs, bool):
        raise ValueError(f"epochs is an integer of at least 1, not {epochs!r}")
    return count
