"""Losses that are a term for each entry or row: how terms become one number, and a cotangent becomes the terms'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..node import plain
from .exponentials import narrow, wide
from .sums import total

REDUCTIONS = ("mean", "sum", "none")


def reduced(terms: Any, reduction: str, like: Any) -> Any:
    """The terms (at least float64) as the reduction wants them, in the dtype of what they were computed from."""
    if reduction == "none":
        return narrow(terms, like)
    loss = total(terms)
    return narrow(loss / max(np.size(plain(terms)), 1) if reduction == "mean" else loss, like)


def shared(g: Any, terms: int, reduction: str) -> Any:
    """The cotangent of the loss as one of its terms."""
    return wide(g) / max(terms, 1) if reduction == "mean" else wide(g)


def require(op: str, reduction: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Raise ValueError where the reduction is none."""
    if reduction not in allowed:
        *names, last = map(repr, allowed)
        raise ValueError(f"{op}: reduction is {', '.join(names)} or {last}, not {reduction!r}")


def same_shapes(op: str, inputs: Mapping[str, Any]) -> None:
    """Raise ValueError where two inputs differ in shape: broadcasting a loss is a mistake more often than not."""
    (first, x), *others = inputs.items()
    for name, y in others:
        if np.shape(y) != np.shape(x):
            raise ValueError(f"{op}: {name} of shape {np.shape(y)} for {first} of shape {np.shape(x)}")


def averaged(options: Mapping[str, Any]) -> bool:
    """Whether a loss is one number: for invariants."""
    return options["reduction"] != "none"
