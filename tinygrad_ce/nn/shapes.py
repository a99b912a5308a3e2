"""What layers ask of sizes and inputs, refused with the layer's name and both shapes where it is not so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from .module import Module


def size(name: str, value: int, least: int = 1) -> int:
    """A size as an int; ValueError where it is none."""
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} is an integer of at least {least}, not {value!r}")
    return number


def probability(name: str, value: float) -> float:
    """A number in [0, 1]; ValueError where it is none."""
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is a probability, from 0 to 1, not {value!r}")
    return float(value)


def floating_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """A floating dtype; ValueError where it is none."""
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise ValueError(f"parameters are of a floating dtype, not {kind}")
    return kind


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a Value, an array or a nested list."""
    shape: tuple[int, ...] = x.shape if hasattr(x, "shape") else np.shape(x)
    return shape


def last_axis(layer: Module, x: Any, features: int) -> None:
    """Require inputs of shape (..., features)."""
    shape = shape_of(x)
    if not shape or shape[-1] != features:
        raise wrong_shape(layer, f"(..., {features})", shape)


def wrong_shape(layer: Module, wanted: str, shape: tuple[int, ...]) -> ValueError:
    """What to raise where a layer is given a wrong shape."""
    return ValueError(f"{layer._name()} takes inputs of shape {wanted}, not {shape}")


@contextmanager
def located(layer: Module) -> Iterator[None]:
    """What an op says is wrong with its input, said of the layer that gave it."""
    try:
        yield
    except (ValueError, IndexError) as error:
        _, colon, rest = str(error).partition(": ")
        raise type(error)(f"{layer._name()}: {rest if colon else error}") from None
