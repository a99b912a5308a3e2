"""polyval and vander; linspace, logspace and geomspace between ends that have a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..node import plain
from ..registry import composed

# -- polynomials -----------------------------------------------------------------------------------------------


@composed(
    np.polyval,
    samples=lambda rng: [((rng.normal(size=4), rng.normal(size=(2, 3))), {}), (([1.0, 2.0], rng.normal(size=())), {})],
)
def _polyval(p: Any, x: Any) -> Any:
    y = x * 0.0
    for i in range(len(p)):
        y = y * x + p[i]
    return y


@composed(
    np.vander, samples=lambda rng: [((rng.normal(size=3),), p) for p in ({}, {"N": 2}, {"N": 4, "increasing": True})]
)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    if np.ndim(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    N = len(x) if N is None else N
    powers = [x * 0.0 + 1.0]
    for _ in range(1, N):
        powers.append(powers[-1] * x)
    powers = powers[:N] if increasing else powers[:N][::-1]
    return np.stack(powers, axis=-1) if powers else np.reshape(x, (-1, 1))[:, :0]


# -- ranges ----------------------------------------------------------------------------------------------------


def _ends(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.uniform(1, 2, size=()), rng.uniform(2, 3, size=()), 4), {}
    yield (rng.uniform(1, 2, size=2), rng.uniform(2, 3, size=2), 3), {"axis": -1, "endpoint": False}


@composed(np.linspace, samples=_ends)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    t = np.linspace(0.0, 1.0, num, endpoint)
    t = np.reshape(t, (-1, *[1] * max(np.ndim(start), np.ndim(stop))))
    out = np.moveaxis(start * (1.0 - t) + stop * t, 0, axis)
    out = out if dtype is None else out.astype(dtype)
    parts = num - 1 if endpoint else num
    return (out, (stop - start) / parts if parts else np.nan) if retstep else out


@composed(np.logspace, samples=_ends)
def _logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    out = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else out.astype(dtype)


@composed(np.geomspace, samples=_ends)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    if np.any(plain(start) * plain(stop) <= 0) or np.iscomplexobj(start) or np.iscomplexobj(stop):
        raise NotImplementedError("np.geomspace has a rule for real ends of one sign, not 0")
    logs = np.linspace(np.log(np.abs(start)), np.log(np.abs(stop)), num, endpoint)
    out = np.moveaxis(np.sign(plain(start)) * np.exp(logs), 0, axis)
    return out if dtype is None else out.astype(dtype)
