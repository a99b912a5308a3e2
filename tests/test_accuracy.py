"""softmax, logsumexp, the losses and their gradients against mpmath at 60 digits: four units in the last place."""

import functools
import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from benchmarks.exact import effective, epsilons, pair, truth, ulps
from benchmarks.regimes import regimes
from tinygrad_ce import Value
from tinygrad_ce.ops.doubled import excess
from tinygrad_ce.ops.sums import EXTENDED, row_sums

BOUND = 4.0
DTYPES = [np.float32, np.float64]
NAMES = [r.name for r in regimes(np.float64, 1, 50)]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture
def regime(request):
    """One regime by name and dtype; `--full` asks for more rows."""
    name, dtype = request.param
    rows = 40 if request.config.getoption("--full") else 5
    return next(r for r in regimes(dtype, rows, 50) if r.name == name)


every_regime = pytest.mark.parametrize(
    "regime", [pytest.param((n, d), id=f"{n}-{np.dtype(d)}") for d in DTYPES for n in NAMES], indirect=True
)


@dataclass(frozen=True)
class Layout:
    """A way in which an array may hold rows of classes: there and back, for rows and for one number a row."""

    axis: int
    lay: Callable[[Any], Any]
    back: Callable[[Any], Any]
    per_row: Callable[[Any], Any] = lambda v: v
    per_row_back: Callable[[Any], Any] = lambda v: v


def strided(x):
    wide = np.zeros((len(x), 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    wide.flags.writeable = False
    return wide[:, ::2]


LAYOUTS = [
    Layout(-1, np.ascontiguousarray, lambda x: x),
    Layout(0, lambda x: np.ascontiguousarray(x.T), lambda x: x.T),
    Layout(1, strided, lambda x: x),
    Layout(-1, *[lambda x: x[::-1]] * 4),
    Layout(1, lambda x: np.stack([x.T, x.T]), lambda x: x[1].T, lambda v: np.stack([v, v]), lambda v: v[1]),
]


def loss_and_gradient(z, targets, weight=None, g=None, **options):
    """A loss on a leaf, and g times its gradient in it; nothing warns."""
    leaf = Value(z)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = tg.softmax_cross_entropy(leaf, targets, weight, validate=False, **options)
        out.backward(np.ones(out.shape, z.dtype) if g is None else g)
    assert out.dtype == leaf.grad.dtype == z.dtype
    return out.data, leaf.grad


def soft(z, seed=2):
    y = np.random.default_rng(seed).dirichlet(np.full(z.shape[1], 0.3), size=len(z))
    return np.where(np.isneginf(z), 0.0, y).astype(z.dtype)


def weights(k, dtype, span=3.0):
    return (10.0 ** np.random.default_rng(1).uniform(-span, span, size=k)).astype(dtype)


# -- every regime ----------------------------------------------------------------------------------------------


@every_regime
def test_softmax_and_its_logarithms(regime):
    z = regime.scores
    exact = truth(z, np.eye(z.shape[1])[regime.labels])
    largest = np.maximum(np.abs(exact.logsumexp[0]), np.abs(z.max(axis=1).astype(float)))
    for layout in LAYOUTS:
        laid = layout.lay(z)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            p, log_p, lse = [f(laid, axis=layout.axis) for f in (tg.softmax, tg.log_softmax, tg.logsumexp)]
        assert p.dtype == log_p.dtype == lse.dtype == z.dtype
        assert ulps(layout.back(p), exact.softmax) <= BOUND
        assert np.array_equal(np.isneginf(layout.back(log_p)), np.isneginf(z))
        assert ulps(layout.back(log_p), exact.log_softmax) <= BOUND
        assert epsilons(layout.per_row_back(lse), exact.logsumexp, largest) <= BOUND


@every_regime
def test_one_class_a_row(regime):
    """Class indices and one-hot targets, with and without weights: relative in every entry."""
    z, labels, k = regime.scores, regime.labels, regime.scores.shape[1]
    one_hot = np.eye(k, dtype=z.dtype)[labels]
    for weight in (None, weights(k, z.dtype)):
        exact = truth(z, effective(one_hot, weight))
        for layout in LAYOUTS:
            for targets in (layout.per_row(labels), layout.lay(one_hot)):
                options = {"axis": layout.axis, "reduction": "none"}
                loss, gradient = loss_and_gradient(layout.lay(z), targets, weight, **options)
                assert ulps(layout.per_row_back(loss), exact.loss) <= BOUND
                assert ulps(layout.back(gradient), exact.gradient) <= BOUND


@every_regime
def test_soft_and_smoothed_targets(regime):
    z, labels, k = regime.scores, regime.labels, regime.scores.shape[1]
    one_hot = np.eye(k, dtype=z.dtype)[labels]
    for targets, dense, smoothing in ((soft(z), soft(z), 0.0), (soft(z), soft(z), 0.3), (labels, one_hot, 0.1)):
        if smoothing and np.any(np.isneginf(z)):
            continue  # test_masks_and_smoothing
        for weight in (None, weights(k, z.dtype)):
            exact = truth(z, effective(dense, weight, smoothing))
            for layout in LAYOUTS[:2]:
                laid = layout.lay(targets) if targets.ndim == 2 else targets
                options = {"axis": layout.axis, "reduction": "none", "label_smoothing": smoothing}
                loss, gradient = loss_and_gradient(layout.lay(z), laid, weight, **options)
                assert ulps(loss, exact.loss) <= BOUND
                assert epsilons(layout.back(gradient), exact.gradient, exact.size) <= BOUND


@every_regime
def test_cross_entropy_of_softmax_is_as_exact(regime):
    z, labels = regime.scores, regime.labels
    exact = truth(z, np.eye(z.shape[1])[labels])
    leaf = Value(z)
    loss = tg.cross_entropy(tg.softmax(leaf), labels, reduction="none")
    loss.backward(np.ones(len(z), z.dtype))
    assert ulps(loss.data, exact.loss) <= BOUND
    assert ulps(leaf.grad, exact.gradient) <= BOUND


@every_regime
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reductions_lose_nothing(regime, reduction):
    z, labels, k = regime.scores, regime.labels, regime.scores.shape[1]
    one_hot = np.eye(k)[labels]
    for weight in (None, weights(k, z.dtype, 1.0)):
        exact = truth(z, effective(one_hot, weight))
        with mpmath.workdps(60):
            w = [1 if weight is None else mpmath.mpf(float(weight[y])) for y in labels]
            divisor = mpmath.fsum(w) if reduction == "mean" else 1
            g = mpmath.mpf(2.5) / divisor  # what backward is given, times the loss's own scale
            loss = mpmath.fsum([mpmath.mpf(h) + mpmath.mpf(l) for h, l in zip(*exact.loss, strict=True)]) / divisor
            gradient = [
                [g * (mpmath.mpf(h) + mpmath.mpf(l)) for h, l in zip(*row, strict=True)]
                for row in zip(*exact.gradient, strict=True)
            ]
            expected = pair([loss]), pair(gradient)
        for targets in (labels, one_hot):
            loss, gradient = loss_and_gradient(z, targets, weight, np.asarray(2.5, z.dtype), reduction=reduction)
            assert ulps(np.reshape(loss, 1), expected[0]) <= BOUND
            assert ulps(gradient, expected[1]) <= BOUND


# -- many classes ----------------------------------------------------------------------------------------------


@functools.cache
def hundred_thousand(dtype):
    z = (np.random.default_rng(1).normal(size=(1, 100_000)) * 2).astype(dtype)
    return z, truth(z, [[int(j == 7) for j in range(100_000)]])


@every_dtype
@pytest.mark.parametrize("axis", [0, 1])
def test_a_hundred_thousand_classes(dtype, axis):
    z, exact = hundred_thousand(dtype)
    laid = z if axis == 1 else z.T
    loss, gradient = loss_and_gradient(laid, [7], axis=axis, reduction="none")
    assert ulps(loss, exact.loss) <= BOUND
    assert ulps(gradient.reshape(1, -1), exact.gradient) <= BOUND
    assert ulps(tg.softmax(laid, axis=axis).reshape(1, -1), exact.softmax) <= BOUND
    assert ulps(tg.log_softmax(laid, axis=axis).reshape(1, -1), exact.log_softmax) <= BOUND
    assert ulps(tg.logsumexp(laid, axis=axis), exact.logsumexp) <= BOUND


@pytest.mark.parametrize("k", [1, 2, 7, 65, 127, 1000, 20_000])
def test_rows_are_added_exactly(k):
    """What NumPy's own order loses: equal numbers, a large one among small ones, rows of very different sizes."""
    rng = np.random.default_rng(k)
    x = rng.uniform(size=(6, k))
    x[1] = 0.1
    x[2] = np.where(np.arange(k) == 0, 1.0, 0.9 * 2.0**-54)
    x[3] *= 1e-200
    x[4] = np.exp(rng.normal(size=k) * 20)
    x[5] = 0.0
    exact = np.array([math.fsum(row) for row in x])
    assert np.max(np.abs(row_sums(x) - exact) / np.spacing(exact)) <= (0.51 if EXTENDED else 1.5)
    x[0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        assert row_sums(x)[0] == np.inf


@given(st.integers(1, 300), st.integers(0, 10**6))
def test_sums_of_either_sign_are_no_worse_than_numpys(k, seed):
    x = np.random.default_rng(seed).normal(size=(3, k))
    exact = np.array([math.fsum(row) for row in x])
    assert np.all(np.abs(row_sums(x) - exact) <= 1e-15 * np.sum(np.abs(x), axis=1))


# -- weights, masks, cotangents --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-60, 1e-30, 1e30, 1e60])
@pytest.mark.parametrize("scale", [1.0, 250.0, 1e4])
def test_weights_lift_what_would_have_underflowed(size, scale):
    """ŷ = e^-740 has few digits; times 1e30 it is a normal number, and has all of them."""
    z = np.random.default_rng(3).normal(size=(20, 60)) * scale
    z[:, 0] = z.max(axis=1) + np.linspace(600, 780, 20)
    labels = np.arange(20) % 2
    weight = np.random.default_rng(4).uniform(0.5, 2, size=60) * size
    one_hot = np.eye(60)[labels]
    exact = truth(z, effective(one_hot, weight))
    for targets in (labels, one_hot):
        loss, gradient = loss_and_gradient(z, targets, weight, reduction="none")
        assert ulps(loss, exact.loss) <= BOUND
        assert ulps(gradient, exact.gradient) <= BOUND
    lifted = truth(z, effective(one_hot, np.full(60, size)))
    _, gradient = loss_and_gradient(z, labels, g=np.full(20, size), reduction="none")
    assert ulps(gradient, lifted.gradient) <= BOUND


@every_dtype
def test_masks_and_smoothing(dtype):
    """Smoothing spreads over the classes that are not masked; masked ones have gradient exactly 0."""
    z = next(r for r in regimes(dtype, 8, 50) if r.name == "masks").scores
    kept = ~np.isneginf(z)
    labels = z.argmax(axis=1)
    loss, gradient = loss_and_gradient(z, labels, label_smoothing=0.2, reduction="none")
    assert np.all(gradient[~kept] == 0)
    for n in range(len(z)):
        row, label = z[n : n + 1, kept[n]], np.count_nonzero(kept[n, : labels[n]])
        exact = truth(row, effective(np.eye(row.shape[1])[[label]], smoothing=0.2))
        assert ulps(loss[n : n + 1], exact.loss) <= BOUND
        assert epsilons(gradient[n : n + 1, kept[n]], exact.gradient, exact.size) <= BOUND


def test_every_size_that_is_finite():
    """1e308 and −1e308 are 2e308 apart, which is not finite; everything that is stays so."""
    z = np.array([[1e308, -1e308, 0.0], [-1e308, -1e308, -1e308], [0.0, -750.0, -2000.0], [1e-320, 0.0, -1e-320]])
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        p, lse = tg.softmax(z), tg.logsumexp(z)
        loss = tg.softmax_cross_entropy(z, [0, 0, 1, 2], reduction="none")
    assert p.tolist()[0] == [1.0, 0.0, 0.0] and p[1].tolist() == [1 / 3] * 3
    assert lse.tolist() == [1e308, -1e308, 0.0, math.log(3)]
    assert loss.tolist() == [0.0, math.log(3), 750.0, math.log(3)]


# -- logsumexp near 0 ------------------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("k", [2, 5, 300])
@pytest.mark.parametrize("shift", [1e-1, 1e-3, 1e-6, 1e-9, 1e-12, 0.0])
def test_logsumexp_near_zero_has_its_digits(dtype, k, shift):
    """Scores that are log-probabilities: log Σ exp z cancels, and what is left is right all the same."""
    z = np.random.default_rng(k).normal(size=(10, k)) * 2
    z = (tg.log_softmax(z) - shift).astype(dtype)
    exact = truth(z, np.zeros(z.shape)).logsumexp
    found = tg.logsumexp(z)
    far = np.abs(exact[0]) > 1e-14
    assert ulps(np.where(far, found, 0), tuple(np.where(far, part, 0.0) for part in exact)) <= BOUND
    assert np.all(np.abs(found[~far].astype(float) - exact[0][~far]) <= 1e-29)


def test_doubled_sums_have_thirty_digits():
    rng = np.random.default_rng(0)
    x = np.concatenate([-rng.exponential(5, size=(50, 3)), -rng.uniform(0, 1e-9, size=(50, 3)), [[0.0, -200, -np.inf]]])
    high, low = excess(x)
    with mpmath.workdps(60):
        for row, h, l in zip(x, high, low, strict=True):
            exact = mpmath.fsum([mpmath.exp(mpmath.mpf(float(t))) for t in row]) - 1
            assert abs(mpmath.mpf(float(h)) + mpmath.mpf(float(l)) - exact) <= mpmath.mpf(2) ** -98 * (1 + abs(exact))


# -- other dtypes ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no wider than float64 here")
@pytest.mark.parametrize("scale", [1.0, 1e-20, 100.0, 1e4])
def test_longdouble_keeps_its_digits(scale):
    z = (np.random.default_rng(5).normal(size=(6, 8)) * scale).astype(np.longdouble)
    labels, one_hot, y = np.arange(6), np.eye(8)[np.arange(6)], soft(z.astype(np.float64))
    weight = weights(8, np.float64)
    wide = z + z * np.longdouble(2.0) ** -60  # numbers that float64 does not have
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(x)) + mpmath.mpf(float(x - np.longdouble(float(x)))) for x in row] for row in wide]
    exact = truth(rows, effective(one_hot, weight))
    assert ulps(tg.softmax(wide), exact.softmax) <= BOUND
    assert ulps(tg.log_softmax(wide), exact.log_softmax) <= BOUND
    loss, gradient = loss_and_gradient(wide, labels, weight, reduction="none")
    assert ulps(loss, exact.loss) <= BOUND and ulps(gradient, exact.gradient) <= BOUND
    for targets, dense, smoothing in ((y, y, 0.0), (labels, one_hot, 0.1)):
        exact = truth(rows, effective(dense, weight, smoothing))
        loss, gradient = loss_and_gradient(wide, targets, weight, reduction="none", label_smoothing=smoothing)
        assert ulps(loss, exact.loss) <= BOUND
        assert epsilons(gradient, exact.gradient, exact.size) <= BOUND
    mean, gradient = loss_and_gradient(wide, labels, weight)
    assert mean.dtype == gradient.dtype == np.longdouble


def test_what_is_one_is_one():
    """A lone class, and one that leads by so much that the truth rounds to 1."""
    scores = np.random.default_rng(8).uniform(-300, 300, size=(500, 1))
    assert np.all(tg.softmax(scores) == 1.0)
    assert np.all(tg.softmax(scores + [0.0, -38.0, -50.0])[:, 0] == 1.0)
    assert np.all(tg.softmax(np.repeat(scores, 4, axis=1)) == 0.25)


def test_half_precision():
    z = np.array([[10.0, 0.5, -3.0], [0.0, 60000.0, 1.0], [1.0, 1.0, -np.inf]], np.float16)
    exact = truth(z, np.eye(3)[[0, 1, 1]])
    loss, gradient = loss_and_gradient(z, [0, 1, 1], reduction="none")
    assert ulps(loss, exact.loss) <= 1 and ulps(gradient, exact.gradient) <= 1
    assert ulps(tg.softmax(z), exact.softmax) <= 1 and ulps(tg.log_softmax(z), exact.log_softmax) <= 1


@pytest.mark.parametrize("f", [tg.softmax, tg.log_softmax, tg.logsumexp])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_are_read_as_float64(f, dtype):
    z = np.array([[1, 0, 3], [200, 1, 1]]).astype(dtype)
    assert f(z).dtype == np.float64 and np.array_equal(f(z), f(z.astype(np.float64)))
    assert tg.softmax_cross_entropy(z, [0, 1]).dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "axis"), [((0, 3), -1), ((0, 3), 1), ((2, 0, 3), 2), ((4,), 0), ((1, 1), 0), ((3, 0), 0)]
)
@pytest.mark.parametrize("derivation", ["stable", "analytic", "chain", "jacobian", "autodiff"])
def test_shapes_without_rows_and_single_rows(shape, axis, derivation):
    z = np.random.default_rng(0).normal(size=shape)
    rows = tuple(np.delete(shape, axis))
    for dtype, reduction in itertools.product((np.float16, np.float32, np.float64), ("mean", "sum", "none")):
        leaf = Value(z.astype(dtype))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss = tg.softmax_cross_entropy(leaf, np.zeros(rows, int), axis=axis, reduction=reduction)
            loss.backward(np.ones(loss.shape), derivation=derivation)
        assert loss.shape == (rows if reduction == "none" else ()) and loss.dtype == dtype
        assert leaf.grad.shape == shape and leaf.grad.dtype == dtype


@pytest.mark.parametrize("shape", [(3, 0), (0, 0), (0,)])
def test_no_classes_at_all(shape):
    z = np.zeros(shape)
    assert tg.softmax(z).shape == tg.log_softmax(z).shape == shape
    assert np.all(np.isneginf(tg.logsumexp(z))) and np.shape(tg.logsumexp(z)) == shape[:-1]
    with pytest.raises(ValueError, match="no classes"):
        tg.softmax_cross_entropy(z, np.zeros(shape[:-1], int))


# -- the other losses ------------------------------------------------------------------------------------------


@every_dtype
def test_cross_entropy_of_bare_probabilities(dtype):
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.full(40, 0.2), size=30).astype(dtype)
    p[0], p[1] = np.eye(40)[3], np.where(np.arange(40) == 3, 1 - np.finfo(dtype).eps, np.finfo(dtype).eps / 40)
    p[2:] = np.maximum(p[2:], np.finfo(dtype).tiny)
    labels = np.where(np.arange(30) < 2, 3, rng.integers(0, 40, size=30))
    weight, y = weights(40, dtype), soft(p)
    y[:2] = np.eye(40)[3]
    for targets, dense, smoothing in ((labels, np.eye(40)[labels], 0.0), (y, y, 0.0), (y[2:], y[2:], 0.2)):
        given_p = p[-len(targets) :]
        leaf = Value(given_p)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss = tg.cross_entropy(leaf, targets, weight, reduction="none", label_smoothing=smoothing, validate=False)
            loss.backward(np.ones(len(given_p), dtype))
        with mpmath.workdps(60):
            rows = [
                [(t, mpmath.mpf(float(q))) for t, q in zip(*pairs, strict=True)]
                for pairs in zip(effective(dense, weight, smoothing), given_p, strict=True)
            ]
            exact = pair([-mpmath.fsum([t * mpmath.log(q) for t, q in row if t]) for row in rows])
            slope = pair([[-t / q if t else mpmath.mpf(0) for t, q in row] for row in rows])
        assert ulps(loss.data, exact) <= BOUND
        assert ulps(leaf.grad, slope) <= BOUND


@every_dtype
@pytest.mark.parametrize("smoothing", [0.0, 1e-9, 0.1])
def test_binary_loss_and_gradient(dtype, smoothing):
    rng = np.random.default_rng(7)
    s = (rng.normal(size=120) * 10.0 ** rng.uniform(-9, 2.5, size=120)).astype(dtype)
    y = np.concatenate([np.zeros(40), np.ones(40), rng.uniform(size=40)]).astype(dtype)
    weight = weights(120, dtype)
    leaf = Value(s)
    loss = tg.sigmoid_binary_cross_entropy(leaf, y, weight, reduction="none", label_smoothing=smoothing)
    loss.backward(np.ones(120, dtype))
    with mpmath.workdps(60):
        e = mpmath.mpf(smoothing)
        exact, slope, size = [], [], []
        for x, t, w in zip(s, y, weight, strict=True):
            x, w = mpmath.mpf(float(x)), mpmath.mpf(float(w))
            yes, no = [(1 - e) * part + e / 2 for part in (mpmath.mpf(float(t)), 1 - mpmath.mpf(float(t)))]
            low, high = mpmath.log1p(mpmath.exp(-abs(x))) + max(-x, 0), mpmath.log1p(mpmath.exp(-abs(x))) + max(x, 0)
            p, q = mpmath.exp(-low), mpmath.exp(-high)
            exact.append(w * (yes * low + no * high))
            slope.append(w * (no * p - yes * q))
            size.append(float(w * (no * p + yes * q)))
    assert ulps(loss.data, pair(exact)) <= BOUND
    hard = slice(None, 80) if not smoothing else slice(0, 0)
    assert ulps(leaf.grad[hard], tuple(part[hard] for part in pair(slope))) <= BOUND
    assert epsilons(leaf.grad, pair(slope), np.array(size)) <= BOUND
