"""erf, Φ and gelu against mpmath, over the whole range, in every precision."""

import mpmath
import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import functional as F

RNG = np.random.default_rng(0)
POINTS = np.concatenate([
    RNG.uniform(-1, 1, 400), RNG.uniform(-6, 6, 400), RNG.uniform(-38, 38, 300), 10.0 ** RNG.uniform(-320, -1, 100),
    [0.5, 1.0, -1.0, np.nextafter(1, 0), -np.nextafter(1, 2), 5.9, 6.0, 30.0, -37.5, 1e-308, 5e-324],
])  # fmt: skip


def exact(function, x):
    with mpmath.workdps(60):
        return [function(mpmath.mpf(float(a))) for a in x]


def cdf(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def units(found, truth):
    """How many units in the last place each is off."""
    with mpmath.workdps(60):
        return np.array([
            float(abs(mpmath.mpf(float(a)) - b) / mpmath.mpf(float(np.spacing(a.dtype.type(abs(b))))))
            for a, b in zip(found, truth, strict=True)
        ])  # fmt: skip


@pytest.mark.parametrize(("name", "truth", "bound"), [("erf", mpmath.erf, 2.0), ("normal_cdf", cdf, 5.0)])
def test_within_a_few_units_in_the_last_place(name, truth, bound):
    f, x = getattr(F, name), POINTS
    assert np.max(units(f(x), exact(truth, x))) <= bound
    half = x[np.abs(x) < 12].astype(np.float32)
    assert f(half).dtype == np.float32
    assert np.max(units(f(half), exact(truth, half))) <= 0.51
    sixteen = x[np.abs(x) < 4].astype(np.float16)
    assert np.max(units(f(sixteen), exact(truth, sixteen))) <= 0.51


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="longdouble is double here")
@pytest.mark.parametrize(("name", "truth"), [("erf", mpmath.erf), ("normal_cdf", cdf)])
def test_longdouble_is_more_accurate_than_double(name, truth):
    x = POINTS[(np.abs(POINTS) < 10) & (np.abs(POINTS) > 1e-300)][::4].astype(np.longdouble)
    found = getattr(F, name)(x)
    assert found.dtype == np.longdouble
    with mpmath.workdps(40):
        for a, b in zip(found, exact(truth, x), strict=True):
            high = float(a)
            value = mpmath.mpf(high) + mpmath.mpf(float(a - np.longdouble(high)))
            assert abs(value - b) <= 2e-17 * abs(b)


def test_special_values_and_many_at_once():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300])
    np.testing.assert_array_equal(F.erf(x), [0, -0.0, 1, -1, np.nan, 1, -1])
    assert np.signbit(F.erf(x)[1])
    np.testing.assert_array_equal(F.normal_cdf(x), [0.5, 0.5, 1, 0, np.nan, 1, 0])
    many = np.linspace(-5, 5, 40_000).reshape(2, 100, 200)[:, ::-1]
    np.testing.assert_array_equal(F.erf(many), np.stack([[F.erf(row) for row in block] for block in many]))
    assert F.erf(np.array([1, 2])).dtype == np.float64 and F.erf(np.zeros((0, 3))).shape == (0, 3)
    assert F.erf(0.5) == pytest.approx(float(mpmath.erf(0.5)), rel=1e-16) and type(tg.Value(0.5).data) is float


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_and_its_slope_keep_their_digits_in_the_tail(approximate):
    x = np.array([-30.0, -10.0, -5.0, -1.0, -1e-5, 0.0, 1e-5, 0.7, 3.0, 20.0])
    if approximate == "tanh":
        x = x[1:]  # the cubic reaches e^−2500 at −30
        u = lambda t: mpmath.sqrt(2 / mpmath.pi) * (t + mpmath.mpf(0.044715) * t**3)
        truth = lambda t: t / (1 + mpmath.exp(-2 * u(t)))
    else:
        truth = lambda t: t * cdf(t)
    v = tg.Value(x)
    y = F.gelu(v, approximate=approximate)
    y.backward(np.ones_like(x))
    with mpmath.workdps(60):
        slopes = [mpmath.diff(truth, mpmath.mpf(float(a)), h=mpmath.mpf(10) ** -25) for a in x]
    # a relative error of x ulp in x is one of x² ulp in a tail like exp(−x²/2)
    bars = 1e-15 * (1 + x**2 * (1 + (approximate == "tanh") * x**2))
    for found, expected in ((y.data, exact(truth, x)), (v.grad, slopes)):
        assert np.all(np.abs(found - np.array(expected, float)) <= bars * np.abs(np.array(expected, float)))


def test_gelu_in_single_precision():
    """Within 4 units in the last place, and x²/2 more in the left tail: what half a unit in x would make of it."""
    x = POINTS[np.abs(POINTS) < 13].astype(np.float32)
    x = x[np.abs(x) > 1e-37]
    v = tg.Value(x)
    y = F.gelu(v)
    y.backward(np.ones_like(x))
    assert y.data.dtype == v.grad.dtype == np.float32
    cdfs = exact(cdf, x)
    with mpmath.workdps(60):
        density = [mpmath.npdf(mpmath.mpf(float(a))) for a in x]
        truths = [float(a) * c for a, c in zip(x, cdfs, strict=True)]
        slopes = np.array([float(c + float(a) * d) for a, c, d in zip(x, cdfs, density, strict=True)])
        sizes = np.array([float(c + abs(float(a)) * d) for a, c, d in zip(x, cdfs, density, strict=True)])
    bars = 4 + x.astype(float) ** 2 / 2
    assert np.all(units(y.data, truths) <= bars)
    assert np.all(np.abs(v.grad - slopes) <= bars * np.finfo(np.float32).eps * sizes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_of_anything(dtype):
    """Many numbers, in any order in memory, those beyond reach among them, are what they are one by one."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 90, 301)).astype(dtype) * 3
    x[0, 0, :9] = [0.0, -0.0, 1e-40, 14.5, -20.0, 1e30, -1e30, np.inf, np.nan]
    x = x.transpose(2, 0, 1)[::-1]
    v, g = tg.Value(x), rng.normal(size=x.shape).astype(dtype)
    y = F.gelu(v)
    with np.errstate(all="ignore"):
        y.backward(g)
        wide = tg.Value(x.astype(np.longdouble))
        expected = wide * F.normal_cdf(wide)
        expected.backward(g.astype(np.longdouble))
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(y.data, expected.data.astype(dtype), rtol=tolerance, atol=1e-37)
    at = np.isfinite(x)
    np.testing.assert_allclose(v.grad[at], wide.grad.astype(dtype)[at], rtol=tolerance, atol=tolerance / 10)
    assert F.gelu(np.zeros((0, 3), dtype)).shape == (0, 3)
    few = x[:3, 1, 1:4]
    np.testing.assert_array_equal(F.gelu(few), F.gelu(few.copy()))
