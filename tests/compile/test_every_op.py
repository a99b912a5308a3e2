"""Every op of the registry, compiled alone, is what it is in eager code: forward, backward and second order."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tests.battery import calls, cases
from tinygrad_ce.compiler import compile

CASES = [case for op in tg.registry().values() if op.key == op.name for case in cases(op)]
FUSED = {"softmax_cross_entropy"}  # a kernel of the compiler's own, within a few units in the last place


def agree(found, expected, case):
    if case.op.name in FUSED:
        np.testing.assert_allclose(found, expected, rtol=4 * 2.0**-52, atol=0.0)
    else:
        np.testing.assert_array_equal(found, expected)


def eager_and_compiled(case, passes=()):
    fast = compile(lambda *moved: case.forward(*moved), without=passes)
    return case.forward, fast


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_backward_are_bit_for_bit_eager_s(case):
    if not case.moving:
        return
    eager, fast = eager_and_compiled(case)
    g = case.cotangent()
    found = []
    for f in (eager, fast, fast):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            out = f(*leaves)
            if out.requires_grad:
                out.backward(g)
        found.append((out.data, [x.grad for x in leaves]))
    (expected, gradients), *twice = found
    for out, grads in twice:
        assert type(out) is type(expected)
        agree(out, expected, case)
        for a, b in zip(grads, gradients, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                assert type(a) is type(b) or np.ndim(a) == 0
                assert np.asarray(a).dtype == np.asarray(b).dtype
                agree(a, b, case)


@pytest.mark.parametrize("case", {case.op.name: case for case in CASES if case.moving}.values(), ids=str)
def test_the_text_alone_does_what_is_run(case):
    _, fast = eager_and_compiled(case)
    g, found = case.cotangent(), []
    for alone in (False, True):
        leaves = case.leaves()
        with np.errstate(all="ignore"):
            if alone and not fast.latest.untold:
                module = {}
                exec(fast.source, module)
                fast.latest._make = module["make"]
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
            agree(found, expected, case)


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
