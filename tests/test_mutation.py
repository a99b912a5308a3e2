"""Data changed between forward and backward: always caught where rebound, by fingerprint or exactly where written."""

import threading

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value, nn, optim

RNG = np.random.default_rng(0)


def leaf(shape=(4, 5), label="p"):
    return Value(RNG.normal(size=shape), label=label)


# -- rebinding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [2.0, np.float64(2.0), np.ones(3), np.ones((2, 2), np.float32)])
def test_rebinding_is_always_caught(start):
    def assign(p):
        p.data = p.data * 2

    def same(p):
        p.data = p.data

    def add(p):
        p.data += 0  # changes nothing, and is rebinding all the same

    for change in (assign, same, add):
        p = Value(start, label="w")
        loss = (p * 3.0).sum() if np.ndim(start) else p * 3.0
        change(p)
        with pytest.raises(tg.MutationError, match=r"Value 'w'.*'x' of multiply.*was rebound"):
            loss.backward()
        assert p.grad is None
        loss = (p * 3.0).sum() if np.ndim(start) else p * 3.0
        loss.backward()
        assert np.all(p.grad == 3.0)


def test_rebinding_of_inner_nodes_and_of_the_result():
    x = Value(2.0)
    y = x * x
    z = y * 3.0
    y.data = 5.0
    with pytest.raises(tg.MutationError, match="argument 'x' of multiply"):
        z.backward()
    y = np.exp(x)
    y.data = 1.0
    with pytest.raises(tg.MutationError, match="that exp made was rebound"):
        y.backward()


def test_rebinding_what_a_shortcut_jumps_to():
    z = Value([1.0, 2.0, 3.0], label="z")
    p = tg.softmax(z)
    z.data = z.data * 2
    loss = tg.cross_entropy(p, 0)
    with pytest.raises(tg.MutationError, match=r"Value 'z'.*of softmax"):
        loss.backward()


def test_rebinding_before_a_use_is_no_matter():
    p = Value(2.0)
    p.data = 3.0
    y = p * p
    q = Value(1.0)
    q.data = 5.0
    y.backward()
    assert p.grad == 6.0


def test_every_kind_of_sweep_looks():
    x = np.ones(3)
    out, pullback = tg.vjp(lambda x: x * x, x)
    out, push = tg.linearize(lambda x: x * x, x)
    x[0] = 2.0
    for sweep in (pullback, push):
        with pytest.raises(tg.MutationError, match="multiply"):
            sweep(np.ones(3))
    w = leaf((3,))
    out, pullback = tg.vjp(lambda x: x * w, np.ones(3))
    w.data = w.data + 1
    with pytest.raises(tg.MutationError, match="rebound"):
        pullback(np.ones(3))
    w = leaf((3,))
    out, pullback = tg.vjp(lambda x: x * w, np.ones(3))
    w.data[0] = 7.0
    with pytest.raises(tg.MutationError, match="written into"):
        pullback(np.ones(3))
    p = leaf((3,))
    np.sum(p**3).backward(create_graph=True)
    g = p.grad
    p.data *= 2
    with pytest.raises(tg.MutationError):
        np.sum(g).backward()


# -- writing into arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (16, 16), (64, 64), (10, 300), (5, 6, 70), (3000,)])
def test_writes_into_leaves_are_caught_by_default(shape):
    def first(p):
        p.data[0] = 5.0

    def everything(p):
        np.add(p.data, 1.0, out=p.data)

    def last_axis(p):
        p.data[..., 0] -= 1.0

    for change in (first, everything, last_axis):
        for layout in (lambda a: a, np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2]):
            p = leaf(shape)
            p.data = layout(p.data)
            loss = np.sum(p * p)
            change(p)
            with pytest.raises(tg.MutationError, match=r"Value 'p'.*of multiply.*written into"):
                loss.backward()


def test_every_row_and_column_of_a_square_matrix_is_looked_at():
    for axis in (0, 1):
        for i in range(64):
            p = leaf((64, 64))
            loss = np.sum(np.exp(p))
            p.data[(i, slice(None)) if axis == 0 else (slice(None), i)] = 0.0
            with pytest.raises(tg.MutationError, match="of exp"):
                loss.backward()


def test_writes_between_two_uses_are_caught():
    p = leaf((3,))
    y = np.exp(p)
    p.data[0] = 3.0
    z = np.sum(y * p)
    with pytest.raises(tg.MutationError, match="rebound or written into after exp"):
        z.backward()


def test_writes_between_graphs_are_fine():
    p = leaf((3,))
    for _ in range(3):  # never swept: a line search, or finite differences
        np.sum(p * p)
        p.data[0] += 1.0
    loss = np.sum(p * p)
    loss.backward()
    assert np.array_equal(p.grad, 2 * p.data)
    p.data -= 0.1 * p.grad
    p.zero_grad()
    loss = np.sum(p * p)
    loss.backward()
    assert np.array_equal(p.grad, 2 * p.data)
    p.data[0] += 1.0
    with pytest.raises(tg.MutationError):
        loss.backward()  # a second time, over what has changed since


def test_nan_is_equal_to_itself():
    p = Value(np.array([np.nan, 1.0]))
    np.sum(p * 2.0).backward()
    assert np.array_equal(p.grad, [2.0, 2.0])


def test_optimisers_updates_after_backward_are_fine():
    x, y = RNG.normal(size=(8, 4)), RNG.integers(0, 3, size=8)
    model = nn.MLP([4, 5, 3], rng=0)
    for optimiser in (optim.SGD(model.parameters(), lr=0.1), optim.Adam(model.parameters(), lr=0.1)):
        for _ in range(3):
            loss = tg.softmax_cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with pytest.raises(tg.MutationError):
            loss.backward()
    for p in model.parameters():  # by hand, in place
        p.data[...] = 0.0
    loss = tg.softmax_cross_entropy(model(x), y)
    loss.backward()


# -- exactly ---------------------------------------------------------------------------------------------------


def test_single_entries_of_large_arrays():
    p = leaf((100, 100))
    loss = np.sum(p * p)
    p.data[3, 5] += 1.0
    loss.backward()  # missed, as documented
    with tg.detect_mutation():
        loss = np.sum(p * p)
    p.data[3, 5] += 1.0
    with pytest.raises(tg.MutationError, match=r"test_mutation.py:\d+, in test_single.*entry \(3, 5\) was"):
        loss.backward()


def test_plain_arrays_and_inner_nodes():
    x, p = RNG.normal(size=(4, 3)), leaf((3,))
    with tg.detect_mutation():
        loss = np.sum(np.exp(x @ p))
    x[0, 0] += 1.0
    with pytest.raises(tg.MutationError, match=r"array of shape \(4, 3\), argument 'x1' of matmul"):
        loss.backward()
    with tg.detect_mutation():
        h = np.exp(x @ p)
        loss = np.sum(h)
    h.data[1] = 0.0
    with pytest.raises(tg.MutationError, match="argument 'a' of sum"):
        loss.backward()
    with tg.detect_mutation():
        h = np.exp(p)
    h.data[1] = 0.0
    with pytest.raises(tg.MutationError, match="that exp made"):
        h.backward(np.ones(3))


def test_it_can_be_switched_off():
    p = leaf((3,))
    with tg.detect_mutation(False):
        loss = np.sum(p * p)
        p.data[0] = 5.0
        loss.backward()
    assert p.grad[0] == 10.0
    loss = np.sum(p * p)
    loss.backward()
    with tg.no_grad(), tg.detect_mutation(False):
        assert not np.sum(p).requires_grad
    with tg.trace(), tg.detect_mutation(False):
        assert np.sum(p).place


def test_what_is_watched_adds_up_and_ends_with_the_context():
    p = leaf((3,))
    with tg.trace(), tg.detect_mutation(), tg.no_grad():
        assert not np.exp(p).requires_grad
    with tg.trace():
        y = np.exp(p)
    assert "test_mutation.py" in y.place and np.exp(p).place == ""


def test_threads_watch_on_their_own():
    places = {}

    def work():
        places["other"] = np.exp(leaf()).place

    with tg.trace():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert places == {"other": ""}
