"""The learning rate lowered where progress stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from operator import index
from typing import Any

from .optimizer import Optimizer
from .options import finite, fraction, nonnegative
from .schedule import matched


class ReduceLROnPlateau:
    """Times `factor` once a measure has not improved for more than `patience` steps.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}, optional
        Whether the measure, a loss or an accuracy, is to fall or to rise.
    factor : float, optional
        Below 1.
    patience : int, optional
        Steps without improvement that are put up with.
    threshold : float, optional
        What counts as an improvement: by this fraction of the best ("rel"), or by this much ("abs").
    threshold_mode : {"rel", "abs"}, optional
    cooldown : int, optional
        Steps after a reduction that do not count.
    min_lr : float, or sequence of floats
        No rate is set below it; for all parameter groups, or for each.
    eps : float, optional
        A reduction by less than this is not made.

    Notes
    -----
    Defaults, order of arguments and rates are those of ``torch.optim.lr_scheduler.ReduceLROnPlateau``. NaN is no
    improvement.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import SGD
    >>> sgd = SGD([SimpleNamespace(data=1.0, grad=1.0)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(sgd, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0): schedule.step(loss)
    >>> sgd.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', not {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is 'rel' or 'abs', not {threshold_mode!r}")
        self.optimizer, self.mode = optimizer, mode
        self.factor = fraction("factor", factor)
        self.patience, self.cooldown = index(patience), index(cooldown)
        self.threshold, self.threshold_mode = finite("threshold", threshold), threshold_mode
        self.eps = nonnegative("eps", eps)
        groups = len(optimizer.param_groups)
        least = [min_lr] * groups if isinstance(min_lr, int | float) else list(min_lr)
        if len(least) != groups:
            raise ValueError(f"min_lr has {len(least)} values for {groups} parameter groups")
        self.min_lrs = [nonnegative("min_lr", rate) for rate in least]
        self.best = inf if mode == "min" else -inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, metrics: Any) -> None:
        """Take note of the measure after a step, a number, and lower the rates where it is time.

        Raises
        ------
        TypeError
            For what is no number.
        """
        measure = float(metrics.item() if hasattr(metrics, "item") else metrics)
        self.last_epoch += 1
        if self._improves(measure):
            self.best, self.num_bad_epochs = measure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """Return the rates now in force."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state: numbers and a list of numbers by name; before the first step `best` is infinite."""
        names = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")
        return {**{name: getattr(self, name) for name in names}, "last_lr": self.get_last_lr()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave, and set the rates that were in force then.

        Raises
        ------
        ValueError
            When an entry is missing, unknown, or of another length; the schedule is then as before.
        """
        loaded = matched(type(self).__name__, state, self.state_dict())
        for group, rate in zip(self.optimizer.param_groups, loaded.pop("last_lr"), strict=True):
            group["lr"] = rate
        for name, value in loaded.items():
            setattr(self, name, value)

    def _improves(self, measure: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "rel":
            return sign * measure < sign * (self.best * (1.0 - sign * self.threshold))
        return sign * measure < sign * self.best - self.threshold

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lower = max(group["lr"] * self.factor, least)
            if group["lr"] - lower > self.eps:
                group["lr"] = lower

    def __repr__(self) -> str:
        rates = " | ".join(f"{rate:.4g}" for rate in self.get_last_lr())
        return f"ReduceLROnPlateau(after {self.last_epoch} steps: lr={rates}, best {self.best:.4g})"
