"""Functions of single numbers, compiled: done many at a time, they give what they give one by one."""

import math
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.compiler import levels
from tinygrad_ce.compiler.program import Part
from tinygrad_ce.optim import SGD, Adam

ROWS = 12


@pytest.fixture
def always(monkeypatch):
    """Levels are made of any numbers, whatever it costs."""
    monkeypatch.setattr(levels, "FEW", 1)
    monkeypatch.setattr(levels, "STEP", math.inf)


def in_levels(fast):
    return any(isinstance(s.op, Part) for s in fast.latest.graph.steps)


# -- micrograd's demo ----------------------------------------------------------------------------------------------


class Network:
    """Neurons of single Values, written as micrograd's are."""

    def __init__(self, value, sizes=(2, 8, 8, 1), seed=0):
        rng = np.random.default_rng(seed)
        self.layers = [
            [([value(float(w)) for w in rng.uniform(-1, 1, size=m)], value(0.0)) for _ in range(n)]
            for m, n in pairwise(sizes)
        ]

    def __call__(self, x):
        for k, layer in enumerate(self.layers):
            x = [sum([w * xi for w, xi in zip(ws, x, strict=True)], b) for ws, b in layer]
            x = [h.relu() for h in x] if k < len(self.layers) - 1 else x
        return x[0]

    def parameters(self):
        return [p for layer in self.layers for ws, b in layer for p in (*ws, b)]


def points(n=ROWS):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 2)).tolist(), np.where(np.arange(n) % 2, 1.0, -1.0).tolist()


def margin_loss(value, network, n=ROWS):
    xs, ys = points(n)
    scores = [network([value(c) for c in x]) for x in xs]
    losses = [(1 + -y * score).relu() for y, score in zip(ys, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in network.parameters())


def descent(value, network):
    def step():
        loss = margin_loss(value, network)
        for p in network.parameters():
            p.grad = 0.0
        loss.backward()
        for p in network.parameters():
            p.data -= 0.1 * p.grad
        return loss

    return step


def test_a_step_of_micrograd_s_demo_is_bit_for_bit_eager_s_and_few_operations():
    losses, nets = [], []
    for compiled in (False, True):
        network = Network(tg.Value)
        step = descent(tg.Value, network)
        step = tg.compile(step) if compiled else step
        losses.append([step().data for _ in range(5)])
        nets.append(network)
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
    assert [p.data for p in nets[0].parameters()] == [p.data for p in nets[1].parameters()]
    assert [p.grad for p in nets[0].parameters()] == [p.grad for p in nets[1].parameters()]
    assert all(type(p.data) is float and type(p.grad) is float for p in nets[1].parameters())
    assert len(step.latest.graph.steps) < 10 < 2000 < len(step.latest.raw.steps)
    assert "bit for bit" in step.explain().exactness and not step.explain().inexact
    nets[1].parameters()[0].data = 0.25  # read at each call
    nets[0].parameters()[0].data = 0.25
    assert step().data == descent(tg.Value, nets[0])().data


def test_micrograd_itself_agrees():
    engine = pytest.importorskip("micrograd.engine")
    theirs = descent(engine.Value, Network(engine.Value))
    network = Network(tg.Value)
    ours = tg.compile(descent(tg.Value, network))
    for _ in range(3):
        np.testing.assert_allclose(ours().data, theirs().data, rtol=1e-12)


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.05)])
@pytest.mark.parametrize("inside", [True, False])
def test_optimisers(make, inside):
    losses, nets = [], []
    for compiled in (False, True):
        network = Network(tg.Value)
        optimizer = make(network.parameters())

        def f(network=network, optimizer=optimizer):
            loss = margin_loss(tg.Value, network)
            if inside:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return loss

        run = tg.compile(f) if compiled else f
        losses.append([])
        for _ in range(4):
            loss = run()
            if not inside:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses[-1].append(loss.item())
        nets.append([p.data for p in network.parameters()])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-13)
    np.testing.assert_allclose(nets[1], nets[0], rtol=1e-11)
    assert in_levels(run)


def test_gradients_add_up_where_they_are_not_cleared():
    network = Network(tg.Value)
    fast = tg.compile(lambda: margin_loss(tg.Value, network))
    fast().backward()
    once = [p.grad for p in network.parameters()]
    fast().backward()
    assert [p.grad for p in network.parameters()] == [g + g for g in once]

    def swept():
        loss = margin_loss(tg.Value, network)
        loss.backward()
        return loss

    tg.compile(swept)()
    np.testing.assert_allclose([p.grad for p in network.parameters()], [3 * g for g in once], rtol=1e-13)


def test_the_referee_and_threads():
    network = Network(tg.Value, (2, 3, 1))
    fast = tg.compile(lambda: margin_loss(tg.Value, network))
    assert bool(tg.compare_derivations(fast))
    expected, found = fast().data, []

    def call():
        for _ in range(20):
            loss = fast()
            found.append(loss.data)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(found) == {expected}


def test_two_calls_before_one_backward():
    network = Network(tg.Value, (2, 3, 1))
    fast = tg.compile(lambda a: margin_loss(tg.Value, network) * a)
    x, y = tg.Value(2.0), tg.Value(3.0)
    first, second = fast(x), fast(y)
    first.backward()
    grad = [p.grad for p in network.parameters()]
    second.backward()
    np.testing.assert_allclose([p.grad for p in network.parameters()], [2.5 * g for g in grad], rtol=1e-13)
    assert x.grad == y.grad and math.isclose(x.grad, second.data / 3.0)


def test_the_text_stands_alone(tmp_path):
    network = Network(tg.Value, (2, 5, 4, 1))
    fast = tg.compile(descent(tg.Value, network))
    parameters = [p.data for p in network.parameters()]
    expected = [fast().data, fast().data]
    fast.save(tmp_path / "step.py")
    text = f"""
import sys, numpy as np, step
run, p, found = step.make(), np.array({parameters!r}), []
for _ in range(2):
    loss, p, grad = run(p)
    found.append(loss)
assert found == {expected!r}, found
assert p.tolist() == {[p.data for p in network.parameters()]!r}
assert not any(name.startswith("tinygrad") for name in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- every op, every number ------------------------------------------------------------------------------------------

SCALAR = sorted(
    name
    for name, op in tg.registry().items()
    if op.partials is not None
    and not op.option_names
    and name != "ldexp"  # which is of integers
    and (hasattr(np, name) or hasattr(tg, name))  # SciPy's are there where another test has used them
)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-300, 1e300, 800.0, -800.0, math.inf, -math.inf, math.nan]


def close(found, expected, ulps=16):
    found, expected = np.array(found), np.array(expected)
    equal = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        near = np.abs(found - expected) <= ulps * np.spacing(np.maximum(np.abs(found), np.abs(expected)))
    assert (equal | near).all(), (found[~(equal | near)], expected[~(equal | near)])


@pytest.mark.parametrize("name", SCALAR)
def test_every_elementwise_op_of_numbers(always, name):
    op = tg.registry()[name]
    rng = np.random.default_rng(0)
    columns = [[*SPECIAL, *rng.normal(size=20).tolist()] for _ in op.partials]
    for k, column in enumerate(columns):
        columns[k] = column if k == 0 else column[k:] + column[:k]
    results = []
    for compiled in (False, True):
        given = [[tg.Value(x) for x in column] for column in columns]

        def f(given=given):
            return [op(*xs) for xs in zip(*given, strict=True)]

        with np.errstate(all="ignore"):
            outs = tg.compile(f)() if compiled else f()
            if outs[0].requires_grad:
                total = outs[0]
                for out in outs[1:]:
                    total = total + out
                total.backward()
        results.append([[out.data for out in outs], [0.0 if x.grad is None else x.grad for c in given for x in c]])
        assert all(type(out.data) is float for out in outs)
    for expected, found in zip(*results, strict=True):
        close(found, expected)


UNARY = {
    "exp": lambda x: np.exp(np.minimum(x, 3.0)),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "relu": lambda x: x.relu(),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "root": lambda x: (abs(x) + 0.5) ** 0.5,
    "inverse": lambda x: 1 / (x * x + 1.0),
    "log": lambda x: np.log(abs(x) + 0.5),
    "sin": np.sin,
    "less": lambda x: 2.0 - x,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "sum": lambda x: sum([x, x * 2.0, x * x]),
    "clip": lambda x: np.clip(x, -1.0, 1.0),
    "softplus": tg.softplus,
    "held": tg.stop_gradient,
}
BINARY = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (y * y + 1.0),
    "largest": np.maximum,
    "right": lambda x, y: x + (y + (x + (y + 1.0))),
    "balanced": lambda x, y: (x + y) + (x * x + y * y),
    "hypot": np.hypot,
}


@st.composite
def programs(draw):
    """Operations on four numbers and what was made of them, for some of several rows; and how results are joined."""
    steps = []
    for n in range(draw(st.integers(1, 10))):
        table = UNARY if draw(st.booleans()) else BINARY
        name = draw(st.sampled_from(sorted(table)))
        steps.append((name, [draw(st.integers(0, n + 3)) for _ in range(1 if table is UNARY else 2)]))
    rows = draw(st.integers(1, 6))
    return steps, rows, draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), draw(st.booleans())


def run(program, ws, xs):
    steps, rows, shifts, mixed = program
    outs = []
    for row in range(rows):
        values = [ws[0], ws[(1 + shifts[row]) % len(ws)], xs[row % len(xs)], ws[2] * xs[(row + 1) % len(xs)]]
        for name, operands in steps:
            values.append((UNARY.get(name) or BINARY[name])(*[values[i] for i in operands]))
        outs.append(values[-1])
    if not mixed:
        return sum(outs) * 0.5
    joined = np.stack(outs)
    joined = joined * np.linspace(0.5, 1.0, rows)
    return sum([joined[i] * ws[1] for i in range(rows)], joined.sum())


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 99))
def test_random_programs(program, seed):
    rng = np.random.default_rng(seed)
    numbers, given = rng.normal(size=4).tolist(), rng.normal(size=5)
    few, step = levels.FEW, levels.STEP
    results = []
    try:
        levels.FEW, levels.STEP = 1, math.inf
        for compiled in (False, True):
            ws, x = [tg.Value(w) for w in numbers], tg.Value(given)

            def f(x, ws=ws):
                return run(program, ws, x)

            g = tg.compile(f) if compiled else f
            made = []
            for _ in range(2):
                loss = g(x)
                if loss.requires_grad:
                    loss.backward()
                made += [float(loss.data), *[0.0 if w.grad is None else w.grad for w in ws]]
                made += (np.zeros(5) if x.grad is None else x.grad).tolist()
                for w in ws:
                    w.data = w.data * 0.75
            results.append(made)
    finally:
        levels.FEW, levels.STEP = few, step
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-12)


# -- sums ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [2, 3, 8, 9, 40, 130])
@pytest.mark.parametrize("columns", [1, 2, 3, 16])
def test_sums_are_taken_in_their_order(always, terms, columns):
    rng = np.random.default_rng(terms)
    numbers = (rng.normal(size=terms) * 10.0 ** rng.integers(-6, 6, size=terms)).tolist()
    values = [tg.Value(x) for x in numbers]

    def f():
        return [sum([v * (k + 1.5) for v in values], values[0]) + values[-1] for k in range(columns)]

    fast = tg.compile(f)
    assert [x.data for x in fast()] == [x.data for x in f()]
    assert in_levels(fast)


def test_sums_of_minus_zeros_and_of_other_lengths(always):
    values = [tg.Value(-0.0) for _ in range(8)]

    def f():
        return [sum(values[1:k], values[0]) for k in range(1, 9)] + [sum(values[:k]) for k in range(1, 9)]

    found, expected = [x.data for x in tg.compile(f)()], [x.data for x in f()]
    assert [math.copysign(1.0, x) for x in found] == [math.copysign(1.0, x) for x in expected]


# -- where it does not pay, and what goes between ----------------------------------------------------------------------


def test_a_chain_is_left_as_it_is():
    w = tg.Value(0.5)

    def f(x):
        for _ in range(150):
            x = x * w + 0.25
        return x

    fast = tg.compile(f)
    assert fast(2.0).data == f(2.0).data
    assert not in_levels(fast)


def test_random_wiring(always):
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=10).tolist()
    choices = [(rng.integers(0, 3), *rng.integers(0, 10 + k, size=2)) for k in range(400)]
    results = []
    for compiled in (False, True):
        values = [tg.Value(x) for x in numbers]

        def f(values=values):
            made = list(values)
            for op, i, j in choices:
                a, b = made[i], made[j]
                made.append((a + b).tanh() if op == 0 else a * b * 0.5 if op == 1 else a - b * 0.3)
            return sum(made[-50:])

        loss = (tg.compile(f) if compiled else f)()
        loss.backward()
        results.append([loss.data, *[v.grad for v in values]])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_arrays_and_numbers_mixed(always):
    def f(x, w):
        y = np.tanh(x) * w
        rows = [sum([y[i, j] * w for j in range(3)]) for i in range(2)]
        z = np.stack(rows) @ np.array([[1.0, 2.0], [3.0, 4.0]])
        return sum([z[k] * rows[k] for k in range(2)]) + x.sum()

    results = []
    for g in (f, tg.compile(f)):
        x, w = tg.Value(np.arange(6.0).reshape(2, 3) / 7), tg.Value(1.5)
        out = g(x, w)
        out.backward()
        results.append([float(out.data), w.grad, *x.grad.ravel().tolist()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-13)


def test_explain_says_which_functions_are_numpy_s_own(always):
    values = [tg.Value(x / 10) for x in range(40)]
    fast = tg.compile(lambda: sum(v.tanh() * v for v in values))
    fast()
    assert "levels" in fast.explain().inexact
    exact = tg.compile(lambda: sum(v * v - v / 3.0 for v in values))
    exact()
    assert "levels" not in exact.explain().inexact
