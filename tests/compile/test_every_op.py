"""Every op of the registry, compiled alone, is what it is in eager code: forward, backward and second order."""

import contextlib

import numpy as np
import pytest

import tinygrad_ce as tg
from tests.battery import calls, cases
from tests.test_complex import CASES as COMPLEX
from tinygrad_ce.compiler import compile
from tinygrad_ce.compiler.passes import INEXACT
from tinygrad_ce.node import plain
from tinygrad_ce.trees import flatten

CASES = [case for op in tg.registry().values() if op.key == op.name for case in cases(op)]


def agree(found, expected, exactly):
    """Bit for bit, or within a few units in the last place of the largest."""
    if exactly or np.asarray(expected).dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected)
        return
    few = 8 * np.finfo(np.asarray(expected).dtype).eps
    finite = np.abs(expected)[np.isfinite(expected)]
    np.testing.assert_allclose(found, expected, rtol=few, atol=few * np.max(finite, initial=0.0))


def eager_and_compiled(case, passes=()):
    fast = compile(lambda *moved: case.forward(*moved), without=passes)
    return case.forward, fast


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_backward_are_eager_s(case):
    if not case.moving:
        return
    eager, exact = eager_and_compiled(case, INEXACT)
    _, fast = eager_and_compiled(case)
    g = case.cotangent()
    found = []
    for f in (eager, exact, exact, fast, fast):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            out = f(*leaves)
            if out.requires_grad:
                out.backward(g)
        found.append((out.data, [x.grad for x in leaves]))
    (expected, gradients), *others = found
    for n, (out, grads) in enumerate(others):
        assert type(out) is type(expected)
        agree(out, expected, n < 2)
        for a, b in zip(grads, gradients, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert type(a) is type(b) or np.ndim(a) == 0
                assert np.asarray(a).dtype == np.asarray(b).dtype
                agree(a, b, n < 2)


@pytest.mark.parametrize("case", {case.op.name: case for case in CASES if case.moving}.values(), ids=str)
def test_the_text_alone_does_what_is_run(case):
    _, fast = eager_and_compiled(case)
    g, found = case.cotangent(), []
    for alone in (False, True):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            if alone:
                assert not fast.latest.untold
                module = {}
                exec(fast.source, module)
                fast.latest.form.make = module["make"]
                fast.latest._idle.clear()
            out = fast(*leaves)
            if out.requires_grad:
                out.backward(g)
        found.append([out.data, *[x.grad for x in leaves]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_arrays_in_arrays_out(case):
    places = [i for i, x in enumerate(case.inputs) if x is not None]

    def f(*arrays):
        inputs = list(case.inputs)
        for i, x in zip(places, arrays, strict=True):
            inputs[i] = x
        return case.op.apply(tuple(inputs), case.options)

    if any(np.asarray(x).dtype.kind == "b" for x in case.inputs if x is not None) and "key" in case.params:
        return  # a mask: the shape of the result depends on it
    fast = compile(f)
    arrays = [np.asarray(case.inputs[i]) for i in places]
    with np.errstate(all="ignore"):
        expected = f(*arrays)
        for _ in range(2):
            found = fast(*arrays)
            assert type(found) is type(expected)
            agree(found, expected, False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_second_order(case):
    if not case.moving:
        return
    eager, fast = eager_and_compiled(case)
    rng = np.random.default_rng(5)
    vectors = [rng.normal(size=np.shape(case.inputs[i])) for i in case.moving]
    g = case.cotangent()
    found = []
    for f in (eager, fast):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            out = f(*leaves)
            if not out.requires_grad:
                return
            out.backward(g, create_graph=True)
            total = sum(np.sum(np.real(x.grad * v)) for x, v in zip(leaves, vectors, strict=True) if x.grad is not None)
            for x in leaves:
                x.grad = None
            if isinstance(total, tg.Value) and total.requires_grad:
                total.backward()
        found.append([x.grad for x in leaves])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("case", calls(), ids=str)
def test_functions_written_in_others(case):
    eager, fast = eager_and_compiled(case)
    g = case.cotangent()
    found = []
    for f in (eager, fast):
        leaves = case.leaves()
        try:
            with np.errstate(all="ignore"):
                out = f(*leaves)
                if isinstance(out, tg.Value) and out.requires_grad:
                    out.backward(g)
        except tg.NotCaptured:
            return
        found.append((tg.value.plain(out), [x.grad for x in leaves]))
    (expected, gradients), (out, grads) = found
    np.testing.assert_array_equal(out, expected)
    for a, b in zip(grads, gradients, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-14)


def narrowed(x):
    kind = getattr(x, "dtype", np.dtype(object))
    return x.astype({"f": np.float32, "c": np.complex64}[kind.kind]) if kind.kind in "fc" else x


def strided(x):
    """The same numbers, not contiguous, and read only."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fc":
        return x
    wide = np.repeat(x.T[..., None], 2, axis=-1)[..., 0].T
    wide.flags.writeable = False
    return wide


@pytest.mark.parametrize("change", [narrowed, strided], ids=["single precision", "not contiguous"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_arrays(case, change, full):
    if not case.moving or not (full or case.number == 0):
        return
    twin = type(case)(case.op, case.number, tuple(map(change, case.inputs)), case.params)
    eager, fast = eager_and_compiled(twin)
    g, found = change(np.asarray(twin.cotangent())), []
    for f in (eager, fast, fast):
        leaves = twin.leaves()
        with np.errstate(all="ignore"):
            out = f(*leaves)
            if out.requires_grad:
                out.backward(g)
        found.append([out.data, *[x.grad for x in leaves]])
    for compiled in found[1:]:
        for a, b in zip(compiled, found[0], strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert np.asarray(a).dtype == np.asarray(b).dtype
                if change is strided or fast.explain().inexact:  # sums in another order, that of memory
                    eps = np.finfo(np.asarray(b).dtype).eps
                    np.testing.assert_allclose(a, b, rtol=16 * eps, atol=4 * eps * np.max(np.abs(b), initial=0.0))
                else:
                    agree(a, b, twin)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_mode_and_products_with_the_hessian(case, full):
    """Through the compiled function, and compiled themselves."""
    if not case.moving or not (full or case.number == 0):
        return
    primals = [np.asarray(case.inputs[i]) for i in case.moving]
    if any(x.dtype.kind == "c" for x in primals):
        return
    rng = np.random.default_rng(6)
    vectors = [rng.normal(size=x.shape) for x in primals]
    g = case.cotangent()

    def number(f):
        return lambda *xs: np.sum(np.real(f(*xs) * g))

    eager, fast = eager_and_compiled(case)
    transforms = {
        "jvp": lambda f, xs, vs: tg.jvp(f, xs, vs)[1],
        "hvp": lambda f, xs, vs: tg.hvp(number(f), xs, vs),
    }
    for transform in transforms.values():
        with np.errstate(all="ignore"):
            expected = transform(eager, primals, vectors)
            ways = [transform(fast, primals, vectors)]
            with contextlib.suppress(tg.NotCaptured):  # what looks at data is not captured whole
                ways.append(tg.compile(lambda xs, vs, t=transform: t(eager, xs, vs))(primals, vectors))
        for found in ways:
            for a, b in zip(flatten(found)[0], flatten(expected)[0], strict=True):
                scale = np.max(np.abs(b), initial=0.0)
                np.testing.assert_allclose(plain(a), plain(b), rtol=1e-12, atol=1e-13 * scale)


@pytest.mark.parametrize("case", COMPLEX, ids=lambda c: f"{c.number}-{c.op.name}")
def test_complex_numbers(case):
    eager, fast = eager_and_compiled(case)
    g, found = case.cotangent(), []
    for f in (eager, fast):
        leaves = case.leaves()
        try:
            out = f(*leaves)
            out.backward(g)
        except tg.NotCaptured:
            return
        found.append([out.data, *[x.grad for x in leaves]])
    for a, b in zip(*found, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-14)
