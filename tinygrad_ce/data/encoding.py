"""Class indices written as vectors."""

from __future__ import annotations

from operator import index as as_index

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError


def one_hot(labels: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Write each class index k as the vector that is 1 at k and 0 elsewhere.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Class indices in ``range(classes)``.
    classes : int
        The number of classes K, at least 1.

    Returns
    -------
    ndarray of float64, shape (..., K)

    Raises
    ------
    DataError
        When a label is not an integer in ``range(classes)``, or `classes` is not a positive integer.

    Examples
    --------
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    try:
        width = as_index(classes)
    except TypeError:
        raise DataError(f"classes is the number of classes, an integer, not {classes!r}") from None
    if width < 1:
        raise DataError(f"classes is at least 1, not {width}")
    array = np.asarray(labels)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DataError(f"labels are integer class indices, not {array.dtype}")
    outside = array[(array < 0) | (array >= width)]
    if outside.size:
        hint = ", which count from 0: subtract 1" if array.min() == 1 and array.max() == width else ""
        raise DataError(f"label {outside[0]} is outside 0 to {width - 1}: there are {width} classes{hint}")
    hot: NDArray[np.bool_] = array[..., None] == np.arange(width)
    return hot.astype(np.float64)
