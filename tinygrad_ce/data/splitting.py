"""A data set in parts: one to learn from, others to be honest about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError


@overload
def split(
    dataset: Dataset, held_out: float = 0.2, seed: int = 0, *, stratified: bool = True
) -> tuple[Dataset, Dataset]: ...
@overload
def split(
    dataset: Dataset, held_out: Sequence[float], seed: int = 0, *, stratified: bool = True
) -> tuple[Dataset, ...]: ...
def split(
    dataset: Dataset, held_out: float | Sequence[float] = 0.2, seed: int = 0, *, stratified: bool = True
) -> tuple[Dataset, ...]:
    """Shuffle, and hold a fraction of each class out for testing, or several: for validation and testing.

    Class c with n_c rows gives n_c · `held_out` of them to the test set, rounded so that the total is
    N · `held_out` rounded (largest remainders first). The last row of a class always stays in the train set.

    Parameters
    ----------
    dataset : Dataset
        N rows.
    held_out : float, or sequence of floats, optional
        The fraction for the test set, strictly between 0 and 1; or one for each part that is held out, of less than 1
        together.
    seed : int, optional
        Fixes the result exactly.
    stratified : bool, optional
        False draws from all rows alike, whatever their class; so it is for a data set of quantities.

    Returns
    -------
    train, test : Dataset
        Both shuffled. Every class that has a row has one in train, where stratified. With several fractions, train and
        then a part for each, in their order.

    Raises
    ------
    DataError
        When `held_out` is not such a fraction, or leaves a part empty.

    Examples
    --------
    >>> from tinygrad_ce.data import iris
    >>> train, test = split(iris())
    >>> train.class_counts, test.class_counts
    (array([40, 40, 40]), array([10, 10, 10]))
    >>> train, validation, test = split(iris(), (0.1, 0.2))
    >>> len(train), len(validation), len(test)
    (105, 15, 30)
    """
    fractions = np.atleast_1d(held_out).tolist()
    if not fractions or not all(0.0 < fraction < 1.0 for fraction in fractions) or not sum(fractions) < 1.0:
        raise DataError(f"held_out is a fraction strictly between 0 and 1, not {held_out!r}")
    by_class = stratified and bool(dataset.class_names)
    strata = dataset.targets if by_class else np.zeros(len(dataset), np.int64)
    counts = np.bincount(strata, minlength=len(dataset.class_names) if by_class else 1)
    order = np.random.default_rng(seed).permutation(len(dataset))
    ranks = _rank_in_class(strata[order])
    ends, parts = np.zeros_like(counts), list[Dataset]()
    for fraction in reversed(fractions):
        sizes = _sizes(counts, fraction, np.maximum(counts - ends - 1, 0))
        if len(dataset) == 0 or sizes.sum() == 0:
            raise DataError(
                f"held_out={fraction} of {len(dataset)} rows in {len(counts)} classes leaves "
                "no row to test on: hold more out, or bring more rows"
            )
        begins, ends = ends, ends + sizes
        inside = (begins[strata[order]] <= ranks) & (ranks < ends[strata[order]])
        parts.append(dataset.take(order[inside]))
    return dataset.take(order[ranks >= ends[strata[order]]]), *reversed(parts)


def _sizes(counts: NDArray[np.int64], held_out: float, most: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of rows of each class that are held out, by largest remainders, of each class at most so many."""
    quotas = counts * held_out
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
