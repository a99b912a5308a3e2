"""Schedules made of schedules: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer
from .options import count
from .schedule import Schedule


class _Joined(Schedule):
    """A schedule whose parts were made for the same optimiser."""

    def __init__(self, optimizer: Optimizer, schedulers: Iterable[Schedule]) -> None:
        self.schedulers = list(schedulers)
        if not self.schedulers:
            raise ValueError(f"{type(self).__name__} joins schedules: give at least one")
        for schedule in self.schedulers:
            if not isinstance(schedule, Schedule):
                what = f"{type(schedule).__name__}, which has no rate for a given step"
                raise TypeError(f"{type(self).__name__} cannot join a {what}: step it beside the others")
            if schedule.optimizer is not optimizer:
                raise ValueError(f"{schedule!r} was made for another optimiser: make all for one")
        super().__init__(optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return the state: numbers and lists of numbers by name, those of part i under ``"i.name"``."""
        parts = enumerate(self.schedulers)
        inner = {f"{i}.{key}": value for i, part in parts for key, value in part.state_dict().items()}
        return {**super().state_dict(), **inner}

    def _restore(self, loaded: Mapping[str, Any]) -> None:
        for number, part in enumerate(self.schedulers):
            start = f"{number}."
            part._restore({key[len(start) :]: loaded[key] for key in loaded if key.startswith(start)})
        super()._restore(loaded)


class SequentialLR(_Joined):
    """One schedule after another: number k begins, at its own step 0, after `milestones[k − 1]` steps.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of schedules
        All made for this optimiser; it is theirs to step them.
    milestones : sequence of int
        Rising, one fewer than schedules.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import SGD, CosineAnnealingLR, LinearLR
    >>> sgd = SGD([SimpleNamespace(data=1.0, grad=1.0)], lr=1.0)
    >>> warm, cool = LinearLR(sgd, 0.25, total_iters=3), CosineAnnealingLR(sgd, T_max=4)
    >>> schedule = SequentialLR(sgd, [warm, cool], milestones=[3])
    >>> [round(schedule.at(t)[0], 3) for t in range(7)]
    [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        self.milestones = [count("a milestone", milestone) for milestone in milestones]
        if self.milestones != sorted(set(self.milestones)) or len(self.milestones) != len(schedulers) - 1:
            raise ValueError(
                f"milestones rise, one fewer than the {len(schedulers)} schedules, not {list(milestones)!r}"
            )
        super().__init__(optimizer, schedulers)

    def at(self, step: int) -> list[float]:
        part, done = self._place(step)
        return part.at(done)

    def after(self, rates: Sequence[float], step: int) -> list[float]:
        part, done = self._place(step)
        return part.after(rates, done) if done else part.at(0)

    def apply(self, rates: Sequence[float], step: int) -> None:
        part, done = self._place(step)
        part.apply(rates, done)
        self.last_epoch = step

    def _place(self, step: int) -> tuple[Schedule, int]:
        """The schedule of a step, and how far it has come."""
        number = bisect_right(self.milestones, step)
        return self.schedulers[number], step - ([0] + self.milestones)[number]


class ChainedScheduler(_Joined):
    """Several schedules at once, each changing what those before it leave.

    Parameters
    ----------
    schedulers : sequence of schedules
        All made for one optimiser; it is theirs to step them.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import SGD, ExponentialLR, LinearLR
    >>> sgd = SGD([SimpleNamespace(data=1.0, grad=1.0)], lr=1.0)
    >>> schedule = ChainedScheduler([LinearLR(sgd, 0.5, total_iters=2), ExponentialLR(sgd, 0.9)])
    >>> [round(schedule.at(t)[0], 4) for t in range(4)]
    [0.5, 0.675, 0.81, 0.729]
    """

    def __init__(self, schedulers: Sequence[Schedule], optimizer: Optimizer | None = None) -> None:
        owner = optimizer or getattr(next(iter(schedulers), None), "optimizer", None)
        if owner is None:
            raise ValueError("ChainedScheduler joins schedules: give at least one")
        for group in owner.param_groups:
            group["lr"] = group.get("initial_lr", group["lr"])
        super().__init__(owner, schedulers)

    def at(self, step: int) -> list[float]:
        rates = self.base_lrs
        for done in range(step + 1):
            rates = self.after(rates, done)
        return list(rates)

    def after(self, rates: Sequence[float], step: int) -> list[float]:
        for part in self.schedulers:
            rates = part.after(rates, step)
        return list(rates)

    def apply(self, rates: Sequence[float], step: int) -> None:
        for part in self.schedulers:
            part.apply(rates, step)
        self.last_epoch = step
