"""What a picture says of an array: its shape and dtype, and its numbers, or their range where there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..node import plain

Number = int | float  # and bool, which is an int

SMALL = 6  # so many elements are shown one by one


@dataclass(frozen=True, slots=True)
class Summary:
    """An array in a few plain numbers.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    values : tuple of numbers, or None
        The elements in C order, where there are few.
    low, mean, high : float or None
        Of the finite elements, where there are many.
    nans, infs : int
        How many elements are not finite, where there are many.
    """

    shape: tuple[int, ...]
    dtype: str
    values: tuple[Number, ...] | None = None
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    nans: int = 0
    infs: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        numbers = {"shape": list(self.shape), "dtype": self.dtype}
        if self.values is not None:
            return {**numbers, "values": list(self.values)}
        spread = {"low": self.low, "mean": self.mean, "high": self.high}
        return {**numbers, **spread, "nans": self.nans, "infs": self.infs}


def summarise(x: Any) -> Summary:
    """Summary of a number, an array or a Value, which is only read.

    >>> summarise(2.0).values
    (2.0,)
    >>> s = summarise(np.arange(10.0))
    >>> s.values, s.low, s.mean, s.high
    (None, 0.0, 4.5, 9.0)
    """
    x = plain(x)
    if type(x) is float:
        return Summary((), "float64", (x,))
    try:
        array = np.asarray(x)
    except Exception:  # an array library that does not become NumPy (data on a device): its numbers stay there
        return Summary(tuple(np.shape(x)), str(getattr(x, "dtype", type(x).__name__)))
    if array.size <= SMALL:
        return Summary(array.shape, str(array.dtype), tuple(array.ravel().tolist()))
    return _spread(array)


def _spread(array: np.ndarray[Any, Any]) -> Summary:
    finite = np.isfinite(array)
    kept = array if finite.all() else array[finite]
    lost = array.size - kept.size
    nans = int(np.isnan(array).sum()) if lost else 0
    shape, dtype = array.shape, str(array.dtype)
    if not kept.size:
        return Summary(shape, dtype, nans=nans, infs=lost - nans)
    with np.errstate(over="ignore"):  # a mean beyond the largest float is inf, and says so
        mean = float(np.mean(kept, dtype=np.float64))
    return Summary(shape, dtype, None, float(kept.min()), mean, float(kept.max()), nans, lost - nans)
