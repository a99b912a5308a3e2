"""Every NumPy function that JAX has too: value, vjp, jvp and Hessian-vector product."""

import numpy as np
import pytest

from .samples import KINDS, Tally, calls, direction, find

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy
special = pytest.importorskip("jax.scipy.special")

# Where the two differ on purpose, or where the peer is wrong.
DIFFERENT = {
    "partition": "another order on both sides",
    "linalg.lstsq": "other residuals",
    "polydiv": "a remainder with zeros ahead",
}
CALLS = calls()
TALLY = Tally()
MOST = 4  # calls of each function: compiling them takes JAX long


def outputs(out):
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [x for x in parts if np.dtype(getattr(x, "dtype", int)).kind in "fc"]


def theirs(call, function):
    arrays = [jnp.asarray(x) for x in call.arrays()]
    shapes = outputs(jax.eval_shape(lambda *xs: call.whole(xs, function), *arrays))
    cotangents = [direction(np.zeros(x.shape, x.dtype)) for x in shapes]
    directions = [direction(x) for x in arrays]

    def loss(*xs):
        out = outputs(call.whole(xs, function))
        return sum(jnp.real(jnp.sum(g * y * y)) for g, y in zip(cotangents, out, strict=True))

    def everything(*xs):
        gradient = jax.grad(loss, argnums=tuple(range(len(xs))))
        vjp, hvp = jax.jvp(gradient, xs, tuple(directions))
        return outputs(call.whole(xs, function)), vjp, [jax.jvp(loss, xs, tuple(directions))[1]], hvp

    return dict(zip(KINDS, jax.jit(everything)(*arrays), strict=True))


@pytest.mark.parametrize("name", [n for n in CALLS if n not in DIFFERENT])
def test_it_agrees_with(name):
    for call in CALLS[name][:MOST]:
        TALLY.compare(name, call, theirs, find(name, jnp, special))
    jax.clear_caches()


def test_enough_was_compared():
    print(TALLY)
    TALLY.require(0.5)
