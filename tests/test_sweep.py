"""The sweep: depth, order, the choice of a derivation, shortcuts, and what rules may and may not return."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import assert_close


def test_a_chain_of_a_million_nodes_builds_sweeps_and_is_freed():
    """In a process of its own, with a small stack, so that any recursion along the graph would end it."""
    program = """
import gc, sys, threading
import tinygrad_ce as tg
sys.setrecursionlimit(300)
def run():
    x = y = tg.Value(1.0)
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1.0 and y.data == 1_000_001.0
    z = tg.Value([1.0]); w = z
    for _ in range(100_000):
        w = w * 1.0
    tg.compare_derivations  # loaded
    w.backward(derivation="autodiff", create_graph=True)
    assert z.grad.data[0] == 1.0
    repr(w)
    print("ok")
threading.stack_size(512 * 1024)
t = threading.Thread(target=run); t.start(); t.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "ok\n", done.stderr


def test_a_dropped_loss_frees_its_graph_at_once():
    gc.collect()
    gc.disable()
    try:
        x = Value(np.ones(3))
        kept = tg.softmax(x)
        import weakref

        gone = weakref.ref(kept)
        loss = tg.cross_entropy(kept, 1)
        loss.backward()
        loss.backward(create_graph=True)
        x.grad = None
        del kept, loss
        assert gone() is None
    finally:
        gc.enable()


def test_a_rule_may_return_a_view_of_its_cotangent():
    @tg.op
    def same(x):
        return x * 1.0

    @same.derivation("view")
    def _(g, out, x):
        return g

    x = Value(np.ones(3))
    y = same(x) + same(x) + x
    g = np.ones(3)
    y.backward(g)
    y.backward(g)
    assert x.grad.tolist() == [6.0] * 3 and g.tolist() == [1.0] * 3


def test_threads_choose_for_themselves():
    z = np.random.default_rng(0).normal(size=(2, 3))
    seen: dict[str, bool] = {}
    barrier = threading.Barrier(2)

    def one(name, context):
        with context:
            barrier.wait()
            v = Value(z)
            seen[name] = tg.softmax(v).requires_grad
            barrier.wait()

    threads = [
        threading.Thread(target=one, args=("off", tg.no_grad())),
        threading.Thread(target=one, args=("on", tg.use_derivation("autodiff"))),
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {"off": False, "on": True}


# -- choice ----------------------------------------------------------------------------------------------------


@pytest.fixture
def calls():
    saved = [(d, d.rule) for op in tg.registry().values() for d in op.derivations.values()]
    saved += [(s.derivation, s.derivation.rule) for op in tg.registry().values() for s in op.shortcuts]
    seen = []
    for op in tg.registry().values():
        for d in op.derivations.values():
            spy(d, f"{op.name}.{d.name}", seen)
        for s in op.shortcuts:
            spy(s.derivation, f"{s.inner.name}→{op.name}.{s.derivation.name}", seen)
    yield seen
    for d, rule in saved:
        object.__setattr__(d, "rule", rule)


def spy(derivation, name, seen):
    if derivation.name == "autodiff":
        return
    rule = derivation.rule

    def watched(*args):
        seen.append(name)
        return rule(*args)

    object.__setattr__(derivation, "rule", watched)


def two_node_graph():
    z = Value(np.random.default_rng(0).normal(size=(3, 4)))
    return z, tg.cross_entropy(tg.softmax(z), [0, 1, 2])


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (None, ["softmax→cross_entropy.stable"]),
        ("stable", ["softmax→cross_entropy.stable"]),
        ("analytic", ["softmax→cross_entropy.analytic"]),
        ("jacobian", ["cross_entropy.analytic", "softmax.jacobian"]),
        ({tg.softmax: "jacobian"}, ["cross_entropy.analytic", "softmax.jacobian"]),
        ({tg.softmax: "analytic"}, ["cross_entropy.analytic", "softmax.analytic"]),
        ({tg.cross_entropy: "analytic"}, ["softmax→cross_entropy.analytic"]),
        ({tg.cross_entropy: "stable"}, ["softmax→cross_entropy.stable"]),
        ({tg.cross_entropy: "autodiff"}, None),
    ],
)
def test_what_a_request_means(calls, request_, expected):
    z, loss = two_node_graph()
    loss.backward(derivation=request_)
    if expected is None:
        assert "softmax.stable" in calls and not any("→" in c for c in calls)
    else:
        assert calls == expected
    reference = tg.grad(lambda z: tg.softmax_cross_entropy(z, [0, 1, 2]))(z.data)
    assert_close(z.grad, reference, 1e-14)


def test_autodiff_opens_everything_and_bars_shortcuts(calls):
    z, loss = two_node_graph()
    loss.backward(derivation="autodiff")
    assert calls and all(c.endswith(".rule") for c in calls)


def test_a_context_is_read_when_a_sweep_starts(calls):
    z, loss = two_node_graph()
    with tg.use_derivation("autodiff"):
        loss.backward()
        assert all(c.endswith(".rule") for c in calls)
        calls.clear()
        loss.backward(derivation="analytic")  # its own request goes first
        assert calls == ["softmax→cross_entropy.analytic"]
    calls.clear()
    loss.backward()
    assert calls == ["softmax→cross_entropy.stable"]


def test_a_shortcut_gives_way_to_who_wants_the_inner_adjoint(calls):
    z = Value(np.random.default_rng(0).normal(size=(3, 4)))
    p = tg.softmax(z).retain_grad()
    loss = tg.cross_entropy(p, [0, 1, 2])
    loss.backward()
    assert "cross_entropy.analytic" in calls
    expected = np.zeros((3, 4))
    expected[range(3), range(3)] = -1 / 3 / p.data[range(3), range(3)]
    assert_close(p.grad, expected, 1e-14)
    calls.clear()
    free = tg.softmax(z)
    _, pullback = tg.vjp(lambda p: tg.cross_entropy(p, [0, 1, 2]), free.data)
    assert_close(pullback(1.0)[0], expected, 1e-14)


def test_a_shortcut_wants_one_axis_and_lets_other_uses_flow(calls):
    z = Value(np.random.default_rng(0).normal(size=(3, 3)))
    p = tg.softmax(z, axis=0)
    loss = tg.cross_entropy(p, [0, 1, 2], validate=False)
    loss.backward()
    assert not any("→" in c for c in calls)
    z.grad = None
    p = tg.softmax(z)
    total = tg.cross_entropy(p, [0, 1, 2]) + (p * p).sum()
    total.backward()
    both = z.grad
    z.grad = None
    total.backward(derivation="autodiff")
    assert_close(both, z.grad, 1e-13)


@pytest.mark.parametrize("bad", ["analitic", "rule2", ""])
def test_a_name_that_no_node_has_lists_those_there_are(bad):
    _, loss = two_node_graph()
    with pytest.raises(ValueError, match=r"'analytic'.*'autodiff'.*'jacobian'"):
        loss.backward(derivation=bad)
    with pytest.raises(ValueError, match="no op has"), tg.use_derivation(bad):
        pass


def test_other_bad_requests():
    z, loss = two_node_graph()
    with pytest.raises(ValueError, match="softmax has no derivation 'chain'"):
        loss.backward(derivation={tg.softmax: "chain"})
    with pytest.raises(ValueError, match="no node of this graph is of op relu"):
        loss.backward(derivation={tg.relu: "analytic"})
    with pytest.raises(TypeError):
        loss.backward(derivation=3)
    with pytest.raises(TypeError):
        loss.backward(derivation={"softmax": "analytic"})
    assert z.grad is None


def test_a_failed_assumption_raises_only_when_asked_for():
    z = Value(np.zeros((2, 2)))
    loss = tg.softmax_cross_entropy(z, np.array([[0.5, 0.5], [0.5, 0.9]]), validate=False)
    with pytest.raises(tg.AssumptionError, match=r"Σy = 1.*row\[1\] sums to 1.4"):
        loss.backward(derivation="analytic")
    loss.backward()
    assert z.grad is not None


# -- rules and orders ------------------------------------------------------------------------------------------


def cube(order):
    @tg.op
    def cubed(x):
        return x * x * x

    @cubed.derivation("hand", order=order)
    def _(g, out, x):
        return 3 * g * x * x

    return cubed


@pytest.mark.parametrize("order", [1, 2, 3, None])
def test_a_derivation_is_never_used_beyond_its_order(order, calls):
    """What it cannot do, the decomposition does: all four derivatives of x³ are right either way."""
    f = cube(order)
    found, g = [], f
    for _ in range(4):
        g = tg.grad(g)
        try:
            found.append(g(2.0))
        except ValueError as error:
            assert order in (2, 3) and "order" in str(error)
            break
    assert found == [12.0, 12.0, 6.0, 0.0][: len(found)]
    assert len(found) == {1: 4, 2: 2, 3: 3, None: 4}[order]


def test_a_rule_that_loses_its_past_is_caught():
    @tg.op
    def doubled(x):
        return x * 2

    @doubled.derivation("plain")
    def _(g, out, x):
        return np.asarray(getattr(g, "data", g)) * 2

    x = Value(np.ones(2))
    with pytest.raises(ValueError, match="plain' of doubled returned a plain ndarray"):
        (doubled(x) * x).sum().backward(create_graph=True)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g, x, y: g, r"'bad' of two returned 1 gradient for 2 inputs \(x, y\)"),
        (lambda g, x, y: (g, g, g), "returned 3 gradients for 2 inputs"),
        (lambda g, x, y: (g, g), r"shape \(2, 3\) for input 'y' of shape \(3,\); sum it"),
        (lambda g, x, y: (g.T, None), r"'x' of shape \(2, 3\).*transposed"),
        (lambda g, x, y: (3.0, None), r"shape \(\) for input 'x'"),
    ],
)
def test_what_a_rule_returns_is_checked(returned, message):
    @tg.op
    def two(x, y):
        return x * y

    @two.derivation("bad")
    def _(g, out, x, y):
        return returned(g, x, y)

    with pytest.raises(ValueError, match=message):
        two(Value(np.ones((2, 3))), Value(np.ones(3))).sum().backward()


def test_create_graph_leaves_values_that_can_be_differentiated():
    x = Value(np.array([0.3, -0.7]))
    y = (np.tanh(x) * x).sum()
    y.backward(create_graph=True)
    g = x.grad
    assert isinstance(g, Value)
    x.grad = None
    g.sum().backward()
    t = np.tanh(x.data)
    assert_close(x.grad, 2 * (1 - t**2) - 2 * x.data * t * (1 - t**2), 1e-14)
    with tg.no_grad():
        x.grad = None
        y.backward(create_graph=True)
        assert x.grad.requires_grad


def test_a_decomposition_that_closes_over_a_value_is_refused():
    w = Value(2.0)

    @tg.op
    def scaled(x):
        return x * w

    with pytest.raises(ValueError, match="every array that an op uses is an input"):
        scaled(Value(3.0)).backward()


def test_a_decomposition_may_return_its_input_or_a_constant():
    @tg.op
    def same(x):
        return x

    @tg.op
    def five(x):
        return np.zeros_like(x) + 5.0

    x = Value(np.ones(2))
    for create_graph in (False, True):
        x.grad = None
        same(x).backward(np.ones(2), create_graph=create_graph)
        assert np.array_equal(getattr(x.grad, "data", x.grad), [1.0, 1.0])
    x.grad = None
    (five(x) + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_an_input_given_twice():
    @tg.op
    def product(x, y):
        return x * y

    x = Value(3.0)
    product(x, x).backward()
    assert x.grad == 6.0
    x.grad = None
    product(x, x).backward(create_graph=True)
    assert x.grad.data == 6.0
    assert tg.grad(tg.grad(lambda x: product(x, x)))(3.0) == 2.0
    assert tg.jvp(lambda x: product(x, x), (3.0,), (1.0,)) == (9.0, 6.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_sums_over_a_batch(dtype):
    """Broadcasting undone, and a batch's products, where there is enough of it to be worth a product."""
    rng = np.random.default_rng(0)
    x, w, b = [rng.normal(size=s).astype(dtype) for s in ((40, 30, 20), (20, 25), (25,))]
    x = x[::-1].transpose(1, 0, 2)  # not contiguous
    vx, vw, vb = [tg.Value(a) for a in (x, w, b)]
    y = vx @ vw + vb
    g = rng.normal(size=y.shape).astype(dtype)
    y.backward(g)
    for found, expected in (
        (y.data, np.einsum("ijk,kl->ijl", *[a.astype(np.longdouble) for a in (x, w)]) + b),
        (vx.grad, np.einsum("ijl,kl->ijk", *[a.astype(np.longdouble) for a in (g, w)])),
        (vw.grad, np.einsum("ijk,ijl->kl", *[a.astype(np.longdouble) for a in (x, g)])),
        (vb.grad, np.sum(g, axis=(0, 1), dtype=np.longdouble)),
    ):
        assert found.dtype == dtype
        assert np.max(np.abs(found - expected)) <= 50 * np.finfo(dtype).eps * np.max(np.abs(expected))


# -- adjoints on the nodes themselves (quick.py) -----------------------------------------------------------------------


def trunk(x):
    """A node on which two heads stand, with elementwise nodes below and above it."""
    return x * 2.0 + x


def swept(head, *leaves):
    for x in leaves:
        x.zero_grad()
    head.backward()
    return [x.grad for x in leaves]


def test_an_exception_leaves_no_adjoint_behind():
    @tg.op
    def fails_once(x):
        return x * 1.0

    fail = [True]

    @fails_once.derivation("closed")
    def _(g, out, x):
        if fail.pop():
            raise RuntimeError("not this time")
        return g

    x = Value(3.0)
    middle = trunk(x)
    loss = fails_once(middle * middle) + middle * 5.0
    with pytest.raises(RuntimeError, match="not this time"):
        loss.backward()
    assert x.grad is None
    fail.append(False)
    assert swept(loss, x) == [6.0 * 9.0 + 15.0]
    assert swept(middle * 1.0, x) == [3.0]


def test_a_rule_may_sweep_the_graph_that_it_is_swept_in():
    x = Value(3.0)
    middle = trunk(x)
    inside = []

    @tg.op
    def looks(x):
        return x * 1.0

    @looks.derivation("closed")
    def _(g, out, x_):
        other = Value(2.0)
        (middle * other).backward()
        inside.append((x.grad, other.grad))
        x.zero_grad()
        return g

    loss = looks(middle * middle) + middle * 5.0
    loss.backward()
    assert inside == [(6.0, 9.0)]
    assert x.grad == 6.0 * 9.0 + 15.0


def test_threads_may_sweep_graphs_that_share_nodes():
    x = Value(1.5)
    shared = trunk(x)
    for _ in range(300):
        shared = shared * 1.0 + 0.0
    wrong = []

    def work(k):
        y = Value(float(k))
        head = shared * y
        for _ in range(20):
            y.zero_grad()
            head.backward()
            if y.grad != shared.data:
                wrong.append((k, y.grad))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert swept(shared * 2.0, x) == [6.0]


def test_stop_gradient_records_nothing():
    x = Value(np.ones(3))
    for stopped in (tg.stop_gradient(x), tg.stop_gradient(x * 2.0), x.stop_gradient()):
        assert not stopped.requires_grad and stopped.op is None
