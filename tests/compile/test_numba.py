"""The numba backend: its loops do what NumPy's calls do. Most are run as Python here, a few compiled."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_ce as tg
from tests.battery import cases
from tinygrad_ce.compiler import compile, jit

from .programs import SHAPE, function, programs
from .test_programs import agree, result

CASES = [case for op in tg.registry().values() if op.key == op.name for case in cases(op)]
EXAMPLES = settings().max_examples * 3 // 10 if settings().max_examples < 1000 else 1000
needs_numba = pytest.mark.skipif(not jit.installed(), reason="numba is not installed")


def interpreted(text):
    """The kernels of a text as plain Python, which they are too."""

    def njit(*given, **options):
        return lambda f: f

    class Anything:
        def __getattr__(self, name):
            return lambda *given, **options: self

        def __call__(self, *given, **options):
            return self

    namespace = {"njit": njit, "types": Anything()}
    exec(text.replace("from numba import njit, types\n", ""), namespace)
    return namespace


@pytest.fixture
def as_python(monkeypatch):
    monkeypatch.setattr(jit, "functions", interpreted)
    monkeypatch.setattr(jit, "installed", lambda: True)
    monkeypatch.setattr(jit, "require", lambda: None)


def close(found, expected, ulps=8):
    expected = np.asarray(expected)
    assert np.shape(found) == expected.shape
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected)
        return
    rtol = ulps * float(np.finfo(expected.dtype).eps)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale, equal_nan=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_op(case, as_python):
    if not case.moving:
        return
    fast = compile(lambda *moved: case.forward(*moved), backend="numba")
    g = case.cotangent()
    found = []
    for f in (case.forward, fast, fast):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            out = f(*leaves)
            if out.requires_grad:
                out.backward(g)
        found.append((out.data, [x.grad for x in leaves]))
    (expected, gradients), *twice = found
    for out, grads in twice:
        assert type(out) is type(expected)
        assert np.asarray(out).dtype == np.asarray(expected).dtype
        close(out, expected)
        for a, b in zip(grads, gradients, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert np.asarray(a).dtype == np.asarray(b).dtype
                close(a, b, 64)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(programs(), st.integers(0, 2**20), st.booleans())
def test_compositions(program, seed, in_place):
    rng = np.random.default_rng(seed)
    f = function(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit, "functions", interpreted)
        patch.setattr(jit, "installed", lambda: True)
        fast = compile(f, in_place=in_place, backend="numba")
        for _ in range(2):
            data = [rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.normal(size=SHAPE[1:])]
            (outs, grads), (expected, gradients) = result(fast, data), result(f, data)
            agree(outs, expected, 1e-14)
            agree(grads, gradients, 1e-13)
