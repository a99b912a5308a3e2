"""Hyperparameters: what values they take, and how one is read and written for all parameter groups at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from operator import index
from typing import Any


class Option:
    """A hyperparameter of an optimiser: declared as a class attribute, checked, kept in each parameter group.

    Read on the optimiser, it is the value that all groups share; written there, it is written to all of them.

    Parameters
    ----------
    check : callable
        (name, value) ↦ the value as it is kept; raises ValueError where it is none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from tinygrad_ce.optim import SGD
    >>> sgd = SGD([SimpleNamespace(data=1.0, grad=None)], momentum=0.9)
    >>> sgd.momentum = 0.8
    >>> sgd.param_groups[0]["momentum"]
    0.8
    >>> sgd.momentum = -1
    Traceback (most recent call last):
        ...
    ValueError: momentum is at least 0, not -1
    """

    def __init__(self, check: Callable[[str, Any], Any]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        if optimizer is None:
            return self
        values = [group[self.name] for group in optimizer.param_groups]
        if any(value != values[0] for value in values):
            raise ValueError(
                f"the parameter groups differ in {self.name} ({', '.join(map(str, values))}): "
                f"read optimizer.param_groups[i]['{self.name}']"
            )
        return values[0]

    def __set__(self, optimizer: Any, value: Any) -> None:
        optimizer.defaults[self.name] = checked = self.check(self.name, value)
        for group in optimizer.param_groups:
            group[self.name] = checked


def used(value: Any) -> bool:
    """Whether an option does anything: a float that is 0 does not; what a compiler traces does."""
    return not (isinstance(value, float) and value == 0.0)


def parted(options: Mapping[str, Any], *scheduled: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of these names, and the others."""
    return {name: options[name] for name in scheduled}, {k: x for k, x in options.items() if k not in scheduled}


def with_betas(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with ``beta1`` and ``beta2``, the numbers of ``betas``, in its place where they are not yet."""
    beta1, beta2 = options["betas"]
    return {"beta1": beta1, "beta2": beta2, **{name: value for name, value in options.items() if name != "betas"}}


def declared(optimizer: type) -> dict[str, Option]:
    """Return the options that a class and its bases declare, those of the bases first."""
    classes = reversed(optimizer.__mro__)
    return {name: thing for cls in classes for name, thing in vars(cls).items() if isinstance(thing, Option)}


def nonnegative(name: str, value: Any) -> float:
    """Return a hyperparameter as a float; ValueError when negative, NaN or infinite."""
    number = finite(name, value)
    if number < 0.0:
        raise ValueError(f"{name} is at least 0, not {value!r}")
    return number


def finite(name: str, value: Any) -> float:
    """Return a hyperparameter as a float; ValueError when NaN or infinite."""
    try:
        number = float(value)
    except TypeError:
        raise ValueError(f"{name} is a number, not {value!r}") from None
    if not isfinite(number):
        raise ValueError(f"{name} is a finite number, not {value!r}")
    return number


def fraction(name: str, value: Any) -> float:
    """Return how much is remembered from step to step, as a float; ValueError outside [0, 1)."""
    number = finite(name, value)
    if not 0.0 <= number < 1.0:
        raise ValueError(f"{name} is at least 0 and below 1, not {value!r}")
    return number


def betas(name: str, value: Any) -> tuple[float, float]:
    """Return two fractions; ValueError when they are none."""
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(0.0 <= beta < 1.0 for beta in value):
        raise ValueError(f"{name} are two numbers, each at least 0 and below 1, not {value!r}")
    return float(value[0]), float(value[1])


def flag(name: str, value: Any) -> bool:
    """Return True or False; ValueError for what is neither, nor 0 or 1."""
    if value not in (True, False):
        raise ValueError(f"{name} is True or False, not {value!r}")
    return bool(value)


def count(name: str, value: Any) -> int:
    """Return a positive integer; ValueError when it is none."""
    try:
        number = index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"{name} is an integer of at least 1, not {value!r}")
    return number
