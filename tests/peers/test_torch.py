"""Every NumPy function that PyTorch has under the same name: value, vjp, jvp and Hessian-vector product.

Its gradients in complex numbers are the conjugates of ours.
"""

import numpy as np
import pytest

from .samples import KINDS, Tally, calls, direction, find

torch = pytest.importorskip("torch")

# Functions of that name which are other functions there.
DIFFERENT = {
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
    "linalg.cholesky": "symmetric in its argument; ours is what NumPy reads, one triangle",
    "linalg.eigvalsh": "symmetric in its argument; ours is what NumPy reads, one triangle",
    "linalg.eigh": "vectors of another sign",
    "linalg.eig": "vectors of another phase",
    "linalg.svd": "vectors of another sign",
    "linalg.qr": "vectors of another sign",
    "angle": "π for negative numbers, as here, but without a second derivative",
}
NAMES = {"axis": "dim", "keepdims": "keepdim", "axes": "dims", "method": "interpolation", "decimals": "decimals"}
CALLS = calls()
TALLY = Tally()


def outputs(out):
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [x for x in parts if torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())]


def theirs(call, function):
    def renamed(*args, **kwargs):
        return function(*args, **{NAMES.get(k, k): v for k, v in kwargs.items()})

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
    return dict(zip(KINDS, found, strict=True))


@pytest.mark.parametrize("name", [n for n in CALLS if n not in DIFFERENT])
def test_it_agrees_with(name):
    for call in CALLS[name]:
        if name == "linalg.det" and np.any(np.abs(np.linalg.det(call.args[0])) < 1e-9):
            continue  # its second derivative of a singular matrix is 0, which central differences deny
        TALLY.compare(name, call, theirs, find(torch, name))


def test_enough_was_compared():
    print(TALLY)
    assert len(TALLY.functions) > 100 and min(TALLY.compared[kind] for kind in KINDS) > 300
