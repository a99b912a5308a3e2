"""Learning rates that change from step to step: what schedules share, and those that scale the rate by a factor.

A schedule is a closed form: `at(t)` gives the rates after t steps. `step()` writes them into the parameter groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import cos, pi
from typing import Any

from .optimizer import Optimizer
from .options import count, finite, nonnegative


class Schedule(ABC):
    """Sets the learning rates of an optimiser's parameter groups, step by step.

    Made after the optimiser, it sets the rates for the first step; `step()`, called after the optimiser's, sets
    those for the next. What a "step" is, a batch or an epoch, is the caller's choice. A subclass gives `at`, and sets
    what that needs before it calls the constructor.

    Parameters
    ----------
    optimizer : Optimizer
        Its rates, as they are when the first schedule is made for it, are the base rates of all its schedules.

    Attributes
    ----------
    optimizer : Optimizer
    base_lrs : list of float
        One for each parameter group.
    last_epoch : int
        The steps done.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule is made for an optimiser, not for a {type(optimizer).__name__}")
        self.optimizer = optimizer
        # In the group, so that a schedule made after this one knows where the rates began.
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self.last_epoch = -1
        self.step()

    @abstractmethod
    def at(self, step: int) -> list[float]:
        """Return the rates after so many steps: the closed form, one for each group; it changes nothing."""

    def after(self, rates: Sequence[float], step: int) -> list[float]:
        """Return what follows the rates that were in force before step number `step`."""
        return self.at(step)

    def step(self) -> None:
        """Set the rates for the next step of the optimiser."""
        step = self.last_epoch + 1
        self.apply(self.after(self.get_last_lr(), step), step)

    def apply(self, rates: Sequence[float], step: int) -> None:
        """Put these rates in force, as those after so many steps."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.last_epoch = step

    def get_last_lr(self) -> list[float]:
        """Return the rates now in force."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"the optimiser had {len(self.base_lrs)} parameter groups when this {type(self).__name__} was made "
                f"and has {len(groups)}: add groups first"
            )
        return [group["lr"] for group in groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state: numbers and lists of numbers by name."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs), "last_lr": self.get_last_lr()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave, and set the rates that were in force then.

        Options are the constructor's.

        Raises
        ------
        ValueError
            When an entry is missing, unknown, or of another length; the schedule is then as before.
        """
        self._restore(matched(type(self).__name__, state, self.state_dict()))

    def _restore(self, loaded: Mapping[str, Any]) -> None:
        self.base_lrs = loaded["base_lrs"]
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["initial_lr"] = base
        self.apply(loaded["last_lr"], loaded["last_epoch"])

    def __repr__(self) -> str:
        rates = " | ".join(f"{rate:.4g}" for rate in self.get_last_lr())
        return f"{type(self).__name__}(after {self.last_epoch} steps: lr={rates})"


class Factor(Schedule):
    """A schedule lr = floor + (base − floor) · f(t).

    Where something else has changed the rate too, another schedule or the user, the step multiplies what it finds by
    f(t) / f(t − 1), so that such schedules may be used together, as in PyTorch.
    """

    floor = 0.0

    @abstractmethod
    def factor(self, step: int) -> float:
        """Return f(t)."""

    def at(self, step: int) -> list[float]:
        factor = self.factor(step)
        return [self.floor + (base - self.floor) * factor for base in self.base_lrs]

    def after(self, rates: Sequence[float], step: int) -> list[float]:
        before = self.at(step - 1) if step else self.base_lrs
        follows = zip(rates, before, self.at(step), strict=True)
        return [then if now == due else self._scaled(now, then, step) for now, due, then in follows]

    def _scaled(self, rate: float, planned: float, step: int) -> float:
        before, factor = self.factor(step - 1) if step else 1.0, self.factor(step)
        if before == 0.0:
            return planned
        return rate if factor == before else self.floor + (rate - self.floor) * (factor / before)


class StepLR(Factor):
    """Every `step_size` steps, times `gamma`: f(t) = gamma^⌊t / step_size⌋.

    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import SGD
    >>> sgd = SGD([SimpleNamespace(data=1.0, grad=1.0)], lr=1.0)
    >>> schedule = StepLR(sgd, step_size=2, gamma=0.5)
    >>> [schedule.at(t) for t in range(5)]
    [[1.0], [1.0], [0.5], [0.5], [0.25]]
    >>> for _ in range(2): sgd.step(); schedule.step()
    >>> sgd.lr
    0.5
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = count("step_size", step_size), nonnegative("gamma", gamma)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        return self.gamma ** (step // self.step_size)


class MultiStepLR(Factor):
    """At each of the `milestones`, times `gamma`: f(t) = gamma^(milestones up to t)."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(count("a milestone", milestone) for milestone in milestones)
        self.gamma = nonnegative("gamma", gamma)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        return self.gamma ** bisect_right(self.milestones, step)


class ExponentialLR(Factor):
    """At each step, times `gamma`: f(t) = gammaᵗ."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = nonnegative("gamma", gamma)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        return self.gamma**step


class LinearLR(Factor):
    """Linear warm-up: f goes from `start_factor` to `end_factor` in `total_iters` steps, and stays there."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3.0, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = nonnegative("start_factor", start_factor)
        self.end_factor = nonnegative("end_factor", end_factor)
        self.total_iters = count("total_iters", total_iters)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        done = min(step, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class CosineAnnealingLR(Factor):
    """Along a cosine from the base rate to `eta_min` in `T_max` steps: f(t) = (1 + cos(π t / T_max)) / 2.

    After T_max steps it rises again, as in PyTorch; `CosineAnnealingWarmRestarts` jumps instead.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.floor = count("T_max", T_max), nonnegative("eta_min", eta_min)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        return _cosine(step % (2 * self.T_max) / self.T_max)


class CosineAnnealingWarmRestarts(Factor):
    """Along a cosine from the base rate towards `eta_min`, again and again (Loshchilov and Hutter, 2017).

    The first round takes `T_0` steps, each round after it `T_mult` times as many as the one before.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0, self.T_mult = count("T_0", T_0), count("T_mult", T_mult)
        self.floor = nonnegative("eta_min", eta_min)
        super().__init__(optimizer)

    def factor(self, step: int) -> float:
        length = self.T_0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.T_mult
        return _cosine(step / length)

    def after(self, rates: Sequence[float], step: int) -> list[float]:
        return self.at(step)


class LambdaLR(Schedule):
    """The base rate times what a function of the step says.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or sequence of callables
        t ↦ factor; one for all groups, or one for each. Functions are not part of the state.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"{len(self.lr_lambdas)} functions for {groups} parameter groups: give one for each")
        super().__init__(optimizer)

    def at(self, step: int) -> list[float]:
        return [
            base * finite(f"the factor of step {step}", factor(step))
            for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


def matched(what: str, state: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a loaded state as numbers and lists of the kinds that `like` has.

    Raises
    ------
    ValueError
        When keys are missing or unknown, or an entry is no number, or a list of another length.
    """
    odd = sorted(like.keys() ^ set(state))
    if odd:
        raise ValueError(f"not a state of this {what}: {', '.join(map(repr, odd))} missing or unknown")
    return {key: _matched(key, state[key], example) for key, example in like.items()}


def _matched(key: str, value: Any, like: Any) -> Any:
    try:
        if not isinstance(like, list):
            if isinstance(like, int) and value != int(value):
                raise ValueError
            return type(like)(value)
        numbers = [float(number) for number in value]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"state {key!r} is like {like!r}, but what was loaded is {value!r}") from None
    if len(numbers) != len(like):
        raise ValueError(f"state {key!r} has {len(like)} numbers, but what was loaded has {len(numbers)}")
    return numbers


def _cosine(done: float) -> float:
    return (1.0 + cos(pi * done)) / 2.0
