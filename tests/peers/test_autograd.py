"""Every NumPy function that HIPS autograd has too: value, vjp, jvp and Hessian-vector product."""

import numpy as np
import pytest

from .samples import Tally, calls, direction, find, outputs

autograd = pytest.importorskip("autograd")
anp = pytest.importorskip("autograd.numpy")
special = pytest.importorskip("autograd.scipy.special")
make_jvp = pytest.importorskip("autograd.differential_operators").make_jvp


def wrong_there(name, call):
    """Calls whose gradient is wrong in autograd 1.9, as central differences say (ours pass the battery)."""
    given = call.kwargs
    return (
        bool({"where", "initial", "correction"} & set(given))  # ignored
        or given.get("norm") == "forward"  # np.fft's newest scaling
        or (name == "fft.rfft" and "n" in given)
        or (name == "linalg.norm" and given.get("ord") == np.inf)
        or (name == "tile" and np.size(call.args[1]) < np.ndim(call.args[0]))
        or name == "full_like"  # no gradient of the fill
    )


CALLS = calls()
TALLY = Tally()


def parts(out):
    out = list(out) if isinstance(out, (tuple, list)) or "TupleBox" in type(out).__name__ else [out]
    return [x for x in out if getattr(anp.array(x), "dtype", np.dtype(int)).kind in "fc"]


def theirs(call, function):
    arrays = call.arrays()
    plain = outputs(call.whole(arrays, function))
    cotangents, directions = [direction(x) for x in plain], [direction(x) for x in arrays]

    def loss(xs):
        return sum(
            anp.real(anp.sum(g * y * y)) for g, y in zip(cotangents, parts(call.whole(xs, function)), strict=True)
        )

    def gradient(xs):
        return autograd.grad(loss)(xs)

    def slope(xs):
        return sum(anp.real(anp.sum(a * t)) for a, t in zip(gradient(xs), directions, strict=True))

    found = {"forward": plain, "vjp": list(gradient(tuple(arrays)))}
    for kind, make in (
        ("jvp", lambda: [make_jvp(loss)(tuple(arrays))(tuple(directions))[1]]),
        ("hvp", lambda: list(autograd.grad(slope)(tuple(arrays)))),
    ):
        try:
            found[kind] = make()
        except Exception:  # not every function has both there
            continue
    return found


@pytest.mark.parametrize("name", CALLS)
def test_it_agrees_with(name):
    for call in CALLS[name]:
        if wrong_there(name, call):
            continue
        TALLY.compare(name, call, theirs, find(name, anp, special))


def test_enough_was_compared():
    print(TALLY)
    TALLY.require(0.5)
