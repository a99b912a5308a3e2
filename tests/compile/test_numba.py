"""The numba backend: its loops do what NumPy's calls do. Most are run as Python here, a few compiled."""

import math
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_ce as tg
from tests.battery import cases
from tinygrad_ce import nn
from tinygrad_ce.compiler import compile, jit, levels, vector_math
from tinygrad_ce.compiler.phrases import KERNELS
from tinygrad_ce.compiler.program import Part
from tinygrad_ce.programs import models

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


def test_what_is_wrong_is_said(monkeypatch):
    with pytest.raises(ValueError, match="no backend 'cuda'"):
        tg.compile(lambda x: x, backend="cuda")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match=r"tinygrad_ce\[numba\]"):
        tg.compile(lambda x: x, backend="numba")


def test_numba_is_not_imported_before_it_is_needed():
    code = "import sys, numpy as np, tinygrad_ce as tg; f = tg.compile(lambda x: np.exp(x).sum()); f(np.ones(3)); "
    subprocess.run([sys.executable, "-c", code + "assert 'numba' not in sys.modules"], check=True)


FUNCTIONS = ["exp", "expm1", "tanh", "log", "log1p", "sin", "cos"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_vectors(name):
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(0)
    f = getattr(vector_math, name)
    xs = np.concatenate([rng.normal(size=150), 30 * rng.normal(size=150), 1e-3 * rng.normal(size=50)])
    xs = np.abs(xs) if name.startswith("log") else xs
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, 710.0, -746.0, -1.0, 1.0]
    with mpmath.workprec(120), np.errstate(all="ignore"):
        for x in xs:
            true = getattr(mpmath, name)(mpmath.mpf(float(x)))
            assert abs(mpmath.mpf(float(f(x))) - true) <= 1.25 * np.spacing(abs(float(true)))
        for x in map(np.float64, special):
            expected = getattr(np, name)(x)
            np.testing.assert_allclose(f(x), expected, rtol=3e-16)
            assert np.isnan(expected) or np.signbit(f(x)) == np.signbit(expected)


def network(dtype):
    """A training step that has a nest, a sum along each axis, a product, a loss and an update."""
    rng = np.random.default_rng(0)
    w = tg.Value(rng.normal(size=(4, 3)).astype(dtype), label="w")
    b = tg.Value(rng.normal(size=3).astype(dtype), label="b")
    optimizer = tg.optim.SGD([w, b], lr=0.1)

    def step(x, y):
        loss = tg.softmax_cross_entropy(np.tanh(x @ w + b), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, w, b, (rng.normal(size=(5, 4)).astype(dtype), rng.integers(0, 3, size=5))


@needs_numba
def test_compiled_by_numba(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_CE_CACHE", str(tmp_path / "cache"))
    found = []
    for backend in ("numpy", "numba"):
        step, w, b, (x, y) = network(np.float64)
        fast = tg.compile(step, backend=backend)
        losses = [fast(x, y).data for _ in range(3)]
        with pytest.raises(IndexError, match="class index"):
            fast(x, y + 7)
        losses.append(fast(np.asfortranarray(x), y).data)
        x.flags.writeable = False
        losses.append(fast(x, y).data)
        found.append((losses, w.data.copy(), b.data.copy()))
    for a, c in zip(*found, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-14)
    assert "run by numba" in repr(fast.explain()) and "@njit" in fast.source
    fast.save(tmp_path / "saved.py")
    kernels = list((tmp_path / "cache").glob("kernels_*.py"))
    assert kernels and jit.known(kernels[0].read_text(encoding="utf-8"))
    # broken on disk, it is compiled anew
    for path in (tmp_path / "cache" / "__pycache__").iterdir():
        path.write_bytes(b"nothing")
    monkeypatch.setattr(jit, "_loaded", {})
    step, w, b, (x, y) = network(np.float64)
    np.testing.assert_allclose(tg.compile(step, backend="numba")(x, y).data, found[0][0][0], rtol=1e-14)


@needs_numba
def test_a_folder_that_cannot_be_written_and_threads(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYGRAD_CE_CACHE", str(tmp_path / "file" / "below"))
    f = lambda x: np.sin(x) * np.exp(-x * x)
    fast = tg.compile(f, backend="numba")
    data = [np.random.default_rng(n).normal(size=50) * 10.0 ** (3 * n) for n in range(3)]  # the last for libm's sin
    found = {}

    def work(n):
        found[n] = [fast(data[n]) for _ in range(20)]

    work(0)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for n, x in enumerate(data):
        for out in found[n]:
            np.testing.assert_allclose(out, f(x), rtol=2e-15)


def test_it_is_chosen_where_it_is_found_to_be_faster(as_python, tmp_path, monkeypatch):
    from tinygrad_ce.compiler import automatic

    monkeypatch.setenv("TINYGRAD_CE_CACHE", str(tmp_path))
    monkeypatch.setattr(automatic, "WORTH", 0.0)
    monkeypatch.setattr(automatic, "FOUND", 0.0)
    monkeypatch.setattr(automatic, "_seconds", lambda captured, forms, *_: [2.0, 1.0][: len(forms)])
    step, w, _, (x, y) = network(np.float64)
    eager, v, _, _ = network(np.float64)
    fast = tg.compile(step)
    for _ in range(automatic.FIRST + 5):
        np.testing.assert_allclose(fast(x, y).data, eager(x, y).data, rtol=1e-13)
    np.testing.assert_allclose(w.data, v.data, rtol=1e-13)
    assert fast.latest.form.backend == "numba" and "µs" in fast.explain().backend


def trained(model, data, backend):
    """Losses, and parameters after a few steps."""
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step, backend=backend) if backend else step
    return fast, [fast(*data).data for _ in range(4)], [p.data.copy() for p in model.parameters()]


def images():
    rng = np.random.default_rng(0)
    parts = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2), nn.Tanh(), nn.Flatten()]
    model = nn.Sequential(*parts, nn.Linear(16, 5))
    for p in model.parameters():
        p.data = 0.3 * rng.normal(size=p.shape)
    return model, (rng.normal(size=(6, 1, 8, 8)), rng.integers(0, 5, size=6))


def sequences():
    rng = np.random.default_rng(0)
    model = models.GPT(7, 6, 8, 1, 2, dtype=np.float64)
    for p in model.parameters():
        p.data = 0.3 * rng.normal(size=p.shape)
    return model, tuple(rng.integers(0, 7, size=(2, 3, 6)))


@pytest.mark.parametrize("made", [images, sequences])
def test_kernels_stay_numpy_s_between_loops(made, as_python):
    (fast, losses, ps), (_, expected, qs) = [trained(*made(), backend) for backend in ("numba", None)]
    assert fast.latest.form.backend == "numba" and {s.op for s in fast.latest.graph.steps} & KERNELS
    for a, b in zip([*losses, *ps], [*expected, *qs], strict=True):
        close(a, b, 256)
    told = str(fast.explain())
    assert "run by numba" in told and "fused " in told and "after" in told and "steps a call" in told
    assert "matmul" in {getattr(n, "op", "") for n in tg.draw(fast, limit=10_000).graph.nodes}


def test_parts_of_numbers_stay_numpy_s_between_loops(as_python, monkeypatch):
    monkeypatch.setattr(levels, "FEW", 1)
    monkeypatch.setattr(levels, "STEP", math.inf)
    found = []
    for backend in ("numba", None):
        ws = [tg.Value(0.1 * i - 1.5) for i in range(40)]

        def f(x, ws=ws):
            rows = np.stack([ws[i] * x[i % 3] + ws[i + 1] for i in range(39)])
            joined = np.tanh(rows * 2.0 + 1.0) * rows
            return sum(joined[i] * ws[i] for i in range(39))

        fast = compile(f, backend=backend) if backend else f
        for _ in range(2):
            for w in ws:
                w.grad = None
            out = fast(np.array([0.3, -1.0, 2.0]))
            out.backward()
        found.append([out.data, *[w.grad for w in ws]])
        if backend:
            assert fast.latest.form.backend == "numba"
            assert any(isinstance(s.op, Part) for s in fast.latest.form.graph.steps)
            assert tg.draw(fast).graph.nodes
    close(found[0], found[1], 64)


def test_what_has_no_loop_is_numpy_s(as_python):
    fast = compile(lambda x: np.linalg.inv(x), backend="numba")
    fast(np.eye(3))
    assert fast.explain().backend == "numpy" and "njit" not in fast.source
