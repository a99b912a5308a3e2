"""Random compositions, compiled, are what they are in eager code, with every pass and without any."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.compiler import compile
from tinygrad_ce.compiler.passes import PASSES
from tinygrad_ce.trees import flatten

from .programs import SHAPE, function, programs

EXAMPLES = settings().max_examples * 6 // 10 if settings().max_examples < 1000 else 2000  # 2,000 with --full


def result(f, data):
    leaves = [tg.Value(x) for x in data]
    with np.errstate(all="ignore"):
        outs = flatten(f(*leaves))[0]
        total = sum((out * out).sum() for out in outs)
        total.backward()
    return [out.data for out in outs], [x.grad for x in leaves]


def agree(found, expected, rtol):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b), initial=0.0))


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 2**20), st.sets(st.sampled_from(sorted(PASSES))), st.booleans())
def test_compositions(program, seed, without, in_place):
    rng = np.random.default_rng(seed)
    f = function(program)
    fast = compile(f, without=without, in_place=in_place)
    for _ in range(2):
        data = [rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.normal(size=SHAPE[1:])]
        (outs, grads), (expected, gradients) = result(fast, data), result(f, data)
        agree(outs, expected, 1e-14)
        agree(grads, gradients, 1e-13)


@settings(max_examples=EXAMPLES // 4, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(0, 2**20))
def test_second_order(program, seed):
    rng = np.random.default_rng(seed)
    f = function(program)
    scalar = lambda *xs: sum((out * out).sum() for out in flatten(f(*xs))[0])
    fast = compile(f)
    over_fast = lambda *xs: sum((out * out).sum() for out in flatten(fast(*xs))[0])
    whole = compile(lambda x, y, v, u: tg.hvp(lambda x: scalar(x, y, v), (x,), (u,))[0])
    x, y, u = rng.normal(size=(3, *SHAPE))
    v = rng.normal(size=SHAPE[1:])
    with np.errstate(all="ignore"):
        expected = tg.hvp(lambda x: scalar(x, y, v), (x,), (u,))[0]
        agree([tg.hvp(lambda x: over_fast(x, y, v), (x,), (u,))[0]], [expected], 1e-10)
        agree([whole(x, y, v, u)], [expected], 1e-10)
