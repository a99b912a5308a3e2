"""A data set: rows of numbers, a class or a quantity for each, and the names that go with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import DataError, listed, quoted


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows of features with one class, or a quantity to predict, each.

    The arrays are read-only views: a data set can be sliced and shared without copies, and no step of a
    training loop can change it behind another's back. ``np.array(dataset.inputs)`` is a copy to write in.

    Parameters
    ----------
    inputs : array_like, shape (N, features...)
        One row per example; kept in `dtype`.
    targets : array_like of int, shape (N,), or of float, shape (N, ...)
        Class indices in ``range(len(class_names))``, kept as int64; or quantities, kept in `dtype`.
    class_names : tuple of str, optional
        ``class_names[k]`` is the name of class k; empty where targets are quantities.
    feature_names : tuple of str, optional
        One name per feature, in C order; empty when the features have no names.
    name : str, optional
        What the data set is called.
    source : str, optional
        Where it comes from, and under which licence.
    dtype : dtype, optional
        float64, or float32 to halve the memory.

    Raises
    ------
    DataError
        When shapes, dtypes, class indices or the number of names do not fit together.

    Examples
    --------
    >>> points = Dataset([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [0, 1, 1], ("no", "yes"), name="points")
    >>> points
    Dataset('points': 3 rows of 2 features, 2 classes: 'no', 'yes')
    >>> points[1:].inputs
    array([[2., 3.],
           [4., 5.]])
    >>> points.take([2, 0]).targets
    array([1, 0])
    >>> row, label = points[0]
    >>> points.class_names[label]
    'no'
    >>> Dataset([[1.0], [2.0]], [0.5, 0.7], name="line")
    Dataset('line': 2 rows of 1 feature, 1 quantity)
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    name: str = "data"
    source: str = ""
    dtype: DTypeLike = np.float64

    def __post_init__(self) -> None:
        dtype = np.dtype(self.dtype)
        if dtype.kind != "f":
            raise DataError(f"dtype is a floating dtype, float64 or float32, not {dtype}")
        inputs = _as_inputs(self.inputs, dtype)
        names = self.class_names
        targets = _as_classes(self.targets, len(names)) if names else _as_quantities(self.targets, dtype)
        if len(inputs) != len(targets):
            raise DataError(f"{len(inputs)} rows of inputs, but {len(targets)} targets: give one target per row")
        features = prod(inputs.shape[1:])
        if self.feature_names and len(self.feature_names) != features:
            raise DataError(f"{len(self.feature_names)} feature names for {features} features: name all or none")
        # A frozen dataclass is written to once, here.
        object.__setattr__(self, "inputs", _read_only(inputs))
        object.__setattr__(self, "targets", _read_only(targets))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "feature_names", tuple(self.feature_names))

    def __len__(self) -> int:
        return len(self.targets)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], Any]]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, rows: int) -> tuple[NDArray[Any], Any]: ...
    @overload
    def __getitem__(self, rows: slice | list[int] | list[bool] | NDArray[Any]) -> Dataset: ...
    def __getitem__(self, rows: Any) -> Dataset | tuple[NDArray[Any], Any]:
        """One row and its target for an integer; a Dataset for a slice, a list of rows, or a mask."""
        if isinstance(rows, slice):
            return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])
        if isinstance(rows, int | np.integer):
            target = self.targets[rows]
            return self.inputs[rows], target.item() if target.ndim == 0 else target
        return self.take(rows)

    def take(self, indices: ArrayLike) -> Dataset:
        """Return the data set of these rows, in this order.

        Parameters
        ----------
        indices : array_like of int, shape (M,), or of bool, shape (N,)
            Row numbers (repeated or negative ones as in NumPy), or a mask of the rows to keep.

        Raises
        ------
        DataError
            When `indices` is neither, or a row number is out of range.

        Examples
        --------
        >>> iris = Dataset([[5.1], [7.0], [6.3]], [0, 1, 2], ("setosa", "versicolor", "virginica"))
        >>> iris.take(iris.targets > 0).inputs.ravel()
        array([7. , 6.3])
        """
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = rows.astype(np.intp)
        if rows.ndim != 1 or rows.dtype.kind not in "biu":
            raise DataError(f"rows are chosen by a 1-D list of integers or booleans, not {rows.ndim}-D {rows.dtype}")
        try:
            return replace(self, inputs=self.inputs[rows], targets=self.targets[rows])
        except IndexError as error:
            raise DataError(f"no such rows in a data set of {len(self)}: {error}") from None

    def reshape(self, *features: int) -> Dataset:
        """Return the data set with each row in another shape, as images for a convolution.

        Raises
        ------
        DataError
            When a row has another number of features.

        Examples
        --------
        >>> from tinygrad_ce.data import digits
        >>> digits().reshape(1, 8, 8).inputs.shape
        (1797, 1, 8, 8)
        """
        try:
            return replace(self, inputs=self.inputs.reshape(len(self), *features))
        except ValueError:
            raise DataError(f"rows of shape {self.inputs.shape[1:]} have no shape {features}: sizes differ") from None

    def require_finite(self) -> Dataset:
        """Return the data set itself if it has no NaN and nothing infinite.

        Raises
        ------
        DataError
            When it has; the message says in which row and feature.

        Examples
        --------
        >>> Dataset([[1.0, 2.0], [float("nan"), 3.0]], [0, 1], ("a", "b")).require_finite()
        Traceback (most recent call last):
            ...
        tinygrad_ce.data.errors.DataError: row 1 of 'data' is nan at feature 0: fill it in, or leave the row out
        """
        for what, array in (("feature", self.inputs), ("target", self.targets)):
            if not np.all(np.isfinite(array)):
                bad = np.flatnonzero(~np.isfinite(array))
                row, place = divmod(int(bad[0]), array[0].size)
                where = quoted(self.feature_names[place]) if what == "feature" and self.feature_names else place
                value = array.flat[bad[0]]
                raise DataError(
                    f"row {row} of {self.name!r} is {value} at {what} {where}: fill it in, or leave the row out"
                )
        return self

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """The number of rows of each class, shape (K,).

        Examples
        --------
        >>> Dataset([[1.0], [2.0]], [1, 1], ("a", "b")).class_counts
        array([0, 2])
        """
        if not self.class_names:
            raise DataError(f"{self!r} has no classes to count")
        return np.bincount(self.targets, minlength=len(self.class_names))

    def __repr__(self) -> str:
        shape = " × ".join(str(size) for size in self.inputs.shape[1:])
        rows, classes = len(self), len(self.class_names)
        counted = f"{rows} row{'s' * (rows != 1)} of {shape} feature{'s' * (shape != '1')}"
        quantities = prod(self.targets.shape[1:])
        what = (
            f"{classes} class{'es' * (classes != 1)}: {listed(self.class_names, shown=10)}"
            if classes
            else f"{quantities} quantit{'ies' if quantities != 1 else 'y'}"
        )
        return f"Dataset({self.name!r}: {counted}, {what})"


def _as_inputs(inputs: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.asarray(inputs)
    if array.dtype.kind not in "biuf":
        raise DataError(f"inputs are real numbers, not {array.dtype}: encode text as numbers first")
    if array.ndim < 2:
        raise DataError(f"inputs have shape (rows, features...), not {array.shape}: reshape them, as in (-1, 1)")
    return array.astype(dtype, copy=False)


def _as_quantities(targets: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.asarray(targets)
    if array.size == 0:
        array = array.astype(dtype)
    if array.dtype.kind in "biu":
        raise DataError("targets are integers, but there are no class_names: name the classes, or make them floats")
    if array.ndim < 1 or array.dtype.kind != "f":
        raise DataError(f"targets are quantities of shape (rows, ...), not {array.ndim}-D {array.dtype}")
    return array.astype(dtype, copy=False)


def _as_classes(targets: ArrayLike, classes: int) -> NDArray[np.int64]:
    array = np.asarray(targets)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"targets are a 1-D array of class indices, not {array.ndim}-D {array.dtype}")
    wrong = np.flatnonzero((array < 0) | (array >= classes))
    if wrong.size:
        row = int(wrong[0])
        hint = ", and classes count from 0: subtract 1" if array.min() == 1 and array.max() == classes else ""
        raise DataError(f"target {array[row]} of row {row} is not a class: there are {classes} class names{hint}")
    return array.astype(np.int64, copy=False)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
