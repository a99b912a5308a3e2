"""np.fft: the transforms are linear, and symmetric matrices up to padding: each is its own transpose.

Without conjugates (see `complex.py`) the transpose of fft is fft itself. rfft takes the half of fft that a real signal
determines; irfft counts each of its coefficients twice but the first and, for even n, the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..forms import linear
from ..node import plain
from ..registry import composed

_SWAPPED: dict[Any, Any] = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def resized(x: Any, n: int, axis: int) -> Any:
    """The first n entries along an axis, or zeros after those that there are."""
    have = np.shape(x)[axis]
    if have == n:
        return x
    before = (slice(None),) * (axis % np.ndim(x))
    if have > n:
        return x[(*before, slice(0, n))]
    widths = [(0, 0)] * np.ndim(x)
    widths[axis] = (0, n - have)
    return np.pad(x, widths)


def _samples(is_real: bool) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for shape, params in [
            ((5,), {}),
            ((4,), {"n": 6}),
            ((6,), {"n": 3}),
            ((2, 4), {"axis": 0}),
            ((2, 3), {"norm": "ortho"}),
            ((2, 3), {"norm": "forward", "n": 4}),
        ]:
            x = rng.normal(size=shape)
            yield (x if is_real else x + 1j * rng.normal(size=shape),), params

    return samples


def _own_transpose(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, x, *, n, axis, norm: resized(function(g, axis=axis, norm=norm), np.shape(x)[axis], axis)


@linear(np.fft.fft, transpose=_own_transpose(np.fft.fft), samples=_samples(False), formula="fft(g)")
def fft(a: Any, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """The discrete Fourier transform along `axis`."""
    return np.fft.fft(a, n, axis, norm)


@linear(np.fft.ifft, transpose=_own_transpose(np.fft.ifft), samples=_samples(False), formula="ifft(g)")
def ifft(a: Any, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse of `fft`."""
    return np.fft.ifft(a, n, axis, norm)


def _to_signal(g: Any, x: Any, *, n: int | None, axis: int, norm: Any) -> Any:
    n = np.shape(x)[axis] if n is None else n
    whole = np.fft.fft(resized(g, n, axis), axis=axis, norm=norm)
    return resized(np.real(whole), np.shape(x)[axis], axis)


@linear(np.fft.rfft, transpose=_to_signal, samples=_samples(True), formula="Re fft(g, padded)")
def rfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """`fft` of a real signal: the first n // 2 + 1 coefficients, which determine the others."""
    return np.fft.rfft(a, n, axis, norm)


def _to_coefficients(g: Any, x: Any, *, n: int | None, axis: int, norm: Any) -> Any:
    length = np.shape(g)[axis]
    half = np.conj(np.fft.rfft(g, axis=axis, norm=_SWAPPED[norm]))
    k = np.arange(length // 2 + 1)
    twice = np.where((k == 0) | (2 * k == length), 1.0, 2.0)
    shape = [-1 if i == axis % np.ndim(g) else 1 for i in range(np.ndim(g))]
    return resized(half * twice.reshape(shape), np.shape(x)[axis], axis)


@linear(np.fft.irfft, transpose=_to_coefficients, samples=_samples(False), formula="rfft(g)‾, counted twice")
def irfft(a: Any, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse of `rfft`: a real signal of length n, 2 (m − 1) by default."""
    return np.fft.irfft(a, n, axis, norm)


def _spectra(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=(2, 4)) + 1j * rng.normal(size=(2, 4)),), p) for p in ({}, {"n": 5, "norm": "ortho"})]


@composed(np.fft.hfft, samples=_spectra)
def _hfft(a: Any, n: int | None = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return np.fft.irfft(np.conj(a), n, axis, _SWAPPED[norm])


@composed(np.fft.ihfft, samples=lambda rng: [((rng.normal(size=(2, 4)),), {})])
def _ihfft(a: Any, n: int | None = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return np.conj(np.fft.rfft(a, n, axis, _SWAPPED[norm]))


# -- several axes, one after the other -------------------------------------------------------------------------


def _over(s: Any, axes: Any, a: Any) -> list[tuple[int | None, int]]:
    """(length, axis) pairs, as np.fft reads s and axes."""
    if axes is None:
        axes = range(np.ndim(a)) if s is None else range(-len(s), 0)
    lengths = [None] * len(axes) if s is None else s
    return [(None if n is None or n == -1 else int(n), int(i)) for n, i in zip(lengths, axes, strict=True)]


def _whole(step: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
        for n, axis in reversed(_over(s, axes, a)):
            a = step(a, n=n, axis=axis, norm=norm)
        return a

    return call


def _rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    *others, (n, last) = _over(s, axes, a)
    a = np.fft.rfft(a, n=n, axis=last, norm=norm)
    for n, axis in reversed(others):
        a = np.fft.fft(a, n=n, axis=axis, norm=norm)
    return a


def _irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    *others, (n, last) = _over(s, axes, a)
    for length, axis in others:
        a = np.fft.ifft(a, n=length, axis=axis, norm=norm)
    return np.fft.irfft(a, n=n, axis=last, norm=norm)


def _in_plane(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, s=None, axes=(-2, -1), norm=None, out=None: call(a, s, axes, norm)


def _grids(is_real: bool) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for params in ({}, {"s": (2, 5), "axes": (0, 1)}, {"axes": (1, 0), "norm": "ortho"}, {"norm": "forward"}):
            x = rng.normal(size=(3, 4))
            yield (x if is_real else x + 1j * rng.normal(size=(3, 4)),), params

    return samples


for _many, _plane, _call, _is_real in (
    (np.fft.fftn, np.fft.fft2, _whole(np.fft.fft), False),
    (np.fft.ifftn, np.fft.ifft2, _whole(np.fft.ifft), False),
    (np.fft.rfftn, np.fft.rfft2, _rfftn, True),
    (np.fft.irfftn, np.fft.irfft2, _irfftn, False),
):
    composed(_many, samples=_grids(_is_real))(_call)
    composed(_plane, samples=_grids(_is_real))(_in_plane(_call))


def _shifting(function: Callable[..., Any], half: Callable[[int], int]) -> None:
    @composed(function, samples=lambda rng: [((rng.normal(size=(3, 4)),), p) for p in ({}, {"axes": 0})])
    def call(x: Any, axes: Any = None) -> Any:
        axes = tuple(range(np.ndim(x))) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        return np.roll(x, [half(np.shape(plain(x))[i]) for i in axes], axes)


_shifting(np.fft.fftshift, lambda n: n // 2)
_shifting(np.fft.ifftshift, lambda n: -(n // 2))
