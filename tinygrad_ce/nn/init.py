"""How parameters begin: torch.nn.init's distributions, of a seed.

    init.xavier_uniform(layer.weight, rng=0)        a parameter gets new data, of its own dtype, and is returned
    init.kaiming_normal((64, 32), rng=generator)    a shape gives a float64 array

`rng` is a Generator to draw from, an int that seeds one, or None for a random one. Fan-in is the number of inputs of a
unit: of a weight of shape (out, in, *kernel) in · ∏ kernel; fan-out is out · ∏ kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..value import Value
from .randomness import Randomness, generator_of

__all__ = [
    "calculate_gain",
    "constant",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "orthogonal",
    "trunc_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before this nonlinearity are larger, so that signals keep their size.

    1 for "linear", "conv1d", "conv2d", "sigmoid"; 5/3 for "tanh"; √2 for "relu"; √(2 / (1 + a²)) for "leaky_relu" of
    negative slope a (`param`, 0.01 by default); 3/4 for "selu".

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity in ("conv1d", "conv2d"):
        return 1.0
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, (*_GAINS, "conv1d", "conv2d", "leaky_relu")))
        raise ValueError(f"nonlinearity is one of {known}, not {nonlinearity!r}")
    return _GAINS[nonlinearity]


def _filling(draw: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a shape as one of a parameter, too."""

    @wraps(draw)
    def fill(parameter: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(parameter, Value):
            shape = (parameter,) if isinstance(parameter, int) else tuple(parameter)
            return draw(shape, *args, **kwargs)
        drawn = draw(parameter.shape, *args, **kwargs)
        parameter.data = float(drawn) if type(parameter.data) is float else drawn.astype(parameter.dtype)
        return parameter

    return fill


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"fan-in and fan-out are of weights with two axes or more, not of shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fan(shape: tuple[int, ...], mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return _fans(shape)[mode == "fan_out"]


# -- constants -------------------------------------------------------------------------------------------------


@_filling
def constant(parameter: tuple[int, ...], value: float) -> Any:
    """`value` everywhere."""
    return np.full(parameter, float(value))


@_filling
def zeros(parameter: tuple[int, ...]) -> Any:
    """0 everywhere."""
    return np.zeros(parameter)


@_filling
def ones(parameter: tuple[int, ...]) -> Any:
    """1 everywhere."""
    return np.ones(parameter)


# -- distributions ---------------------------------------------------------------------------------------------


@_filling
def uniform(parameter: tuple[int, ...], a: float = 0.0, b: float = 1.0, *, rng: Randomness = None) -> Any:
    """U(a, b)."""
    return generator_of(rng).uniform(a, b, parameter)


@_filling
def normal(parameter: tuple[int, ...], mean: float = 0.0, std: float = 1.0, *, rng: Randomness = None) -> Any:
    """N(mean, std²)."""
    return generator_of(rng).normal(mean, std, parameter)


@_filling
def trunc_normal(
    parameter: tuple[int, ...],
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: Randomness = None,
) -> Any:
    """N(mean, std²) within [a, b]: what falls outside is drawn again."""
    if not a < b:
        raise ValueError(f"a is below b, not {a!r} and {b!r}")
    if std <= 0 or (b - mean) / std < -8 or (a - mean) / std > 8:
        raise ValueError(f"N({mean!r}, {std!r}²) has nothing to draw within [{a!r}, {b!r}]")
    generator = generator_of(rng)
    out = generator.normal(mean, std, parameter)
    for _ in range(100):
        outside = (out < a) | (out > b)
        if not outside.any():
            return out
        out[outside] = generator.normal(mean, std, int(outside.sum()))
    return np.where((out < a) | (out > b), generator.uniform(a, b, parameter), out)  # so narrow that it is flat


@_filling
def xavier_uniform(parameter: tuple[int, ...], gain: float = 1.0, *, rng: Randomness = None) -> Any:
    """U(−r, r), r = gain √(6 / (fan-in + fan-out)) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / max(sum(_fans(parameter)), 1))
    return generator_of(rng).uniform(-bound, bound, parameter)


@_filling
def xavier_normal(parameter: tuple[int, ...], gain: float = 1.0, *, rng: Randomness = None) -> Any:
    """N(0, s²), s = gain √(2 / (fan-in + fan-out))."""
    return generator_of(rng).normal(0.0, gain * math.sqrt(2.0 / max(sum(_fans(parameter)), 1)), parameter)


@_filling
def kaiming_uniform(
    parameter: tuple[int, ...],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Randomness = None,
) -> Any:
    """U(−r, r), r = gain √(3 / fan), the gain that of the nonlinearity, of slope `a` (He et al., 2015).

    >>> weight = kaiming_uniform((2, 3), a=5**0.5, rng=0)  # what torch.nn.Linear begins with: r = 1 / √3
    >>> bool(np.max(np.abs(weight)) < 3**-0.5)
    True
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / max(_fan(parameter, mode), 1))
    return generator_of(rng).uniform(-bound, bound, parameter)


@_filling
def kaiming_normal(
    parameter: tuple[int, ...],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Randomness = None,
) -> Any:
    """N(0, s²), s = gain / √fan."""
    deviation = calculate_gain(nonlinearity, a) / math.sqrt(max(_fan(parameter, mode), 1))
    return generator_of(rng).normal(0.0, deviation, parameter)


@_filling
def orthogonal(parameter: tuple[int, ...], gain: float = 1.0, *, rng: Randomness = None) -> Any:
    """gain times a matrix with orthonormal rows or columns, whichever are fewer, drawn evenly (Saxe et al., 2013).

    Of more than two axes, those after the first count as one.

    >>> q = orthogonal((2, 3), rng=0)
    >>> np.allclose(q @ q.T, np.eye(2))
    True
    """
    if len(parameter) < 2:
        raise ValueError(f"orthogonal rows or columns are of two axes or more, not of shape {parameter}")
    rows, columns = parameter[0], math.prod(parameter[1:])
    drawn = generator_of(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # without this, not evenly (Mezzadri, 2007)
    return gain * (q.T if rows < columns else q).reshape(parameter)
