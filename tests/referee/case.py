"""What the referee is tried on: a function, a hand-written gradient of it, and what ought to be said about the pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DIAGNOSES = (
    "sign",
    "factor",  # a constant one: N, 1/N, 2, 1 + 1e-4
    "g ignored",
    "transposed",
    "axis",  # reduced or normalised along the wrong one
    "not summed",  # a broadcast input's gradient not summed, or summed over the wrong axes
    "elementwise",  # a coupled Jacobian treated as diagonal
    "simplex",  # a residual proportional to yhat * (sum y - 1)
    "options forgotten",  # weights, smoothing, mask, ignore_index, scale
    "mask",
    "one index",  # a few entries wrong
    "cancellation",  # digits lost in floating point
    "not linear",  # in g
    "term missing",
    "shape",
    "dtype",
    "mutation",  # an input, g or out is written to
    "state",  # depends on earlier calls
    "noise",  # not deterministic
    "not finite",  # nan or inf where the truth is finite
    "elsewhere",  # fits none of the above
)

KINDS = ("wrong", "elsewhere", "right", "kink", "alias")


@dataclass(frozen=True)
class Case:
    """A rule, `rule(g, out, *inputs)`, that claims to be the gradient of sum(g * f(*inputs)) in each input."""

    name: str
    kind: str
    f: Callable[..., Any]
    rule: Callable[..., Any]
    inputs: tuple[Any, ...]
    why: str
    diagnosis: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.kind in KINDS, f"{self.name}: no kind {self.kind!r}"
        assert set(self.diagnosis) <= set(DIAGNOSES), f"{self.name}: no diagnosis {self.diagnosis!r}"
        assert bool(self.diagnosis) == (self.kind in ("wrong", "elsewhere")), f"{self.name}: diagnosis and kind differ"

    def __str__(self) -> str:
        return self.name
