"""NumPy's protocols: how np.f(value) finds its op, and what happens where there is none.

NumPy dispatches through `__array_ufunc__` and `__array_function__`, and the registry says what to do. A function
without a rule raises NotImplementedError: the graph is never lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .node import UNSET, Node
from .op import Op
from .operators import unary
from .registry import registry

rules = registry.numpy
_unary: dict[Any, Callable[[Any], Any]] = {}  # the short way of ufuncs of one argument, by what handles them


class ArrayProtocols(Node):
    """A Node on which NumPy functions work, and ndarray's methods with them."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            handler = rules.get(ufunc)
            short = _unary.get(handler)
            if short is not None:
                return short(self)
            if handler is not None:
                if isinstance(handler, Op) and handler.unary:
                    _unary[handler] = unary(handler)
                return handler(*inputs)
        name = f"np.{ufunc.__name__}"
        if method != "__call__":
            hint = " (np.sum is np.add.reduce)" if (ufunc, method) == (np.add, "reduce") else ""
            raise NotImplementedError(f"{name}.{method} has no rule on Values{hint}")
        if kwargs.pop("out", None) is not None:
            raise TypeError(
                f"{name} into out= (or in place, x {_SYMBOLS.get(ufunc.__name__, '∘')}= value) cannot take a Value: "
                f"it would overwrite an array and lose the graph; write x = x ∘ value instead"
            )
        handler = registry.numpy.get(ufunc)
        if handler is None:
            raise _no_rule(name)
        return handler(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler = registry.numpy.get(function)
        if handler is None:
            raise _no_rule(f"{function.__module__.replace('numpy', 'np')}.{function.__name__}")
        if kwargs.get("out") is not None:
            raise TypeError(f"np.{function.__name__} into out= would overwrite an array and lose the graph")
        kwargs.pop("out", None)
        return handler(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise TypeError(
                "a Value that requires a gradient does not become an array in silence: join Values with "
                "np.stack([...]), or take the plain data with .numpy()"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        # ndarray's methods, and the elementwise ops as methods (v.exp(), v.relu()), follow from the registry.
        if name not in UNSET and not name.startswith("_"):
            method = _method(name)
            if method is not None:
                return lambda *args, **kwargs: method(self, *args, **kwargs)
        return super().__getattr__(name)  # a slot that was never set reads as its default

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(n for n in registry if _method(n) is not None)})


_SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**"}


def _no_rule(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"{name} has no rule on Values, so its gradient would be lost; write it in functions that have one "
        f"(tg.registry() lists them), define it with @tg.op, or apply it to .data where no gradient is needed"
    )


def _method(name: str) -> Callable[..., Any] | None:
    """What `v.name(...)` calls: NumPy's function of that name where ndarray has the method, else a unary op."""
    if hasattr(np.ndarray, name):
        function = getattr(np, name, None)
        return function if function in registry.numpy else None
    op = registry.get(name)
    return op if op is not None and len(op.input_names) == 1 and not op.option_names else None
