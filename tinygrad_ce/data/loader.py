"""A data set in batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterator
from operator import index as as_index

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError

Batch = tuple[NDArray[np.float64], NDArray[np.int64]]


class Loader:
    """Iterate over a data set in batches; each pass is one epoch.

    Epoch e visits the rows in the order ``np.random.default_rng([seed, e]).permutation(N)``: an epoch depends
    on nothing that was drawn before it, so a run resumed at epoch e (``loader.epoch = e``) goes on exactly.

    Parameters
    ----------
    dataset : Dataset
        N ≥ 1 rows.
    batch_size : int, optional
        Rows in a batch; the last one of an epoch may have fewer.
    shuffle : bool, optional
        A new order each epoch; False keeps the rows as they are.
    seed : int, optional
        Non-negative; with the epoch, it determines the order.
    drop_last : bool, optional
        Leave a smaller last batch out.

    Attributes
    ----------
    epoch : int
        The number of the next pass, from 0.

    Yields
    ------
    inputs : ndarray of float64, shape (B, features...)
    targets : ndarray of int64, shape (B,)
        New arrays, free to be written to.

    Raises
    ------
    DataError
        When the data set is empty, or the options would give no batch at all.

    Examples
    --------
    >>> from tinygrad_ce.data import iris
    >>> loader = Loader(iris(), batch_size=64)
    >>> len(loader), [inputs.shape for inputs, targets in loader]
    (3, [(64, 4), (64, 4), (22, 4)])
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        *,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.batch_size = _integer("batch_size", batch_size, least=1)
        self.shuffle = shuffle
        self.seed = _integer("seed", seed, least=0)
        self.drop_last = drop_last
        self.epoch = 0
        if len(dataset) == 0:
            raise DataError(f"{dataset!r} has no rows to make batches of")
        if len(self) == 0:
            raise DataError(
                f"batch_size={batch_size} with drop_last leaves no batch of {len(dataset)} rows: make it smaller"
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        rows = len(self.dataset)
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        # Not a generator itself: the epoch is taken when the pass is asked for, not at its first batch,
        # so that two passes begun together are two epochs.
        rows = np.arange(len(self.dataset))
        if self.shuffle:
            rows = np.random.default_rng([self.seed, self.epoch]).permutation(rows)
        self.epoch += 1
        return self._batches(rows)

    def _batches(self, rows: NDArray[np.intp]) -> Iterator[Batch]:
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = rows[start : start + self.batch_size]
            yield self.dataset.inputs[batch], self.dataset.targets[batch]

    def __repr__(self) -> str:
        return f"Loader({self.dataset!r}, {len(self)} batches of {self.batch_size}, next epoch {self.epoch})"


def _integer(name: str, value: int, least: int) -> int:
    try:
        number = as_index(value)
    except TypeError:
        raise DataError(f"{name} is an integer, not {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise DataError(f"{name} is an integer of at least {least}, not {value!r}")
    return number
