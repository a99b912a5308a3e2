"""What a Value may hold: a Python float, or an array of real or complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .node import Node, plain

NUMERIC = "fciub"  # kinds of dtypes: floating, complex, integers, booleans


def as_data(data: Any, requires_grad: bool) -> Any:
    """Data as the engine keeps it: a Python float, or an array of real or complex numbers."""
    kind = type(data)
    if kind is float:
        return data
    if kind is int or kind is bool:
        return float(data)
    if isinstance(data, Node):
        data = data.data
        if type(data) is float:
            return data
    if not hasattr(data, "dtype") or not hasattr(data, "shape"):
        if isinstance(data, (list, tuple)) and _holds_values(data):
            raise TypeError("a sequence of Values becomes one with np.stack or tg.array, not with Value([...])")
        try:
            data = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"Value(): ragged data make no array ({error})") from None
    if isinstance(data, (np.matrix, np.ma.MaskedArray)):
        raise TypeError(f"Value() takes plain arrays, not {kind.__name__}; write np.asarray(...) of it")
    if data.dtype.kind not in NUMERIC:
        raise TypeError(f"Value() takes numbers, not {data.dtype} ({data!r:.60})")
    if requires_grad and data.dtype.kind not in "fc":
        data = data.astype(np.float64)
    return data


def as_array(x: Any) -> Any:
    """`x` as an array; another library's stays what it is."""
    return x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x)


def is_eager(x: Any) -> bool:
    """Whether the numbers in `x` are there to be looked at.

    Another library's may have to be computed first, and a traced array (capture.py) has none to show.
    """
    return isinstance(plain(x), (np.ndarray, np.generic, int, float, list, tuple))


# Libraries whose objects hold arrays with names or units, and so Values too: theirs is the operation on the two.
_HOLDERS = frozenset(["xarray", "pint"])


def holds_arrays(x: Any) -> bool:
    """Whether x is of a library that computes with what it holds: a DataArray of a Value, not the other way round."""
    kind = type(x)
    return kind is not np.ndarray and kind is not float and kind.__module__.partition(".")[0] in _HOLDERS


def ones_like(data: Any) -> Any:
    """1 in the shape and dtype of a node's data."""
    if type(data) is float:
        return 1.0
    return type(data)(1.0) if isinstance(data, np.generic) else np.ones_like(data)  # a number the short way


def zeros_like(data: Any) -> Any:
    """0 in the shape and dtype of a node's data."""
    return 0.0 if type(data) is float else np.zeros_like(data)


def _holds_values(items: Any) -> bool:
    return any(isinstance(x, Node) or (isinstance(x, (list, tuple)) and _holds_values(x)) for x in items)
