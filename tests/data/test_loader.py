"""Batches, epochs and their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.data import DataError, Dataset, Loader, iris


def numbered(rows):
    return Dataset(np.arange(rows)[:, None], np.arange(rows) % 2, ("even", "odd"))


def order(batches):
    return [int(x) for inputs, _ in batches for x in inputs.ravel()]


@given(rows=st.integers(1, 50), batch_size=st.integers(1, 60), shuffle=st.booleans())
def test_an_epoch_visits_every_row_once(rows, batch_size, shuffle):
    loader = Loader(numbered(rows), batch_size, shuffle=shuffle)
    batches = list(loader)
    assert len(batches) == len(loader) and sorted(order(batches)) == list(range(rows))
    assert all(len(inputs) == batch_size for inputs, _ in batches[:-1])
    for inputs, targets in batches:
        np.testing.assert_array_equal(inputs.ravel() % 2, targets)


def test_epochs_differ_and_repeat_from_seed_and_number():
    data = numbered(20)
    first, second = Loader(data, 6, seed=3), Loader(data, 6, seed=3)
    epochs = [order(first) for _ in range(3)]
    assert epochs == [order(second) for _ in range(3)] and epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != order(Loader(data, 6, seed=4))
    assert epochs[1] == np.random.default_rng([3, 1]).permutation(20).tolist()
    resumed = Loader(data, 6, seed=3)
    resumed.epoch = 2
    assert order(resumed) == epochs[2]


def test_two_passes_begun_together_are_two_epochs():
    loader = Loader(numbered(20), 5)
    pairs = list(zip(loader, loader, strict=True))
    fresh = Loader(numbered(20), 5)
    assert order(one for one, _ in pairs) == order(fresh)
    assert order(two for _, two in pairs) == order(fresh)
    assert loader.epoch == 2


def test_an_abandoned_epoch_does_not_disturb_the_next():
    loader, whole = Loader(numbered(20), 5), Loader(numbered(20), 5)
    next(iter(loader))
    list(whole)
    assert order(loader) == order(whole)


def test_drop_last():
    loader = Loader(iris(), 64, drop_last=True)
    assert len(loader) == 2 and [len(inputs) for inputs, _ in loader] == [64, 64]


def test_batches_are_free_to_be_written_to():
    inputs, targets = next(iter(Loader(iris(), shuffle=False)))
    inputs[:], targets[:] = 0.0, 0
    assert inputs.dtype == np.float64 and targets.dtype == np.int64
    assert iris().inputs[0].tolist() == [5.1, 3.5, 1.4, 0.2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size is an integer of at least 1, not 0"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": 2.0}, "batch_size is an integer, not 2.0"),
        ({"batch_size": True}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"batch_size": 151, "drop_last": True}, "leaves no batch of 150 rows"),
    ],
)
def test_refused_options(options, words):
    with pytest.raises(DataError, match=words):
        Loader(iris(), **options)


def test_no_rows():
    with pytest.raises(DataError, match="no rows"):
        Loader(iris()[:0])
