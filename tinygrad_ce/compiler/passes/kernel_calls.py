"""What openings are written with: kernels as steps, and what an opening is not for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...tracer import NotCaptured

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def call(kernel: Callable[..., Any], /, *arrays: Any, **params: Any) -> Any:
    """A kernel as one step."""
    return arrays[0].tape.take(kernel, arrays, params)


def require(fits: bool) -> None:
    """Raise NotCaptured, which leaves an op whole, where an opening is not for such arguments."""
    if not fits:
        raise NotCaptured("an opening that is not for such arguments")
