"""One cycle: the learning rate up and down once, momentum the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi

from .optimizer import Optimizer
from .options import count, fraction, nonnegative
from .schedule import Schedule

# From what to what in a phase, done to a part between 0 and 1.
Path = Callable[[float, float, float], float]


class OneCycleLR(Schedule):
    """One cycle (Smith and Topin, 2018), for which each batch is a step.

    The rate goes from max_lr / div_factor up to max_lr, and down to max_lr / (div_factor · final_div_factor);
    momentum (β₁ of Adam and its like) from `max_momentum` down to `base_momentum` and up again.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or sequence of floats
        For all parameter groups, or for each.
    total_steps : int, optional
        The length of the cycle; or `epochs` times `steps_per_epoch`.
    pct_start : float, optional
        The fraction of it that goes up.
    anneal_strategy : {"cos", "linear"}, optional
        Along half a cosine, or a straight line.
    cycle_momentum : bool, optional
        False leaves momentum alone.
    base_momentum, max_momentum, div_factor, final_div_factor : float, optional
        As above.
    three_phase : bool, optional
        Down as fast as up, and only then to the last rate.

    Raises
    ------
    ValueError
        For options out of range; for momentum to cycle where the optimiser has none; from `step`, for more steps
        than the cycle has.

    Notes
    -----
    Defaults, order of arguments and rates are those of ``torch.optim.lr_scheduler.OneCycleLR``. After `total_steps`
    steps, one more than any optimiser uses, the last rate holds.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import Adam
    >>> adam = Adam([SimpleNamespace(data=1.0, grad=1.0)])
    >>> schedule = OneCycleLR(adam, max_lr=1.0, total_steps=10)
    >>> [round(schedule.at(t)[0], 2) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    >>> adam.betas
    (0.95, 0.999)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if anneal_strategy not in _PATHS:
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        self._path = _PATHS[anneal_strategy]
        groups = optimizer.param_groups
        self.max_lrs = _each("max_lr", max_lr, len(groups))
        self.div_factor, self.final_div_factor = float(div_factor), float(final_div_factor)
        if not (self.div_factor > 0.0 and self.final_div_factor > 0.0):
            raise ValueError("div_factor and final_div_factor are greater than 0")
        if not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"pct_start is a fraction from 0 to 1, not {pct_start!r}")
        self._ends = _ends(self.total_steps, pct_start, three_phase)
        self.momentum = (fraction("max_momentum", max_momentum), fraction("base_momentum", base_momentum))
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not any("momentum" in group or "betas" in group for group in groups):
            raise ValueError(f"{type(optimizer).__name__} has no momentum to cycle: pass cycle_momentum=False")
        for group, peak in zip(groups, self.max_lrs, strict=True):
            group["initial_lr"] = peak / self.div_factor
        super().__init__(optimizer)

    def at(self, step: int) -> list[float]:
        return [
            self._between(step, start, peak, start / self.final_div_factor)
            for start, peak in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def momentum_at(self, step: int) -> float:
        """Return momentum after so many steps."""
        high, low = self.momentum
        return self._between(step, high, low, high)

    def _between(self, step: int, start: float, peak: float, last: float) -> float:
        """Where a number is that goes from start to peak and back, or on to its last value."""
        stops = [start, peak, last] if len(self._ends) == 2 else [start, peak, start, last]
        if step > self.total_steps:
            raise ValueError(f"the cycle has {self.total_steps} steps: step {step} is beyond it")
        begin = 0.0
        for phase, end in enumerate(self._ends):
            if step <= end:
                break
            begin = end if phase + 1 < len(self._ends) else begin
        done = min((step - begin) / (end - begin), 1.0) if end > begin else 1.0
        return self._path(stops[phase], stops[phase + 1], done)

    def apply(self, rates: Sequence[float], step: int) -> None:
        super().apply(rates, step)
        if not self.cycle_momentum:
            return
        momentum = self.momentum_at(step)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif "momentum" in group:
                group["momentum"] = momentum


def _length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return count("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("the length of the cycle is total_steps, or epochs with steps_per_epoch: give it")
    return count("epochs", epochs) * count("steps_per_epoch", steps_per_epoch)


def _ends(total: int, up: float, three_phase: bool) -> list[float]:
    """The step at which each phase ends."""
    if three_phase:
        return [up * total - 1.0, 2.0 * up * total - 2.0, total - 1.0]
    return [up * total - 1.0, total - 1.0]


def _each(name: str, value: float | Sequence[float], groups: int) -> list[float]:
    values = [value] * groups if isinstance(value, int | float) else list(value)
    if len(values) != groups:
        raise ValueError(f"{name} has {len(values)} values for {groups} parameter groups")
    return [nonnegative(name, number) for number in values]


_PATHS: dict[str, Path] = {
    "cos": lambda start, end, done: end + (start - end) / 2.0 * (1.0 + cos(pi * done)),
    "linear": lambda start, end, done: start + (end - start) * done,
}
