"""np.pad in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..node import plain
from ..registry import composed
from .rearranging import frozen, rearranging

_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}


def _arranged_samples(rng: np.random.Generator) -> Iterable[Any]:
    for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
        yield (rng.normal(size=(3, 4)),), {"pad_width": ((1, 2), (0, 3)), "mode": mode}
        yield (rng.normal(size=3),), {"pad_width": 5, "mode": mode}
    yield (rng.normal(size=(0, 2)),), {"pad_width": 1}


@rearranging(samples=_arranged_samples)
def pad(array: Any, *, pad_width: Any, mode: str = "constant") -> Any:
    """`array` with entries put before and after it along every axis: zeros, or copies of its own."""
    return np.pad(array, pad_width, mode)  # type: ignore[call-overload]


def _pad_samples(rng: np.random.Generator) -> Iterable[Any]:
    widths = ((1, 2), (0, 3))
    x = rng.normal(size=(3, 4))
    for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", *_STATISTICS):
        yield (x, widths, mode), {}
    yield (x, 1), {"constant_values": ((1.0, 2.0), (3.0, 4.0))}
    yield (x, (2, 1), "linear_ramp"), {"end_values": (5, -4)}
    yield (x, 2, "reflect"), {"reflect_type": "odd"}
    yield (x, 2, "symmetric"), {"reflect_type": "odd"}
    yield (x, 1, "mean"), {"stat_length": 2}
    yield (x, 1, "maximum"), {"stat_length": ((1, 2), (3, 2))}


@composed(np.pad, samples=_pad_samples)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    ndim = np.ndim(array)
    if ndim == 0:
        return np.copy(array)
    if isinstance(pad_width, dict):
        given = {k % ndim: v for k, v in pad_width.items()}
        pad_width = [given.get(i, (0, 0)) for i in range(ndim)]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    widths = frozen(np.broadcast_to(pad_width, (ndim, 2)))
    if mode in _STATISTICS:
        return _with_statistics(array, widths, _STATISTICS[mode], options.get("stat_length"))
    if mode == "linear_ramp" or options.get("reflect_type", "even") == "odd":
        return _by_axis(array, widths, mode, options)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise NotImplementedError(f"np.pad with mode={mode!r} has no rule on Values")
    padded = pad(array, pad_width=widths, mode=mode)
    values = options.get("constant_values", 0)
    if values is not plain(values):
        values = np.broadcast_to(values, (ndim, 2))
        inside = np.pad(np.ones(np.shape(array), dtype=bool), widths)
        return np.where(inside, padded, _frame(np.shape(array), widths, values))
    if np.any(np.asarray(values)):
        padded = padded + np.pad(np.zeros(np.shape(array), np.result_type(array)), widths, constant_values=values)
    return padded


def _frame(shape: tuple[int, ...], widths: Any, values: Any) -> Any:
    """Which of the (axis, side) values stands where, for values that have a gradient."""
    sides = np.arange(2 * len(shape)).reshape(len(shape), 2)
    places = np.pad(np.zeros(shape, dtype=int), widths, constant_values=sides)
    return np.reshape(values, (-1,))[places]


def _by_axis(array: Any, widths: Any, mode: str, options: dict[str, Any]) -> Any:
    """Modes that are affine along each axis: NumPy pads the identity matrix, and the result is a product with it."""
    ends = options.pop("end_values", None)
    ends = None if ends is None else np.broadcast_to(ends, (len(widths), 2))
    for axis, (before, after) in enumerate(widths):
        n = np.shape(array)[axis]
        more = {**options, **({} if ends is None else {"end_values": ((ends[axis][0], ends[axis][1]),)})}
        dtype = np.result_type(array)
        constant = np.pad(np.zeros(n, dtype), ((before, after),), mode, **more)  # type: ignore[call-overload]
        columns = [np.pad(e, ((before, after),), mode, **more) - constant for e in np.eye(n, dtype=dtype)]  # type: ignore[call-overload]
        moved = np.moveaxis(array, axis, -1)
        array = np.moveaxis(np.matmul(moved, np.stack(columns)) + constant, -1, axis)
    return array


def _with_statistics(array: Any, widths: Any, statistic: Callable[..., Any], length: Any) -> Any:
    lengths = None if length is None else np.broadcast_to(length, (len(widths), 2))
    for axis, (before, after) in enumerate(widths):
        n = np.shape(array)[axis]
        if n == 0 and before + after:
            raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant'")
        first, last = (n, n) if lengths is None else [min(int(k), n) for k in lengths[axis]]
        at = (slice(None),) * axis
        parts = [
            statistic(array[(*at, slice(0, first))], axis=axis, keepdims=True),
            statistic(array[(*at, slice(n - last, n))], axis=axis, keepdims=True),
        ]
        shape = np.shape(array)
        ends = [
            np.broadcast_to(part, (*shape[:axis], width, *shape[axis + 1 :]))
            for part, width in ((parts[0], before), (parts[1], after))
        ]
        array = np.concatenate([ends[0], array, ends[1]], axis)
    return array
