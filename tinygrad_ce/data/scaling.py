"""Features on one scale: mean 0 and standard deviation 1, as measured on the train set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError


@dataclass(frozen=True, eq=False)
class Standardiser:
    """The map x ↦ (x − mean) / std, feature by feature.

    Attributes
    ----------
    mean, std : ndarray of float64, shape (features...)
        Of the rows it was fitted to; std divides by N, and is 1 for a constant feature.

    Examples
    --------
    >>> heights = Dataset([[150.0, 1.0], [170.0, 1.0]], [0, 1], ("short", "tall"))
    >>> scale = Standardiser.fit(heights)
    >>> scale.mean, scale.std
    (array([160.,   1.]), array([10.,  1.]))
    >>> scale.apply(heights).inputs
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, dataset: Dataset) -> Standardiser:
        """Measure the mean and the standard deviation of each feature.

        Raises
        ------
        DataError
            When the data set has no rows, or a NaN or something infinite in it.
        """
        if len(dataset) == 0:
            raise DataError(f"{dataset!r} has no rows to measure a mean on")
        dataset.require_finite()
        inputs = dataset.inputs
        # Rounding gives a constant column such as 0.1 a tiny std; equality of all its rows is exact.
        constant = np.all(inputs == inputs[0], axis=0)
        mean = np.where(constant, inputs[0], inputs.mean(axis=0))
        return cls(mean, np.where(constant, 1.0, inputs.std(axis=0)))

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the data set with standardised inputs.

        Raises
        ------
        DataError
            When its features do not have the shape of those fitted.
        """
        if dataset.inputs.shape[1:] != self.mean.shape:
            raise DataError(
                f"features of shape {dataset.inputs.shape[1:]} cannot be standardised "
                f"by a mean of shape {self.mean.shape}"
            )
        return replace(dataset, inputs=(dataset.inputs - self.mean) / self.std)


def standardise(train: Dataset, *others: Dataset) -> tuple[Dataset, ...]:
    """Standardise data sets with the mean and the standard deviation of the first.

    Only `train` is measured: a mean that knows the test rows would leak them into training.

    Parameters
    ----------
    train : Dataset
        Measured, and standardised.
    *others : Dataset
        Standardised with the same numbers.

    Returns
    -------
    tuple of Dataset
        As many as given, in the same order.

    Raises
    ------
    DataError
        When `train` is empty, or the shapes of the features differ.

    Examples
    --------
    >>> from tinygrad_ce.data import iris, split
    >>> train, test = standardise(*split(iris()))
    >>> bool(np.allclose(train.inputs.mean(axis=0), 0)), bool(np.allclose(train.inputs.std(axis=0), 1))
    (True, True)
    """
    scale = Standardiser.fit(train)
    return tuple(scale.apply(dataset) for dataset in (train, *others))
