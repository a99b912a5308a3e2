"""Numbers, types and arrays as Python text.

said(x)         a parameter
literal(x)      an array
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def said(x: Any) -> str:
    """A parameter as Python text."""
    if isinstance(x, np.dtype):
        return (
            f"np.{x.name}"
            if x.name in ("float32", "float64", "int64", "bool", "complex128")
            else f"np.dtype({x.str!r})"
        )
    if isinstance(x, type) and issubclass(x, np.generic):
        return f"np.{x.__name__}"
    if isinstance(x, type):
        return x.__name__
    if isinstance(x, slice):
        return f"slice({said(x.start)}, {said(x.stop)}, {said(x.step)})"
    if isinstance(x, tuple):
        return f"({''.join(said(i) + ', ' for i in x).rstrip(' ' if len(x) == 1 else ', ')})"
    if isinstance(x, list):
        return f"[{', '.join(said(i) for i in x)}]"
    if isinstance(x, float) and (x != x or x in (np.inf, -np.inf)):
        return f"float('{x}')"
    if isinstance(x, np.generic):
        return said(x.item())
    return repr(x)


def literal(x: Any) -> str:
    """An array as Python text."""
    array = np.asarray(x)
    dtype = said(array.dtype)
    if isinstance(x, np.generic):
        short = x.dtype.kind in "fiub" and "(" not in dtype
        return f"{dtype}({said(x.item())})" if short else f"np.asarray({said(x.item())}, {dtype})[()]"
    plain = array.size and array.dtype.kind in "fiub"
    if plain and (array == array.flat[0]).all() and not (array.dtype.kind == "f" and np.signbit(array).any()):
        return f"np.full({said(array.shape)}, {said(array.flat[0])}, {dtype})"
    if plain and array.ndim == 1 and array.dtype.kind == "i" and np.array_equal(array, np.arange(array.size)):
        return f"np.arange({array.size}, dtype={dtype})"
    order: Any = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    suffix = "" if order == "C" else ', order="F"'
    if array.size <= 16 and array.dtype.kind in "fiub":
        flat = array.ravel(order).tolist()
        return f"np.array({said(flat)}, {dtype}).reshape({said(array.shape)}{suffix})"
    if array.dtype.kind not in "fciub":
        raise ValueError(f"a constant of dtype {array.dtype} has no text")
    data = base64.b64encode(array.tobytes(order)).decode()
    return f"np.frombuffer(base64.b64decode({data!r}), {dtype}).reshape({said(array.shape)}{suffix})"
