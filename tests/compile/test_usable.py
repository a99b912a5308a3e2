"""What compiled functions go through in use: watches, threads, calls within calls, interruptions, wrong arguments."""

import threading
import warnings

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.optim import SGD, Adam

X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.arange(6) % 4


def training(seed=0, make=Adam):
    model = nn.Sequential(nn.Linear(3, 5, rng=seed), nn.Tanh(), nn.Linear(5, 4, rng=seed + 1))
    optimizer = make(model.parameters(), lr=0.05)

    def step(x, y):
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def after(n, *, compiled=True, seed=0):
    """Parameters after n steps that nothing disturbs."""
    model, _, step = training(seed)
    run = tg.compile(step) if compiled else step
    for _ in range(n):
        run(X, Y)
    return [p.data.copy() for p in model.parameters()]


def same(model, expected):
    for p, x in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.data, x, rtol=1e-9, atol=1e-12)


# -- watches -------------------------------------------------------------------------------------------------------


def test_a_training_step_under_the_anomaly_detector_runs_in_eager_code():
    model, _, step = training()
    fast = tg.compile(step)
    fast(X, Y)
    with tg.detect_anomaly():
        fast(X, Y)
    fast(X, Y)
    same(model, after(3))
    bad = X.copy()
    bad[2, 1] = np.inf
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError), np.errstate(all="ignore"):
        fast(bad, Y)


def test_nan_is_traced_to_the_line_in_the_function():
    w = tg.Value(np.array([1.0, 0.0]), label="w")

    def f(x):
        return np.log(w * x).sum()

    fast = tg.compile(f)
    with np.errstate(all="ignore"):
        fast(np.ones(2))
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match="in f"), np.errstate(all="ignore"):
        fast(np.ones(2))


def test_mutation_is_seen_before_a_compiled_backward():
    w = tg.Value(np.ones(3), label="w")
    fast = tg.compile(lambda x: (w * w * x).sum())
    for spoil in (lambda: w.data.__setitem__(0, 5.0), lambda: setattr(w, "data", np.ones(3) * 2.0)):
        out = fast(np.ones(3))
        spoil()
        with pytest.raises(tg.MutationError):
            out.backward()
    with tg.detect_mutation():
        out = fast(np.ones(3))
        w.data[1] = 7.0
        with pytest.raises(tg.MutationError):
            out.backward()


def test_a_compiled_step_is_a_mutation_of_what_eager_code_has_made_of_its_parameters():
    model, _, step = training(make=SGD)
    fast = tg.compile(step)
    fast(X, Y)
    loss = tg.softmax_cross_entropy(model(X), Y)
    fast(X, Y)
    with pytest.raises(tg.MutationError):
        loss.backward()


def test_traced_nodes_know_their_place():
    w = tg.Value(np.ones(3))
    fast = tg.compile(lambda x: (w * x).sum())
    fast(np.ones(3))
    with tg.trace():
        assert "test_usable.py:" in fast(np.ones(3)).place


# -- threads -------------------------------------------------------------------------------------------------------


def in_threads(*works):
    failures = []

    def kept(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=kept, args=(work,)) for work in works]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not failures, failures


def test_threads_capture_call_and_sweep_one_function():
    w = tg.Value(np.linspace(0.0, 1.0, 50))
    f = lambda x: (np.tanh(w * x) + np.sin(x)).sum()
    fast = tg.compile(f)

    def work(n):
        rng = np.random.default_rng(n)
        for _ in range(30):
            x = rng.normal(size=50)
            np.testing.assert_array_equal(tg.grad(fast)(x), tg.grad(f)(x))
            np.testing.assert_array_equal(
                fast(x[None] * np.ones((n + 1, 1))).data, f(x[None] * np.ones((n + 1, 1))).data
            )

    in_threads(*[lambda n=n: work(n) for n in range(4)])
    out = fast(np.ones(50))
    in_threads(out.backward)
    assert w.grad.shape == (50,)


def test_each_thread_trains_its_own_model():
    runs = [training(seed) for seed in range(3)]
    fasts = [tg.compile(step) for _, _, step in runs]

    def work(fast):
        for _ in range(10):
            fast(X, Y)

    in_threads(*[lambda fast=fast: work(fast) for fast in fasts])
    for seed, (model, _, _) in enumerate(runs):
        same(model, after(10, seed=seed))


# -- calls within calls --------------------------------------------------------------------------------------------


def test_a_function_that_calls_itself():
    @tg.compile
    def power(x, n):
        return x * power(x, n - 1) if n > 1 else x

    x = np.array([1.0, 2.0])
    assert power(x, 5).tolist() == [1.0, 32.0]
    assert tg.grad(lambda x: power(x, 3).sum())(x).tolist() == [3.0, 12.0]
    assert power(x, 5).tolist() == [1.0, 32.0]


def test_a_call_while_another_waits_for_its_backward():
    w = tg.Value(np.array([1.0, 2.0]))
    inner = tg.compile(lambda x: np.tanh(w * x).sum())
    a, b = np.array([0.1, 0.2]), np.array([0.3, -0.4])

    def outer(f):
        first = f(a)
        second = f(b)
        second.backward()
        first.backward()
        found, w.grad = w.grad, None
        return found

    np.testing.assert_array_equal(outer(inner), outer(inner.f))


# -- interruptions and errors --------------------------------------------------------------------------------------


def test_an_interrupted_capture_leaves_everything_as_it_was():
    model, optimizer, step = training()
    expected, state = [p.data.copy() for p in model.parameters()], optimizer.state_dict()
    interrupt = [True]

    def interrupted(x, y):
        loss = step(x, y)
        if interrupt:
            raise KeyboardInterrupt
        return loss

    fast = tg.compile(interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fast(X, Y)
        for p, x in zip(model.parameters(), expected, strict=True):
            assert type(p.data) is np.ndarray and p.grad is None
            np.testing.assert_array_equal(p.data, x)
        assert {k: np.asarray(v).tolist() for k, v in optimizer.state_dict().items()} == {
            k: np.asarray(v).tolist() for k, v in state.items()
        }
    interrupt.clear()
    fast(X, Y)
    same(model, after(1))


def test_an_interrupted_call_leaves_the_function_usable():
    model, _, step = training()
    fast = tg.compile(step)
    fast(X, Y)
    captured = fast.latest
    instance = captured._idle[-1]
    forward = instance.forward
    for error in (KeyboardInterrupt, MemoryError):

        def broken(*data, error=error):
            raise error

        instance.forward = broken
        with pytest.raises(error):
            fast(X, Y)
        assert captured._idle == [instance]  # given back
    instance.forward = forward
    fast(X, Y)
    same(model, after(2))


def test_wrong_arguments_of_a_later_call():
    model, _, step = training()
    fast = tg.compile(step)
    fast(X, Y)
    for x, y, error in [
        (X[:, :2], Y, ValueError),  # too few columns
        (X, np.full(6, 9), IndexError),  # a class that is not there
        (X, Y[:4], ValueError),
        ("X", Y, (TypeError, ValueError)),
    ]:
        with pytest.raises(error), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast(x, y)
    expected = after(2)
    fast(X, Y)
    same(model, expected)


def test_what_cannot_be_compiled_is_said_at_once():
    with pytest.raises(TypeError, match="f is a function, not 3"):
        tg.compile(3)


def test_a_class_that_is_none_is_said_with_its_row():
    fast = tg.compile(lambda z, y: tg.softmax_cross_entropy(z, y))
    z, y = np.zeros((4, 3)), np.array([0, 2, 1, 0])
    expected = fast(z, y).data
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match=f"outside 0 … 2: {wrong} in row 2"):
            fast(z, np.array([0, 2, wrong, 3]))
    assert fast(z, y).data == expected
