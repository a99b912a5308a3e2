"""Toy data, drawn: the shapes that networks are first tried on.

Each is made of a seed, to the bit, and of noise: the standard deviation of what is added to each coordinate.
"""

from __future__ import annotations

from operator import index

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError


def two_moons(rows: int = 200, *, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Two half circles of radius 1, one hanging into the other.

    Parameters
    ----------
    rows : int, optional
        As even over the classes as it goes, and shuffled; so for all toys.
    noise : float, optional
    seed : int, optional

    Returns
    -------
    Dataset
        inputs (rows, 2); classes "upper" and "lower".

    Examples
    --------
    >>> two_moons()
    Dataset('two moons': 200 rows of 2 features, 2 classes: 'upper', 'lower')
    """
    labels, rng = _labels(rows, 2, seed)
    angle = np.pi * rng.random(len(labels))
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.array([1.0, 0.5]) - upper
    return _plane(np.where(labels[:, None] == 0, upper, lower), labels, ("upper", "lower"), "two moons", noise, rng)


def circles(rows: int = 200, *, noise: float = 0.1, ratio: float = 0.5, seed: int = 0) -> Dataset:
    """Two circles about one centre, the outer of radius 1, the inner of radius `ratio`.

    Examples
    --------
    >>> circles(3, noise=0).inputs.shape
    (3, 2)
    """
    if not 0.0 < ratio < 1.0:
        raise DataError(f"ratio is that of the radii, between 0 and 1, not {ratio!r}")
    labels, rng = _labels(rows, 2, seed)
    angle = 2 * np.pi * rng.random(len(labels))
    radius = np.where(labels == 0, 1.0, ratio)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _plane(points, labels, ("outer", "inner"), "circles", noise, rng)


def spirals(rows: int = 300, *, classes: int = 3, noise: float = 0.02, turns: float = 0.75, seed: int = 0) -> Dataset:
    """Arms that wind about the origin out to radius 1, one for each class.

    Examples
    --------
    >>> spirals(classes=2)
    Dataset('spirals': 300 rows of 2 features, 2 classes: 'arm 0', 'arm 1')
    """
    labels, rng = _labels(rows, classes, seed)
    # Of the square root of a uniform number, so that an arm is not denser within.
    radius = 0.05 + 0.95 * np.sqrt(rng.random(len(labels)))
    angle = 2 * np.pi * (labels / classes + turns * radius)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _plane(points, labels, tuple(f"arm {k}" for k in range(classes)), "spirals", noise, rng)


def blobs(rows: int = 200, *, classes: int = 3, features: int = 2, noise: float = 0.5, seed: int = 0) -> Dataset:
    """Normally distributed clouds, of standard deviation `noise`, about centres drawn from [−3, 3].

    Examples
    --------
    >>> blobs(10, classes=4, features=5)
    Dataset('blobs': 10 rows of 5 features, 4 classes: 'blob 0', 'blob 1', 'blob 2', 'blob 3')
    """
    labels, rng = _labels(rows, classes, seed)
    centres = rng.uniform(-3.0, 3.0, size=(classes, _at_least_one("features", features)))
    return _plane(centres[labels], labels, tuple(f"blob {k}" for k in range(classes)), "blobs", noise, rng)


def xor(rows: int = 4, *, noise: float = 0.0, seed: int = 0) -> Dataset:
    """The corners of the unit square, and whether their coordinates differ; more than four rows repeat them.

    Examples
    --------
    >>> data = xor()
    >>> sorted(zip(data.inputs.tolist(), data.targets.tolist()))
    [([0.0, 0.0], 0), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], 0)]
    """
    corners, rng = _labels(rows, 4, seed)
    points = np.stack([corners // 2, corners % 2], axis=1).astype(np.float64)
    return _plane(points, (corners // 2) ^ (corners % 2), ("same", "different"), "xor", noise, rng)


def sine(rows: int = 200, *, noise: float = 0.1, seed: int = 0) -> Dataset:
    """A regression toy: x from [−1, 1], and y = sin(π x) + x / 2, with noise added to y.

    Returns
    -------
    Dataset
        inputs (rows, 1); targets (rows, 1), quantities.

    Examples
    --------
    >>> sine()
    Dataset('sine': 200 rows of 1 feature, 1 quantity)
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, size=(_at_least_one("rows", rows), 1))
    y = np.sin(np.pi * x) + x / 2 + _deviation(noise) * rng.normal(size=x.shape)
    return Dataset(x, y, feature_names=("x",), name="sine", source="drawn by tinygrad_ce")


def _labels(rows: int, classes: int, seed: int) -> tuple[NDArray[np.int64], np.random.Generator]:
    """Class indices, as many of each as it goes, shuffled; and the generator for what follows."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.arange(_at_least_one("rows", rows)) % _at_least_one("classes", classes)), rng


def _plane(
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    name: str,
    noise: float,
    rng: np.random.Generator,
) -> Dataset:
    features = points.shape[1]
    return Dataset(
        points + _deviation(noise) * rng.normal(size=points.shape),
        labels,
        class_names,
        feature_names=("x", "y") if features == 2 else tuple(f"x{k}" for k in range(features)),
        name=name,
        source="drawn by tinygrad_ce",
    )


def _deviation(noise: float) -> float:
    if not 0.0 <= noise < np.inf:
        raise DataError(f"noise is a standard deviation, at least 0, not {noise!r}")
    return float(noise)


def _at_least_one(name: str, value: int) -> int:
    try:
        number = index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise DataError(f"{name} is an integer of at least 1, not {value!r}")
    return number
