"""NumPy's protocols: how np.f(value) finds its op, and what happens where there is none.

NumPy dispatches through `__array_ufunc__` and `__array_function__`, and the registry says what to do. A function
without a rule raises NotImplementedError: the graph is never lost in silence.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from opcode import opmap
from typing import Any

import numpy as np

from .arrays import holds_arrays
from .node import Node
from .op import Op
from .operators import unary
from .registry import registry
from .ufuncs import ufunc_method

rules = registry.numpy


class ArrayProtocols(Node):
    """A Node on which NumPy functions work, and ndarray's methods with them."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            handler = rules.get(ufunc)
            if type(handler) is Op and handler.short is not None:
                return handler.short(self)
            for x in inputs:
                if holds_arrays(x):
                    return NotImplemented
            if handler is not None:
                return handler(*inputs)
        name = f"np.{ufunc.__name__}"
        if method != "__call__":
            return ufunc_method(ufunc, method, inputs, kwargs)
        if kwargs.pop("out", None) is not None:
            raise TypeError(
                f"{name} into out= (or in place, x {_SYMBOLS.get(ufunc.__name__, '∘')}= value) cannot take a Value: "
                f"it would overwrite an array and lose the graph; write x = x ∘ value instead"
            )
        handler = registry.handler(ufunc)
        if handler is None:
            raise _no_rule(name)
        dtype = kwargs.pop("dtype", None)
        if dtype is not None:
            inputs = tuple([x.astype(dtype) if isinstance(x, Node) else x for x in inputs])
        return handler(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler = registry.handler(function)
        if handler is None:
            raise _no_rule(f"{function.__module__.replace('numpy', 'np')}.{function.__name__}")
        if kwargs.get("out") is not None:
            raise TypeError(f"np.{function.__name__} into out= would overwrite an array and lose the graph")
        kwargs.pop("out", None)
        return handler(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise TypeError(
                "a Value that requires a gradient does not become an array in silence, by np.array or by assignment "
                "into one: join Values with np.stack([...]) or tg.array([...]), or take the plain data with .numpy()"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dir__(self) -> list[str]:
        names = {*registry, *(n for n in dir(np.ndarray) if n not in _IN_PLACE and not n.startswith("_"))}
        return sorted({*super().__dir__(), *(n for n in names if _method(n) is not None)})


def refuse_assignment(value: Any) -> None:
    """Raise where NumPy asks a Value for a number in order to store it: `buffer[i] = value` loses the graph.

    It asks as float(value) does. The difference is the caller's instruction, which CPython lets one see.
    """
    if not value.requires_grad:
        return
    frame = sys._getframe(2)
    if frame.f_code.co_code[frame.f_lasti] == _STORE:
        raise TypeError(
            "assigning a Value into an array would lose its graph: build the array with np.stack([...]) or "
            "tg.array([...]), or assign the plain number, value.item()"
        )


_STORE = opmap["STORE_SUBSCR"]
_SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**"}


def _no_rule(name: str) -> NotImplementedError:
    own = name.removeprefix("np.")
    if getattr(sys.modules.get("scipy.special"), own, None) is not None and not hasattr(np, own):
        return NotImplementedError(
            f"scipy.special.{own} has no rule on Values, unless tinygrad_ce.special has: import it first"
        )
    return NotImplementedError(
        f"{name} has no rule on Values, so its gradient would be lost; write it in functions that have one "
        f"(tg.registry() lists them), define it with @tg.op, or apply it to .data where no gradient is needed"
    )


_IN_PLACE = {"sort", "partition", "put", "fill", "resize", "byteswap", "setfield", "setflags"}


def _method(name: str) -> Callable[..., Any] | None:
    """What `v.name(...)` calls: NumPy's function of that name where ndarray has the method, else a unary op."""
    if name in _IN_PLACE:
        return _writes(name)
    if name == "compress":
        return lambda v, condition, axis=None: np.compress(condition, v, axis)
    if hasattr(np.ndarray, name):
        function = getattr(np, name, None)
        return function if function is not None and registry.handler(function) is not None else None
    op = registry.get(name)
    if op is None or op.partials is None or len(op.partials) != 1:
        return None
    return registry.numpy.get(getattr(np, name, None), op)  # np.sign knows of complex numbers, its op of real ones


class _Method:
    """v.name(...): found in the registry when it is asked for, for its op may be imported late, or defined again."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, value: Any, kind: type) -> Any:
        method = _method(self.name)
        if method is None or value is None:
            raise AttributeError(f"{kind.__name__} has no attribute '{self.name}'")
        return partial(method, value)


def _provide(name: str) -> None:
    if not any(name in kind.__dict__ for kind in ArrayProtocols.__mro__):
        setattr(ArrayProtocols, name, _Method(name))


def _provide_op(op: Op) -> None:
    """An op of one input has a short way; a built-in one is a method, too, where it is elementwise (see `_method`)."""
    if op.unary:
        op.short = unary(op)
        if op.key == op.name:
            _provide(op.name)


for _name in (*dir(np.ndarray), *registry.late_methods):
    if not _name.startswith("_"):
        _provide(_name)
for _op in registry.ops.values():
    _provide_op(_op)
registry.listeners.append(_provide_op)


def _writes(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        better = f"np.{name}(v) gives a new one" if name in ("sort", "partition", "resize") else "build a new one"
        raise TypeError(f"v.{name}() would write into the data of a Value, on which its graph depends; {better}")

    return refuse
