"""Linear ops that the engine itself needs: the identity, a cast, and a mark on what a rule of finite order made."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import linear
from .node import Node, plain


def _one(rng: np.random.Generator) -> Any:
    yield (rng.normal(size=(2, 3)),), {}


@linear(transpose=lambda g, x: g, samples=_one, formula="g")
def identity(x: Any) -> Any:
    """`x` itself, as a node of its own."""
    return x


@linear(
    transpose=lambda g, x, *, dtype: cast_like(g, x),
    samples=lambda rng: [((rng.normal(size=(2, 3)),), {"dtype": np.dtype(np.float64)})],
    formula="g in x's dtype",
)
def cast(x: Any, *, dtype: Any) -> Any:
    """`x` in another dtype; `float` makes a Python float of one element. Of a complex number, a real dtype takes
    the real part: the gradient of a real loss in a real variable is real."""
    return in_dtype(x, dtype)


def in_dtype(x: Any, dtype: Any) -> Any:
    """`cast` on plain data."""
    if getattr(x, "dtype", _REAL).kind == "c" and (dtype is float or dtype.kind != "c"):
        x = np.real(x)
    if dtype is float:
        return x.as_float() if hasattr(x, "as_float") else float(x)
    return x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype=dtype)[()]


_REAL = np.dtype(np.float64)


@linear(
    transpose=lambda g, x, *, left: g,
    samples=lambda rng: [((rng.normal(size=(2, 3)),), {"left": 3})],
    formula="g",
)
def spent(x: Any, *, left: int) -> Any:
    """`x`, the result of a rule that may be differentiated `left` more times: the sweeps hold it to that."""
    return x


def less_one(left: int) -> int:
    """What is left after one more differentiation that is itself to be differentiated."""
    if left < 2:
        raise ValueError(
            "this gradient was made by a derivation that is not declared for so high an order; name another "
            "derivation, or declare a higher order"
        )
    return left - 1


def _spend(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    t = tangents[0]
    return spent(t, left=less_one(params["left"])) if isinstance(t, Node) else t


spent.pushforward = _spend


def _dtype(x: Any) -> Any:
    data = plain(x)
    return float if type(data) is float else data.dtype


def cast_like(g: Any, node: Node) -> Any:
    """A tangent or cotangent in the dtype of a node's data."""
    dtype = _dtype(node)
    same = type(plain(g)) is float if dtype is float else getattr(plain(g), "dtype", None) == dtype
    return g if same else cast(g, dtype=dtype)
