"""The two data sets that come with the package, small enough to train on in seconds."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np

from .dataset import Dataset
from .tables import parse_csv

_DIGITS_SOURCE = (
    "Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), UCI Machine Learning "
    "Repository, doi 10.24432/C50P49, CC BY 4.0; the 1,797 test images, as distributed by scikit-learn"
)
_IRIS_SOURCE = "Iris (R. A. Fisher, 1936), UCI Machine Learning Repository, doi 10.24432/C56C76, CC BY 4.0"


def digits() -> Dataset:
    """Handwritten digits: 1,797 images of 8 × 8 pixels, ten classes.

    Returns
    -------
    Dataset
        inputs (1797, 64), the rows of each image one after another, ink from 0 to 1; targets are the digits.

    Examples
    --------
    >>> data = digits()
    >>> data.inputs.shape, data.inputs.min(), data.inputs.max()
    ((1797, 64), np.float64(0.0), np.float64(1.0))
    >>> image = data.inputs[0].reshape(8, 8)
    """
    with _file("digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Dataset(
        inputs=images.reshape(len(images), -1) / 16.0,
        targets=labels,
        class_names=tuple(str(digit) for digit in range(10)),
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        name="digits",
        source=_DIGITS_SOURCE,
    )


def iris() -> Dataset:
    """Iris flowers: 150 flowers of three species, four lengths each, in centimetres.

    Returns
    -------
    Dataset
        inputs (150, 4).

    Examples
    --------
    >>> iris()
    Dataset('iris': 150 rows of 4 features, 3 classes: 'setosa', 'versicolor', 'virginica')
    """
    text = _file("iris.csv").read_text(encoding="utf-8")
    return replace(parse_csv(text, "iris.csv"), name="iris", source=_IRIS_SOURCE)


def _file(name: str) -> Traversable:
    return resources.files("tinygrad_ce.data") / "files" / name
