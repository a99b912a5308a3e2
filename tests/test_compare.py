"""compare_derivations: it fails what is wrong however small, passes what is rounding, and says which it is."""

import json

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

RNG = np.random.default_rng(0)


def wrong(factor, at=None):
    """Softmax cross-entropy with its gradient multiplied by `factor`, everywhere or at one entry."""

    @tg.op
    def loss(z, y):
        return tg.softmax_cross_entropy(z, y, reduction="sum")

    @loss.derivation("hand")
    def _(g, out, z, y):
        right = tg.softmax(z) * np.sum(y, axis=-1, keepdims=True) - y
        mask = np.ones_like(z) * factor
        if at is not None:
            mask = np.where(np.arange(z.size).reshape(z.shape) == at, factor, 1.0)
        return g * right * mask, None

    return loss


@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 1.001, 1 + 1e-9])
@pytest.mark.parametrize("at", [None, 3])
def test_wrong_rules_fail_and_the_entry_is_named(factor, at):
    z, y = RNG.normal(size=(3, 4)), np.eye(4)[[0, 1, 2]]
    report = tg.compare_derivations(wrong(factor, at), z, y)
    assert not report
    (row, *_) = [r for r in report.failures if r.leaf == "z"]
    assert at is None or row.index == (0, 3)
    assert "rounding explains" in repr(report)


def test_complex_numbers_on_the_way_and_at_the_leaves():
    rng = np.random.default_rng(5)
    z = tg.Value(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)), label="z")
    spectrum = np.fft.fft(np.exp(z), axis=-1)
    loss = tg.softmax_cross_entropy(np.log1p(np.abs(spectrum)) + np.real(z), [0, 1, 3])
    report = tg.compare_derivations(loss)
    assert report and any(row.leaf == "z" for row in report.rows), report
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_wrong_rule_before_complex_numbers_is_found():
    @tg.op
    def halved(x):
        return np.abs(x) ** 2

    halved.derivation("wrong")(lambda g, out, x: g * np.conj(x))
    z = tg.Value(np.array([1.0 + 2.0j, 3.0 - 1.0j]), label="z")
    report = tg.compare_derivations(halved(np.sin(z)))
    assert not report
    worst = next(row for row in report.rows if row.leaf == "z" and row.verdict == "FAIL")
    assert abs(worst.value - worst.reference_value) > worst.bar and isinstance(worst.value, complex)
    assert "sin" in repr(report) or "z" in repr(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_flipped_sign_is_seen_where_the_gradient_is_tiny():
    """At logits (20, 0, 0, 0, 0) every absolute tolerance swallows the gradient."""

    @tg.op
    def loss(z):
        return tg.softmax_cross_entropy(z, 0)

    @loss.derivation("flipped")
    def _(g, out, z):
        first = np.eye(5)[0]
        p = tg.softmax(z)
        return g * np.where(first == 1, np.sum(p * (1 - first)), -p)

    report = tg.compare_derivations(loss, np.array([20.0, 0, 0, 0, 0]))
    assert not report and report.failures[0].bar < 1e-13


def test_sums_that_cancel_to_nearly_nothing_pass():
    z = Value(RNG.normal(size=(4, 5)), label="z")
    report = tg.compare_derivations(tg.softmax(z).sum())
    assert report, report
    assert max(row.relative for row in report.rows) > 0.5  # pure rounding, and known to be

    @tg.op
    def difference(x):
        return np.sum(x * x) - np.sum((x + 1) * (x - 1))

    difference.derivation("hand")(lambda g, out, x: g * (2 * x - 2 * x) + g * np.zeros_like(x))
    assert tg.compare_derivations(difference, RNG.normal(size=50) * 1e5)


@pytest.mark.parametrize("gap", [12.0, 40.0, 80.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_digits_lost_are_counted_and_declared(gap, dtype):
    z = np.array([[gap, 0, 0.5], [0, gap, 0.1]], dtype)
    report = tg.compare_derivations(tg.softmax_cross_entropy, z, [0, 0], reference="stable")
    assert report, report
    notes = {row.derivation: row.note for row in report.rows}
    beyond = gap > (10 if dtype == np.float32 else 30)
    assert ("(declared)" in notes["analytic"]) == beyond


def test_a_finished_graph_is_compared_leaf_by_leaf():
    x = RNG.normal(size=(5, 3))
    w1, w2 = Value(RNG.normal(size=(3, 4)), label="w1"), Value(RNG.normal(size=(4, 2)), label="w2")
    loss = tg.softmax_cross_entropy(tg.relu(x @ w1) @ w2, [0, 1, 0, 1, 1])
    loss.backward()
    kept = w1.grad.copy()
    report = tg.compare_derivations(loss, reference="autodiff")
    assert report and {r.leaf for r in report.rows} == {"w1", "w2"}
    assert {r.derivation for r in report.rows} == {"analytic", "chain", "jacobian", "stable"}
    assert np.array_equal(w1.grad, kept)  # comparing leaves .grad alone
    assert len(tg.compare_derivations(loss).rows) == 2 * 10


def test_the_two_node_graph_with_its_shortcuts():
    z = Value(RNG.normal(size=(3, 4)), label="z")
    report = tg.compare_derivations(tg.cross_entropy(tg.softmax(z), [0, 1, 2]))
    assert report and set(report.derivations) == {"analytic", "autodiff", "jacobian", "stable"}


def test_assumptions_that_do_not_hold_are_reported():
    report = tg.compare_derivations(tg.softmax_cross_entropy, RNG.normal(size=(2, 3)), np.full((2, 3), 0.5))
    assert report and "Σy = 1" in report.skipped["analytic"] and "not compared: analytic" in repr(report)


def test_a_report_is_data():
    report = tg.compare_derivations(tg.softmax, [[1.0, 2.0]])
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["passed"] and data["rows"][0]["leaf"] == "z"
    assert "<table>" in report._repr_html_()
    nan = tg.compare_derivations(tg.softmax_cross_entropy, [[1000.0, 0.0]], [1], reference="stable")
    json.dumps(nan.to_dict(), allow_nan=False)


def test_not_a_number_is_a_failure():
    @tg.op
    def f(x):
        return x * 1.0

    f.derivation("nan")(lambda g, out, x: g * np.where(x > 0, 1.0, np.nan))
    report = tg.compare_derivations(f, np.array([1.0, -1.0]))
    assert not report and report.failures[0].index == (1,)


def test_rules_that_cannot_be_traced_are_compared_with_a_note():
    @tg.op
    def f(x):
        return np.exp(x)

    @f.derivation("sorted", order=1)
    def _(g, out, x):
        return np.sort(g * np.exp(x)) if isinstance(x, np.ndarray) else np.roots(x)

    report = tg.compare_derivations(f, np.array([1.0, 2.0]), gradient=np.ones(2))
    assert report and "cannot be traced" in repr(report)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1)])
def test_empty_and_single(shape):
    assert tg.compare_derivations(tg.softmax, np.zeros(shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.compare_derivations(Value(1.0) * 2), "nothing to compare"),
        (lambda: tg.compare_derivations(3.0), "wants an op"),
        (lambda: tg.compare_derivations(Value(1.0, requires_grad=False)), "needs a gradient"),
        (lambda: tg.compare_derivations(tg.softmax, [1.0, 2.0], derivations=["nope"]), "'nope'; there are"),
        (lambda: tg.compare_derivations(tg.softmax, [1.0, 2.0], reference="nope"), "'nope'"),
        (lambda: tg.compare_derivations(tg.softmax(Value([1.0, 2.0])), 3.0), "takes no inputs"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# -- the first node at which two part --------------------------------------------------------------------------


def tanh_op(factor=1.0):
    @tg.op
    def bent(x):
        return np.tanh(x)

    bent.derivation("hand")(lambda g, out, x: g * (1 - out * out) * factor)
    return bent


def network(bent, at=2, depth=4, **labels):
    """A chain of layers, one of them bent by an op of its own."""
    rng = np.random.default_rng(1)
    h = Value(rng.normal(size=(3, 4)), label="x")
    for k in range(depth):
        w = Value(rng.normal(size=(4, 4)), label=f"w{k}")
        h = h @ w
        h.label = f"s{k}"
        h = bent(h) if k == at else tg.sigmoid(h)
    return tg.softmax_cross_entropy(h, [0, 1, 2])


def test_the_first_node_at_which_two_part_is_named():
    report = tg.compare_derivations(network(tanh_op(1.001)), derivations=["hand", "autodiff"])
    (parting,) = report.partings
    assert not report and parting.row.leaf == "s2" and (parting.sender, parting.derivation) == ("bent", "hand")
    assert parting.agreed == 5 and not parting.unseen  # the loss, the last sigmoid, s3, w3 and what bent made
    assert "hand and autodiff first part at s2, sent by bent ('hand')" in repr(report) and "s2" in report._repr_html_()
    assert {r.leaf for r in report.failures} == {"x", "w0", "w1", "w2"}  # nearer to the loss all is well
    json.dumps(report.to_dict(), allow_nan=False)
    assert tg.compare_derivations(network(tanh_op())).partings == ()


def test_what_no_leaf_shows_is_found():
    """The wrong gradient is multiplied by 0 behind the op."""
    bent = tanh_op(2.0)
    x = Value(np.array([-1.0, -2.0]), label="x")
    report = tg.compare_derivations(np.sum(bent(tg.relu(x))), derivations=["hand", "autodiff"])
    assert not report and report.failures[0].leaf.startswith("relu") and report.partings[0].unseen
    assert "no leaf shows it" in repr(report)


def test_of_several_senders_the_wrong_one_is_named():
    bent = tanh_op(2.0)
    x = Value(np.array([0.5, -2.0]), label="x")
    h = np.exp(x)
    h.label = "h"
    report = tg.compare_derivations(np.sum(np.sin(h) * bent(h) + h * h), derivations=["hand", "autodiff"])
    assert (report.partings[0].row.leaf, report.partings[0].sender) == ("h", "bent")


def test_shortcuts_are_taken_though_every_node_is_compared():
    z = Value(RNG.normal(size=(3, 4)), label="z")

    @tg.op
    def probabilities(z):
        return tg.softmax(z)

    @tg.op
    def surprise(p, y):
        return tg.cross_entropy(p, y)

    tg.shortcut(probabilities, surprise, name="short")(lambda g, out, z, y: (g * (tg.softmax(z) - 2 * y), None))
    loss = surprise(probabilities(z), np.eye(4)[:3])
    report = tg.compare_derivations(loss, derivations=["short", "autodiff"])
    assert not report and (report.partings[0].row.leaf, report.partings[0].sender) == ("z", "surprise")
