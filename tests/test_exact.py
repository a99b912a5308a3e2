"""Extended precision: values and derivatives against mpmath's own functions, written out."""

import sys

import mpmath
import numpy as np
import pytest

import tinygrad_ce as tg
from tests.battery import cases
from tinygrad_ce.check.exact import NotCaptured, evaluate_exactly, exact_jacobian, exact_jvp

ALL = [case for op in tg.registry().values() if op.key == op.name for case in cases(op)]


def close(found, expected, digits=20):
    with mpmath.workdps(80):
        pairs = zip(np.ravel(found), np.ravel(expected), strict=True)
        return all(abs(a - b) <= mpmath.mpf(10) ** -digits * max(abs(a), abs(b)) for a, b in pairs)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_kernels_of_every_op_run_on_exact_numbers(case):
    if case.op.name == "rounding_error":
        return  # 0, where nothing is rounded
    floats = [i for i, x in enumerate(case.inputs) if x is not None and np.asarray(x).dtype.kind == "f"]

    def f(*moved):
        inputs = list(case.inputs)
        for i, x in zip(floats, moved, strict=True):
            inputs[i] = x
        return case.op.apply(tuple(inputs), case.options)

    with np.errstate(all="ignore"):
        expected = case.op.apply(case.inputs, case.options)
    found = evaluate_exactly(f, *[case.inputs[i] for i in floats])
    np.testing.assert_allclose(found.astype(float), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("logits", [(1.0, 2.0, 3.0), (700.0, 0.0, -5.0), (1e30, 0.0, 0.0), (-1e8, 1e8, 0.1)])
def test_softmax_to_sixty_digits(logits):
    with mpmath.workdps(80):
        e = [mpmath.exp(mpmath.mpf(z)) for z in logits]
        expected = [x / sum(e) for x in e]
    assert close(evaluate_exactly(tg.softmax, logits), expected, 55)
    assert close(evaluate_exactly(lambda z: np.exp(z) / np.sum(np.exp(z)), logits), expected, 55)


def test_float32_inputs_are_the_numbers_that_they_are():
    with mpmath.workdps(60):
        expected = mpmath.exp(mpmath.mpf(13421773) / 2**27)  # the float32 next to 0.1
    assert close(evaluate_exactly(np.exp, np.array([0.1], dtype=np.float32)), [expected], 58)


def test_integers_and_masks_do_not_round():
    third = evaluate_exactly(lambda x: np.mean(np.where(x > 0, 1, 0)) + 0 * x, np.array([1.0, -1.0, -2.0]))
    with mpmath.workdps(60):
        expected = [mpmath.mpf(1) / 3] * 3
    assert close(third, expected, 58)


UNARY = (
    np.log,
    np.log1p,
    np.sqrt,
    np.exp,
    np.tanh,
    np.abs,
    np.sign,
    np.reciprocal,
    np.square,
    tg.softplus,
    tg.relu,
    tg.sigmoid,
)
BINARY = (np.divide, np.maximum, np.minimum, np.power, np.subtract, np.multiply)


@pytest.mark.parametrize("f", [*UNARY, *BINARY, np.max, np.min], ids=lambda f: getattr(f, "__name__", None) or f.name)
def test_special_values_follow_ieee(f):
    x = np.array([0.0, -1.0, 2.0, np.inf, -np.inf, np.nan])
    inputs = (x[:, None], x) if f in BINARY else (x,) if f in UNARY else (np.where(np.eye(6), x, 1.0),)
    if f in (np.max, np.min):
        f = {np.max: lambda x: x.max(axis=1), np.min: lambda x: x.min(axis=1)}[f]
    with np.errstate(all="ignore"):
        expected = f(*inputs)
    np.testing.assert_allclose(evaluate_exactly(f, *inputs).astype(float), expected, rtol=1e-14)


@pytest.mark.parametrize("gap", [0.0, 1.0, 40.0, 150.0, 700.0])
def test_the_derivative_of_a_confident_right_answer_keeps_its_digits(gap):
    found, bars = exact_jacobian(lambda z: tg.softmax_cross_entropy(z, [0]), [[[gap, 0.0]]])
    with mpmath.workdps(400):
        p = 1 / (1 + mpmath.exp(mpmath.mpf(gap)))
        assert close(found, [-p, p])
    assert np.all(bars <= 1e-20 * np.abs(found.astype(float)))


def test_jacobian_of_each_input_of_a_network():
    rng = np.random.default_rng(0)
    x, w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=(5, 2))

    def loss(x, w, v):
        return tg.softmax_cross_entropy(np.tanh(x @ w) @ v, [0, 1, 1])

    for which, leaf in enumerate([x, w, v]):
        found, bars = exact_jacobian(loss, [x, w, v], which)
        assert found.shape == bars.shape == leaf.shape
        gradient = tg.grad(loss, argnums=which)(x, w, v)
        np.testing.assert_allclose(found.astype(float), gradient, rtol=1e-12)
    slope, bar = exact_jvp(loss, [x, w, v], [None, np.ones((4, 5)), None])
    np.testing.assert_allclose(float(slope), np.sum(exact_jacobian(loss, [x, w, v], 1)[0].astype(float)), rtol=1e-12)
    assert bar < 1e-20


@pytest.mark.parametrize("x", [1e-200, 1e-30, 1e-8, 1.0, 1e8, 1e30, 1e200])
def test_inputs_of_every_size(x):
    found, bars = exact_jacobian(np.log, [np.array([x])])
    with mpmath.workdps(60):
        expected = 1 / mpmath.mpf(x)
    assert close(found, [[expected]])
    assert bars[0, 0] <= 1e-20 / x
    assert close(exact_jacobian(lambda v: v * v, [np.array([x])])[0], [[2 * mpmath.mpf(x)]])


def test_what_is_held_is_held():
    found, _ = exact_jacobian(lambda x: x * tg.stop_gradient(x * x), [3.0])
    assert float(found) == 9.0


def test_a_kink_shows_in_the_bar():
    found, bars = exact_jacobian(tg.relu, [np.array([-1.0, 0.0, 1e-30])])
    assert np.diag(found).astype(float).tolist() == [0.0, 0.5, 1.0]
    assert np.diag(bars)[1] == 0.5
    assert np.all(np.diag(bars)[[0, 2]] < 1e-20)


def test_where_it_is_not_finite_the_bar_is_not():
    found, bars = exact_jacobian(np.sqrt, [np.array([0.0, 4.0])])
    assert np.isinf(bars[0, 0])
    assert float(found[1, 1]) == 0.25


def test_a_function_with_a_gradient_inside_is_differentiated_again():
    found, _ = exact_jacobian(tg.grad(lambda x: np.exp(x * x).sum()), [np.array([0.5, 1.0])])
    with mpmath.workdps(60):
        expected = [(2 + 4 * x * x) * mpmath.exp(x * x) for x in (mpmath.mpf("0.5"), mpmath.mpf(1))]
    assert close(np.diag(found), expected)


def test_a_function_of_numpy_without_a_rule():
    found, _ = exact_jacobian(lambda x: np.cumsum(x * x), [np.array([1.0, 2.0])])
    assert found.astype(float).tolist() == [[2.0, 0.0], [2.0, 4.0]]


def test_what_cannot_be_captured_or_run_says_so():
    with pytest.raises(NotCaptured, match=r"np\.where"):
        exact_jacobian(lambda x: x if x > 0 else -x, [1.0])
    with pytest.raises(NotCaptured, match="interp"):
        evaluate_exactly(lambda x: np.interp(x, np.arange(3.0), np.arange(3.0)), np.array([0.5]))
    with pytest.raises(NotCaptured, match="returns 2 arrays"):
        exact_jacobian(lambda x: (x, x), [1.0])


def test_without_mpmath_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(ImportError, match=r"needs mpmath: run pip install 'tinygrad_ce\[proof\]'"):
        evaluate_exactly(np.exp, 1.0)
