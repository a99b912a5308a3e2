"""Losses of regression: mse_loss, l1_loss, huber_loss, each a function of the difference d = input − target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..invariants import homogeneous
from ..op import Op
from ..registry import op
from .exponentials import wide
from .terms import reduced, require, same_shapes, shared


def _samples(**more: Any) -> Callable[[np.random.Generator], Iterable[Any]]:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for shape, reduction in (
            ((3, 4), "mean"),
            ((2, 3), "sum"),
            ((2, 1, 2), "none"),
            ((), "mean"),
            ((0, 2), "mean"),
        ):
            yield (rng.normal(size=shape), rng.normal(size=shape)), {"reduction": reduction, **more}

    return samples


def _closed(loss: Op, slope: Callable[..., Any], formula: str) -> None:
    """The closed form of a loss by its slope in d: of the input, and minus that of the target."""

    def rule(sign: float) -> Any:
        def to(g: Any, out: Any, x: Any, y: Any, *, reduction: str, **options: Any) -> Any:
            return shared(g, np.size(x), reduction) * (sign * slope(wide(x) - wide(y), **options))

        return to

    loss.derivation("analytic", formula=formula)((rule(1.0), rule(-1.0)))

    @loss.guard
    def _(x: Any, y: Any, *, reduction: str, **options: Any) -> None:
        require(loss.name, reduction)
        same_shapes(loss.name, {"input": x, "target": y})
        if not options.get("delta", 1.0) > 0:
            raise ValueError(f"{loss.name}: delta is above 0, not {options['delta']!r}")


@op(samples=_samples(), invariants=[homogeneous(degree=2.0)])
def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(input − target)², its mean over all entries.

    Parameters
    ----------
    input, target : Value or array, of one shape
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> float(F.mse_loss([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    return reduced(np.square(wide(input) - wide(target)), reduction, input)


_closed(mse_loss, lambda d: 2.0 * d, "2 g d, −2 g d")


@op(samples=_samples(), invariants=[homogeneous()])
def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|input − target|, its mean over all entries; slope 0 where they are equal.

    Parameters
    ----------
    input, target : Value or array, of one shape
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> float(F.l1_loss([1.0, 2.0], [1.0, 4.0]))
    1.0
    """
    return reduced(np.abs(wide(input) - wide(target)), reduction, input)


_closed(l1_loss, lambda d: np.sign(d), "g sign d, −g sign d")


@op(samples=_samples(delta=0.7))
def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Any:
    """½ d² where |d| ≤ δ, δ (|d| − ½ δ) beyond, d = input − target (Huber, 1964).

    Parameters
    ----------
    input, target : Value or array, of one shape
    reduction : "mean", "sum" or "none"
    delta : float above 0

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> float(F.huber_loss([1.0, 2.0], [1.5, 4.0], reduction="sum"))
    1.625
    """
    size = np.abs(wide(input) - wide(target))
    near = np.minimum(size, delta)
    return reduced(0.5 * near * near + delta * (size - near), reduction, input)


_closed(huber_loss, lambda d, *, delta: np.clip(d, -delta, delta), "g d, held in ±δ; minus that")
