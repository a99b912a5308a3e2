"""Callbacks: what happens beside training.

    fit(..., callbacks=[EarlyStopping(patience=5), lambda report: report.loss < 0.01])

Any function of an EpochReport is one, and where it returns a true value training stops. A Callback is told more: when
the run begins, after every step, and when it ends, however it ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoint import require_savable
from .history import EpochReport

if TYPE_CHECKING:
    from .run import Run


class Callback:
    """Told of a run; every method may be left out.

    One that has `state_dict` and `load_state_dict` is saved in checkpoints, and goes on where it was.
    """

    def begin(self, run: Run) -> None:
        """Before the first batch; after a resumption, before the next one."""

    def step(self, run: Run) -> None:
        """After a step, while gradients are still there and `run.before` has the parameters' data before it."""

    def __call__(self, report: EpochReport) -> Any:
        """After an epoch; a true value stops training."""

    def end(self, run: Run) -> None:
        """At the end, be it one with an error."""


@dataclass
class _Watch:
    """A number of the reports, and which way is better."""

    name: str
    mode: str | None
    best: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in (None, "min", "max"):
            raise ValueError(f"mode is 'min' or 'max', or None to tell by the name, not {self.mode!r}")
        if self.mode is None:
            small = ("loss", "perplexity", "ece", "error")
            self.mode = "min" if self.name.endswith(small) else "max"

    def improved(self, report: EpochReport, by: float = 0.0) -> bool:
        """Whether the report has the best number so far, which is then remembered."""
        value = report.value(self.name)
        sign = 1.0 if self.mode == "min" else -1.0
        if self.best is not None and not sign * value < sign * self.best - by:
            return False
        self.best = value
        return True


class EarlyStopping(Callback):
    """Stop when a number of the reports has not become better for some epochs, and go back to where it was best.

    Parameters
    ----------
    watch : str
        Which number: "validation_loss", "validation_accuracy", a metric's name.
    patience : int
        How many epochs without an improvement are borne.
    min_delta : float
        What counts as one.
    mode : "min" or "max", optional
        By default "min" for losses, perplexity and calibration, else "max".
    restore_best : bool
        At the end, unless it came by Ctrl-C, give the model its parameters and buffers of the best epoch.

    Attributes
    ----------
    best : float or None
    best_epoch : int
    """

    def __init__(
        self,
        watch: str = "validation_loss",
        patience: int = 10,
        *,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or patience < 1:
            raise ValueError(f"patience is a number of epochs, at least 1, not {patience!r}")
        if min_delta < 0:
            raise ValueError(f"min_delta is at least 0, not {min_delta!r}")
        self.patience, self.min_delta, self.restore_best = patience, min_delta, restore_best
        self._watch = _Watch(watch, mode)
        self.best_epoch = 0
        self._kept: dict[str, Any] = {}
        self._run: Run | None = None

    @property
    def best(self) -> float | None:
        return self._watch.best

    def begin(self, run: Run) -> None:
        self._run = run

    def __call__(self, report: EpochReport) -> bool:
        if self._watch.improved(report, self.min_delta):
            self.best_epoch = report.epoch
            if self.restore_best and self._run is not None:
                self._kept = {name: place.data for name, place in self._run.places.items()}
        return report.epoch - self.best_epoch >= self.patience

    def end(self, run: Run) -> None:
        if self.restore_best and self._kept and not run.history.interrupted:
            for name, place in run.places.items():
                place.data = self._kept[name]

    def state_dict(self) -> dict[str, Any]:
        kept = {f"best.{name}": np.array(array) for name, array in self._kept.items()}
        return {"progress": {"best": self.best, "best_epoch": self.best_epoch}, **kept}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        self._watch.best, self.best_epoch = state["progress"]["best"], state["progress"]["best_epoch"]
        self._kept = {name.removeprefix("best."): a for name, a in state.items() if name != "progress"}


class Checkpoints(Callback):
    """Save all that it takes to go on, after epochs or steps, and at the end; the file before is kept.

    Parameters
    ----------
    path : str or path-like
        `.safetensors` (extra `safetensors`) or `.npz`.
    every : int
        Epochs between two saves.
    steps : int, optional
        Steps between two saves, besides.
    best : str, optional
        A number of the reports: the epoch where it is best is saved to `best_path` as well.
    mode : "min" or "max", optional
        As for `EarlyStopping`.
    meta : mapping, optional
        What to say in the file: anything for JSON.

    Attributes
    ----------
    best_path : Path
        run.npz → run.best.npz.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        steps: int | None = None,
        best: str | None = None,
        mode: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        for name, number in (("every", every), ("steps", steps)):
            if number is not None and (isinstance(number, bool) or number < 1):
                raise ValueError(f"{name} is an integer of at least 1, not {number!r}")
        self.path = Path(path)
        self.best_path = self.path.with_name(f"{self.path.stem}.best{self.path.suffix}")
        self.every, self.steps, self.meta = every, steps, dict(meta or {})
        self._watch = None if best is None else _Watch(best, mode)
        self._run: Run | None = None

    def begin(self, run: Run) -> None:
        require_savable(self.path)  # not only after an epoch
        self._run = run

    def step(self, run: Run) -> None:
        if self.steps is not None and run.step % self.steps == 0:
            run.later.append(lambda: run.save(self.path, self.meta))

    def __call__(self, report: EpochReport) -> None:
        run = self._run
        assert run is not None
        if self._watch is not None and self._watch.improved(report):
            run.later.append(lambda: run.save(self.best_path, self.meta, last=False))
        if report.epoch % self.every == 0:
            run.later.append(lambda: run.save(self.path, self.meta))

    def end(self, run: Run) -> None:
        if run.settled and not run.failed and run.saved_position != run.position:
            run.save(self.path, self.meta)

    def state_dict(self) -> dict[str, Any]:
        return {"progress": {"best": None if self._watch is None else self._watch.best}}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        if self._watch is not None:
            self._watch.best = state["progress"]["best"]


class Stepping(Callback):
    """Step a schedule of the learning rate after every epoch, or after every step.

    Parameters
    ----------
    schedule : object with step()
        Of `tinygrad_ce.optim`, or any like it.
    every : "epoch" or "step"
    watch : str, optional
        A number of the reports that `step` wants, as that of a plateau does.
    """

    def __init__(self, schedule: Any, every: str = "epoch", watch: str | None = None) -> None:
        if every not in ("epoch", "step"):
            raise ValueError(f"every is 'epoch' or 'step', not {every!r}")
        if every == "step" and watch is not None:
            raise ValueError("a number of the reports comes after each epoch: every='epoch'")
        if not callable(getattr(schedule, "step", None)):
            raise TypeError(f"a schedule has a method step(), and {schedule!r:.60} has none")
        self.schedule, self.every, self.watch = schedule, every, watch

    def step(self, run: Run) -> None:
        if self.every == "step":
            self.schedule.step()

    def __call__(self, report: EpochReport) -> None:
        if self.every == "epoch":
            self.schedule.step(*([] if self.watch is None else [report.value(self.watch)]))

    def state_dict(self) -> dict[str, Any]:
        return dict(self.schedule.state_dict()) if hasattr(self.schedule, "state_dict") else {}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        if state:
            self.schedule.load_state_dict(state)
