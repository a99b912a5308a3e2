"""What a rule returns, held to the shape and dtype of what it is a gradient of.

on_plain        a rule on plain data, Python floats included
conform         its result as the sweep wants it, or an error that says what is wrong with it
fits            whether an array needs no conforming
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .derivation import Derivation
from .identities import cast_like
from .node import Node
from .op import Op


def on_plain(derivation: Derivation, g: Any, out: Any, data: Any, params: dict[str, Any], needed: Any) -> Any:
    if type(g) is not float:
        return derivation.rule(g, out, data, params, needed)
    try:
        gradients = derivation.rule(g, out, data, params, needed)
        if not any(type(gx) is complex for gx in gradients):
            return gradients
    except (ZeroDivisionError, OverflowError):
        pass
    # Python's floats refuse 1/0 and turn complex at (-8) ** (1/3); NumPy's follow IEEE.
    wide = tuple([np.float64(x) if type(x) is float else x for x in data])
    return derivation.rule(np.float64(g), np.float64(out), wide, params, needed)


def conform(gx: Any, x: Node, op: Op, derivation: Derivation, position: int, create_graph: bool) -> Any:
    """A gradient in the shape and dtype of what it is a gradient of, or an error that says what is wrong."""
    data = x._data
    if type(data) is float:
        if type(gx) is float and not create_graph:
            return gx
        shape: Any = ()
        dtype: Any = float
    else:
        shape, dtype = data.shape, data.dtype if data.dtype.kind == "f" else np.dtype(np.float64)
        if type(gx) is np.ndarray and gx.shape == shape and gx.dtype is dtype and not create_graph:
            return gx
    found = np.shape(gx) if isinstance(gx, (list, tuple)) else getattr(gx, "shape", ())
    if found != shape:
        where = f"derivation '{derivation.name}' of {op.name}"
        raise ValueError(
            f"{where} returned a gradient of shape {found} for input '{op.input_name(position)}' "
            f"of shape {shape}; {_hint(found, shape)}"
        )
    if isinstance(gx, Node):
        return cast_like(gx, x)
    if create_graph:
        # The cotangent is a Node, and a vjp is linear in it: a plain result has lost its past.
        raise ValueError(
            f"derivation '{derivation.name}' of {op.name} returned a plain {type(gx).__name__} where its gradient is "
            f"to be differentiated; write the rule in ops or NumPy functions throughout, or declare order=1"
        )
    if dtype is float:
        return float(gx)
    if getattr(gx, "dtype", None) == dtype:
        return gx
    return gx.astype(dtype) if hasattr(gx, "astype") else np.asarray(gx, dtype=dtype)[()]


def _hint(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    try:
        if np.broadcast_shapes(found, shape) == found:
            return "sum it over the axes along which the input was broadcast"
    except ValueError:
        pass
    return "it must have the input's shape" + (" (is it transposed?)" if found == shape[::-1] else "")


def fits(t: Any, data: Any) -> bool:
    """Whether a gradient is an array of the shape and dtype of what it is a gradient of."""
    return type(t) is np.ndarray is type(data) and t.shape == data.shape and t.dtype is data.dtype
