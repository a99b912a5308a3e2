"""What lives how long, and for whom: cycles, memory over many steps, threads, copies."""

import copy
import gc
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value, nn, optim

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 6)), RNG.integers(0, 3, size=16)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# -- cycles and memory -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("swept", ["never", "once", "by name", "watched"])
def test_a_dropped_loss_frees_its_graph_at_once(swept):
    model = nn.MLP([6, 5, 3], rng=0)
    tg.softmax_cross_entropy(model(X), Y).backward(derivation="autodiff")  # what is made once, is made
    gc.collect()
    hidden = tg.tanh(model(X))
    if swept == "watched":
        with tg.detect_mutation(), tg.detect_anomaly():
            hidden = tg.tanh(model(X))
            loss = tg.softmax_cross_entropy(hidden, Y)
            loss.backward()
    else:
        loss = tg.softmax_cross_entropy(hidden, Y)
        if swept != "never":
            loss.backward(derivation="autodiff" if swept == "by name" else None)
    nodes = [weakref.ref(hidden), weakref.ref(loss), weakref.ref(hidden.parents[0])]
    del hidden, loss
    assert [ref() for ref in nodes] == [None] * 3
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "run",
    [
        lambda f, x: tg.grad(f)(x),
        lambda f, x: tg.grad(lambda x: np.sum(tg.grad(f)(x)))(x),
        lambda f, x: tg.hvp(f, (x,), (x,)),
        lambda f, x: tg.hessian(f)(x),
        lambda f, x: tg.jacobian(tg.grad(f))(x),
        lambda f, x: tg.vjp(f, x)[1](1.0),
        lambda f, x: tg.linearize(f, x)[1](x),
        lambda f, x: tg.compare_derivations(f(Value(x))),
    ],
)
def test_transforms_leave_no_cycles(run):
    f = lambda x: tg.softmax_cross_entropy(np.tanh(x) * 2, 1)
    x = RNG.normal(size=4)
    run(f, x)
    gc.collect()
    run(f, x)
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_memory_over_a_thousand_steps_is_flat():
    model = nn.MLP([6, 8, 3], rng=0)
    optimiser = optim.Adam(model.parameters(), lr=1e-3)
    scale = Value(1.0)

    def step():
        loss = tg.softmax_cross_entropy(model(X) * scale, Y)
        optimiser.zero_grad()
        scale.zero_grad()
        loss.backward()
        optimiser.step()
        scale.data -= 1e-3 * scale.grad

    tracemalloc.start()
    try:
        for _ in range(400):  # until what is remembered of modules' calls is all it can be
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1_000):
            step()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A step's graph takes 20 kB. NumPy recycles the shapes of views where tracemalloc does not see it: 48 bytes a step.
    assert after - before < 100_000 and peak - before < 200_000


def test_what_is_kept_of_a_value_goes_with_it():
    from tinygrad_ce.node import rebound, retained

    v = Value(np.ones(3))
    w = (v * 2).retain_grad()
    v.data = np.zeros(3)
    w.data = np.zeros(3)
    numbers = [v.number, w.number]
    assert all(n in rebound for n in numbers) and w.number in retained
    del v, w
    assert not any(n in rebound or n in retained for n in numbers)


# -- threads ---------------------------------------------------------------------------------------------------


def test_threads_do_not_disturb_each_other():
    """Graphs, contexts and sweeps interleaved step by step: each thread gets what it gets alone."""
    barrier = threading.Barrier(4)
    results, errors = {}, []

    def default(z):
        return sweep(z)

    def autodiff(z):
        with tg.use_derivation("autodiff"):
            return sweep(z)

    def analytic(z):
        with tg.use_derivation({tg.softmax_cross_entropy: "analytic"}), tg.trace():
            return sweep(z)

    def nothing(z):
        with tg.no_grad():
            found = tg.softmax_cross_entropy(Value(z), 0)
            barrier.wait()
            return found.requires_grad, tg.grad(lambda z: tg.softmax_cross_entropy(z, 0))(z).tolist()

    def sweep(z):
        v = Value(z)
        loss = tg.softmax_cross_entropy(np.tanh(v) * 50, 0)
        barrier.wait()
        loss.backward()
        return loss.requires_grad, v.grad.tolist()

    def work(f):
        try:
            for turn in range(20):
                barrier.wait()
                results.setdefault(f.__name__, []).append(f(np.array([1.0, -0.5, 0.1 * turn])))
        except Exception as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(f,)) for f in (default, autodiff, analytic, nothing)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    barrier = threading.Barrier(1)
    for f in (default, autodiff, analytic, nothing):
        alone = [f(np.array([1.0, -0.5, 0.1 * turn])) for turn in range(20)]
        assert results[f.__name__] == alone
    assert results["default"] != results["autodiff"]


def test_threads_share_a_model():
    """Each on its own graph, over the same parameters: gradients by transforms, which write nowhere."""
    w = {"a": RNG.normal(size=(6, 3)), "b": RNG.normal(size=3)}
    loss = lambda w, i: tg.softmax_cross_entropy(X[i : i + 4] @ w["a"] + w["b"], Y[i : i + 4])
    expected = [tg.grad(loss)(w, i)["a"] for i in range(12)]
    found = [None] * 12

    def work(i):
        for _ in range(10):
            found[i] = tg.grad(loss)(w, i)["a"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


# -- copies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
@pytest.mark.parametrize("data", [2.0, np.float32(2.0), np.arange(3.0), np.ones((2, 2), np.float32)])
def test_leaves_and_nodes_copy_as_leaves(twin, data):
    v = Value(data, label="v")
    np.sum(v * 2.0).backward()
    for original in (v, v * 2.0, Value(data, requires_grad=False)):
        copied = twin(original)
        assert copied is not original and copied.op is None and copied.parents == () and copied.grad is None
        assert type(copied.data) is type(original.data) and np.array_equal(copied.data, original.data)
        assert copied.dtype == original.dtype and copied.label == original.label
        assert copied.requires_grad == original.requires_grad
        if copied.requires_grad:
            np.sum(copied * 3.0).backward()
            assert np.all(copied.grad == 3.0) and original.grad is (v.grad if original is v else None)


def test_deep_copies_share_nothing_and_shallow_ones_the_array():
    v = Value(np.ones(3))
    assert copy.copy(v).data is v.data
    deep = copy.deepcopy(v)
    deep.data[0] = 5.0
    assert v.data[0] == 1.0


def test_a_copied_model_is_a_model():
    model = nn.MLP([6, 5, 3], rng=0)
    tg.softmax_cross_entropy(model(X), Y).backward()
    twin = copy.deepcopy(model)
    assert np.array_equal(twin(X).data, model(X).data)
    tg.softmax_cross_entropy(twin(X), Y).backward()
    for p, q in zip(twin.parameters(), model.parameters(), strict=True):
        assert p is not q and np.array_equal(p.grad, q.grad)


def test_a_node_of_a_deep_graph_copies_without_it():
    x = Value(1.0)
    for _ in range(50_000):
        x = x * 1.0
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.data == 1.0 and twin.op is None
