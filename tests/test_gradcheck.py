"""gradcheck from outside: what other checkers miss, what they fail wrongly, and what it says."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_ce as tg

RNG = np.random.default_rng(0)


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_rule(g, p, z):
    return p * (g - np.sum(g * p, axis=-1, keepdims=True))


def cross_entropy(z, labels):
    s = z - np.max(z, axis=-1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(s), axis=-1)) - s[np.arange(len(labels)), labels])


def cross_entropy_rule(g, out, z, labels):
    return g * (softmax(z) - np.eye(z.shape[-1], dtype=z.dtype)[labels]) / z.dtype.type(len(labels)), None


# -- what others miss ------------------------------------------------------------------------------------------


def test_a_tiny_gradient_with_the_wrong_sign():
    z, labels = np.array([[20.0, 0, 0, 0, 0]]), np.array([0])
    assert tg.gradcheck(cross_entropy, z, labels, vjp=cross_entropy_rule)
    report = tg.gradcheck(cross_entropy, z, labels, vjp=lambda *a: (-cross_entropy_rule(*a)[0], None))
    assert not report and report.diagnosis == "sign"


@pytest.mark.parametrize("shape", [(2, 3), (64, 10)])
def test_a_softmax_backward_of_zeros(shape):
    assert not tg.gradcheck(softmax, RNG.normal(size=shape), vjp=lambda g, p, z: np.zeros_like(z))


def test_soft_targets_that_do_not_sum_to_one():
    def loss(z, y):
        s = z - np.max(z, axis=-1, keepdims=True)
        return np.sum(y * (np.log(np.sum(np.exp(s), axis=-1, keepdims=True)) - s))

    z = RNG.normal(size=(3, 4))
    y = RNG.dirichlet(np.ones(4), size=3)

    def surprise(z):
        s = z - np.max(z, axis=-1, keepdims=True)
        return np.log(np.sum(np.exp(s), axis=-1, keepdims=True)) - s

    report = tg.gradcheck(loss, z, y, vjp=lambda g, out, z, y: (g * (softmax(z) - y), g * surprise(z)))
    assert not report and report.findings[0].point != "your point"

    def right(g, out, z, y):
        return g * (softmax(z) * np.sum(y, axis=-1, keepdims=True) - y), g * surprise(z)

    assert tg.gradcheck(loss, z, y, vjp=right)


def test_a_rule_whose_second_derivative_is_wrong():
    @tg.op
    def cube(x):
        return x * x * x

    @cube.derivation("held")
    def _(g, out, x):
        return 3.0 * g * tg.stop_gradient(x) * x

    report = tg.gradcheck(cube, np.array([1.0, 2.0]))
    assert not report and report.findings[0].check == "second order"
    assert tg.gradcheck(cube, np.array([1.0, 2.0]), order=1)


def test_a_rule_that_is_no_gradient_beside_the_point():
    def rule(g, out, x):
        return g * np.array([x[1], 1.0])  # right at x[0] = 1 alone

    report = tg.gradcheck(lambda x: x[0] * x[1], np.array([1.0, 2.0]), vjp=rule)
    assert not report


@pytest.mark.parametrize("off", [1e-3, 1e-5, 1e-7])
def test_a_factor_close_to_one(off):
    report = tg.gradcheck(np.sinh, RNG.normal(size=7), vjp=lambda g, out, x: g * np.cosh(x) * (1 + off))
    assert not report and report.diagnosis == "factor"


def test_digits_lost_in_float32():
    x = (1000 + RNG.normal(size=50)).astype(np.float32)

    def deviation(x):
        return np.sqrt(np.mean((x - np.mean(x)) ** 2))

    def by_moments(g, out, x):
        return g * (x - np.mean(x)) / (np.sqrt(np.mean(x * x) - np.mean(x) ** 2) * x.dtype.type(len(x)))

    assert tg.gradcheck(deviation, x, vjp=lambda g, out, x: g * (x - np.mean(x)) / (out * x.dtype.type(len(x))))
    report = tg.gradcheck(deviation, x, vjp=by_moments)
    assert not report and report.diagnosis == "cancellation"


def test_noise_in_one_call_of_twenty():
    calls = iter(range(10**9))
    assert not tg.gradcheck(np.exp, np.ones(3), vjp=lambda g, out, x: g * out * (1 + 1e-12 * (next(calls) % 20 == 7)))


def test_one_entry_of_five_thousand():
    x = RNG.normal(size=5000)

    def rule(g, out, x):
        gx = g * np.cos(x)
        if len(gx) == 5000:
            gx[1234] *= 1.001
        return gx

    report = tg.gradcheck(np.sin, x, vjp=rule)
    assert not report and report.findings[0].where == "x[1234]"
    passed = tg.gradcheck(np.sin, x, vjp=lambda g, out, x: g * np.cos(x))
    assert passed and "would notice" in passed.sensitivity


def test_none_for_an_input_that_matters():
    report = tg.gradcheck(np.multiply, np.ones(3), np.full(3, 2.0), vjp=lambda g, out, a, b: (g * b, None))
    assert not report and "wrt=" in report.findings[0].message
    assert tg.gradcheck(np.multiply, np.ones(3), np.full(3, 2.0), vjp=lambda g, out, a, b: (g * b, None), wrt=0)


# -- what others fail wrongly ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "rule", "x"),
    [
        (np.tanh, lambda g, out, x: g * (1 - out) * (1 + out), RNG.normal(size=5) * 1e-8),
        (np.square, lambda g, out, x: 2 * g * x, RNG.normal(size=5) * 1e8),
        (lambda x: np.sin(1e4 * x), lambda g, out, x: 1e4 * g * np.cos(1e4 * x), RNG.normal(size=4)),
        (lambda x: 1e6 + np.sin(x), lambda g, out, x: g * np.cos(x), RNG.normal(size=4)),
        (lambda x: np.maximum(x, 0), lambda g, out, x: g * (x > 0), np.array([1e-7, -1e-7, 0.0, 1.0])),
        (lambda x: np.max(x), lambda g, out, x: g * (x == out) / np.sum(x == out), np.array([1.0, 1.0, 0.0])),
        (lambda x: np.floor(x), lambda g, out, x: 0 * g, np.array([0.3, 1.000001, -2.7])),
        (softmax, softmax_rule, np.array([[700.0, 0.0, -700.0], [30.0, 29.0, 0.0]])),
        (softmax, softmax_rule, RNG.normal(size=(3, 4)).astype(np.float32)),
    ],
)
def test_right_ones(f, rule, x):
    report = tg.gradcheck(f, x, vjp=rule)
    assert report, report


def test_values_held_constant_are_held():
    x = RNG.normal(size=4)
    assert tg.gradcheck(lambda x: x * tg.stop_gradient(np.exp(x)), x, vjp=lambda g, out, x: g * np.exp(x))
    assert not tg.gradcheck(lambda x: x * np.exp(x), x, vjp=lambda g, out, x: g * np.exp(x))


# -- kinks, ties, hazards --------------------------------------------------------------------------------------


def test_a_tie_is_shared():
    x = np.array([2.0, 2.0, 1.0])
    report = tg.gradcheck(np.max, x, vjp=lambda g, out, x: g * (x == out))
    assert not report and "add up" in report.findings[0].message


def test_a_wrong_value_at_a_kink_is_wrong():
    assert not tg.gradcheck(np.abs, np.array([0.0, 1.0]), vjp=lambda g, out, x: g * np.where(x == 0, 2.0, np.sign(x)))


def test_shared_memory_is_a_hazard_and_no_failure():
    report = tg.gradcheck(lambda x: x + 1.0, np.ones(3), vjp=lambda g, out, x: g)
    assert report and any("shares memory" in h for h in report.hazards)


def test_a_buffer_used_again_is_a_failure():
    buffer = np.zeros(3)

    def rule(g, out, x):
        if x.shape != buffer.shape:
            return g * np.cos(x)
        np.multiply(g, np.cos(x), out=buffer)
        return buffer

    report = tg.gradcheck(np.sin, np.ones(3), vjp=rule)
    assert not report and report.diagnosis == "state"


# -- contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "diagnosis"),
    [
        (lambda g, out, x: (2 * g * x)[:, None], "shape"),
        (lambda g, out, x: (2 * g * x).astype(np.float32), "dtype"),
        (lambda g, out, x: np.multiply(g, 2 * x, out=g), "mutation"),
        (lambda g, out, x: 2 * np.abs(g) * x, "not linear"),
        (lambda g, out, x: np.ones_like(x), "not linear"),
        (lambda g, out, x: (g, g), "shape"),
        (lambda g, out, x: 1 / 0, "raises"),
    ],
)
def test_contract(rule, diagnosis):
    report = tg.gradcheck(np.square, np.array([1.0, -2.0, 3.0]), vjp=rule)
    assert not report and report.diagnosis == diagnosis


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tg.gradcheck(3, 1.0), TypeError, "f is a function"),
        (lambda: tg.gradcheck(np.exp), TypeError, "at least one array"),
        (lambda: tg.gradcheck(np.exp, [1, 2], vjp=lambda g, o, x: g), ValueError, "floating input"),
        (lambda: tg.gradcheck(np.exp, [1.0], vjp=lambda g, o, x: g, order=3), ValueError, "order is 1 or 2"),
        (lambda: tg.gradcheck(np.exp, [1.0], vjp=lambda g, o, x: g, wrt="q"), ValueError, "names no argument"),
        (lambda: tg.gradcheck(lambda x: (x, x), [1.0], vjp=lambda g, o, x: g), TypeError, "returned a tuple"),
        (lambda: tg.gradcheck(np.exp, ["a"], vjp=lambda g, o, x: g), TypeError, "dtype"),
        (lambda: tg.gradcheck(np.exp, [1.0], vjp=1), TypeError, "vjp= takes a function"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_empty_batch_is_right_and_0d_too():
    assert tg.gradcheck(np.square, np.zeros((0, 3)), vjp=lambda g, out, x: 2 * g * x)
    assert tg.gradcheck(np.square, 3.0, vjp=lambda g, out, x: 2 * g * x)


def test_nothing_of_the_users_is_written_to():
    x = np.array([1.0, 2.0])
    tg.gradcheck(np.square, x, vjp=lambda g, out, x: 2 * g * x)
    assert x.tolist() == [1.0, 2.0] and x.flags.writeable


# -- functions on Values ---------------------------------------------------------------------------------------


def test_a_function_on_values_and_a_wrong_derivation():
    @tg.op
    def tripled(x):
        return 3.0 * x

    @tripled.derivation("wrong", order=1)
    def _(g, out, x):
        return 2.0 * g

    x = np.array([1.0, -1.0])
    assert not tg.gradcheck(lambda x: np.exp(tripled(x)), x)
    assert tg.gradcheck(lambda x: np.exp(tripled(x)), x, derivation="autodiff")


def test_mpmath_is_a_witness_on_request():
    pytest.importorskip("mpmath")
    report = tg.gradcheck(lambda z: tg.logsumexp(z), np.array([40.0, 1.0, 2.0]), exact=True)
    assert report and any(o.startswith("mpmath") for o in report.oracles)


# -- what it says ----------------------------------------------------------------------------------------------


def squared(x):
    return x * x


def test_the_reproduction_runs_when_pasted(tmp_path):
    def rule(g, out, x):
        return 3.0 * g * x

    report = tg.gradcheck(squared, np.array([[1.0, 2.0], [3.0, 4.0]]), vjp=rule)
    program = report.reproduction.replace("f = ...", "f = lambda x: x * x").replace(
        "from tests.test_gradcheck import squared as f", "f = lambda x: x * x"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    mine, true = (float(line.split()[-1].strip("[]")) for line in run.stdout.splitlines()[-2:])
    assert mine == pytest.approx(1.5 * true)


def test_report_as_data_text_and_html():
    report = tg.gradcheck(np.exp, np.ones(3), vjp=lambda g, out, x: g * out * 2, name="<b>exp</b>")
    data = json.loads(json.dumps(report.to_dict()))
    assert data["passed"] is False and data["diagnosis"] == "factor" and data["findings"][0]["where"].startswith("x[")
    assert "likely: factor (it is 2 times the gradient)" in repr(report)
    assert "<b>exp</b>" not in report._repr_html_()


def test_no_warning_leaks(recwarn):
    tg.gradcheck(np.log, np.array([0.1, 2.0]), vjp=lambda g, out, x: g / x)
    assert not recwarn.list
