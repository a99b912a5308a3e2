"""Sums over runs of neighbours along an axis, which averages of every kind are made of.

A run is (start, stop), in any place: what of it lies outside is empty. Where starts and stops ascend, the runs that an
entry lies in are a run of runs: so the transpose of these sums are such sums again.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from ..forms import linear

Runs = tuple[tuple[int, int], ...]


@lru_cache(maxsize=512)
def transposed(runs: Runs, size: int) -> Runs:
    """For each of `size` entries, the first run that it lies in, and the one after the last."""
    places = np.arange(size)
    starts, stops = np.array(runs).reshape(-1, 2).T
    first, last = np.searchsorted(stops, places, side="right"), np.searchsorted(starts, places, side="right")
    return tuple(zip(first.tolist(), np.maximum(first, last).tolist(), strict=True))


@lru_cache(maxsize=512)
def _steps(runs: Runs, size: int) -> list[tuple[Any, Any]]:
    """The sums as few long additions: (to these runs, from these entries), as slices where they are regular."""
    starts, stops = np.array(runs).reshape(-1, 2).T
    steps = []
    for j in range(max((stop - start for start, stop in runs), default=0)):
        at = starts + j
        to = np.flatnonzero((at < stops) & (at >= 0) & (at < size))
        if to.size:
            steps.append((_regular(to), _regular(at[to])))
    return steps


def _regular(places: Any) -> Any:
    """Places as a slice where they are evenly spaced."""
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step < 1 or np.any(np.diff(places) != step):
        return places
    return slice(int(places[0]), int(places[-1]) + 1, step)


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 5)),), {"runs": ((0, 2), (1, 4), (3, 5))}
    yield (rng.normal(size=(4, 2)),), {"runs": ((-1, 1), (1, 3), (3, 6)), "axis": 0}
    yield (rng.normal(size=3),), {"runs": ((0, 1), (0, 1), (1, 2), (2, 2))}


def _transpose(g: Any, x: Any, *, runs: Runs, axis: int) -> Any:
    return run_sums(g, runs=transposed(runs, np.shape(x)[axis]), axis=axis)


@linear(
    transpose=_transpose,
    samples=_samples,
    formula="g, summed over the runs that an entry lies in",
)
def run_sums(x: Any, *, runs: Runs, axis: int = -1) -> Any:
    """Σ x[start:stop] along `axis` for each of `runs`, whose starts and stops ascend."""
    ndim, size = len(np.shape(x)), np.shape(x)[axis]
    axis = axis % ndim

    def along(place: Any) -> Any:
        return (*[slice(None)] * axis, place)

    if type(x) is not np.ndarray:
        slices = [slice(max(start, 0), max(stop, 0)) for start, stop in runs]
        return np.concatenate([np.sum(x[along(s)], axis=axis, keepdims=True) for s in slices], axis=axis)
    dtype = np.dtype(int) if x.dtype.kind == "b" else x.dtype
    sums = np.zeros((*x.shape[:axis], len(runs), *x.shape[axis + 1 :]), dtype=dtype)
    for to, at in _steps(runs, size):
        sums[along(to)] += x[along(at)]
    return sums
