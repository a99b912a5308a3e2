"""jacobian and hessian against central differences and each other; linearize, elementwise_grad; odd functions."""

from itertools import product

import numpy as np
import pytest

import tinygrad_ce as tg

from .battery import assert_close, central

RNG = np.random.default_rng(1)
A = RNG.normal(size=(3, 4))
X = RNG.normal(size=4)


def f(x):
    return np.tanh(A @ x) * np.sum(x * x)


def differences(f, x):
    out = np.asarray(f(x))
    rows = [central(lambda z, i=i: np.asarray(f(z))[i], x) for i in np.ndindex(out.shape)]
    return np.reshape(rows, out.shape + np.shape(x))


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_jacobian_in_each_mode(mode):
    expected = differences(f, X)
    assert_close(tg.jacobian(f, mode=mode)(X), expected, 1e-9)
    tall = lambda x: np.stack([x[0] * x, np.exp(x), x[::-1] ** 3])
    assert_close(tg.jacobian(tall, mode=mode)(X), differences(tall, X), 1e-8)
    j = tg.jacobian(lambda a, b: a @ b, argnums=(0, 1), mode=mode)(A, X)
    assert_close(j[0], np.einsum("ik,j->ikj", np.eye(3), X), 1e-14)
    assert_close(j[1], A, 1e-14)


def test_jacobian_picks_its_mode_by_shape(monkeypatch):
    from tinygrad_ce.transforms import matrices

    used = []
    for name in ("_by_rows", "_by_columns"):
        real = getattr(matrices, name)
        monkeypatch.setattr(matrices, name, lambda *args, name=name, real=real: used.append(name) or real(*args))
    tg.jacobian(lambda x: A @ x)(X)
    tg.jacobian(lambda x: A.T @ x)(X[:3])
    tg.jacobian(lambda x: x * x)(X)
    assert used == ["_by_rows", "_by_columns", "_by_rows"]


def test_a_block_is_written_into_the_result():
    """Memory beside the result is that of one sweep, not of all of them."""
    import tracemalloc

    n = 300
    x = RNG.normal(size=n)
    jacobian = tg.jacobian(lambda x: np.exp(x) * x)
    jacobian(x[:2])
    tracemalloc.start()
    try:
        j = jacobian(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert j.shape == (n, n) and peak < 1.3 * j.nbytes


def test_hessian():
    g = lambda x: np.sum(np.tanh(A @ x) ** 2) + tg.logsumexp(x)
    expected = differences(tg.grad(g), X)
    h = tg.hessian(g)(X)
    assert_close(h, expected, 1e-8)
    assert_close(h, h.T, 1e-14)
    assert_close(tg.jacobian(tg.grad(g), mode="forward")(X), h, 1e-13)
    assert_close(tg.jacobian(tg.jacobian(g))(X), h, 1e-13)
    assert_close(tg.jacobian(lambda x: tg.hessian(g)(x))(X), differences(tg.hessian(g), X), 1e-7)
    v = RNG.normal(size=4)
    assert_close(tg.hvp(g, (X,), (v,))[0], h @ v, 1e-13)


def test_hessian_of_a_network_in_all_its_parameters():
    x, y = RNG.normal(size=(5, 3)), RNG.integers(0, 2, size=5)
    p = {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}
    loss = lambda p: tg.softmax_cross_entropy(x @ p["w"] + p["b"], y)
    h = tg.hessian(loss)(p)
    flat = lambda v: {"w": v[:6].reshape(3, 2), "b": v[6:]}
    whole = tg.hessian(lambda v: loss(flat(v)))(np.concatenate([p["w"].ravel(), p["b"]]))
    assert_close(h["w"]["w"].reshape(6, 6), whole[:6, :6], 1e-13)
    assert_close(h["b"]["w"].reshape(2, 6), whole[6:, :6], 1e-13)
    assert_close(h["b"]["b"], whole[6:, 6:], 1e-13)


def test_higher_order_jacobians_have_the_shapes_that_follow():
    f = lambda x: np.sin(x[:, None] * x[None, :])
    x = X[:2]
    for expected in ((2, 2, 2), (2, 2, 2, 2), (2, 2, 2, 2, 2)):
        f = tg.jacobian(f)
        assert f(x).shape == expected


def test_perturbations_are_not_confused():
    """An outer variable inside an inner derivative stays the outer one's, in every pair of modes."""
    inner = {
        "grad": lambda g, y: tg.grad(g)(y),
        "jvp": lambda g, y: tg.jvp(g, (y,), (1.0,))[1],
        "jacobian": lambda g, y: tg.jacobian(g, mode="forward")(y),
        "linearize": lambda g, y: tg.linearize(g, y)[1](1.0),
        "elementwise": lambda g, y: tg.elementwise_grad(g)(y),
    }
    for first, second in product(inner.values(), repeat=2):
        # d/dx [x · d/dy (x + y)] = 1, not 2; and d/dx [x · d/dy x y² at y = x] = d/dx 2x³
        assert first(lambda x, d=second: x * d(lambda y: x + y, 1.0), 5.0) == 1.0
        assert first(lambda x, d=second: x * d(lambda y: x * y * y, x), 2.0) == 6 * 2.0**2
    assert tg.grad(lambda x: tg.hessian(lambda y: y**2 * x)(2.0))(3.0) == 2.0
    assert tg.hessian(lambda x: tg.grad(lambda y: x**3 * y)(1.0))(2.0) == 12.0


def test_a_jacobian_of_values_is_differentiable():
    x = tg.Value(np.array([1.0, 2.0]))
    for mode in ("forward", "reverse"):
        x.zero_grad()
        j = tg.jacobian(lambda x: x**3, mode=mode)(x)
        assert isinstance(j, tg.Value) and j.shape == (2, 2)
        j.sum().backward()
        assert_close(x.grad, 6 * x.data, 1e-14)


def test_linearize_runs_the_function_once():
    runs = []

    def g(x, y):
        runs.append(1)
        return {"out": np.sin(x) * y}

    out, push = tg.linearize(g, X, 2.0)
    for t in np.eye(4):
        assert_close(push(t, None)["out"], tg.jvp(g, (X, 2.0), (t, None))[1]["out"], 1e-15)
    assert len(runs) == 5
    assert tg.grad(lambda s: tg.linearize(lambda x: x**2 * s, 3.0)[1](1.0))(5.0) == 6.0
    with pytest.raises(TypeError, match="2 arguments and 1 tangents"):
        push(X)


def test_elementwise_grad():
    assert_close(tg.elementwise_grad(lambda x: x + np.sin(x))(A), 1 + np.cos(A), 1e-15)
    second = tg.elementwise_grad(tg.elementwise_grad(np.tanh))(X)
    assert_close(second, -2 * np.tanh(X) * (1 - np.tanh(X) ** 2), 1e-13)
    gx, gy = tg.elementwise_grad(lambda x, y: x * y, argnums=(0, 1))(X, 2.0)
    assert np.array_equal(gx, np.full(4, 2.0)) and gy == np.sum(X)


@pytest.mark.parametrize("x", [2.0, np.float64(2.0), np.float32(2.0), np.array(2.0), 2, np.int64(2), np.array(2), True])
def test_numbers_of_every_kind(x):
    floats = {np.float32: np.float32}.get(type(x), np.float64)
    assert tg.grad(lambda x: x**3)(x) == 3 * float(x) ** 2
    assert tg.hessian(lambda x: x**3)(x) == 6 * float(x)
    assert tg.jacobian(lambda x: x**3)(x) == 3 * float(x) ** 2
    assert np.shape(tg.jacobian(lambda x: np.stack([x, x * x]))(x)) == (2,)
    for transformed in (tg.grad, tg.hessian, tg.jacobian):
        assert np.asarray(transformed(lambda x: x**3)(x)).dtype == floats
    assert tg.grad(lambda x: x)(x) == 1.0 and tg.jvp(lambda x: x, (x,), (1.0,)) == (float(x), 1.0)


def test_functions_that_ignore_or_return_their_arguments():
    assert tg.grad(lambda x: 3)(X).tolist() == [0.0] * 4
    assert tg.jacobian(lambda x: np.ones(2))(X).tolist() == [[0.0] * 4] * 2
    assert tg.hessian(lambda x: 1.0)(X).tolist() == np.zeros((4, 4)).tolist()
    assert tg.hessian(lambda x: np.sum(x))(X).tolist() == np.zeros((4, 4)).tolist()
    assert np.array_equal(tg.jacobian(lambda x: x)(X), np.eye(4))
    assert tg.jacobian(lambda x: x.T)(A).shape == (4, 3, 3, 4)
    assert tg.elementwise_grad(lambda x: np.ones(4))(X).tolist() == [0.0] * 4
    outer = tg.Value(np.ones(4))
    assert tg.grad(lambda x: np.sum(outer))(X).tolist() == [0.0] * 4
    assert tg.jvp(lambda x: outer, (X,), (X,))[1].tolist() == [0.0] * 4
    out, pullback = tg.vjp(lambda x: x, X)
    assert out is not X and np.array_equal(pullback(A[0])[0], A[0])
    assert tg.vjp(lambda x: (x, x, x), X)[1]((A[0], A[1], A[2]))[0].tolist() == A.sum(axis=0).tolist()
    assert tg.jacobian(lambda x: x[:0])(X).shape == (0, 4) and tg.jacobian(lambda x: x)(X[:0]).shape == (0, 0)
    assert tg.grad(lambda x: np.sum(x))(np.ones((0, 3))).shape == (0, 3)
    assert tg.grad(lambda p: 1.0)({}) == {}


@pytest.mark.parametrize("what", [lambda x: np.argmax(x), lambda x: x > 0, lambda x: bool(x[0] > 0), lambda x: "text"])
def test_results_without_a_derivative_are_refused(what):
    for transform in (tg.grad, tg.jacobian, tg.hessian, tg.elementwise_grad):
        with pytest.raises(TypeError, match="no derivative"):
            transform(what)(X)
    (value, aux), g = tg.value_and_grad(lambda x: (np.sum(x), what(x)), has_aux=True)(X)
    assert g.tolist() == [1.0] * 4


def test_single_element_arrays_count_as_one_number():
    assert tg.grad(lambda x: np.sum(x * x, keepdims=True))(X).tolist() == (2 * X).tolist()
    assert tg.hessian(lambda x: np.sum(x * x, keepdims=True))(X).tolist() == (2 * np.eye(4)).tolist()


def test_float32_stays():
    x = X.astype(np.float32)
    assert tg.jacobian(lambda x: x * x)(x).dtype == np.float32
    assert tg.hessian(lambda x: np.sum(x**3))(x).dtype == np.float32


def test_a_composite_has_forward_mode_through_its_decomposition():
    @tg.op
    def mixed(x, y):
        return np.exp(x) * np.sum(y * x)

    y = RNG.normal(size=4)
    out, t = tg.jvp(lambda x: mixed(x, y), (X,), (y,))
    assert_close(t, tg.jacobian(lambda x: mixed(x, y), mode="reverse")(X) @ y, 1e-13)
    third = lambda x: tg.jvp(tg.grad(lambda x: np.sum(mixed(x, x))), (x,), (y,))[1]
    assert_close(tg.jacobian(third)(X), differences(third, X), 1e-7)


def test_complex_results_and_arguments():
    try:
        tg.Value(1j)
    except TypeError:
        pytest.skip("no complex Values")
    x = np.array([0.5, -1.0])
    z = x + 2j
    assert_close(tg.jacobian(lambda x: np.exp(1j * x))(x), np.diag(1j * np.exp(1j * x)), 1e-14)
    rows = tg.jacobian(lambda z: np.abs(z) ** 2)(z)
    assert_close(np.diag(rows), tg.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 1e-14)
    with pytest.raises(TypeError, match="parts apart"):
        tg.jacobian(lambda z: z * z)(z)
    for refused in (tg.grad, tg.hessian, tg.elementwise_grad):
        with pytest.raises(TypeError, match="complex"):
            refused(lambda z: np.sum(z * z))(z)
