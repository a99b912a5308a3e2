"""Every NumPy function that PyTorch has under the same name: value, vjp, jvp and Hessian-vector product.

Its gradients in complex numbers are the conjugates of ours.
"""

from functools import partial

import numpy as np
import pytest

from ..test_conventions import NAMES as NAMES_OF_NUMPY
from ..test_conventions import ROWS
from .samples import KINDS, Tally, calls, direction, find

torch = pytest.importorskip("torch")

# Functions of that name which are other functions there.
DIFFERENT = {
    "linalg.svd": "vectors of another sign",
    "ravel": "has no order",
    "var": "divides by n − 1",
    "std": "divides by n − 1",
    "median": "the lower of two",
    "nanmedian": "the lower of two",
    "max": "returns places too",
    "min": "returns places too",
    "gradient": "other arguments",
    "cov": "other arguments",
    "repeat": "tiles",
    "split": "sizes, not numbers",
    "take": "other arguments",
    "meshgrid": "indexing='ij' by default",
    "linalg.lstsq": "without singular values",
    "kl_div": "another function",
    "linalg.norm": "takes ord by position",
    "linalg.eig": "vectors of another phase",
    "angle": "π for negative numbers, as here, but without a second derivative",
}
NAMES = {"axis": "dim", "keepdims": "keepdim", "axes": "dims", "method": "interpolation", "decimals": "decimals"}
CALLS = calls()
TALLY = Tally()


def outputs(out):
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [x for x in parts if torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())]


def theirs(call, function, name):
    def renamed(*args, **kwargs):
        names = {**NAMES, **({"axes": "dim"} if name.startswith("fft.") else {})}
        return function(*args, **{names.get(k, k): v for k, v in kwargs.items() if k != "optimize"})

    arrays = [torch.tensor(x) for x in call.arrays()]
    plain = outputs(call.whole(arrays, renamed))
    cotangents = [torch.tensor(direction(x.detach().numpy())) for x in plain]
    directions = [torch.tensor(direction(x)) for x in call.arrays()]

    def loss(*xs):
        out = outputs(call.whole(xs, renamed))
        return sum(torch.real(torch.sum(g * y * y)) for g, y in zip(cotangents, out, strict=True))

    moving = [x.clone().requires_grad_() for x in arrays]
    first = torch.autograd.grad(loss(*moving), moving, create_graph=True, materialize_grads=True)
    slope = sum(torch.real(torch.sum(torch.conj(a) * t)) for a, t in zip(first, directions, strict=True))
    second = [torch.zeros_like(x) for x in moving]
    if slope.requires_grad:
        second = torch.autograd.grad(slope, moving, materialize_grads=True)
    jvp = torch.func.jvp(loss, tuple(arrays), tuple(directions))[1]
    numpy = lambda xs: [np.asarray(x.detach().resolve_conj()) for x in xs]
    found = [numpy(plain), numpy([torch.conj(x) for x in first]), numpy([jvp]), numpy([torch.conj(x) for x in second])]
    kinds = dict(zip(KINDS, found, strict=True))
    if name == "linalg.eigh":
        kinds.pop("forward")  # vectors of another sign
    return kinds


@pytest.mark.parametrize("name", [n for n in CALLS if n not in DIFFERENT])
def test_it_agrees_with(name):
    for call in CALLS[name]:
        if name == "linalg.det" and np.any(np.abs(np.linalg.det(call.args[0])) < 1e-9):
            continue  # its second derivative of a singular matrix is 0, which central differences deny
        TALLY.compare(name, call, partial(theirs, name=name), find(name, torch, torch.special))


def test_enough_was_compared():
    print(TALLY)
    TALLY.require(0.5)


# -- conventions -----------------------------------------------------------------------------------------------

TORCH = {"rint": "round", "max": "amax", "min": "amin", "std": "std"}
SAME = [row for row in ROWS if row[3].startswith("same")]


@pytest.mark.parametrize(("function", "at", "slope", "_"), SAME, ids=[f"{f} at {x}" for f, x, *_ in SAME])
def test_conventions_that_are_said_to_be_the_same(function, at, slope, _):
    x = torch.tensor(eval(at, NAMES_OF_NUMPY), dtype=torch.complex128 if "j" in at else torch.float64)
    x.requires_grad_()
    out = eval(function, {**NAMES_OF_NUMPY, "np": Numpy(), "tg": Numpy(), "F": torch.nn.functional, "x": x})
    out.sum().backward()
    assert np.array_equal(x.grad.numpy(), eval(slope, NAMES_OF_NUMPY), equal_nan=True)


class Numpy:
    """torch, with NumPy's names and numbers for tensors."""

    inf = np.inf

    def __getattr__(self, name):
        if name == "linalg":
            return Numpy()
        if name == "norm":
            return torch.linalg.vector_norm
        function = getattr(torch, TORCH.get(name, name))

        def call(*args):
            if name == "clip":
                return function(*args)
            tensors = [a if torch.is_tensor(a) else torch.tensor(a, dtype=torch.float64) for a in args]
            return function(*tensors, correction=0) if name == "std" else function(*tensors)

        return call
