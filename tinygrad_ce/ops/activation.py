"""Elementwise composites, each a decomposition with a closed form: relu, softplus."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import closed_elementwise
from ..invariants import entrywise, homogeneous
from ..registry import op
from .elementwise import floating, sigmoid


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((3, 4), (), (0, 2), (1, 1)):
        yield (rng.uniform(-3, 3, size=shape),), {}


def _relu_float(x: float) -> float:
    return 0.0 if x <= 0.0 else x


@op(samples=_samples, scalar=_relu_float, invariants=[entrywise(), homogeneous()])
def relu(x: Any) -> Any:
    """max(x, 0), elementwise, with slope 0 at 0; nan stays nan.

    Parameters
    ----------
    x : Value or array of any shape

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> x = tg.Value([-1.0, 0.0, 2.0])
    >>> y = tg.relu(x)
    >>> y.backward([1.0, 1.0, 1.0])
    >>> y.data.tolist(), x.grad.tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """
    return np.where(x <= 0, 0.0, x)


@relu.forward
def _(x: Any) -> Any:
    return np.maximum(x, 0)


closed_elementwise(relu, "analytic", lambda out, x: (x > 0) | (x != x), formula="g [x > 0]")


def _softplus_float(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@op(samples=_samples, scalar=_softplus_float, invariants=[entrywise()])
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), elementwise, computed as max(x, 0) + log1p(exp(−|x|)), which never overflows.

    Parameters
    ----------
    x : Value or array of any shape

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> tg.softplus(1000.0), tg.softplus(-40.0)
    (1000.0, 4.248354255291589e-18)
    """
    x = floating(x)
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


closed_elementwise(softplus, "analytic", lambda out, x: sigmoid(x), formula="g σ(x)")
