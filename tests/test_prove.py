"""prove: right rules are proved, wrong ones refuted with a counterexample that stands up to independent arithmetic."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy

import tinygrad_ce as tg
from tests.battery import COMPLEX, FLOATING
from tinygrad_ce.capture import NotCaptured
from tinygrad_ce.check.exact import exact_jacobian
from tinygrad_ce.check.proof.identity import is_zero, solved
from tinygrad_ce.op import Op

SCE, CE, BCE = tg.softmax_cross_entropy, tg.cross_entropy, tg.sigmoid_binary_cross_entropy
SOFT = {"targets": [0.5, 0.25, 0.25]}
PLAIN = "Σy = 1, no class weights, no smoothing"

PROVED = [
    (tg.softmax, "analytic", {}),
    (tg.softmax, "jacobian", {}),
    (tg.softmax, "stable", {}),
    (tg.softmax, "analytic", {"classes": 2, "batch": 2, "axis": 0}),
    (tg.log_softmax, "analytic", {}),
    (tg.log_softmax, "stable", {}),
    (tg.logsumexp, "analytic", {"keepdims": True}),
    (tg.relu, "analytic", {}),
    (tg.softplus, "analytic", {}),
    (SCE, "stable", {}),
    (SCE, "analytic", {}),
    (SCE, "chain", SOFT),
    (SCE, "jacobian", {"targets": 1}),
    (SCE, "stable", {**SOFT, "weight": [1.0, 2.0, 3.0], "label_smoothing": 0.1, "reduction": "sum"}),
    (SCE, "chain", {"targets": [1, -7], "ignore_index": -7, "classes": 2, "batch": 2, "weight": [1.0, 2.0]}),
    (SCE, "analytic", {"targets": [1, -7], "ignore_index": -7, "classes": 2, "batch": 2, "reduction": "none"}),
    (CE, "analytic", {}),
    ((tg.softmax, CE), "analytic", SOFT),
    ((tg.softmax, CE), "stable", {"targets": 0}),
    (CE, "stable", {**SOFT, "classes": 3, "reduction": "sum"}),
    (BCE, "analytic", {}),
    (BCE, "stable", {"weight": 2.0, "label_smoothing": 0.25}),
]


@pytest.mark.parametrize(("op", "derivation", "options"), PROVED, ids=lambda x: getattr(x, "name", None) or str(x))
def test_the_losses_are_proved(op, derivation, options):
    proof = tg.prove(op, derivation, **options)
    assert proof, proof
    assert proof.verdict == "PROVED"
    assert all(t.exhaustive for t in proof.theorems), proof
    needed = {h for t in proof.theorems for h in t.hypotheses}
    dense = not isinstance(options.get("targets"), int) and "ignore_index" not in options
    assert needed == ({PLAIN} if derivation == "analytic" and op in (SCE, (tg.softmax, CE)) and dense else set())


PRIMITIVES = [
    op for op in tg.registry().values() if op.key == op.name and "rule" in op.derivations and op.name not in FLOATING
]
OPTIONS = {"run_sums": {"runs": ((0, 2), (1, 3))}}


@pytest.mark.parametrize("op", PRIMITIVES, ids=lambda op: op.name)
def test_every_primitive_is_proved(op):
    if op.name in COMPLEX or (op.constants >= set(range(len(op.input_names))) and op.input_names):
        with pytest.raises(ValueError, match="none of its inputs is an array of numbers to differentiate in"):
            tg.prove(op)
    else:
        proof = tg.prove(op, **OPTIONS.get(op.name, {}))
        assert proof, proof


def test_the_theorem_of_the_short_circuit():
    proof = tg.prove(SCE, "analytic", **SOFT)
    by_logits, by_targets = proof.theorems
    assert by_logits.formula == "g ∂out/∂z0 = -g*y0 + g*exp(z0)/(exp(z0) + exp(z1) + exp(z2))"
    assert by_logits.hypotheses == (PLAIN,)
    assert by_targets.hypotheses == ()
    assert repr(proof).startswith(
        f"Theorem. For K = 3, all real z, y and every cotangent g where {PLAIN}:\n"
        "  the gradient of softmax_cross_entropy by 'analytic', ŷ − y, is the derivative of its decomposition.\n"
        "PROVED\n"
    )
    # Without the hypothesis: what the counterexample says is so, by arithmetic of its own.
    example = proof.counterexample
    point = {k: float(Fraction(v)) for k, v in example.point.items()}
    z, y = np.array([[point[f"{name}{i}"] for i in range(3)] for name in "zy"])
    p = np.exp(z) / np.sum(np.exp(z))
    i = int(example.entry[1:])
    assert np.isclose(float(example.rule), (p - y)[i] / y.sum(), rtol=1e-9)
    assert np.isclose(float(example.derivative), (y.sum() * p - y)[i] / y.sum(), rtol=1e-9)
    mended = np.array([float(Fraction(example.mended.get(f"y{i}", str(y[i])))) for i in range(3)])
    assert mended.sum() == 1.0
    assert np.all(mended > 0)
    assert np.isclose(float(example.agreed), (p - mended)[i], rtol=1e-9)


def test_a_piecewise_function_is_proved_on_each_side():
    (theorem,) = tg.prove(tg.relu).theorems
    assert theorem.pieces == ("0 > x", "x > 0")
    assert theorem.exhaustive
    assert theorem.formula == "g ∂out/∂x = 0 where 0 > x; g where x > 0"
    assert theorem.borders == ("x = 0",)
    assert set(tg.prove(tg.registry()["maximum"]).theorems[0].pieces) == {"x > y", "y > x"}


def test_options_that_the_hypothesis_excludes():
    proof = tg.prove(SCE, "analytic", label_smoothing=0.1, **SOFT)
    assert proof.verdict == "REFUTED"
    assert "excludes these options" in proof.theorems[0].evidence
    weighted = tg.prove(SCE, "analytic", weight=[1.0, 1.0, 1.0], **SOFT)
    assert weighted
    assert {"w0", "w1", "w2", "y2"} == set(weighted.counterexample.mended)


# -- ops of one's own ------------------------------------------------------------------------------------------


def _softmax(z):
    e = np.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)


def _swish(x, *, beta=1.5):
    return x / (1 + np.exp(-beta * x))


def _normalise(x, w, b):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return w * c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + 1e-5) + b


def _huber(x, y):
    size = np.abs(x - y)
    return np.where(size <= 1, 0.5 * size * size, size - 0.5)


def _sigma(x):
    return 1 / (1 + np.exp(-x))


def _normalise_rule(g, out, x, w, b):
    c = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt((c * c).mean(axis=-1, keepdims=True) + 1e-5)
    t, h = g * w, c * r
    return r * (t - t.mean(axis=-1, keepdims=True) - h * (t * h).mean(axis=-1, keepdims=True)), g * h, g


def define(function, rule, **options):
    op = Op(function, decomposition=function)
    op.derivation("mine", **options)(rule)
    return op


RIGHT = {
    "softmax": (_softmax, lambda g, out, z: out * (g - np.sum(g * out, axis=-1, keepdims=True))),
    "swish": (
        _swish,
        lambda g, out, x, *, beta: g * (_sigma(beta * x) + beta * x * _sigma(beta * x) * (1 - _sigma(beta * x))),
    ),
    "normalise": (_normalise, _normalise_rule),
    "huber": (_huber, lambda g, out, x, y: (g * np.clip(x - y, -1, 1), -g * np.clip(x - y, -1, 1))),
    "quadratic form": (lambda x, a: x @ (a * x), lambda g, out, x, a: (2 * g * a * x, g * x * x)),
    "trigonometric": (lambda x: np.sin(x) * np.cos(x), lambda g, out, x: g * (2 * np.cos(x) ** 2 - 1)),
    "powers": (lambda x: np.sqrt(np.abs(x) + 1) ** 3, lambda g, out, x: g * 1.5 * np.sign(x) * np.sqrt(np.abs(x) + 1)),
    "names that clash": (
        lambda g, g0, x1, x: g * g0 + x1 * x,
        lambda c, out, g, g0, x1, x: (c * g0, c * g, c * x, c * x1),
    ),
    "norm": (
        lambda x: np.where(np.sum(x * x) > 0, np.sqrt(np.sum(x * x)), 0.0),
        lambda g, out, x: g * np.where(out > 0, x / out, 0.0),
    ),
    "held": (lambda x: x * tg.stop_gradient(np.exp(x)), lambda g, out, x: g * np.exp(x)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_rule_of_ones_own_is_proved(name):
    function, rule = RIGHT[name]
    proof = tg.prove(define(function, rule), "mine", classes=1 if name == "huber" else 3)
    assert proof, proof
    assert all(t.exhaustive for t in proof.theorems)


WRONG = {
    "sign": (_softmax, lambda g, out, z: -out * (g - np.sum(g * out, axis=-1, keepdims=True))),
    "elementwise": (_softmax, lambda g, out, z: g * out * (1 - out)),
    "factor": (_softmax, lambda g, out, z: 1.000001 * out * (g - np.sum(g * out, axis=-1, keepdims=True))),
    "axis": (lambda z: _softmax(z), lambda g, out, z: out * (g - np.sum(g * out, axis=0, keepdims=True))),
    "g ignored": (_swish, lambda g, out, x, *, beta: _sigma(x)),
    "option forgotten": (_swish, lambda g, out, x, *, beta: g * (_sigma(x) + x * _sigma(x) * (1 - _sigma(x)))),
    "one side": (lambda x: np.where(x > 0, x, np.expm1(x)), lambda g, out, x: g * np.where(x > 0, 1.0, out)),
    "one side of few": (lambda x: np.where(x > 2.5, x * x, 2 * x), lambda g, out, x: 2.0 * g),
    "second input": (lambda x, y: np.exp(x) * y, lambda g, out, x, y: (g * out, g * out)),
    "no gradient": (lambda x, y: x * y, lambda g, out, x, y: (g * y, None)),
    "not held": (lambda x: x * tg.stop_gradient(np.exp(x)), lambda g, out, x: g * np.exp(x) * (1 + x)),
    "term dropped": (
        _normalise,
        lambda g, out, x, w, b: (_normalise_rule(g, out, x, w, b)[0] + g * 1e-9, *_normalise_rule(g, out, x, w, b)[1:]),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_refuted_with_a_counterexample(name):
    function, rule = WRONG[name]
    proof = tg.prove(define(function, rule), "mine", batch=2 if name == "axis" else 1)
    assert not proof
    assert proof.verdict == "REFUTED"
    assert repr(proof).startswith("Claim. ")
    example = proof.counterexample
    assert example.rule != example.derivative
    assert example.entry in example.point


@pytest.mark.parametrize("name", ["elementwise", "sign", "factor"])
def test_the_counterexample_stands_up_to_differences_at_sixty_digits(name):
    function, rule = WRONG[name]
    example = tg.prove(define(function, rule), "mine").counterexample
    point = {k: float(Fraction(v)) for k, v in example.point.items()}
    z, g = [np.array([point[f"{letter}{i}"] for i in range(3)]) for letter in "zg"]
    slopes, _ = exact_jacobian(function, [z])
    assert float(example.derivative) == pytest.approx(float((g @ slopes)[int(example.entry[1:])]), rel=1e-10)
    assert float(example.rule) == pytest.approx(rule(g, _softmax(z), z)[int(example.entry[1:])], rel=1e-10)


def test_a_gradient_of_a_wrong_shape_is_refuted():
    proof = tg.prove(define(_softmax, lambda g, out, z: np.sum(g * out)), "mine")
    assert proof.verdict == "REFUTED"
    assert "returns shape ()" in proof.theorems[0].evidence


def _centred(g, out, z):
    return out * (g - np.sum(g * out, axis=-1, keepdims=True)) + np.sum(z)


def test_an_assumption_is_a_hypothesis_where_it_is_given_in_symbols():
    def predicate(z):
        return bool(abs(np.sum(z)) < 1e-9)

    words = define(_softmax, _centred, assumes=[("Σz = 0", predicate)])
    proof = tg.prove(words, "mine")
    assert proof.verdict == "UNDECIDED"
    assert "equations" in proof.theorems[0].evidence
    symbols = define(_softmax, _centred, assumes=[tg.Assumption("Σz = 0", predicate, lambda z: [np.sum(z)])])
    proof = tg.prove(symbols, "mine")
    assert proof
    assert proof.theorems[0].hypotheses == ("Σz = 0",)
    other = define(
        _softmax,
        lambda g, out, z: _centred(g, out, z) + z,
        assumes=[tg.Assumption("Σz = 0", predicate, lambda z: [np.sum(z)])],
    )
    assert tg.prove(other, "mine").verdict == "REFUTED"  # and under its hypothesis
    never = define(_softmax, _centred, assumes=[tg.Assumption("0 = 1", lambda z: False, lambda z: [1.0])])
    assert "excludes" in repr(tg.prove(never, "mine"))


def test_numbers_are_no_proof():
    # arctan x + arctan 1/x = π/2 for x > 0 is an identity that rational functions of atoms do not know
    quarter = define(
        lambda x: np.sqrt(x), lambda g, out, x: g * (np.arctan(x) + np.arctan(1 / x)) / (4 * out * np.arctan(x / x))
    )
    proof = tg.prove(quarter, "mine", classes=1)
    assert proof.verdict == "UNDECIDED"
    assert not proof
    assert "evidence and no proof" in repr(proof)


def test_a_region_that_may_be_missing_is_no_proof():
    # exp x − sin x < x/9 − 99 holds nowhere, which takes more than linear programming to see
    never = define(lambda x: np.where(np.exp(x) - np.sin(x) < x / 9 - 99, x, 2 * x), lambda g, out, x: 2 * g)
    proof = tg.prove(never, "mine", classes=1)
    assert proof.verdict == "UNDECIDED"
    assert "is not known" in proof.theorems[0].evidence
    # 64 random points are not in this one, and it is found
    far = define(lambda x: np.where(np.sum(x) > 1000, x, 2 * x), lambda g, out, x: 2 * g)
    assert tg.prove(far, "mine").verdict == "REFUTED"


def test_what_symbols_cannot_do_says_so():
    def in_place(g, out, z):
        gradient = np.zeros(3)
        gradient[0] = out[0]
        return gradient

    with pytest.raises(NotCaptured) as caught:
        tg.prove(define(_softmax, in_place), "mine")
    assert caught.value.__notes__ == ["in the rule of 'mine' of _softmax".replace("_softmax", "softmax")]
    with pytest.raises(NotCaptured, match=r"np\.where"):
        tg.prove(define(lambda x: x if x[0] > 0 else -x, lambda g, out, x: g), "mine")


def test_errors():
    with pytest.raises(
        ValueError, match="no derivation 'analitic' to prove; there are 'analytic', 'chain', 'jacobian', 'stable'"
    ):
        tg.prove(SCE, "analitic")
    with pytest.raises(ValueError, match="by definition"):
        tg.prove(tg.softmax, "autodiff")
    with pytest.raises(ValueError, match="no shortcut 'chain' from cross_entropy over softmax"):
        tg.prove((tg.softmax, CE), "chain")
    with pytest.raises(TypeError, match="takes an op"):
        tg.prove(np.exp)
    with pytest.raises(TypeError, match="no argument 'axes'"):
        tg.prove(tg.softmax, axes=1)


def test_reports_are_data_and_pages():
    for proof in (tg.prove(tg.relu), tg.prove(define(*WRONG["elementwise"]), "mine")):
        facts = json.loads(json.dumps(proof.to_dict()))
        assert facts["proved"] is bool(proof)
        assert facts["theorems"][0]["verdict"] == proof.verdict
        page = proof._repr_html_()
        assert proof.verdict in page
        assert ("$$" in page) is bool(proof)
        assert "<script" not in page


def test_without_sympy_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"needs sympy: run pip install 'tinygrad_ce\[proof\]'"):
        tg.prove(tg.softmax)


# -- identities ------------------------------------------------------------------------------------------------

x, y = sympy.symbols("x y", real=True)
p, q = sympy.symbols("p q", positive=True)
ZERO = [
    sympy.exp(x + y) - sympy.exp(x) * sympy.exp(y),
    sympy.exp(3 * x / 2) - sympy.exp(x / 2) ** 3,
    sympy.log(sympy.exp(x) + sympy.exp(y)) - x - sympy.log(1 + sympy.exp(y - x)),
    sympy.log((p + q) ** 2 / (6 * p)) - 2 * sympy.log(p + q) + sympy.log(p) + sympy.log(2) + sympy.log(3),
    sympy.tanh(x) - (sympy.exp(2 * x) - 1) / (sympy.exp(2 * x) + 1),
    p ** (x - 1) * p - p**x,
    sympy.sqrt(p + q) ** 3 / (p + q) - sympy.sqrt(p + q),
    sympy.sin(x) ** 4 - (1 - sympy.cos(x) ** 2) ** 2,
    sympy.exp(2 * sympy.log(p)) - p**2,
]


@pytest.mark.parametrize("n", range(len(ZERO)))
def test_zero_is_recognised(n):
    assert is_zero(ZERO[n])
    assert not is_zero(ZERO[n] + sympy.Rational(1, 10**9))
    assert not is_zero(ZERO[n] + x / 7)


def test_what_is_defined_nowhere_is_not_zero():
    assert not is_zero(1 / (sympy.exp(x) * sympy.exp(y) - sympy.exp(x + y)))
    assert not is_zero(sympy.nan)


def test_equations_are_solved_or_contradict_each_other():
    assert solved([x + 2 * y - 1, sympy.Integer(0), p - 1]) == (
        {y: sympy.Rational(1, 2) - x / 2, p: sympy.Integer(1)},
        False,
    )
    assert solved([x - 1, x - 2])[1]
    assert solved([x * x - 2]) == ({}, False)
