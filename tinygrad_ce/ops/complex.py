"""Real and imaginary parts, conjugates, angles.

The gradient of a real loss L in z = x + iy is ∂L/∂x − i ∂L/∂y, as in JAX and HIPS autograd: then a holomorphic f has
the rule g f′(z), without a conjugate, and the rules for real numbers serve. (PyTorch's is the conjugate of it.)
The pairing of cotangents and tangents is Re Σ g t; a cotangent of a real array is its real part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..forms import linear
from ..node import plain
from ..registry import composed, implements


def is_complex(x: Any) -> bool:
    """Whether a Value or an array is of a complex dtype."""
    return getattr(plain(x), "dtype", _FLOAT).kind == "c"


def conj(x: Any) -> Any:
    """The conjugate; real arrays as they are, without a copy or a node."""
    return np.conj(x) if is_complex(x) else x


_FLOAT = np.dtype(float)


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((2, 3), (), (0, 2)):
        yield (rng.normal(size=shape) + 1j * rng.normal(size=shape),), {}


@linear(transpose=lambda g, x: g, samples=_samples, formula="g")
def real(val: Any) -> Any:
    """The real part of a complex array."""
    return np.real(val)


@linear(transpose=lambda g, x: -1j * g, samples=_samples, formula="−i g")
def imag(val: Any) -> Any:
    """The imaginary part of a complex array."""
    return np.imag(val)


@linear(transpose=lambda g, x: np.conj(g), samples=_samples, formula="ḡ")
def conjugate(x: Any) -> Any:
    """The conjugate of a complex array."""
    return np.conjugate(x)


@implements(np.real)
def _real(val: Any) -> Any:
    return real(val) if is_complex(val) else val


@implements(np.imag)
def _imag(val: Any) -> Any:
    return imag(val) if is_complex(val) else np.where(False, val, 0.0)  # not −0, which np.angle would turn into −π


@implements(np.conjugate)
def _conjugate(x: Any) -> Any:
    return conjugate(x) if is_complex(x) else x


@implements(np.real_if_close)
def _real_if_close(a: Any, tol: float = 100) -> Any:
    return a if is_complex(np.real_if_close(plain(a), tol=tol)) else np.real(a)


@composed(np.angle, samples=lambda rng: [((rng.normal(size=(2, 3)),), {}), ((rng.normal(size=3),), {"deg": True})])
def _angle(z: Any, deg: bool = False) -> Any:
    out = np.arctan2(np.imag(z), np.real(z))
    return np.rad2deg(out) if deg else out
