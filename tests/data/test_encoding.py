"""One-hot vectors."""

import numpy as np
import pytest

from tinygrad_ce.data import DataError, one_hot


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_one_at_the_label_zero_elsewhere(shape):
    labels = np.random.default_rng(0).integers(0, 4, size=shape)
    hot = one_hot(labels, 4)
    assert hot.shape == (*shape, 4) and hot.dtype == np.float64
    np.testing.assert_array_equal(hot.argmax(axis=-1), labels)
    np.testing.assert_array_equal(hot.sum(axis=-1), 1)


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        ([0, 3], 3, "label 3 is outside 0 to 2"),
        ([-1], 3, "label -1"),
        ([0.0], 3, "integer class indices, not float64"),
        ([True], 3, "bool"),
        (["a"], 3, "integer class indices"),
        ([0], 0, "at least 1"),
        ([0], 2.5, "an integer"),
    ],
)
def test_refused(labels, classes, words):
    with pytest.raises(DataError, match=words):
        one_hot(labels, classes)
