"""What pictures are asked for, looked at: an option that makes no sense is a sentence that names it."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..node import plain


def whole(name: str, given: Any, least: int) -> int:
    """An option that is an integer.

    >>> whole("limit", 500, 1)
    500
    >>> whole("limit", "a", 1)
    Traceback (most recent call last):
        ...
    ValueError: limit= is an integer of at least 1, not 'a'

    Raises
    ------
    ValueError
    """
    try:
        number = index(given)
    except TypeError:
        number = least - 1
    if isinstance(given, bool) or number < least:
        raise ValueError(f"{name}= is an integer of at least {least}, not {given!r:.60}")
    return number


def above(name: str, given: Any) -> float:
    """An option that is a finite number above 0."""
    real = isinstance(given, int | float | np.number) and not isinstance(given, bool | np.complexfloating)
    if not (real and 0 < given < float("inf")):
        raise ValueError(f"{name}= is a number above 0, not {given!r:.60}")
    return float(given)


def numbers(what: str, given: Any) -> NDArray[Any]:
    """Real numbers, as an array of float64.

    Raises
    ------
    ValueError
        If they are something else: a text, a module, complex.
    """
    try:
        array = np.asarray(plain(given))
        fits = array.dtype.kind in "biuf" or (array.dtype.kind == "O" and array.dtype.hasobject and _real(array))
    except ValueError:  # ragged
        fits = False
    if not fits:
        raise ValueError(f"{what} are real numbers, an array of them, not {given!r:.60}")
    return np.asarray(array, dtype=float)


def _real(array: NDArray[Any]) -> bool:
    try:
        np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        return False
    return bool(array.size) and not any(x is None or isinstance(x, str) for x in array.flat)


def function(name: str, given: Any) -> None:
    """Refuse what cannot be called.

    Raises
    ------
    TypeError
    """
    if not callable(given) or isinstance(given, type):
        raise TypeError(f"{name} is a function or a Module, not {given!r:.60}")


def image(given: Any) -> tuple[int, int] | None:
    """The option shape=: (height, width), or None."""
    if given is None:
        return None
    try:
        high, wide = (index(side) for side in given)
    except (TypeError, ValueError):
        high = wide = 0
    if high < 1 or wide < 1:
        raise ValueError(f"shape= is (height, width), two integers of at least 1, not {given!r:.60}")
    return high, wide
