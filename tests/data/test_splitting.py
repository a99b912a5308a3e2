"""Train and test: disjoint, complete, stratified, repeatable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.data import DataError, Dataset, digits, iris, split


def labelled(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    return Dataset(np.arange(len(targets))[:, None], targets, tuple(f"c{k}" for k in range(len(counts))))


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_every_row_goes_to_one_side_and_every_class_stays_in_train(counts, held_out, seed):
    data = labelled(counts)
    try:
        train, test = split(data, held_out, seed)
    except DataError:
        roomy = [n for n in counts if n > 1]
        assert not roomy or round(sum(counts) * held_out) == 0
        return
    rows = np.concatenate([train.inputs, test.inputs]).ravel()
    assert sorted(rows) == list(range(len(data))) and len(train) and len(test)
    assert all(left > 0 for left, n in zip(train.class_counts, counts, strict=True) if n)
    assert np.all(np.abs(test.class_counts - np.array(counts) * held_out) <= 1.0 + 1e-9)
    if min(counts) > 1 and held_out < 0.5:
        assert len(test) == round(len(data) * held_out)
    for part in (train, test):
        np.testing.assert_array_equal(part.targets, data.targets[part.inputs.ravel().astype(int)])


def test_the_seed_fixes_it_and_shuffles():
    one, same, other = split(iris()), split(iris(), seed=0), split(iris(), seed=1)
    np.testing.assert_array_equal(one[0].inputs, same[0].inputs)
    np.testing.assert_array_equal(one[1].inputs, same[1].inputs)
    assert not np.array_equal(one[0].inputs, other[0].inputs)
    assert np.any(np.diff(one[0].targets) < 0)


def test_digits_hold_out_a_fifth_of_each():
    train, test = split(digits())
    assert (len(train), len(test)) == (1438, 359)
    assert np.all(np.abs(test.class_counts - digits().class_counts * 0.2) < 1)
    assert test.class_names == digits().class_names and test.source == digits().source


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.1, 1.5, float("nan"), 10])
def test_held_out_is_a_fraction(held_out):
    with pytest.raises(DataError, match="held_out"):
        split(iris(), held_out)


@pytest.mark.parametrize("counts", [[1, 1, 1], [2], [0, 0]])
def test_nothing_to_test_on(counts):
    with pytest.raises(DataError, match="leaves no row to test on"):
        split(labelled(counts), 0.2)
