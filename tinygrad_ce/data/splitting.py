"""A data set in two parts: one to learn from, one to be honest about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError


def split(dataset: Dataset, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Shuffle, and hold a fraction of each class out for testing.

    Class c with n_c rows gives n_c · `held_out` of them to the test set, rounded so that the total is
    N · `held_out` rounded (largest remainders first). The last row of a class always stays in the train set.

    Parameters
    ----------
    dataset : Dataset
        N rows.
    held_out : float, optional
        The fraction for the test set, strictly between 0 and 1.
    seed : int, optional
        Fixes the result exactly.

    Returns
    -------
    train, test : Dataset
        Both shuffled. Every class that has a row has one in train.

    Raises
    ------
    DataError
        When `held_out` is not such a fraction, or leaves either part empty.

    Examples
    --------
    >>> from tinygrad_ce.data import iris
    >>> train, test = split(iris())
    >>> train.class_counts, test.class_counts
    (array([40, 40, 40]), array([10, 10, 10]))
    """
    if not 0.0 < held_out < 1.0:
        raise DataError(f"held_out is a fraction strictly between 0 and 1, not {held_out!r}")
    sizes = _test_sizes(dataset.class_counts, held_out)
    if len(dataset) == 0 or sizes.sum() == 0:
        raise DataError(
            f"held_out={held_out} of {len(dataset)} rows in {len(dataset.class_names)} classes leaves "
            "no row to test on: hold more out, or bring more rows"
        )
    order = np.random.default_rng(seed).permutation(len(dataset))
    tested = _rank_in_class(dataset.targets[order]) < sizes[dataset.targets[order]]
    return dataset.take(order[~tested]), dataset.take(order[tested])


def _test_sizes(counts: NDArray[np.int64], held_out: float) -> NDArray[np.int64]:
    """The number of test rows of each class, by largest remainders; one row of each class stays behind."""
    quotas = counts * held_out
    most = np.maximum(counts - 1, 0)
    sizes: NDArray[np.int64] = np.minimum(np.floor(quotas).astype(np.int64), most)
    left = round(float(counts.sum()) * held_out) - int(sizes.sum())
    by_remainder = np.argsort(sizes - quotas, kind="stable")
    willing = by_remainder[(sizes < most)[by_remainder]]
    sizes[willing[: max(left, 0)]] += 1
    return sizes


def _rank_in_class(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many rows of its class come before it."""
    by_class = np.argsort(targets, kind="stable")
    starts = np.searchsorted(targets[by_class], targets[by_class])
    ranks = np.empty_like(targets)
    ranks[by_class] = np.arange(len(targets)) - starts
    return ranks
