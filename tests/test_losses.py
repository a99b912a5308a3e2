"""softmax and cross-entropy: spellings that must coincide, every option, every refusal. Digits: test_accuracy.py."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import assert_close, central

RNG = np.random.default_rng(0)


def test_a_confident_right_answer_keeps_every_digit_and_cross_entropy_of_softmax_too():
    for build in (
        lambda z: tg.softmax_cross_entropy(z, [0]),
        lambda z: tg.cross_entropy(tg.softmax(z), [0]),
    ):
        z = Value([[50.0, 0.0]])
        loss = build(z)
        loss.backward()
        true = float(1 / (1 + mpmath.exp(50)))
        assert loss.item() == pytest.approx(true, rel=1e-15)
        assert z.grad[0, 0] == pytest.approx(-true, rel=1e-15) and z.grad[0, 1] == pytest.approx(true, rel=1e-15)


def test_the_loss_is_finite_where_the_truth_is():
    z = Value([[0.0, 2000.0]])
    loss = tg.cross_entropy(tg.softmax(z), [0])
    assert loss.item() == 2000.0
    loss.backward()
    assert z.grad.tolist() == [[-1.0, 1.0]]


# -- spellings -------------------------------------------------------------------------------------------------

OPTIONS = st.fixed_dictionaries(
    {
        "reduction": st.sampled_from(["mean", "sum", "none"]),
        "label_smoothing": st.sampled_from([0.0, 0.1, 1.0]),
    }
)


@settings(max_examples=60)
@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.booleans(),
    OPTIONS,
    st.sampled_from([np.int8, np.uint8, np.int64]),
    st.integers(0, 10**6),
)
def test_three_spellings_of_a_target_are_one(n, k, weighted, options, integer, seed):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(n, k)) * 3, rng.integers(0, k, size=n)
    weight = rng.uniform(0.5, 2, size=k) if weighted else None
    one_hot = np.eye(k)[labels]
    found = []
    for targets in (
        labels.astype(integer),
        one_hot,
        one_hot.astype(bool),
        one_hot.astype(int),
        Value(one_hot),
        labels.tolist(),
    ):
        leaf = Value(z)
        loss = tg.softmax_cross_entropy(leaf, targets, weight=weight, **options)
        loss.backward(np.ones(loss.shape))
        found.append((loss.data, leaf.grad))
    for loss, gradient in found[1:]:
        assert_close(loss, found[0][0], 1e-15)
        assert_close(gradient, found[0][1], 1e-15)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(2, 4), st.booleans(), OPTIONS, st.integers(0, 10**6))
def test_all_derivations_agree_off_the_simplex_too(n, k, weighted, options, seed):
    rng = np.random.default_rng(seed)
    z, y = rng.normal(size=(n, k)), rng.normal(size=(n, k)) + 0.5
    weight = rng.uniform(0.5, 2, size=k) if weighted else None
    report = tg.compare_derivations(tg.softmax_cross_entropy, z, y, weight, **options)
    assert report, report
    assert {row.leaf for row in report.rows} == {"logits", "targets", "weight"} - (set() if weighted else {"weight"})
    assert tg.compare_derivations(tg.cross_entropy, tg.softmax(z), y, weight, **options)


def test_the_gradient_is_t_y_hat_minus_y_wherever_the_targets_are():
    z, y, w = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)), np.array([0.5, 2.0, 1.0])
    leaf = Value(z)
    tg.softmax_cross_entropy(leaf, y, w, label_smoothing=0.2, reduction="sum", validate=False).backward()
    effective = w * (0.8 * y + 0.2 / 3)
    p = tg.softmax(z)
    assert_close(leaf.grad, effective.sum(1, keepdims=True) * p - effective, 1e-14)


def test_mean_divides_by_the_weight_of_the_rows_that_count():
    z, w = RNG.normal(size=(4, 3)), np.array([0.5, 2.0, 1.0])
    labels = np.array([0, -100, 2, 2])
    rows = tg.softmax_cross_entropy(z, labels, w, ignore_index=-100, reduction="none")
    assert rows[1] == 0
    mean = tg.softmax_cross_entropy(z, labels, w, ignore_index=-100)
    assert_close(mean, rows.sum() / (0.5 + 1 + 1), 1e-15)


def test_torchs_rules_for_indices():
    torch = pytest.importorskip("torch")
    z, w = RNG.normal(size=(6, 4)), np.array([0.5, 2.0, 1.0, 0.1])
    labels = np.array([0, 3, 2, 9, 1, 1])
    for reduction, smoothing in itertools.product(("mean", "sum", "none"), (0.0, 0.3)):
        t = torch.tensor(z, requires_grad=True)
        theirs = torch.nn.functional.cross_entropy(
            t, torch.tensor(labels), torch.tensor(w), ignore_index=9, reduction=reduction, label_smoothing=smoothing
        )
        theirs.backward(torch.ones_like(theirs))
        leaf = Value(z)
        ours = tg.softmax_cross_entropy(leaf, labels, w, ignore_index=9, reduction=reduction, label_smoothing=smoothing)
        ours.backward(np.ones(ours.shape))
        assert_close(ours.data, theirs.detach().numpy(), 1e-14)
        assert_close(leaf.grad, t.grad.numpy(), 1e-14)


def test_no_row_counts():
    z = Value(RNG.normal(size=(2, 3)))
    loss = tg.softmax_cross_entropy(z, [7, 7], ignore_index=7)
    loss.backward()
    assert loss.item() == 0.0 and not z.grad.any()
    empty = Value(np.zeros((0, 3)))
    loss = tg.softmax_cross_entropy(empty, np.zeros(0, int))
    loss.backward()
    assert loss.item() == 0.0 and empty.grad.shape == (0, 3)


@pytest.mark.parametrize("derivation", ["stable", "chain", "jacobian", "autodiff"])
def test_masked_classes_take_no_part(derivation):
    z = np.array([[1.0, -np.inf, 0.5], [0.0, 2.0, -np.inf]])
    for smoothing in (0.0, 0.2):
        leaf = Value(z)
        loss = tg.softmax_cross_entropy(leaf, [0, 1], label_smoothing=smoothing)
        loss.backward(derivation=derivation)
        assert np.isfinite(loss.item()) and np.all(leaf.grad[np.isinf(z)] == 0)
        for row, labels in ((z[:1][:, [0, 2]], [0]), (z[1:][:, :2], [1])):
            small = Value(row)
            tg.softmax_cross_entropy(small, labels, label_smoothing=smoothing).backward()
            full = leaf.grad[0 if labels == [0] else 1]
            assert_close(full[np.isfinite(full) & (full != 0)] * 2, small.grad[0], 1e-14)


def test_soft_targets_and_weights_have_gradients():
    z, y, w = RNG.normal(size=(3, 4)), RNG.dirichlet(np.ones(4), size=3), RNG.uniform(0.5, 2, size=4)
    for build in (tg.softmax_cross_entropy, lambda z, *rest, **o: tg.cross_entropy(tg.softmax(z), *rest, **o)):
        leaves = Value(z), Value(y), Value(w)
        build(*leaves, label_smoothing=0.1).backward()

        def f(*args, build=build):
            return float(build(*args, label_smoothing=0.1, validate=False))

        assert_close(leaves[1].grad, central(lambda y, f=f: f(z, y, w), y))
        assert_close(leaves[2].grad, central(lambda w, f=f: f(z, y, w), w))


def test_binary_labels():
    s, y = RNG.normal(size=(3, 4)) * 3, RNG.random((3, 4))
    leaf, soft = Value(s), Value(y)
    loss = tg.sigmoid_binary_cross_entropy(leaf, soft)
    loss.backward()
    p = 1 / (1 + np.exp(-s))
    assert_close(loss.data, np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p)), 1e-14)
    assert_close(leaf.grad, (p - y) / 12, 1e-14)
    assert_close(soft.grad, -s / 12, 1e-14)
    sure = Value([800.0, -800.0])
    loss = tg.sigmoid_binary_cross_entropy(sure, [1.0, 0.0])
    loss.backward()
    assert loss.item() == 0.0 and np.all(np.abs(sure.grad) < 1e-300)


# -- refusals --------------------------------------------------------------------------------------------------

Z = np.zeros((3, 4))
P = np.full((3, 4), 0.25)
REFUSALS = [
    (dict(targets=[0, 1]), r"class indices of shape \(2,\) for scores of shape \(3, 4\); \(3,\) is wanted"),
    (dict(targets=np.zeros((4, 3))), r"targets of shape \(4, 3\)"),
    (dict(targets=[0, 4, 1]), r"target\[1\] is 4, outside 0 … 3"),
    (dict(targets=[0, 1, -1]), r"target\[2\] is -1"),
    (dict(targets=[0, 9, -1], ignore_index=9), r"target\[2\] is -1, outside 0 … 3 and not ignore_index=9"),
    (dict(targets=[0.0, 1.0, 2.0]), r"integers.*astype\(int\)"),
    (dict(targets=Value([0, 1, 2])), "integers"),
    (dict(targets=np.where(np.eye(3, 4) > 0, 1.0, np.nan)), r"target\[0, 1\] is not a number"),
    (dict(targets=np.array([[1.0, 0, 0, 0], [1.5, -0.5, 0, 0], [0, 0, 0, 1]])), r"target\[1, 1\] is negative: -0.5"),
    (dict(targets=np.full((3, 4), 0.3)), r"row\[0\] sums to 1.2"),
    (
        dict(targets=np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]])),
        r"row\[1\] has 2 ones.*sigmoid_binary_cross_entropy",
    ),
    (dict(targets=[0, 1, 2], weight=np.ones(3)), r"weight of shape \(3,\) for 4 classes"),
    (dict(targets=[0, 1, 2], weight=np.array([1.0, -1, 1, 1])), r"weight\[1\] is -1"),
    (dict(targets=[0, 1, 2], reduction="average"), "reduction is 'mean', 'sum' or 'none'"),
    (dict(targets=[0, 1, 2], label_smoothing=1.5), "label_smoothing"),
    (dict(targets=P, ignore_index=0), "ignore_index is for class indices"),
    (dict(targets=[0, 1, 2], axis=2), "no axis 2"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSALS)
@pytest.mark.parametrize("loss", [tg.softmax_cross_entropy, tg.cross_entropy])
def test_bad_targets_are_refused_by_row_and_value(loss, arguments, message):
    for scores in (P, Value(P)):
        with pytest.raises(ValueError, match=message):
            loss(scores, **arguments)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (np.array([[2.0, 1.0], [0.5, 0.5]]), r"row\[0\] sum to 3.0.*logits.*softmax_cross_entropy"),
        (np.array([[0.5, 0.5], [1.5, -0.5]]), r"probability\[1, 1\] is negative"),
        (np.array([[0.5, 0.5], [np.nan, 0.5]]), r"probability\[1, 0\] is not a number"),
    ],
)
def test_logits_given_to_cross_entropy_are_noticed(p, message):
    with pytest.raises(ValueError, match=message):
        tg.cross_entropy(Value(p), [0, 1])
    tg.cross_entropy(Value(np.abs(np.nan_to_num(p))), [0, 1], validate=False)


def test_masked_true_classes_are_refused():
    with pytest.raises(ValueError, match=r"true class of row\[1\] is masked"):
        tg.softmax_cross_entropy(np.array([[0.0, 1.0], [0.0, -np.inf]]), [0, 1])
    with pytest.raises(ValueError, match=r"every class of row\[0\] is masked"):
        tg.softmax_cross_entropy(np.array([[-np.inf, -np.inf], [0.0, 1.0]]), [0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(targets=[0.0, 1.0]), "shape"),
        (dict(targets=np.full((3, 4), 1.1)), r"target\[0, 0\] is 1.1, outside \[0, 1\]"),
        (dict(targets=np.full((3, 4), np.nan)), "outside"),
        (dict(targets=P, weight=np.ones(3)), "broadcast"),
        (dict(targets=P, axis=1), "has no argument 'axis'"),
    ],
)
def test_bad_binary_targets_are_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        tg.sigmoid_binary_cross_entropy(Z, **arguments)


def test_rounded_probabilities_are_accepted():
    for dtype in (np.float32, np.float64):
        z = RNG.normal(size=(50, 1000)).astype(dtype)
        y = tg.softmax(RNG.normal(size=(50, 1000)).astype(dtype))
        tg.cross_entropy(tg.softmax(z), y)
    tg.softmax_cross_entropy(np.zeros((1, 3)), [[0.1, 0.2, 0.7]])


@pytest.mark.parametrize("op", [tg.softmax, tg.log_softmax, tg.logsumexp])
def test_an_axis_that_is_not_there_is_refused(op):
    for x in (np.zeros((2, 3)), Value(np.zeros((2, 3))), Value(1.0)):
        with pytest.raises(IndexError, match=f"{op.name}: axis 5 is out of bounds"):
            op(x, axis=5)
