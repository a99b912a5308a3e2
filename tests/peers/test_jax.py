"""Every NumPy function that JAX has too: value, vjp, jvp and Hessian-vector product."""

import numpy as np
import pytest

from .samples import KINDS, Tally, agree, calls, direction, ours, outputs

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

# Where the two differ on purpose, or where the peer is wrong.
DIFFERENT: dict[str, str] = {}


def theirs(call, function):
    arrays = [jax.numpy.asarray(x) for x in call.arrays()]
    plain = outputs(call.whole(arrays, function))
    cotangents, directions = [direction(x) for x in plain], [direction(x) for x in arrays]

    def loss(*xs):
        out = outputs_of(call.whole(xs, function))
        return sum(jax.numpy.real(jax.numpy.sum(g * y * y)) for g, y in zip(cotangents, out, strict=True))

    def gradient(*xs):
        return jax.grad(loss, argnums=tuple(range(len(xs))))(*xs)

    slope = jax.jvp(loss, arrays, directions)[1]
    return {
        "forward": plain,
        "vjp": gradient(*arrays),
        "jvp": [slope],
        "hvp": jax.jvp(gradient, arrays, directions)[1],
    }


def outputs_of(out):
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [x for x in parts if np.dtype(getattr(x, "dtype", int)).kind in "fc"]


def test_every_function_that_both_have():
    tally, wrong = Tally(), []
    for name, call in calls():
        function = jax.numpy
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is None or name in DIFFERENT or not call.arrays():
            tally.left_out[name] = DIFFERENT.get(name, "not there")
            continue
        try:
            expected = theirs(call, function)
        except (TypeError, NotImplementedError, ValueError, AttributeError) as error:
            tally.left_out[name] = str(error)[:100]
            continue
        found = ours(call)
        tally.functions.add(name)
        for kind in KINDS:
            if agree(found[kind], expected[kind]):
                tally.compared[kind] += 1
            else:
                wrong.append((name, kind, [np.shape(x) for x in call.arrays()], call.kwargs))
    print(len(tally.functions), dict(tally.compared))
    print(tally.left_out)
    assert not wrong, "\n".join(map(str, wrong))
    assert len(tally.functions) > 150 and min(tally.compared[k] for k in KINDS) > 500
