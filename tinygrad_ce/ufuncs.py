"""The methods of ufuncs: np.add.reduce and the like, accumulate, outer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .node import plain
from .registry import registry

# What NumPy's functions say in other words than the methods of ufuncs: ufunc.reduce(a) is function(a).
_METHODS: dict[tuple[np.ufunc, str], Any] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.maximum, "accumulate"): lambda a, axis: _running(np.maximum, a, axis),
    (np.minimum, "accumulate"): lambda a, axis: _running(np.minimum, a, axis),
}


def ufunc_method(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """np.add.reduce and the like: along the first axis by default, unlike np.sum."""
    name = f"np.{ufunc.__name__}.{method}"
    if kwargs.pop("out", None) is not None:
        raise TypeError(f"{name} into out= would overwrite an array and lose the graph")
    if method == "outer" and len(inputs) == 2:
        a, b = inputs
        return ufunc(np.reshape(a, (*np.shape(a), *[1] * np.ndim(b))), b, **kwargs)
    array, *rest = inputs
    names = ("axis", "dtype", "out", "keepdims")
    given = {"axis": 0, **dict(zip(names, rest, strict=False)), **kwargs}
    given = {k: v for k, v in given.items() if v is not None or k == "axis"}
    function = _METHODS.get((ufunc, method))
    if function is not None:
        return function(array, **given)
    if method not in _FOLDS or ufunc.nin != 2 or registry.handler(ufunc) is None or not _FOLDS[method] >= set(given):
        raise NotImplementedError(f"{name} has no rule on Values; say it in functions that have one")
    return _reduced(ufunc, array, **given) if method == "reduce" else _accumulated(ufunc, array, **given)


# -- by folding ------------------------------------------------------------------------------------------------

_FOLDS = {"reduce": {"axis", "keepdims"}, "accumulate": {"axis"}}


def _reduced(ufunc: np.ufunc, a: Any, axis: Any, keepdims: bool = False) -> Any:
    """ufunc(… ufunc(ufunc(a₀, a₁), a₂) …) along the axes."""
    shape = np.shape(a)
    axes = normalize_axis_tuple(tuple(range(len(shape))) if axis is None else axis, len(shape))
    rest = [i for i in range(len(shape)) if i not in axes]
    length = int(np.prod([shape[i] for i in axes], dtype=int))
    if not length:
        return ufunc.reduce(plain(a), axis=axis, keepdims=keepdims)
    slices = np.reshape(np.transpose(a, (*axes, *rest)), (length, *[shape[i] for i in rest]))
    total = slices[0]
    for i in range(1, length):
        total = ufunc(total, slices[i])
    return np.reshape(total, [1 if i in axes else n for i, n in enumerate(shape)]) if keepdims else total


def _accumulated(ufunc: np.ufunc, a: Any, axis: int) -> Any:
    slices = np.moveaxis(a, axis, 0)
    totals = [slices[i] for i in range(min(1, len(slices)))]
    for i in range(1, len(slices)):
        totals.append(ufunc(totals[-1], slices[i]))
    return np.stack(totals, axis) if totals else a


def _running(ufunc: np.ufunc, a: Any, axis: int) -> Any:
    """The largest or smallest entry so far, taken from where it stands; the latest at a tie."""
    data = np.asarray(plain(a))
    shape = [-1 if i == axis % data.ndim else 1 for i in range(data.ndim)]
    here = ufunc.accumulate(data, axis) == data
    places = np.where(here, np.arange(data.shape[axis]).reshape(shape), 0)
    return np.take_along_axis(a, np.maximum.accumulate(places, axis), axis)
