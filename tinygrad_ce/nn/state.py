"""A state: parameters' data by name; and whether one fits a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..node import plain

_SHOWN = 4


def checked(state: Mapping[str, Any], current: Mapping[str, Any], of: str) -> dict[str, Any]:
    """Return the arrays of `state` as new data for the parameters whose data are `current`.

    Parameters
    ----------
    state : mapping of names to arrays
    current : mapping of names to arrays or Python floats
        What is to be replaced: gives names, shapes and dtypes.
    of : str
        What the error calls the model.

    Raises
    ------
    ValueError
        With everything that is wrong, in one line.

    Examples
    --------
    >>> checked({"w": [1, 2]}, {"w": np.zeros(2)}, "Line()")
    {'w': array([1., 2.])}
    >>> checked({"w": [1, 2], "u": 0}, {"w": np.zeros(3)}, "Line()")
    Traceback (most recent call last):
        ...
    ValueError: this is not a state of Line(): 'u' is unknown; 'w' has shape (2,), the model's (3,)
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"a state maps names to arrays; this is a {type(state).__name__}")
    faults = [f"{name!r} is missing" for name in current if name not in state]
    faults += [f"{name!r} is unknown" for name in state if name not in current]
    fresh = {}
    for name, old in current.items():
        if name in state:
            new, fault = _replacement(state[name], old)
            fresh[name] = new
            faults += [f"{name!r} {fault}"] if fault else []
    if faults:
        more = f"; and {len(faults) - _SHOWN} faults more" if len(faults) > _SHOWN else ""
        raise ValueError(f"this is not a state of {of}: {'; '.join(faults[:_SHOWN])}{more}")
    return fresh


def _replacement(new: Any, old: Any) -> tuple[Any, str]:
    """The new data in the old's type and dtype, copied; and what is wrong with them, "" where nothing is."""
    try:
        array = np.asarray(plain(new))
    except ValueError:
        return None, "is a ragged sequence, no array"
    if array.dtype.kind not in "fiu":
        return None, f"holds {array.dtype}, no real numbers"
    if array.shape != np.shape(old):
        return None, f"has shape {array.shape}, the model's {np.shape(old)}"
    if np.any(np.isnan(array)):
        return None, "holds nan: its training had diverged"
    dtype = np.float64 if type(old) is float else old.dtype
    with np.errstate(over="ignore"):
        cast = np.array(array, dtype=dtype)
    if np.any(np.isinf(cast) & np.isfinite(array)):
        return None, f"holds numbers too large for {np.dtype(dtype)}"
    return (float(cast) if type(old) is float else cast), ""
