"""A state: the data of parameters and buffers by name; and whether one fits a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..node import plain

_SHOWN = 4


class Incompatible(NamedTuple):
    """Names that a state lacks, and names that a model does not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def shared(places: Mapping[str, Any]) -> list[list[str]]:
    """The names of each thing that has several."""
    names: dict[Any, list[str]] = {}
    for name, place in places.items():
        names.setdefault(getattr(place, "identity", id(place)), []).append(name)
    return [several for several in names.values() if len(several) > 1]


def completed(state: Mapping[str, Any], shared: list[list[str]], of: str) -> dict[str, Any]:
    """A state in which what is shared has all of its names, where it has one.

    >>> sorted(completed({"a": 1}, [["a", "b"]], "Tied()"))
    ['a', 'b']

    Raises
    ------
    ValueError
        If it has two values.
    """
    whole = dict(state)
    for names in shared:
        given = [name for name in names if name in state]
        for name in given[1:]:
            if not _same(state[given[0]], state[name]):
                raise ValueError(f"this is not a state of {of}: {given[0]!r} and {name!r} are one there, and differ")
        if given:
            whole |= dict.fromkeys(names, state[given[0]])
    return whole


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return np.array_equal(np.asarray(plain(one)), np.asarray(plain(other)))
    except ValueError:  # ragged: said later
        return True


def checked(
    state: Mapping[str, Any], current: Mapping[str, Any], of: str, *, strict: bool = True
) -> tuple[dict[str, Any], Incompatible]:
    """Return the arrays of `state` as new data in the place of `current`, and the names that do not fit.

    Parameters
    ----------
    state : mapping of names to arrays
    current : mapping of names to arrays or Python floats
        What is to be replaced: gives names, shapes and dtypes.
    of : str
        What the error calls the model.
    strict : bool
        Whether a name that does not fit is an error.

    Raises
    ------
    ValueError
        With everything that is wrong, in one line.

    Examples
    --------
    >>> checked({"w": [1, 2]}, {"w": np.zeros(2)}, "Line()")[0]
    {'w': array([1., 2.])}
    >>> checked({"w": [1, 2], "u": 0}, {"w": np.zeros(3)}, "Line()")
    Traceback (most recent call last):
        ...
    ValueError: this is not a state of Line(): 'u' is unknown; 'w' has shape (2,), the model's (3,)
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"a state maps names to arrays; this is a {type(state).__name__}")
    missing = [name for name in current if name not in state]
    unexpected = [name for name in state if name not in current]
    faults: list[str] = []
    if strict:
        faults += [f"{name!r} is missing" for name in missing] + [f"{name!r} is unknown" for name in unexpected]
        missing, unexpected = [], []
    fresh = {}
    for name, old in current.items():
        if name in state:
            fresh[name], fault = _replacement(state[name], old)
            faults += [f"{name!r} {fault}"] if fault else []
    if faults:
        more = f"; and {len(faults) - _SHOWN} faults more" if len(faults) > _SHOWN else ""
        raise ValueError(f"this is not a state of {of}: {'; '.join(faults[:_SHOWN])}{more}")
    return fresh, Incompatible(missing, unexpected)


def _replacement(new: Any, old: Any) -> tuple[Any, str]:
    """The new data in the old's type and dtype, copied; and what is wrong with them, "" where nothing is."""
    try:
        array = np.asarray(plain(new))
    except ValueError:
        return None, "is a ragged sequence, no array"
    dtype = np.dtype(np.float64) if type(old) is float else old.dtype
    if array.dtype.kind not in ("fiub" if dtype.kind == "b" else "fiu"):
        return None, f"holds {array.dtype}, no real numbers"
    if array.shape != np.shape(old):
        return None, f"has shape {array.shape}, the model's {np.shape(old)}"
    if np.any(np.isnan(array)):
        return None, "holds nan: its training had diverged"
    with np.errstate(over="ignore", invalid="ignore"):
        cast = np.array(array, dtype=dtype)
    if np.any(np.isinf(cast) & np.isfinite(array)):
        return None, f"holds numbers too large for {dtype}"
    if dtype.kind != "f" and np.any(cast != array):
        return None, f"holds numbers that are none of {dtype}"
    return (float(cast) if type(old) is float else cast), ""
