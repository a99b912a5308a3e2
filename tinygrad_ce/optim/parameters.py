"""What an optimiser asks of its parameters, refused with a reason where it is not so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def grouped(params: Iterable[Any]) -> list[dict[str, Any]]:
    """Return parameter groups: those given as dicts with "params" and options, or one group of all parameters.

    Raises
    ------
    TypeError
        For a single parameter, and for dicts and parameters side by side.
    ValueError
        For no parameters.
    """
    if hasattr(params, "data") and hasattr(params, "grad"):
        raise TypeError("params is a list of parameters, not one parameter: write [p]")
    if isinstance(params, Mapping):
        raise TypeError("params is a list of parameters, or of dicts with 'params', not one dict: write [group]")
    members = list(params)
    if not members:
        raise ValueError("no parameters to optimise: params is empty")
    dicts = [isinstance(member, Mapping) for member in members]
    if all(dicts):
        return [dict(member) for member in members]
    if any(dicts):
        raise TypeError("params mixes parameters and parameter groups: write each as {'params': [...]}")
    return [{"params": members}]


def collected(params: Any, before: tuple[Parameter, ...] = ()) -> tuple[Parameter, ...]:
    """Return the parameters of a group as a tuple, each checked; they are numbered on from those `before`.

    Raises
    ------
    TypeError
        For things without data and grad, for integer and for complex parameters.
    ValueError
        For no parameter, the same one twice, and the results of operations.
    """
    members = (params,) if hasattr(params, "data") and hasattr(params, "grad") else tuple(params)
    if not members:
        raise ValueError("a parameter group has no parameters: leave it out, or fill its 'params'")
    first = {id(member): index for index, member in enumerate(before)}
    for index, member in enumerate(members, len(before)):
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


def gradient(param: Parameter) -> Any:
    """Return the gradient to step by: None where there is none, and for a frozen parameter."""
    return param.grad if getattr(param, "requires_grad", True) else None


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
