"""Standardised features."""

import numpy as np
import pytest

from tinygrad_ce.data import DataError, Dataset, Standardiser, digits, iris, split, standardise


def test_train_has_mean_0_and_std_1_and_test_the_same_map():
    train, test = split(iris())
    scaled, other = standardise(train, test)
    np.testing.assert_allclose(scaled.inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.inputs.std(axis=0), 1)
    mean, std = train.inputs.mean(axis=0), train.inputs.std(axis=0)
    np.testing.assert_allclose(other.inputs, (test.inputs - mean) / std)
    np.testing.assert_array_equal(other.targets, test.targets)
    assert scaled.name == "iris" and scaled.feature_names == train.feature_names


def test_constant_features_become_0_even_when_their_mean_rounds():
    data = Dataset(np.full((1500, 2), [0.1, 7.0]), np.zeros(1500, int), ("a",))
    scale = Standardiser.fit(data)
    assert scale.mean.tolist() == [0.1, 7.0] and scale.std.tolist() == [1.0, 1.0]
    assert not scale.apply(data).inputs.any()


def test_blank_pixels_of_the_digits_stay_finite():
    assert np.isfinite(standardise(digits())[0].inputs).all()


def test_images_keep_their_shape():
    images = Dataset(np.random.default_rng(0).normal(size=(5, 2, 3)), [0, 1, 0, 1, 0], ("a", "b"))
    assert standardise(images)[0].inputs.shape == (5, 2, 3)


def test_other_features_and_no_rows_are_refused():
    train = Dataset([[1.0], [2.0]], [0, 1], ("a", "b"))
    with pytest.raises(DataError, match=r"shape \(4,\) cannot be standardised by a mean of shape \(1,\)"):
        standardise(train, iris())
    with pytest.raises(DataError, match="no rows"):
        standardise(train[:0])
