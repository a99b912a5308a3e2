"""What an optimiser asks of its parameters and of its numbers, refused with a reason where it is not so."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any, Protocol

import numpy as np

# No spelling that NumPy takes for a dtype: np.dtype("float64") == "float" holds.
PYTHON_FLOAT = "Python float"

# The dtype (PYTHON_FLOAT for a Python float) and the shape: what must not change under an optimiser.
Kind = tuple[Any, tuple[int, ...]]


class Parameter(Protocol):
    """Anything that holds numbers and their gradient: a leaf Value, for one.

    Attributes
    ----------
    data : float or array of a floating dtype
    grad : float or array of the same shape, or None
    """

    data: Any
    grad: Any


def collected(params: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Return the parameters as a tuple, each checked.

    Raises
    ------
    TypeError
        For a single parameter, for things without data and grad, for integer and for complex parameters.
    ValueError
        For no parameter, the same one twice, and the results of operations.
    """
    if hasattr(params, "data") and hasattr(params, "grad"):
        raise TypeError("params is a list of parameters, not one parameter: write [p]")
    members = tuple(params)
    if not members:
        raise ValueError("no parameters to optimise: params is empty")
    first: dict[int, int] = {}
    for index, member in enumerate(members):
        _check(member, described(index, member))
        if id(member) in first:
            raise ValueError(f"{described(index, member)} is parameter {first[id(member)]} again: list it once")
        first[id(member)] = index
    return members


def described(index: int, param: object) -> str:
    """Say which parameter: its number, and its label if it has one."""
    label = getattr(param, "label", "")
    return f"parameter {index} ({label})" if isinstance(label, str) and label else f"parameter {index}"


def kind(data: Any) -> Kind:
    """Return the dtype, in native byte order, and the shape."""
    return (PYTHON_FLOAT, ()) if type(data) is float else (np.dtype(data.dtype.type), data.shape)


def nonnegative(name: str, value: float) -> float:
    """Return a hyperparameter as a float; ValueError when negative, NaN or infinite."""
    number = finite(name, value)
    if number < 0.0:
        raise ValueError(f"{name} is at least 0, not {value!r}")
    return number


def finite(name: str, value: float) -> float:
    """Return a hyperparameter as a float; ValueError when NaN or infinite."""
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{name} is a finite number, not {value!r}")
    return number


def _check(param: object, which: str) -> None:
    if not (hasattr(param, "data") and hasattr(param, "grad")):
        raise TypeError(f"{which} is a {type(param).__name__} without .data and .grad: give it as a Value")
    if getattr(param, "parents", ()):
        raise ValueError(f"{which} is the result of an operation, not a leaf: optimise what it is computed from")
    if type(param.data) is float:
        return
    dtype = getattr(param.data, "dtype", None)
    if dtype is None:
        raise TypeError(f"{which} holds a {type(param.data).__name__}: its data must be a float or an array")
    if np.issubdtype(dtype, np.complexfloating):
        raise TypeError(
            f"{which} is complex ({dtype}), where p - lr * grad would ascend in the imaginary part: "
            "optimise its real and imaginary parts as two parameters"
        )
    if not np.issubdtype(dtype, np.floating):
        raise TypeError(f"{which} has dtype {dtype}, which cannot take small steps: make it a floating dtype")
