"""An array that can do nothing but what NumPy's protocols ask of it: no conversion, no assignment, no truth value.

What runs on it runs on any array library that speaks the protocols (CuPy, dask, ...).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


def bare(x: Any) -> Any:
    """Pure arrays taken apart, in arguments and in what holds them."""
    if isinstance(x, Pure):
        return x.held
    if type(x) in (list, tuple):
        return type(x)([bare(item) for item in x])
    return x


def pure(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return Pure(np.asarray(x))
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*[pure(item) for item in x])
    return type(x)([pure(item) for item in x]) if type(x) in (list, tuple) else x


class Pure(NDArrayOperatorsMixin):
    """Read-only, and not an ndarray."""

    def __init__(self, held: Any) -> None:
        self.held = held.view()
        self.held.flags.writeable = False

    shape = property(lambda self: self.held.shape)
    dtype = property(lambda self: self.held.dtype)
    ndim = property(lambda self: self.held.ndim)
    size = property(lambda self: self.held.size)
    T = property(lambda self: Pure(self.held.T))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            raise TypeError(f"np.{ufunc.__name__} into out=")
        if method not in ("__call__", "reduce"):
            raise TypeError(f"np.{ufunc.__name__}.{method}")
        return pure(getattr(ufunc, method)(*[bare(x) for x in inputs], **kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            raise TypeError(f"np.{function.__name__} into out=")
        return pure(function(*[bare(x) for x in args], **{k: bare(v) for k, v in kwargs.items()}))

    def __getitem__(self, key: Any) -> Any:
        return pure(self.held[bare(key)])

    def astype(self, dtype: Any) -> Any:
        return Pure(self.held.astype(dtype))

    def conj(self) -> Any:
        return Pure(self.held.conj())

    def reshape(self, *shape: Any) -> Any:
        return Pure(self.held.reshape(*shape))

    def _refused(self, *_: Any, **__: Any) -> Any:
        raise TypeError("this is not plain NumPy: it converts, assigns into, or branches on an array")

    __array__ = __setitem__ = __bool__ = __float__ = __int__ = __index__ = __complex__ = _refused
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _refused
