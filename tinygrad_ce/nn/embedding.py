"""Embedding: a table whose rows are learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..value import Value
from . import functional as F
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import floating_dtype, located, size


class Embedding(Module):
    """A row of a table for each index; the gradient of a row adds up over its uses.

    Parameters
    ----------
    num_embeddings : int
        Rows V.
    embedding_dim : int
        Their length D.
    padding_idx : int, optional
        A row that is 0 to begin with and gets no gradient; negative ones count from the end.
    rng : numpy.random.Generator or int, optional
    dtype : dtype

    Attributes
    ----------
    weight : Value of shape (V, D), N(0, 1) to begin with

    Raises
    ------
    ValueError
        If indices are no integers.
    IndexError
        If one is outside the table; the message says which and where.

    Examples
    --------
    >>> table = Embedding(5, 3, rng=0)
    >>> table([[0, 4], [4, 1]]).shape
    (2, 2, 3)
    >>> table([0, 5])
    Traceback (most recent call last):
        ...
    IndexError: Embedding(5 → 3): index[1] is 5, outside 0 … 4
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.num_embeddings = size("num_embeddings", num_embeddings)
        self.embedding_dim = size("embedding_dim", embedding_dim)
        if padding_idx is not None:
            if not -self.num_embeddings <= padding_idx < self.num_embeddings:
                raise ValueError(f"padding_idx {padding_idx} is no row of {self.num_embeddings}")
            padding_idx %= self.num_embeddings
        self.padding_idx = padding_idx
        weight = generator_of(rng).normal(size=(self.num_embeddings, self.embedding_dim))
        if padding_idx is not None:
            weight[padding_idx] = 0.0
        self.weight = Value(weight.astype(floating_dtype(dtype)))

    def forward(self, indices: Any) -> Any:
        """Integers of any shape to shape (*shape, D)."""
        with located(self):
            return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings} → {self.embedding_dim}{padding}"

    def __repr__(self) -> str:
        return self._headline()
