"""Where transforms stand: whether operations are recorded, and whether results have to stay differentiable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from ..node import Node, plain, recorded
from ..value import Value

# Inside a transform every inner transform returns Values: the outer one may be differentiating it.
_depth: ContextVar[int] = ContextVar("transform depth", default=0)


def no_grad() -> recorded:
    """A context (or a decorator, `@no_grad()`) in which nothing is recorded: results are constants, and cost no graph.

    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * 3
    >>> y.requires_grad
    False
    """
    return recorded(False)


class inside:
    """A context: the inside of a transform, where everything is recorded."""

    def __enter__(self) -> None:
        self._token = _depth.set(_depth.get() + 1)
        self._recording = recorded(True)
        self._recording.__enter__()

    def __exit__(self, *error: object) -> None:
        self._recording.__exit__(*error)
        _depth.reset(self._token)


def kept(leaves: list[Any]) -> bool:
    """Whether results are to be Values: somebody may differentiate them."""
    return _depth.get() > 0 or any(isinstance(x, Node) for x in leaves)


def result(x: Any, keep: bool) -> Any:
    """A result as the caller gets it: a Value if it is to be kept, else plain, sharing memory with nothing."""
    if not keep:
        if type(x) is np.ndarray:
            return x.copy()
        x = plain(x)
        return x.copy() if isinstance(x, np.ndarray) else x
    return x if isinstance(x, Node) else Value(x, requires_grad=False)
