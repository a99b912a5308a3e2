"""grade: marks part by part, hints that help, and nothing of the answer in either."""

import json
import re

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.check.hints import HINTS

from .referee.case import DIAGNOSES

Z = np.random.default_rng(0).normal(size=(3, 4))
ONE_HOT = np.eye(4)[[0, 1, 3]]


def softmax_vjp(g, out, z, *, axis=-1):
    return out * (g - np.sum(g * out, axis=axis, keepdims=True))


def parts(grade):
    return {p.name: p.marks for p in grade.parts}


def everything(grade):
    return "\n".join([repr(grade), grade.hint(2), grade._repr_html_(), json.dumps(grade.to_dict(), allow_nan=False)])


def test_a_right_rule_gets_full_marks():
    for op, rule in ((tg.softmax, softmax_vjp), (tg.softplus, lambda g, out, x: g * tg.sigmoid(x))):
        grade = tg.grade(rule, op)
        assert grade and grade.marks == 10 and float(grade) == 10.0 and not grade.hints, grade


WRONG = {
    "sign": (lambda g, out, z: -softmax_vjp(g, out, z), "minus signs in 'z'"),
    "factor": (lambda g, out, z: softmax_vjp(g, out, z) / 3, "is off in 'z', and it goes with the size of axis 0"),
    "elementwise": (lambda g, out, z: g * out * (1 - out), "beside its diagonal"),
    "axis": (lambda g, out, z: softmax_vjp(g, out, z, axis=0), "one runs along an axis"),
    "transposed": (lambda g, out, z: softmax_vjp(g, out, z)[::-1, ::-1], "the wrong way round"),
    "one index": (lambda g, out, z: softmax_vjp(g, out, z) * (1 + 0.5 * (np.indices(z.shape).sum(0) == 0)), "z[0, 0]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_keep_their_other_marks_and_get_a_fitting_hint(name):
    rule, pointer = WRONG[name]
    grade = tg.grade(rule, tg.softmax, samples=[Z])
    assert parts(grade) == {"contract": 2, "ordinary points": 0, "hard points": 0, "digits": 0, "second order": 0}
    assert not grade and grade.marks == 2 and pointer in grade.hint(2) and pointer not in repr(grade), grade.hint(2)
    assert HINTS[name][0] in repr(grade)


def test_each_part_costs_its_own_marks():
    def narrow(g, out, z):
        return softmax_vjp(g, out, z).astype(np.float64)

    def naive(g, out, z):
        p = np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True)
        return p * (g - np.sum(g * p, axis=-1, keepdims=True))

    def detached(g, out, z):
        p = out if isinstance(out, np.ndarray) else out.data
        return softmax_vjp(g, p, z)

    def losing(g, out, x):
        return g * ((np.cos(x) + 1e9) - 1e9)

    for rule, op, sample, part, word in (
        (narrow, tg.softmax, Z.astype(np.float32), "contract", "another dtype"),
        (naive, tg.softmax, Z, "hard points", "saturated (±1000)"),
        (lambda g, out, z: softmax_vjp(g, tg.stop_gradient(out), z), tg.softmax, Z, "second order", "for constant"),
        (detached, tg.softmax, Z, "second order", "takes for constant"),
        (losing, np.sin, np.array([0.5, -1.0, 2.0]), "digits", "eats the digits in 'x'"),
    ):
        grade = tg.grade(rule, op, samples=[sample])
        short = [p.name for p in grade.parts if p.marks < p.out_of]
        assert short == [part], grade
        assert word in grade.hint(2) and [h.part for h in grade.hints] == [part]
        assert grade.marks >= 9


def test_one_right_gradient_of_two_is_half():
    grade = tg.grade(lambda g, out, x, y: (g * y, g * y), lambda x, y: x * y, samples=[(Z, ONE_HOT + 1)])
    assert parts(grade)["ordinary points"] == 2 and "'y'" in grade.hint(2) and "1 of 2 gradients right" in repr(grade)
    missing = tg.grade(lambda g, out, x, y: (g * y, None), lambda x, y: x * y, samples=[(Z, ONE_HOT + 1)])
    assert parts(missing)["ordinary points"] == 2 and "no gradient in 'y'" in missing.hint(2)
    assert tg.grade(lambda g, out, x, y: g * y, lambda x, y: x * y, samples=[(Z, ONE_HOT + 1)], wrt="x")


def test_samples_that_the_rule_does_not_take_are_left_out():
    grade = tg.grade(lambda g, out, z: softmax_vjp(g, out, z), tg.softmax)
    assert grade and grade.notes == ("samples left out: the rule takes no axis=",)
    with_axis = tg.grade(lambda g, out, z, axis: softmax_vjp(g, out, z), tg.softmax)  # which it does not use
    assert not with_axis and 0 < parts(with_axis)["ordinary points"] < 4

    def cross_entropy_vjp(g, out, z, y):
        return g * (tg.softmax(z) - y) / len(z), None

    assert tg.grade(cross_entropy_vjp, tg.softmax_cross_entropy, samples=[(Z, ONE_HOT)], wrt="logits")
    samples = [((Z, 1.7 * ONE_HOT), {"reduction": "sum"})]
    summed = lambda g, out, z, y, *, reduction: g * (tg.softmax(z) - y)
    grade = tg.grade(summed, tg.softmax_cross_entropy, samples=samples, wrt=0)
    assert "do not sum to one" in grade.hint(2)


def test_the_first_order_alone_is_marked_out_of_ten():
    grade = tg.grade(softmax_vjp, tg.softmax, samples=[((Z,), {"axis": 0})], order=1)
    assert grade.marks == 10 and "second order" not in parts(grade)


def test_samples_at_which_nothing_can_go_wrong_earn_nothing():
    one_class = tg.grade(lambda g, out, z: -softmax_vjp(g, out, z), tg.softmax, samples=[np.ones((2, 1)), Z])
    assert parts(one_class)["ordinary points"] == 0


def test_neither_numbers_nor_formulas_are_given_away():
    """Whatever is wrong: no number of the true gradient, or of the factor that is off, and not the op's formula."""
    formulas = [d.formula for d in tg.softmax.derivations.values() if d.formula]
    for rule, _ in WRONG.values():
        text = everything(tg.grade(rule, tg.softmax, samples=[Z]))
        assert not any(f in text for f in formulas) and "ŷ" not in text
        numbers = {float(x) for x in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)}
        assert all(x == round(2 * x) / 2 and 0 <= x <= 160 for x in numbers), numbers  # marks, axes, entries, sizes
    text = everything(tg.grade(lambda g, out, x: 3 * g * out, np.exp, samples=[Z]))
    assert "1/3" not in text and "0.333" not in text and "times the gradient" not in text


def test_every_diagnosis_has_a_hint():
    assert set(DIAGNOSES) - {"elsewhere"} <= set(HINTS)
    for nudge, pointer in HINTS.values():
        assert nudge.endswith((".", "?")) and pointer and "{" not in nudge


def test_rules_that_raise_or_return_something_else():
    grade = tg.grade(lambda g, out, z: g @ np.ones((17, 3)), tg.softmax, samples=[Z])
    assert grade.marks == 0 and "It raises: ValueError" in grade.hint(2)
    assert tg.grade(lambda g, out, z: np.sum(g * z), tg.softmax, samples=[Z]).marks < 3
    assert tg.grade(lambda g, out, z: None, tg.softmax, samples=[Z]).marks <= 2
    grade = tg.grade(lambda g, out, z: g.__imul__(2), np.square, samples=[Z])
    assert "changes an array that the caller still needs" in grade.hint(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.grade(3, tg.softmax), "a function vjp"),
        (lambda: tg.grade(softmax_vjp, np.exp), "needs points"),
        (lambda: tg.grade(softmax_vjp, tg.softmax, samples=[]), "there are none"),
        (lambda: tg.grade(softmax_vjp, tg.cross_entropy, samples=[(Z, ONE_HOT)]), "takes 1 input beside g and out"),
        (lambda: tg.grade(softmax_vjp, tg.softmax, order=3), "order is 1 or 2"),
        (lambda: tg.grade(softmax_vjp, tg.softmax, samples=[Z]).hint(3), "levels 1 and 2"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
