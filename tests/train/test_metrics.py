"""Metrics against scikit-learn, and against their definitions written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.train import F1, Accuracy, Calibration, Metric, Perplexity, TopK, evaluate

METRICS = [Accuracy(), TopK(2), F1(), F1("weighted"), F1("micro"), Calibration(), Perplexity()]


def drawn(seed, classes=4, rows=30):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", range(20))
def test_against_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scores, targets = drawn(seed, classes=2 + seed % 4, rows=1 + 3 * seed)
    given_ = scores.argmax(axis=1)
    classes = scores.shape[1]
    assert Accuracy()(scores, targets) == pytest.approx(metrics.accuracy_score(targets, given_))
    for average in ("macro", "weighted", "micro"):
        expected = metrics.f1_score(targets, given_, average=average, zero_division=0)
        assert F1(average)(scores, targets) == pytest.approx(expected)
    if classes > 2:
        expected = metrics.top_k_accuracy_score(targets, scores, k=2, labels=range(classes))
        assert TopK(2)(scores, targets) == pytest.approx(expected)
    expected = metrics.log_loss(targets, softmax(scores), labels=range(classes))
    assert np.log(Perplexity()(scores, targets)) == pytest.approx(expected)


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 50), st.integers(1, 20))
def test_calibration_by_its_definition(seed, classes, rows, bins):
    scores, targets = drawn(seed, classes, rows)
    p = softmax(scores)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == targets
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            total += inside.sum() / rows * abs(right[inside].mean() - confidence[inside].mean())
    assert Calibration(bins)(scores, targets) == pytest.approx(total, abs=1e-12)
    assert Calibration(bins, logits=False)(p, targets) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_batches_add_up(metric):
    scores, targets = drawn(0)
    parts = [(scores[i : i + 7], targets[i : i + 7]) for i in range(0, 30, 7)]
    found = evaluate(lambda x: x, parts, metrics=[metric])
    assert found[metric.name] == pytest.approx(metric(scores, targets))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_axes_before_the_last_are_rows(metric):
    scores, targets = drawn(0)
    assert metric(scores.reshape(5, 6, 4), targets.reshape(5, 6)) == pytest.approx(metric(scores, targets))
    assert metric(tg.Value(scores), targets) == metric(scores, targets)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_a_logit_says_two_classes(metric):
    logits, targets = np.random.default_rng(0).normal(size=20), np.random.default_rng(1).integers(2, size=20)
    both = np.stack([np.zeros(20), logits], axis=1)
    for given_ in (logits, logits[:, None]):
        assert metric(given_, targets) == pytest.approx(metric(both, targets))
    assert metric(logits, targets.astype(float)) == pytest.approx(metric(both, targets))


def test_perplexity_of_huge_logits_and_ignored_targets():
    assert Perplexity()([[1e5, 0.0]], [0]) == 1.0
    assert Perplexity()([[1e5, 0.0]], [1]) == np.inf
    scores, targets = drawn(0)
    masked = np.where(np.arange(30) < 10, -100, targets)
    assert Perplexity(ignore_index=-100)(scores, masked) == pytest.approx(Perplexity()(scores[10:], targets[10:]))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
@pytest.mark.parametrize("targets", [[0, 4], [-1, 0], [0.5, 1], [[0, 1]], ["a", "b"], [0, 1, 2]])
def test_what_are_no_classes(metric, targets):
    with pytest.raises(ValueError, match=r"are no classes of scores of shape \(2, 4\)"):
        metric(np.eye(4)[:2], targets)


@pytest.mark.parametrize("make", [lambda: TopK(0), lambda: F1("best"), lambda: Calibration(0), lambda: TopK(True)])
def test_options_that_make_no_sense(make):
    with pytest.raises(ValueError, match="not"):
        make()


def test_ones_own():
    class MeanError(Metric):
        name = "mean_error"

        def sums(self, scores, targets):
            return np.array([np.abs(scores - targets).sum(), np.size(targets)])

        def value(self, sums):
            return sums[0] / sums[1]

    found = evaluate(lambda x: x, [(np.ones(3), np.zeros(3)), (np.ones(1), np.full(1, 5.0))], metrics=[MeanError()])
    assert found == {"mean_error": 7 / 4}
