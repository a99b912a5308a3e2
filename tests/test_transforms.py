"""grad, value_and_grad, vjp, jvp, hvp: against differences and each other, nested, and what they refuse."""

import numpy as np
import pytest

import tinygrad_ce as tg

from .battery import assert_close, central

RNG = np.random.default_rng(0)
X, V, M = RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=(4, 4))


def f(x):
    return np.sum(np.tanh(M @ x) * x) + tg.logsumexp(x)


def test_grad_value_and_grad_and_their_argnums():
    value, gradient = tg.value_and_grad(f)(X)
    assert type(gradient) is np.ndarray and value == float(f(X))
    assert_close(gradient, central(f, X))

    def g(a, b, scale=1.0):
        return np.sum(a * a * b) * scale

    da, db = tg.grad(g, argnums=(0, -1))(X, V, scale=2.0)
    assert_close(da, 4 * X * V, 1e-14)
    assert_close(db, 2 * X * X, 1e-14)
    assert tg.grad(g, argnums=[1])(X, V)[0].shape == (4,)


def test_all_modes_agree_on_a_small_network():
    def loss(w1, w2):
        return tg.softmax_cross_entropy(tg.relu(X_batch @ w1) @ w2, labels)

    X_batch, labels = RNG.normal(size=(6, 4)), RNG.integers(0, 3, size=6)
    w = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
    v = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
    gradient = tg.grad(loss, (0, 1))(*w)
    assert_close(gradient[0], central(lambda a: loss(a, w[1]), w[0]))
    out, tangent = tg.jvp(loss, w, v)
    assert_close(tangent, sum(np.sum(g * t) for g, t in zip(gradient, v, strict=True)), 1e-13)
    h = tg.hvp(loss, w, v)
    eps = 1e-5
    up = tg.grad(loss, (0, 1))(*[a + eps * t for a, t in zip(w, v, strict=True)])
    down = tg.grad(loss, (0, 1))(*[a - eps * t for a, t in zip(w, v, strict=True)])
    for a, b, c in zip(h, up, down, strict=True):
        assert_close(a, (b - c) / (2 * eps), 1e-7)


def test_nesting_confuses_no_perturbations():
    assert tg.grad(lambda x: x * tg.grad(lambda y: x * y)(1.0))(3.0) == 6.0
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(5.0) == 1.0
    assert tg.jvp(lambda x: x * tg.jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,)) == (9.0, 6.0)
    assert tg.grad(lambda x: tg.jvp(lambda y: x * y * y, (2.0,), (1.0,))[1])(3.0) == 4.0
    assert tg.jvp(lambda x: tg.grad(lambda y: x * y * y)(2.0), (3.0,), (1.0,))[1] == 4.0


def test_any_order():
    g = lambda x: x**5
    for expected in (80.0, 160.0, 240.0, 240.0, 120.0, 0.0):
        g = tg.grad(g)
        assert g(2.0) == expected


def test_hessian_times_vector_both_ways():
    forward_over_reverse = tg.hvp(f, (X,), (V,))[0]
    reverse_over_reverse = tg.grad(lambda x: np.sum(tg.grad(f)(x) * V))(X)
    reverse_over_forward = tg.grad(lambda x: tg.jvp(f, (x,), (V,))[1])(X)
    assert_close(forward_over_reverse, reverse_over_reverse, 1e-13)
    assert_close(forward_over_reverse, reverse_over_forward, 1e-13)


def test_vjp_of_an_array_function_and_its_pullback_twice():
    out, pullback = tg.vjp(lambda x: M @ x, X)
    assert_close(out, M @ X)
    for _ in range(2):
        assert_close(pullback(V)[0], M.T @ V, 1e-14)


def test_values_in_values_out():
    x = tg.Value(2.0)
    g = tg.grad(lambda y: y**3)(x)
    assert isinstance(g, tg.Value)
    g.backward()
    assert x.grad == 12.0


def test_what_does_not_depend_has_zero_gradient():
    assert tg.grad(lambda x: 3.0)(1.0) == 0.0
    assert tg.grad(lambda x, y: y * 2, (0,))(1.0, 2.0) == (0.0,)
    assert tg.grad(lambda x: np.sum(np.floor_divide(x, 2.0)))(X).tolist() == [0.0] * 4
    assert tg.jvp(lambda x: np.ones(3), (1.0,), (1.0,))[1].tolist() == [0.0] * 3
    assert tg.hvp(lambda x: np.sum(x * 2), (X,), (V,))[0].tolist() == [0.0] * 4


def test_integers_are_differentiated_as_floats():
    assert tg.grad(lambda x: np.sum(x * x))(np.array([1, 2])).tolist() == [2.0, 4.0]
    assert tg.grad(lambda x: x * x)(3) == 6.0


def test_dtypes_stay():
    g = tg.grad(lambda x: np.sum(x * x))(np.ones(3, np.float32))
    assert g.dtype == np.float32
    assert tg.jvp(lambda x: x * x, (np.ones(3, np.float32),), (np.ones(3),))[1].dtype == np.float32


def test_parameters_closed_over_get_no_grad_written():
    w = tg.Value(3.0)
    assert tg.grad(lambda x: x * w)(2.0) == 3.0
    assert w.grad is None


def test_transforms_under_no_grad_still_work():
    with tg.no_grad():
        assert tg.grad(lambda x: x * x)(3.0) == 6.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.grad(lambda x: x)(np.ones(3)), r"one number; f returned shape \(3,\)"),
        (lambda: tg.grad(lambda x: (x, x))(1.0), "returned a tuple"),
        (lambda: tg.grad(lambda x: None)(1.0), "returned None.*lack a return"),
        (lambda: tg.grad(lambda x: x, argnums=1)(1.0), "argnums=1"),
        (lambda: tg.jvp(lambda x: x, (1.0,), (1.0, 2.0)), "1 arguments and 2 tangents"),
        (lambda: tg.jvp(lambda x: x, (1.0,), (np.ones(2),)), "tangent has shape"),
        (lambda: tg.vjp(lambda x: x, 1.0)[1](np.ones(2)), "cotangent has shape"),
        (lambda: tg.hvp(lambda x: x, (np.ones(2),), (np.ones(2),)), "hvp is of one number"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
