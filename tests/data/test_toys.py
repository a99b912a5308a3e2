"""Toys: repeatable, even, shaped as they say."""

import numpy as np
import pytest

from tinygrad_ce.data import DataError, blobs, circles, sine, spirals, two_moons, xor

TOYS = [two_moons, circles, spirals, blobs, xor, sine]


@pytest.mark.parametrize("toy", TOYS)
def test_the_seed_fixes_it_and_rows_are_as_many_as_asked_for(toy):
    one, same, other = toy(101, noise=0.1), toy(101, noise=0.1, seed=0), toy(101, noise=0.1, seed=1)
    np.testing.assert_array_equal(one.inputs, same.inputs)
    np.testing.assert_array_equal(one.targets, same.targets)
    assert not np.array_equal(one.inputs, other.inputs)
    assert len(one) == 101 and len(one.feature_names) == one.inputs.shape[1]
    assert len(toy(1)) == 1
    if one.class_names:
        assert np.ptp(one.class_counts) <= (3 if toy is xor else 1)
        assert np.any(np.diff(one.targets) < 0)  # shuffled


@pytest.mark.parametrize("toy", TOYS)
def test_noise_is_a_standard_deviation(toy):
    clean, noisy = toy(4000, noise=0.0, seed=3), toy(4000, noise=0.3, seed=3)
    moved = noisy.targets - clean.targets if toy is sine else noisy.inputs - clean.inputs
    assert abs(moved.std() - 0.3) < 0.02
    np.testing.assert_array_equal(noisy.targets.shape, clean.targets.shape)


def test_shapes():
    moons, rings, arms = two_moons(noise=0), circles(noise=0, ratio=0.25), spirals(noise=0, classes=4)
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[moons.targets]
    np.testing.assert_allclose(np.linalg.norm(moons.inputs - centres, axis=1), 1.0)
    assert np.all(np.where(moons.targets == 0, moons.inputs[:, 1], 0.5 - moons.inputs[:, 1]) >= 0)
    radius = np.linalg.norm(rings.inputs, axis=1)
    np.testing.assert_allclose(radius, np.where(rings.targets == 0, 1.0, 0.25))
    radius = np.linalg.norm(arms.inputs, axis=1)
    assert radius.max() <= 1.0 and len(arms.class_names) == 4
    x, y = sine(noise=0).inputs, sine(noise=0).targets
    np.testing.assert_allclose(y, np.sin(np.pi * x) + x / 2)
    assert {tuple(row) for row in xor(40).inputs.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: two_moons(0), "rows is an integer of at least 1, not 0"),
        (lambda: sine(2.5), "rows is an integer"),
        (lambda: blobs(classes=0), "classes is an integer"),
        (lambda: blobs(features=0), "features"),
        (lambda: circles(ratio=1.0), "ratio"),
        (lambda: xor(noise=-0.1), "noise is a standard deviation"),
        (lambda: spirals(noise=float("nan")), "noise"),
    ],
)
def test_refused(make, words):
    with pytest.raises(DataError, match=words):
        make()
