"""What a compiled function is: an op that can be called, differentiated, compared, saved; and what it refuses."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.nn import MLP
from tinygrad_ce.optim import SGD, Adam, AdamW


def data(n=20, m=3, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)), rng.integers(0, k, size=n)


def model(seed=0):
    made = MLP((3, 8, 4))
    rng = np.random.default_rng(seed)
    for p in made.parameters():
        p.data = rng.normal(size=p.shape) * 0.5
    return made


def loss_of(net):
    return lambda x, y: tg.softmax_cross_entropy(net(x), y)


# -- in an ordinary loop -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.05)])
def test_a_compiled_loss_trains_as_the_loss_does(make):
    losses = []
    for compiled in (False, True):
        net = model()
        f = tg.compile(loss_of(net)) if compiled else loss_of(net)
        optimizer = make(net.parameters())
        losses.append([])
        for seed in range(6):
            x, y = data(seed=seed)
            optimizer.zero_grad()
            loss = f(x, y)
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(*losses, rtol=1e-12)


def test_parameters_are_read_at_each_call_and_get_gradients():
    w = tg.Value([1.0, 2.0], label="w")
    fast = tg.compile(lambda x: (w * x).sum())
    x = np.array([3.0, 4.0])
    fast(x).backward()
    assert w.grad.tolist() == [3.0, 4.0]
    w.data = np.array([10.0, 20.0])
    assert fast(x).item() == 110.0
    w.data = np.ones(2, dtype=np.float32)  # another signature: captured again
    assert fast(x).item() == 7.0


def test_two_calls_before_one_backward_and_two_backwards_of_one():
    w = tg.Value(np.ones(3))
    f = lambda x: (np.tanh(w * x) ** 2).sum()
    fast = tg.compile(f)
    a, b = np.array([0.1, 0.2, 0.3]), np.array([1.0, -1.0, 0.5])
    (fast(a) + fast(b)).backward()
    found, w.grad = w.grad, None
    (f(a) + f(b)).backward()
    np.testing.assert_array_equal(found, w.grad)
    w.grad = None
    out = fast(a)
    out.backward()
    once = w.grad.copy()
    out.backward()
    np.testing.assert_array_equal(w.grad, 2 * once)


def test_results_are_not_written_into_by_later_calls():
    fast = tg.compile(lambda x: (x * 2.0, x.T, x + 0.5, x))
    x, y = np.ones((2, 3)), np.zeros((2, 3))
    first = fast(x)
    kept = [np.array(a) for a in first]
    fast(y)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    first[3][0, 0] = 7.0
    assert x[0, 0] == 1.0


def test_containers_floats_and_other_signatures():
    def f(p, x, *, power=2):
        return {"out": (p["w"] @ x + p["b"][0]) ** power, "half": [x / 2, None]}

    fast = tg.compile(f)
    p = {"w": tg.Value(np.eye(2, 3)), "b": [tg.Value(0.5)]}
    x = np.array([1.0, 2.0, 3.0])
    for power in (2, 3, 2):
        out, expected = fast(p, x, power=power), f(p, x, power=power)
        np.testing.assert_array_equal(out["out"].data, expected["out"].data)
        assert out["half"][1] is None
    assert len(fast.cache) == 2
    fast(p, x)["out"].sum().backward()
    found = p["w"].grad, p["b"][0].grad
    p["w"].grad = p["b"][0].grad = None
    f(p, x)["out"].sum().backward()
    np.testing.assert_array_equal(found[0], p["w"].grad)
    assert type(found[1]) is float and found[1] == p["b"][0].grad


def test_the_cache_is_bounded():
    fast = tg.compile(lambda x: x * 2.0, cache_size=2)
    for n in range(1, 5):
        assert fast(np.ones(n)).sum() == 2.0 * n
    assert len(fast.cache) == 2
    assert fast(np.ones(1)).tolist() == [2.0]


# -- a whole training step -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, lr=0.1),
        lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
        lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: Adam(p, lr=0.05, weight_decay=0.1),
        lambda p: AdamW(p, lr=0.05),
    ],
)
def test_a_training_step_compiles(make):
    runs = []
    for compiled in (False, True):
        net = model()
        optimizer = make(net.parameters())

        def step(x, y, net=net, optimizer=optimizer):
            loss = tg.softmax_cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = tg.compile(step) if compiled else step
        losses = []
        for i in range(8):
            if i == 4:
                optimizer.lr = 0.01
            if i == 5:  # a step between, by the uncompiled function
                losses.append(step(*data(seed=i)).item())
                continue
            if i == 6:
                net.parameters()[0].data = np.full((8, 3), 0.1)
            losses.append(run(*data(n=20 if i != 7 else 5, seed=i)).item())
        grads = [p.grad.copy() for p in net.parameters()]
        runs.append((losses, [p.data.copy() for p in net.parameters()], grads, optimizer.state_dict()))
    (a, pa, ga, sa), (b, pb, gb, sb) = runs
    np.testing.assert_allclose(a, b, rtol=1e-12)
    for x, y in zip([*pa, *ga], [*pb, *gb], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    assert sa.keys() == sb.keys()
    for k in sa:
        assert type(sa[k]) is type(sb[k])
        np.testing.assert_allclose(sa[k], sb[k], rtol=1e-9, atol=1e-12)


def test_a_functional_step():
    def step(weights, x, y, lr):
        loss, grads = tg.value_and_grad(lambda w: tg.softmax_cross_entropy(np.tanh(x @ w["a"]) @ w["b"], y))(weights)
        return loss, {k: w - lr * grads[k] for k, w in weights.items()}

    fast = tg.compile(step)
    rng = np.random.default_rng(0)
    start = {"a": rng.normal(size=(3, 5)), "b": rng.normal(size=(5, 4))}
    x, y = data()
    found, expected = start, start
    for i in range(4):
        one, found = fast(found, x, y, 0.1 / (i + 1))
        two, expected = step(expected, x, y, 0.1 / (i + 1))
        np.testing.assert_allclose(one, two, rtol=1e-13)
    np.testing.assert_allclose(found["a"], expected["a"], rtol=1e-11)
    assert len(fast.cache) == 1


def test_gradients_written_by_hand_and_accumulated():
    w = tg.Value(np.array([1.0, 2.0]))

    def accumulate(x):
        (w * x).sum().backward()
        return w.grad.sum()

    fast = tg.compile(accumulate)
    x = np.array([1.0, 3.0])
    assert [float(tg.value.plain(fast(x))) for _ in range(3)] == [4.0, 8.0, 12.0]
    assert w.grad.tolist() == [3.0, 9.0]

    def descend(x):
        w.grad = None
        loss = ((w - x) ** 2).sum()
        loss.backward()
        w.data = w.data - 0.25 * w.grad
        return loss

    fast = tg.compile(descend)
    w.data = np.array([0.0, 0.0])
    assert [fast(x).item() for _ in range(3)] == [10.0, 2.5, 0.625]


def test_a_function_that_sweeps_and_returns_its_loss():
    w = tg.Value(np.array([1.0, 2.0]))

    def f(x):
        loss = (w * x).sum()
        loss.backward()
        return loss

    fast = tg.compile(f)
    assert [fast(np.array([1.0, 3.0])).item() for _ in range(2)] == [7.0, 7.0]
    assert w.grad.tolist() == [2.0, 6.0]


def test_python_floats_as_parameters():
    a, b = tg.Value(2.0), tg.Value(-3.0)
    optimizer = SGD([a, b], lr=0.1)

    def step(x):
        loss = (a * x + b) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    found = [fast(1.5).item() for _ in range(3)]
    a.data, b.data = 2.0, -3.0
    assert type(a.data) is float
    np.testing.assert_allclose(found, [step(1.5).item() for _ in range(3)], rtol=1e-14)


@pytest.mark.parametrize(
    "body",
    [
        lambda w, v, x: (w * x).sum(),  # v gets no gradient
        lambda w, v, x: (w * x).sum() + (v * x).sum(),  # gradients are what was given
        lambda w, v, x: w.sum() + v.sum(),  # and constants
        lambda w, v, x: tg.softmax(w * x)[0] + (v[np.array([0, 0, 1])] * x).sum(),  # and made by whole ops
    ],
)
def test_gradients_of_a_step_have_memory_of_their_own(body):
    x, runs = np.array([1.0, 2.0, 3.0]), []
    for compiled in (False, True):
        w, v = tg.Value(np.ones(3)), tg.Value(np.full(3, 2.0))
        optimizer = Adam([w, v], lr=0.1)

        def step(x, w=w, v=v, optimizer=optimizer):
            loss = body(w, v, x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = tg.compile(step) if compiled else step
        losses = [run(x).item() for _ in range(3)]
        if compiled:
            w.grad *= 7.0  # it is the user's
            assert v.grad is None or not np.may_share_memory(w.grad, v.grad)
        losses += [run(x).item() for _ in range(2)]
        runs.append((losses, w.data.copy(), v.data.copy(), w.grad.copy(), None if v.grad is None else v.grad.copy()))
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert x.tolist() == [1.0, 2.0, 3.0]


# -- what is never frozen ------------------------------------------------------------------------------------------


def test_random_numbers_are_drawn_at_each_call():
    def dropout(x, rng):
        return np.where(rng.random(x.shape) < 0.5, 0.0, x * 2.0)

    x = np.ones(50)
    mine, theirs = np.random.default_rng(3), np.random.default_rng(3)
    fast = tg.compile(lambda x: dropout(x, mine))
    for _ in range(3):
        np.testing.assert_array_equal(fast(x), dropout(x, theirs))
    given = tg.compile(dropout)
    for _ in range(2):
        np.testing.assert_array_equal(given(x, mine), dropout(x, theirs))

    class Layer:
        def __init__(self):
            self.rng = np.random.default_rng(5)

        def __call__(self, x):
            return dropout(x, self.rng)

    layer, other = Layer(), Layer()
    fast = tg.compile(layer)
    v = tg.Value(x)
    np.testing.assert_array_equal(fast(v).data, other(x))
    assert isinstance(layer.rng, np.random.Generator)


def test_labels_are_inputs_and_constants_are_not():
    fast = tg.compile(lambda z, y: tg.softmax_cross_entropy(z, y))
    z = np.random.default_rng(0).normal(size=(4, 3))
    for y in (np.array([0, 1, 2, 0]), np.array([2, 2, 1, 1])):
        np.testing.assert_allclose(fast(z, y), tg.softmax_cross_entropy(z, y), rtol=1e-14)
    with pytest.raises(IndexError, match="outside 0"):
        fast(z, np.array([0, 1, 2, 3]))
    np.testing.assert_allclose(fast(z, y), tg.softmax_cross_entropy(z, y), rtol=1e-14)  # usable afterwards


# -- the referee, other derivatives, watches -----------------------------------------------------------------------


def test_the_referee_compares_it_with_the_sweep_through_the_function():
    net = model()
    fast = tg.compile(loss_of(net))
    report = tg.compare_derivations(fast, *data())
    assert report
    assert set(report.derivations) == {"autodiff", "compiled"}
    for name in ("x", *(p.label for p in net.parameters())):
        assert name in repr(report)


def test_a_wrong_sweep_is_found():
    fast = tg.compile(lambda x: (np.sin(x) ** 2).sum())
    x = np.array([0.3, 0.7])
    fast(tg.Value(x))
    rule = fast.derivations["compiled"].rule
    object.__setattr__(
        fast.derivations["compiled"], "rule", lambda *a: [None if g is None else g * 1.001 for g in rule(*a)]
    )
    assert not tg.compare_derivations(fast, x)


def test_derivatives_of_a_compiled_function():
    f = lambda x, y: (np.tanh(x * y) * x).sum()
    fast = tg.compile(f)
    x, y = np.random.default_rng(0).normal(size=(2, 4))
    for transform in (tg.grad, tg.value_and_grad, tg.hessian, tg.jacobian):
        np.testing.assert_allclose(np.ravel(transform(fast)(x, y)[-1]), np.ravel(transform(f)(x, y)[-1]), rtol=1e-13)
    for found, expected in zip(tg.jvp(fast, (x, y), (y, x)), tg.jvp(f, (x, y), (y, x)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(tg.hvp(fast, (x, y), (y, x))[0], tg.hvp(f, (x, y), (y, x))[0], rtol=1e-13)
    assert tg.gradcheck(fast, x, y)


def test_watches_see_the_function_itself():
    fast = tg.compile(lambda x: np.log(x).sum())
    fast(tg.Value(np.ones(2)))
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError), np.errstate(all="ignore"):
        fast(tg.Value(np.array([1.0, -1.0])))
    w = tg.Value(np.ones(3))
    fast = tg.compile(lambda: (w * w).sum())
    out = fast()
    w.data[0] = 5.0
    with pytest.raises(tg.MutationError):
        out.backward()


def test_no_grad_and_constants():
    w = tg.Value(np.ones(3))
    fast = tg.compile(lambda x: (w * x).sum())
    with tg.no_grad():
        assert not fast(np.ones(3)).requires_grad
    assert fast(np.ones(3)).requires_grad


def test_compiled_functions_within_others():
    inner = tg.compile(lambda x: np.tanh(x) * x)
    outer = tg.compile(lambda x: inner(inner(x)).sum())
    x = np.array([0.3, -2.0])
    np.testing.assert_array_equal(tg.grad(outer)(x), tg.grad(lambda x: inner.f(inner.f(x)).sum())(x))


# -- threads and errors --------------------------------------------------------------------------------------------


def test_threads_have_buffers_of_their_own():
    w = tg.Value(np.linspace(0.0, 1.0, 2000))
    f = lambda x: (np.tanh(w * x) + np.sin(x)).sum()
    fast, failures = tg.compile(f), []

    def work(seed):
        x = np.random.default_rng(seed).normal(size=2000)
        expected = f(x).item()
        for _ in range(40):
            if fast(x).item() != expected:
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures


def test_other_threads_see_parameters_as_they_are_while_one_captures():
    w = tg.Value(np.array([1.0, 2.0, 3.0]))
    started, finished, found = threading.Event(), threading.Event(), []

    def slow(x):
        started.set()
        assert finished.wait(10)
        return (w * x).sum()

    thread = threading.Thread(target=lambda: found.append(tg.compile(slow)(np.ones(3)).item()))
    thread.start()
    assert started.wait(10)
    loss = (np.tanh(w) * w[1:].sum()).sum() + np.exp(w.data).sum() + w.data[0]
    finished.set()
    thread.join()
    assert found == [6.0]
    assert type(w.data) is np.ndarray
    x = np.array([1.0, 2.0, 3.0])
    assert loss.item() == (np.tanh(x) * x[1:].sum()).sum() + np.exp(x).sum() + 1.0


def test_an_error_within_leaves_it_usable():
    fast = tg.compile(lambda x, y: x @ y)
    assert fast(np.eye(2), np.ones(2)).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="matmul"):
        fast(np.eye(2), np.ones(3))
    assert fast(np.eye(2), np.ones(2)).tolist() == [1.0, 1.0]


class Counting:
    def __init__(self):
        self.calls, self.seen = 0, []

    def __call__(self, x):
        self.calls += 1
        return x * 2.0

    def remember(self, x):
        self.seen.append(x)
        return x * 2.0


w = tg.Value(np.ones(3))
REFUSED = {
    "if": (lambda x: x if x.sum() > 0 else -x, "np.where"),
    "float": (lambda x: x * float(x.sum()), r"shape \(\)"),
    "mask": (lambda x: x[x > 0], r"np.where\(mask"),
    "assignment": (lambda x: x.__setitem__(0, 1.0), "np.where, np.concatenate or np.stack"),
    "in place": (lambda x: x.__iadd__(1.0), r"x = x \+ v"),
    "global generator": (lambda x: x * np.random.random(3), "default_rng"),
    "counter": (Counting(), "Counting.calls"),
    "list": (Counting().remember, "list"),
    "a node from outside": ((lambda node: lambda x: x * node)(w * 2.0), "give it as an argument"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_captured_says_so(name):
    f, advice = REFUSED[name]
    fast = tg.compile(f)
    with pytest.raises(tg.NotCaptured, match=advice):
        fast(np.ones(3))
    if isinstance(f, Counting):
        assert f.calls == 0 and f.seen == []
    assert type(w.data) is np.ndarray


# -- the text ------------------------------------------------------------------------------------------------------

ALONE = """
import sys, importlib.util
spec = importlib.util.spec_from_file_location("saved", sys.argv[1])
saved = importlib.util.module_from_spec(spec)
spec.loader.exec_module(saved)
assert not any(name.startswith("tinygrad_ce") for name in sys.modules)
import numpy as np
given = np.load(sys.argv[2])
forward, backward = saved.make()
out, kept = forward(*[given[f"x{i}"] for i in range(int(given["n"]))])
print(repr(float(out)), *[repr(float(g.sum())) for g in backward(kept, 1.0)])
"""


@pytest.mark.parametrize("loss", ["fused", "weighed"])
def test_the_source_stands_alone(tmp_path, loss):
    net = model()
    weight = np.arange(1.0, 5.0)
    f = lambda x, y: tg.softmax_cross_entropy(net(x), y, weight if loss == "weighed" else None)
    fast = tg.compile(f)
    x, y = data()
    out = fast(x, y)
    out.backward()
    assert "test_compiled.py" in fast.source and "softmax_cross_entropy" in fast.source
    fast.save(tmp_path / "saved.py")
    inputs = [x, y, *[p.data for p in net.parameters()]]
    np.savez(tmp_path / "given.npz", n=len(inputs), **{f"x{i}": a for i, a in enumerate(inputs)})
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "saved.py"), str(tmp_path / "given.npz")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = [float(t) for t in ran.stdout.split()]
    assert found[0] == out.item()
    np.testing.assert_allclose(sorted(found[1:]), sorted(float(p.grad.sum()) for p in net.parameters()), rtol=1e-12)


def test_explain_tells_what_passes_have_done():
    net = model()
    fast = tg.compile(loss_of(net))
    with pytest.raises(ValueError, match="call it once"):
        fast.explain()
    fast(*data())
    report = fast.explain()
    text = repr(report)
    for word in ("steps", "buffers", "bytes", "FLOPs", "captured", "dead code", "bit for bit"):
        assert word in text
    assert report.to_dict()["passes"][0]["pass"] == "captured"
    assert report.to_dict()["arena"] > 0
    with pytest.raises(ValueError, match="there is no pass"):
        tg.compile(loss_of(net), without=["magic"])


def test_layers_are_captured_in_the_mode_they_are_in():
    x = np.random.default_rng(0).normal(size=(6, 2))
    norm = nn.BatchNorm1d(2)
    fast = tg.compile(lambda x: np.sum(norm(x) ** 3))
    learnt = fast(x)
    norm.eval()
    assert fast(x) == np.sum(norm(x) ** 3).data and fast(x) != learnt
    norm.train()
    assert fast(x) == learnt


def test_a_dropout_layer_draws_anew_at_each_call_and_nothing_in_eval_mode():
    x, eager, layer = np.ones(8), nn.Dropout(0.5, rng=0), nn.Dropout(0.5, rng=0)
    fast = tg.compile(lambda x: layer(x))
    for _ in range(3):
        np.testing.assert_array_equal(fast(x), eager(x))
    layer.eval()
    np.testing.assert_array_equal(fast(x), x)
