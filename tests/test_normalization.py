"""The normalisations against mpmath where it is hard: two numbers, rows that are equal or nearly so, large and tiny."""

import mpmath
import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.ops.batch_norm import batch_norm, batch_norm_eval
from tinygrad_ce.ops.normalization import group_norm, layer_norm, rms_norm

RNG = np.random.default_rng(0)
EPS = 1e-5
ROWS = {
    "ordinary": RNG.normal(size=6),
    "two numbers": np.array([0.3, 1.7]),
    "two near each other": np.array([1.0, 1.0 + 1e-9]),
    "far from 0": 1e8 + RNG.normal(size=5),
    "all equal": np.full(7, 0.1),
    "one": np.array([3.0]),
    "large": 1e100 * RNG.normal(size=5),
    "tiny": 1e-200 * RNG.normal(size=5),
    "an outlier": np.array([0.0, 0.0, 1e6, 0.0]),
    "1000 numbers": RNG.normal(size=1000),
}


def truth(x, g, centred):
    """x̂ and the gradient of <g, x̂>, in 60 digits."""
    with mpmath.workdps(60):
        x, g = [[mpmath.mpf(float(a)) for a in v] for v in (x, g)]
        n = len(x)
        mean = mpmath.fsum(x) / n if centred else 0
        c = [a - mean for a in x]
        s = mpmath.sqrt(mpmath.fsum(a * a for a in c) / n + mpmath.mpf(EPS))
        normal = [a / s for a in c]
        along = mpmath.fsum(a * b for a, b in zip(g, normal, strict=True)) / n
        level = mpmath.fsum(g) / n if centred else 0
        return [np.array([float(v) for v in values]) for values in (
            normal, [(b - level - a * along) / s for a, b in zip(normal, g, strict=True)]
        )]  # fmt: skip


def close(found, expected, tolerance):
    assert np.max(np.abs(found - expected)) <= tolerance * np.max(np.abs(expected))


@pytest.mark.parametrize("centred", [True, False], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize("name", ROWS)
def test_forward_and_gradient_hold_to_rounding(name, centred):
    row = ROWS[name]
    f, free = (layer_norm, 2) if centred else (rms_norm, 1)
    for g in (np.random.default_rng(1).normal(size=row.size), np.ones(row.size), row / np.max(np.abs(row))):
        x = tg.Value(row)
        y = f(x, eps=EPS)
        y.backward(g)
        normal, gradient = truth(row, g, centred)
        close(y.data, normal, 1e-15)
        # Where g follows x̂, nearly all of it is cancelled, and its own rounding is what is left; but not where
        # there is nothing else to follow.
        deviation = np.sqrt(np.var(row) + EPS) if centred else np.sqrt(np.mean(row * row) + EPS)
        blur = 0.0 if row.size <= free else 1e-15 * np.max(np.abs(g)) / deviation
        assert np.max(np.abs(x.grad - gradient)) <= 2e-15 * np.max(np.abs(gradient)) + blur


def test_textbook_formula_loses_what_the_default_keeps():
    row = np.array([0.0, 4000.0])
    gradients = {}
    for derivation in ("stable", "analytic"):
        x = tg.Value(row)
        layer_norm(x, eps=EPS).backward([1.0, 0.0], derivation=derivation)
        gradients[derivation] = x.grad
    _, expected = truth(row, [1.0, 0.0], True)
    close(gradients["stable"], expected, 1e-14)
    assert np.max(np.abs(gradients["analytic"] - expected)) > 1e-9 * np.max(np.abs(expected))


def test_equal_numbers_give_exactly_the_bias():
    for value in (0.1, 1e9, -3.7, 0.0):
        assert layer_norm(np.full((2, 7), value), None, np.full(7, 0.25)).tolist() == [[0.25] * 7] * 2
        assert batch_norm(np.full((5, 2), value)).tolist() == [[0.0] * 2] * 5
        assert group_norm(np.full((2, 4, 3), value), groups=2).max() == 0.0


def test_what_is_a_row():
    x, w, b = RNG.normal(size=(3, 4, 5)), RNG.normal(size=4), RNG.normal(size=4)
    shaped = lambda v: v[:, None]
    parts = [(c - c.mean()) / np.sqrt(c.var() + EPS) for c in np.moveaxis(x, 1, 0)]
    expected = np.moveaxis(np.stack(parts), 0, 1) * shaped(w) + shaped(b)
    np.testing.assert_allclose(batch_norm(x, w, b), expected, rtol=1e-12, atol=1e-14)
    halves = x.reshape(3, 2, 10)
    expected = (halves - halves.mean(-1, keepdims=True)) / np.sqrt(halves.var(-1, keepdims=True) + EPS)
    np.testing.assert_allclose(group_norm(x, groups=2), expected.reshape(x.shape), rtol=1e-12, atol=1e-14)
    mean, variance = x.mean((0, 2)), x.var((0, 2))
    np.testing.assert_allclose(batch_norm_eval(x, mean, variance, w, b), batch_norm(x, w, b), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layer_norm(np.zeros((2, 3)), axes=3), r"shape \(2, 3\) has no 3 last axes"),
        (lambda: layer_norm(np.zeros((2, 3)), np.zeros(2)), r"weight of shape \(2,\) where \(3,\) is wanted"),
        (lambda: rms_norm(0.5), r"shape \(\) has no 1 last axes"),
        (lambda: group_norm(np.zeros((2, 3)), groups=2), "3 channels do not make 2 groups"),
        (lambda: group_norm(np.zeros(3), groups=1), r"\(N, C, \.\.\.\) is wanted"),
        (lambda: batch_norm(np.zeros((1, 3))), "1 number in each channel, and two make a variance"),
        (lambda: batch_norm(np.zeros((0, 3))), "0 numbers in each channel"),
        (lambda: batch_norm(np.zeros(3)), r"\(N, C, \.\.\.\) is wanted"),
        (lambda: batch_norm_eval(np.zeros((2, 3)), np.zeros(2), np.ones(3)), r"mean of shape \(2,\)"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("centred", [True, False], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize("name", [*ROWS, "beyond squares", "below squares"])
def test_single_precision_holds_to_its_rounding(name, centred):
    """Short rows are computed in it, but not where squares leave its range."""
    unusual = {"beyond squares": 1e25, "below squares": 1e-30, "large": 1e15, "tiny": 1e-20}
    row = np.array(
        unusual[name] * np.random.default_rng(3).normal(size=5) if name in unusual else ROWS[name], np.float32
    )
    eps = 0.0 if name in ("below squares", "tiny") else EPS
    f, free = (layer_norm, 2) if centred else (rms_norm, 1)
    for g in (np.random.default_rng(1).normal(size=row.size), np.ones(row.size), row / np.max(np.abs(row))):
        x, g = tg.Value(np.stack([row, row])), g.astype(np.float32)
        y = f(x, eps=eps)
        y.backward(np.stack([g, g]))
        assert y.data.dtype == x.grad.dtype == np.float32
        wide = tg.Value(row[None].astype(np.longdouble))
        z = f(wide, eps=eps)
        z.backward(g[None].astype(np.longdouble))
        unit = 4 * np.finfo(np.float32).eps * np.sqrt(row.size)
        assert np.max(np.abs(y.data - z.data)) <= unit * np.max(np.abs(z.data))
        deviation = (
            np.sqrt(np.var(row.astype(float)) + eps) if centred else np.sqrt(np.mean(row.astype(float) ** 2) + eps)
        )
        blur = 0.0 if row.size <= free else unit * np.max(np.abs(g)) / deviation
        assert np.max(np.abs(x.grad - wide.grad)) <= unit * np.max(np.abs(wide.grad)) + blur


def test_single_precision_of_equal_numbers():
    for value in (0.1, 1e9, -3.7, 0.0):
        assert layer_norm(np.full((2, 7), value, np.float32)).tolist() == [[0.0] * 7] * 2
