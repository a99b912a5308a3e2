"""Where in a sequence a vector stands, told to layers that would not know: three ways.

SinusoidalPositions    fixed waves, added (Vaswani et al., 2017)
LearnedPositions       a learnt vector for each place, added
rotary                 queries and keys turned by an angle that grows with the place (Su et al., RoFormer, 2021)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..node import plain
from ..value import Value
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import floating_dtype, shape_of, size, wrong_shape


@lru_cache(maxsize=64)
def waves(length: int, dim: int, base: float = 10000.0) -> Any:
    """Angles of shape (length, ⌈dim / 2⌉): place · base^(−2i / dim). Read-only."""
    frequencies = base ** (-2.0 * np.arange((dim + 1) // 2) / dim)
    angles = np.arange(length)[:, None] * frequencies
    angles.flags.writeable = False
    return angles


class _Positions(Module):
    """What is added to (..., length, embed_dim)."""

    def __init__(self, embed_dim: int, max_length: int) -> None:
        self.embed_dim = size("embed_dim", embed_dim)
        self.max_length = size("max_length", max_length)

    def _length(self, x: Any) -> int:
        shape = shape_of(x)
        if len(shape) < 2 or shape[-1] != self.embed_dim or shape[-2] > self.max_length:
            raise wrong_shape(self, f"(..., up to {self.max_length}, {self.embed_dim})", shape)
        return shape[-2]

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, up to {self.max_length}"

    def __repr__(self) -> str:
        return self._headline()


class SinusoidalPositions(_Positions):
    """x + P, P[t, 2i] = sin(t · 10000^(−2i / E)), P[t, 2i + 1] = cos of the same; nothing is learnt.

    Parameters
    ----------
    embed_dim : int
        E, the size of the vectors.
    max_length : int

    Raises
    ------
    ValueError
        If an input is not (..., length, E), or longer than that.

    Examples
    --------
    >>> SinusoidalPositions(4)(np.zeros((2, 4))).round(2).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.84, 0.54, 0.01, 1.0]]
    """

    def __init__(self, embed_dim: int, max_length: int = 5000) -> None:
        super().__init__(embed_dim, max_length)
        self._tables: dict[Any, Any] = {}

    def forward(self, x: Any) -> Any:
        """x of shape (..., length, E) to the same."""
        length, dtype = self._length(x), np.result_type(plain(x), np.float16)
        table = self._tables.get((length, dtype))
        if table is None:
            angles = waves(length, self.embed_dim)
            both = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1)
            table = self._tables[length, dtype] = both[:, : self.embed_dim].astype(dtype)
        return x + table


class LearnedPositions(_Positions):
    """x + W[:length], W learnt.

    Parameters
    ----------
    max_length : int
        How many places there are, as torch.nn.Embedding has it.
    embed_dim : int
    rng : numpy.random.Generator or int, optional
        Where W is drawn from: N(0, 0.02²), as GPT-2 does.
    dtype : dtype

    Attributes
    ----------
    weight : Value of shape (max_length, embed_dim)

    Raises
    ------
    ValueError
        If an input is not (..., length, E), or longer than that.

    Examples
    --------
    >>> LearnedPositions(8, 4, rng=0)(np.zeros((2, 5, 4))).shape
    (2, 5, 4)
    >>> LearnedPositions(8, 4, rng=0)(np.zeros((2, 9, 4)))
    Traceback (most recent call last):
        ...
    ValueError: LearnedPositions(4, up to 8) takes inputs of shape (..., up to 8, 4), not (2, 9, 4)
    """

    def __init__(
        self, max_length: int, embed_dim: int, *, rng: Randomness = None, dtype: DTypeLike = np.float64
    ) -> None:
        super().__init__(embed_dim, max_length)
        drawn = generator_of(rng).normal(0.0, 0.02, (max_length, embed_dim))
        self.weight = Value(drawn.astype(floating_dtype(dtype)))

    def forward(self, x: Any) -> Any:
        """x of shape (..., length, E) to the same."""
        return x + self.weight[: self._length(x)]


def rotary(x: Any, *, base: float = 10000.0) -> Any:
    """Each vector of (..., length, E) turned by its place: pair (i, i + E/2) by the angle place · base^(−2i / E).

    The product of two turned vectors depends on how far apart they stand alone, which is what attention wants.

    Parameters
    ----------
    x : Value or array of shape (..., length, E)
        Queries or keys, E even.
    base : float

    Raises
    ------
    ValueError
        If E is odd.

    Examples
    --------
    >>> rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(2).tolist()
    [[1.0, 0.0], [0.54, 0.84]]
    """
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] % 2:
        raise ValueError(f"rotary: vectors of an even size, (..., length, E), are turned in pairs, not {shape}")
    half = shape[-1] // 2
    angles = waves(shape[-2], shape[-1], base)
    dtype = np.result_type(plain(x), np.float16)
    cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
