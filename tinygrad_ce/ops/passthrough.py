"""NumPy functions that have no gradient: on Values they give what they give on their data, plain arrays.

FACTS ask for shapes and dtypes only, READINGS for the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..node import plain
from ..registry import implements


def passes_through(function: Callable[..., Any]) -> None:
    """Let a NumPy function see the data of Values, and return plain arrays."""

    @implements(function)
    def on_data(*args: Any, **kwargs: Any) -> Any:
        return function(*[_deep(x) for x in args], **{k: _deep(v) for k, v in kwargs.items()})


def _deep(x: Any) -> Any:
    return type(x)([plain(item) for item in x]) if type(x) in (list, tuple) else plain(x)


FACTS: frozenset[Callable[..., Any]] = frozenset(
    {
        *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj),
        *(np.zeros_like, np.ones_like, np.empty_like),
    }
)
READINGS: frozenset[Callable[..., Any]] = frozenset(
    {
        *(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere),
        *(np.count_nonzero, np.searchsorted),
        *(np.isnan, np.isfinite, np.isinf, np.isneginf, np.isposinf, np.signbit),
        *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
        *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor),
        *(np.isclose, np.allclose, np.array_equal, np.all, np.any),
        *(np.shares_memory, np.may_share_memory, np.array_repr, np.array_str, np.array2string),
    }
)
for _function in FACTS | READINGS:
    passes_through(_function)
