"""NumPy functions that have no gradient: on Values they give what they give on their data, plain arrays.

FACTS ask for shapes and dtypes only, READINGS for the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..node import Node, plain
from ..registry import implements


def passes_through(function: Callable[..., Any]) -> None:
    """Let a NumPy function see the data of Values, and return plain arrays."""

    @implements(function)
    def on_data(*args: Any, **kwargs: Any) -> Any:
        if isinstance(kwargs.get("weights"), Node):
            raise NotImplementedError(
                f"np.{function.__name__} gives plain counts, in which the gradient of weights= would be lost; "
                f"np.bincount has one"
            )
        return function(*[_deep(x) for x in args], **{k: _deep(v) for k, v in kwargs.items()})


def _deep(x: Any) -> Any:
    return type(x)([plain(item) for item in x]) if type(x) in (list, tuple) else plain(x)


def _named(names: str) -> frozenset[Callable[..., Any]]:
    """NumPy's functions of these names, as far as this version has them."""
    return frozenset([getattr(np, name) for name in names.split() if hasattr(np, name)])


FACTS = _named("""
    shape ndim size result_type can_cast common_type iscomplexobj isrealobj broadcast_shapes einsum_path
    zeros_like ones_like empty_like tril_indices_from triu_indices_from diag_indices_from
""")
READINGS = _named("""
    argmax argmin argsort argpartition nanargmax nanargmin lexsort nonzero flatnonzero argwhere searchsorted digitize
    ravel_multi_index unravel_index ix_ count_nonzero histogram histogram2d histogramdd histogram_bin_edges
    isnan isfinite isinf isneginf isposinf signbit isreal iscomplex isclose allclose array_equal array_equiv all any
    equal not_equal less less_equal greater greater_equal min_scalar_type frexp
    logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor invert left_shift right_shift
    gcd lcm bitwise_count unique unique_all unique_counts unique_inverse unique_values isin
    union1d intersect1d setdiff1d setxor1d array_repr array_str array2string
    shares_memory may_share_memory savetxt save savez
""") | {np.linalg.matrix_rank}
for _function in FACTS | READINGS:
    passes_through(_function)


for _function in (np.array_repr, np.array_str, np.array2string):
    # these want an array, where a Value may hold a Python float
    implements(_function)(lambda v, *args, _f=_function, **kwargs: _f(np.asarray(plain(v)), *args, **kwargs))


@implements(np.frexp)
def _frexp(x: Any) -> Any:
    exponent = np.frexp(plain(x))[1]
    return np.ldexp(x, -exponent), exponent


@implements(np.modf)
def _modf(x: Any) -> Any:
    whole = np.trunc(x)
    infinite = np.isinf(plain(x))
    return np.where(infinite, np.copysign(0.0, plain(x)), x - np.where(infinite, 0.0, whole)), whole


if hasattr(np, "astype"):  # NumPy 2.1

    @implements(np.astype)
    def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        return x.astype(dtype)


# -- what would write into an array ----------------------------------------------------------------------------


def _refuses(function: Callable[..., Any]) -> None:
    @implements(function)
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"np.{function.__name__} writes into an array, which loses the graph: build a new one with np.where, "
            f"np.concatenate, np.stack or tg.array"
        )


for _function in (np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal):
    _refuses(_function)
