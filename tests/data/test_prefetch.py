"""Transforms, prefetching in a thread, and going on in the middle of an epoch."""

import gc
import io
import threading
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_ce.data import DataError, DataLoader, Dataset, Loader, augment, digits, iris

IMAGES = digits()[:50].reshape(1, 8, 8)
CHANGES = [partial(augment.rotate, degrees=20), augment.shift, augment.noise]


def workers():
    return [thread for thread in threading.enumerate() if "prefetch" in thread.name]


def equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@settings(max_examples=40)
@given(
    prefetch=st.integers(0, 9),
    batch_size=st.integers(1, 60),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    stop=st.integers(0, 8),
)
def test_nothing_depends_on_prefetching_and_any_place_can_be_gone_on_from(
    prefetch, batch_size, shuffle, drop_last, stop
):
    options = {"shuffle": shuffle, "seed": 3, "drop_last": drop_last and batch_size <= 50, "transform": CHANGES}
    plain = DataLoader(IMAGES, batch_size, **options)
    expected = [list(plain), list(plain)]
    loader = DataLoader(IMAGES, batch_size, prefetch=prefetch, **options)
    batches, seen = iter(loader), []
    for _ in range(min(stop, len(loader))):
        seen.append(next(batches))
    state = loader.state_dict()
    again = DataLoader(IMAGES, batch_size, prefetch=9 - prefetch, **options | {"seed": 99})
    again.load_state_dict({name: np.int64(value) for name, value in state.items()})
    assert again.state_dict() == state
    rest = list(batches)
    equal(seen + rest, expected[0])
    if rest:
        equal(list(again), rest)
    equal(list(again), expected[1])
    equal(list(loader), expected[1])
    assert loader.state_dict() == again.state_dict()


def test_the_state_is_numbers_for_a_file():
    loader = DataLoader(iris(), 32, prefetch=2)
    assert loader.state_dict() == {"seed": 0, "epoch": 0, "batch": 0, "batch_size": 32, "rows": 150}
    for number, _ in enumerate(loader, 1):
        state = loader.state_dict()
        assert (state["epoch"], state["batch"]) == ((0, number) if number < 5 else (1, 0))
    file = io.BytesIO()
    np.savez(file, **loader.state_dict())
    file.seek(0)
    with np.load(file) as saved:
        loader.load_state_dict(saved)
    assert loader.epoch == 1
    loader.epoch = 7
    assert loader.state_dict()["epoch"] == 7 and loader.state_dict()["batch"] == 0


def test_a_pass_that_was_left_can_be_gone_on_with_or_not():
    loader, whole = DataLoader(iris(), 32), DataLoader(iris(), 32)
    epochs = [list(whole), list(whole)]
    for _ in zip(range(2), loader, strict=False):
        pass
    next(iter(loader))
    state = loader.state_dict()
    assert (state["epoch"], state["batch"]) == (1, 1)
    again = DataLoader(iris(), 32)
    again.load_state_dict(state)
    equal(list(again), epochs[1][1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 16}, "within an epoch of 150 rows in batches of 16, not of 150 in batches of 32"),
        ({"rows": 149}, "within an epoch of 149 rows"),
        ({"batch": 5}, "within an epoch"),
        ({"batch": -1}, "batch is an integer of at least 0"),
        ({"epoch": 0.5}, "epoch is an integer"),
        ({"more": 1}, "'more' missing or unknown"),
    ],
)
def test_states_refused(change, words):
    loader = DataLoader(iris(), 32)
    next(iter(loader))
    state = loader.state_dict()
    with pytest.raises(DataError, match=words):
        loader.load_state_dict({**state, **change})
    assert loader.state_dict() == state
    loader.load_state_dict({**state, "batch": 0, "batch_size": 16})


@pytest.mark.parametrize("prefetch", [0, 3])
def test_an_error_comes_out_with_its_place_and_ends_the_thread(prefetch):
    def broken(inputs, rng):
        if len(inputs) < 32:
            raise ZeroDivisionError("mine")
        return inputs

    loader, seen = DataLoader(iris(), 32, transform=broken, prefetch=prefetch), 0
    with pytest.raises(ZeroDivisionError, match="mine") as error:
        for _ in loader:
            seen += 1
    assert seen == 4 and error.traceback[-1].name == "broken"
    assert error.value.__notes__ == ["in batch 4 of epoch 0, counted from 0, as DataLoader made it"]
    assert not workers()


def test_no_thread_outlives_the_loop():
    loader = DataLoader(iris(), 8, prefetch=4)
    for number, _ in enumerate(loader):
        assert len(workers()) == 1
        if number == 2:
            break
    gc.collect()
    assert not workers()
    batches = iter(loader)
    next(batches)
    del batches
    gc.collect()
    assert not workers()
    iter(loader)  # never begun
    with pytest.raises(KeyboardInterrupt):
        for _ in loader:
            raise KeyboardInterrupt
    gc.collect()
    assert not workers()
    list(loader)
    assert not workers()


def test_so_many_batches_are_made_ahead_and_no_more():
    made, enough = [], threading.Event()

    def counted(inputs, rng):
        made.append(len(inputs))
        if len(made) >= 4:
            enough.set()
        return inputs

    batches = iter(DataLoader(iris(), 10, transform=counted, prefetch=3))
    next(batches)
    assert enough.wait(30)
    assert len(made) == 4
    batches.close()


def test_transforms_see_batches_and_a_generator_of_their_own():
    draws = []

    def drawing(inputs, rng):
        draws.append(rng.random())
        return inputs + 1

    loader = DataLoader(iris(), 64, transform=[drawing, drawing], shuffle=False, seed=4)
    inputs, _ = next(iter(loader))
    np.testing.assert_array_equal(inputs, iris().inputs[:64] + 2)
    assert draws == np.random.default_rng([4, 0, 0]).random(2).tolist()
    list(loader)
    assert len(set(draws)) == len(draws) == 8


def test_names_and_refusals():
    assert Loader is DataLoader
    assert repr(DataLoader(iris())).startswith("DataLoader(Dataset('iris'")
    with pytest.raises(DataError, match="prefetch is an integer of at least 0"):
        DataLoader(iris(), prefetch=-1)
    with pytest.raises(DataError, match="of a Dataset, not of a list: make one of it"):
        DataLoader([1, 2])
    with pytest.raises(DataError, match="no rows"):
        DataLoader(Dataset(np.ones((0, 2)), []))
