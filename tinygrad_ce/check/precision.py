"""Dtypes, units in the last place, and the small arithmetic that every oracle needs.

HIGH            the widest float that is wider than float64 here, or float64
raised(x)       an input in that precision
nudged(x, rng)  every number moved by about one unit in its last place
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

HIGH: Any = np.longdouble if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else np.float64


def eps(dtype: Any) -> float:
    return float(np.finfo(dtype).eps)


def is_float(x: Any) -> bool:
    return type(x) is float or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def raised(x: Any, dtype: Any = HIGH) -> Any:
    """A copy of an input in a higher precision; what is no floating array is copied as it is."""
    if type(x) is float:
        return np.asarray(x, dtype=dtype)[()] if dtype is not float else x
    if is_float(x):
        return np.array(x, dtype=np.result_type(x.dtype, dtype))
    return x.copy() if isinstance(x, np.ndarray) else x


def copied(x: Any) -> Any:
    return x.copy(order="K") if isinstance(x, np.ndarray) else x


class NotReal(TypeError):
    """A result is complex, or not of floating numbers."""


def nudged(x: Any, rng: np.random.Generator, unit: float) -> Any:
    """`x` with every number moved up or down by `unit` of its size; zeros stay, for they are exact."""
    if not is_float(x):
        return x
    a = np.asarray(x)
    finite = np.where(np.isfinite(a), a, 0)
    moved = a + rng.choice([-1.0, 1.0], size=a.shape).astype(a.dtype) * (finite * a.dtype.type(unit))
    return moved if isinstance(x, np.ndarray) else moved[()] if type(x) is not float else float(moved)


def typical(x: Any) -> float:
    """The size of an array's numbers: their mean magnitude, 1 where there are none."""
    a = np.abs(np.asarray(x, dtype=np.float64))
    a = a[np.isfinite(a) & (a > 0)]
    return float(np.mean(a)) if a.size else 1.0


def same(a: Any, b: Any) -> bool:
    """Bitwise the same numbers, nan where nan is."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def ulps_apart(a: Any, b: Any) -> float:
    """The largest difference in units in the last place of the largest number: what threaded sums differ by."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or not a.size:
        return 0.0 if a.shape == b.shape else np.inf
    with np.errstate(all="ignore"):
        gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        top = float(np.max(np.abs(np.where(np.isfinite(a), a, 0.0)), initial=0.0))
    return float(np.max(gap)) / float(np.spacing(np.asarray(max(top, np.finfo(a.dtype).tiny), dtype=a.dtype)))


def unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(flat, shape)) if shape else ()


def show(index: Sequence[int]) -> str:
    """An index as a message shows it: [2, 3]; nothing for one number."""
    return f"[{', '.join(map(str, index))}]" if len(index) else ""


@contextmanager
def quiet() -> Iterator[None]:
    """A context in which NumPy says nothing of overflow: points are chosen to provoke it."""
    import warnings

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
