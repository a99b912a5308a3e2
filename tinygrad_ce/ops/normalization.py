"""layer_norm, rms_norm, group_norm: what differs is what a row is; see normalized_rows.py for the rest.

A row is all of a sample's last axes, or a group of its channels; of batch_norm.py, a channel of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..invariants import Claim, Invariant, Probe, homogeneous
from ..registry import op
from .normalized_rows import (
    Rows,
    as_it_is,
    centred,
    closed_forms,
    group_rows,
    layer_rows,
    less_mean,
    normalised,
)


def _arranged(probe: Probe, arrange: Callable[..., Rows]) -> tuple[int, Rows] | None:
    """Where x stands, and its rows; None where it has no gradient."""
    i = probe.position("x")
    options = {k: v for k, v in probe.options.items() if k != "eps"}
    return None if i is None else (i, arrange(probe.inputs[i], **options))


def _row_sums(arrange: Callable[..., Rows]) -> Invariant:
    def claims(probe: Probe) -> Iterator[Claim]:
        if (found := _arranged(probe, arrange)) is not None:
            i, rows = found
            gx = rows.gather(np.asarray(probe.gradients(probe.cotangent(), probe.inputs)[i]))
            yield Claim(np.sum(gx, axis=-1), 0.0, np.sum(np.abs(gx), axis=-1))

    return Invariant("the gradient in x sums to 0 over every row that is normalised", claims)


def _row_shifts(arrange: Callable[..., Rows]) -> Invariant:
    def claims(probe: Probe) -> Iterator[Claim]:
        if (found := _arranged(probe, arrange)) is not None:
            i, rows = found
            x, g = probe.inputs[i], probe.cotangent()
            matrix = rows.gather(np.asarray(x))
            moved = rows.restore(matrix + probe.rng.uniform(-2.0, 2.0, size=(len(matrix), 1)))
            here, there = probe.gradients(g, probe.inputs), probe.gradients(g, probe.moved(i, moved))
            yield Claim(there[i], here[i], np.max(np.abs(here[i]), initial=0.0))

    return Invariant("adding a number to a row that is normalised leaves the gradient as it is", claims)


AFFINE = homogeneous("weight", "bias")


def row_invariants(arrange: Callable[..., Rows]) -> list[Invariant]:
    return [AFFINE, _row_sums(arrange), _row_shifts(arrange)]


def check_weights(name: str, shape: tuple[int, ...], **weights: Any) -> None:
    for which, w in weights.items():
        if w is not None and np.shape(w) != shape:
            raise ValueError(f"{name}: {which} of shape {np.shape(w)} where {shape} is wanted")


# -- layer_norm ------------------------------------------------------------------------------------------------


def _layer_samples(rng: np.random.Generator) -> Iterable[Any]:
    x, w, b = rng.normal(size=(3, 5)), rng.uniform(0.5, 2, size=5), rng.normal(size=5)
    yield (x, w, b), {}
    yield (x, None, None), {"eps": 0.1}
    yield (rng.normal(size=(2, 3, 2)), rng.normal(size=(3, 2)), None), {"axes": 2}
    yield (rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=2)), {}
    yield (rng.normal(size=(2, 1)), None, rng.normal(size=1)), {}
    yield (rng.normal(size=4), None, None), {}
    yield (rng.normal(size=(0, 3)), rng.normal(size=3), None), {}


@op(samples=_layer_samples, invariants=row_invariants(layer_rows))
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axes: int = 1, eps: float = 1e-5) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² those of the last `axes` axes (Ba et al., 2016).

    Parameters
    ----------
    x : Value or array of shape (..., *last)
    weight, bias : Value or array of shape (*last), optional
    axes : int
        How many axes are the last.
    eps : float

    Returns
    -------
    Value or array
        Of x's shape and dtype.

    Notes
    -----
    Computed in float64, around the row's first entry: equal entries give exactly 0, whatever they are.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.normalization import layer_norm
    >>> np.round(layer_norm([[1.0, 2.0, 3.0], [1e9, 1e9, 1e9]]), 4).tolist()
    [[-1.2247, 0.0, 1.2247], [0.0, 0.0, 0.0]]
    """
    return normalised(x, layer_rows(x, axes), eps, weight, bias, less_mean)


@layer_norm.guard
def _(x: Any, weight: Any, bias: Any, *, axes: int, eps: float) -> None:
    shape = np.shape(x)
    if not 1 <= axes <= len(shape):
        raise ValueError(f"layer_norm: x of shape {shape} has no {axes} last axes")
    check_weights("layer_norm", shape[len(shape) - axes :], weight=weight, bias=bias)


closed_forms(layer_norm, centred, layer_rows)

# -- rms_norm --------------------------------------------------------------------------------------------------


def _rms_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 5)), rng.uniform(0.5, 2, size=5)), {}
    yield (rng.normal(size=(2, 3, 2)), None), {"axes": 2, "eps": 0.1}
    yield (rng.normal(size=(3, 1)), rng.normal(size=1)), {"eps": 0.01}
    yield (rng.normal(size=(0, 3)), rng.normal(size=3)), {}


@op(samples=_rms_samples, invariants=[homogeneous("weight")])
def rms_norm(x: Any, weight: Any = None, *, axes: int = 1, eps: float = 1e-6) -> Any:
    """x / √(mean x² + ε) · weight, the mean over the last `axes` axes (Zhang and Sennrich, 2019).

    Parameters
    ----------
    x : Value or array of shape (..., *last)
    weight : Value or array of shape (*last), optional
    axes : int
        How many axes are the last.
    eps : float

    Returns
    -------
    Value or array
        Of x's shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.normalization import rms_norm
    >>> np.round(rms_norm([3.0, 4.0], eps=0.0), 4).tolist()
    [0.8485, 1.1314]
    """
    return normalised(x, layer_rows(x, axes), eps, weight, None, as_it_is)


@rms_norm.guard
def _(x: Any, weight: Any, *, axes: int, eps: float) -> None:
    shape = np.shape(x)
    if not 1 <= axes <= len(shape):
        raise ValueError(f"rms_norm: x of shape {shape} has no {axes} last axes")
    check_weights("rms_norm", shape[len(shape) - axes :], weight=weight)


closed_forms(rms_norm, as_it_is, layer_rows)

# -- group_norm ------------------------------------------------------------------------------------------------


def _group_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 4, 3)), rng.uniform(0.5, 2, size=4), rng.normal(size=4)), {"groups": 2}
    yield (rng.normal(size=(2, 3, 2, 2)), rng.normal(size=3), None), {"groups": 3, "eps": 0.1}
    yield (rng.normal(size=(3, 4)), None, None), {"groups": 1}
    yield (rng.normal(size=(0, 2, 3)), None, rng.normal(size=2)), {"groups": 1}


@op(samples=_group_samples, invariants=row_invariants(group_rows))
def group_norm(x: Any, weight: Any = None, bias: Any = None, *, groups: int, eps: float = 1e-5) -> Any:
    """(x − μ) / √(σ² + ε) · weight + bias, μ and σ² those of a group of a sample's channels (Wu and He, 2018).

    Parameters
    ----------
    x : Value or array of shape (N, C, ...)
    weight, bias : Value or array of shape (C,), optional
    groups : int
        How many groups the channels make: C is a multiple of it.
    eps : float

    Returns
    -------
    Value or array
        Of x's shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.normalization import group_norm
    >>> np.round(group_norm([[1.0, 3.0, 5.0, 5.0]], groups=2), 4).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """
    return normalised(x, group_rows(x, groups), eps, weight, bias, less_mean)


@group_norm.guard
def _(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> None:
    shape = np.shape(x)
    if len(shape) < 2:
        raise ValueError(f"group_norm: x of shape {shape} has no axis of channels: (N, C, ...) is wanted")
    if groups < 1 or shape[1] % groups:
        raise ValueError(f"group_norm: {shape[1]} channels do not make {groups} groups")
    check_weights("group_norm", shape[1:2], weight=weight, bias=bias)


closed_forms(group_norm, centred, group_rows)
