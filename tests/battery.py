"""What every op of the registry has to stand, and the small tools that the battery is made of.

An op brings its samples with it, so that registering an op registers its tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce.derivation import AUTODIFF, AssumptionError
from tinygrad_ce.op import Op


@dataclass(frozen=True)
class Case:
    """One op at one sample."""

    op: Op
    number: int
    inputs: tuple[Any, ...]
    params: dict[str, Any]

    def __str__(self) -> str:
        shapes = "x".join(str(np.shape(x)) for x in self.inputs if x is not None)
        options = ",".join(f"{k}={v}" for k, v in self.params.items() if k != "key")
        return f"{self.op.name}-{self.number}-{shapes}-{options}"

    @property
    def moving(self) -> list[int]:
        """Positions of the inputs that have a gradient."""
        return [
            i
            for i, x in enumerate(self.inputs)
            if x is not None and i not in self.op.constants and np.asarray(x).dtype.kind == "f"
        ]

    @property
    def options(self) -> dict[str, Any]:
        return {**self.op.defaults, **self.params}

    def forward(self, *moved: Any) -> Any:
        """The op beneath its validation, with the moving inputs replaced."""
        inputs = list(self.inputs)
        for i, x in zip(self.moving, moved, strict=True):
            inputs[i] = x
        return self.op.apply(tuple(inputs), self.options)

    def leaves(self) -> list[Any]:
        return [tg.Value(self.inputs[i]) for i in self.moving]

    def cotangent(self) -> Any:
        """Random, signed, of mixed magnitude, and of the output's shape."""
        shape = np.shape(self.forward(*[self.inputs[i] for i in self.moving]))
        rng = np.random.default_rng(7)
        return rng.choice([-1.0, 1.0], size=shape) * rng.uniform(0.5, 2.0, size=shape)

    def gradients(self, derivation: str, cotangent: Any) -> list[Any]:
        leaves = self.leaves()
        out = self.forward(*leaves)
        if not out.requires_grad:
            return [np.zeros(x.shape) for x in leaves]
        out.backward(cotangent, derivation=None if derivation == "rule" else derivation)
        return [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]


def cases(op: Op) -> list[Case]:
    assert op.samples is not None, f"op {op.name} declares no samples: the battery cannot test it"
    return [
        Case(op, n, tuple(inputs), params) for n, (inputs, params) in enumerate(op.samples(np.random.default_rng(3)))
    ]


def derivations(case: Case) -> Iterator[str]:
    """The derivations whose assumptions hold here."""
    for d in case.op.derivations.values():
        try:
            d.require(case.op.name, case.inputs, case.options)
        except AssumptionError:
            continue
        yield d.name


def central(f: Any, x: Any, h: float = 2e-4) -> Any:
    """df/dx entry by entry, f a number: central differences, extrapolated twice (error of order h⁶)."""
    x = np.array(x, dtype=np.float64)
    slope = np.zeros(x.shape)
    for i in np.ndindex(x.shape):

        def at(t: float, i: Any = i) -> float:
            moved = x.copy()
            moved[i] += t
            return float(f(moved))

        d = [(at(k * h) - at(-k * h)) / (2 * k * h) for k in (1, 2, 4)]
        first = (4 * d[0] - d[1]) / 3, (4 * d[1] - d[2]) / 3
        slope[i] = (16 * first[0] - first[1]) / 15
    return slope


def assert_close(found: Any, expected: Any, tolerance: float = 1e-7) -> None:
    """Relative to the largest entry: an error bar for differences, not for gradients' own accuracy."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    scale = np.max(np.abs(expected), initial=1.0)
    assert np.all(np.abs(found - expected) <= tolerance * scale), f"{found} is not {expected}"


__all__ = ["AUTODIFF", "Case", "assert_close", "cases", "central", "derivations"]
