"""linspace, logspace and geomspace between ends that have a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..node import plain
from ..registry import composed


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
    kind = np.result_type(*[getattr(plain(x), "dtype", 1.0) for x in (start, stop)], 1.0)
    t = np.linspace(0.0, 1.0, num, endpoint).astype(np.real(np.zeros(0, kind)).dtype)
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


def _wide(x: Any) -> Any:
    """In double precision, as np.geomspace computes."""
    return x if getattr(plain(x), "dtype", np.float64) == np.float64 else x.astype(np.float64)


@composed(np.geomspace, samples=_ends)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    if np.any(plain(start) * plain(stop) <= 0) or np.iscomplexobj(start) or np.iscomplexobj(stop):
        raise NotImplementedError("np.geomspace has a rule for real ends of one sign, not 0")
    start, stop = _wide(start), _wide(stop)
    logs = np.linspace(np.log(np.abs(start)), np.log(np.abs(stop)), num, endpoint)
    out = np.moveaxis(np.sign(plain(start)) * np.exp(logs), 0, axis)
    return out if dtype is None else out.astype(dtype)
