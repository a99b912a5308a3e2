"""Complex numbers: the convention, and the rules of functions that take them, against differences in x and in y."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import Case, Written, assert_close, central, pairing, widened

rng = np.random.default_rng(4)
HOLOMORPHIC = (
    "negative positive square sqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh "
    "arcsin arccos arctan arcsinh arccosh arctanh sinc conjugate absolute sign real imag angle ravel cumsum cumprod "
    "prod sum mean var std transpose flip linalg.norm linalg.inv linalg.det linalg.pinv linalg.svdvals trace"
)


def z(*shape):
    return rng.uniform(0.3, 0.8, size=shape) + 1j * rng.uniform(0.2, 0.7, size=shape)


def hermitian(n):
    a = z(n, n)
    return a @ a.conj().T + np.diag(np.arange(1.0, n + 1))


def named(path):
    function = np
    for part in path.split("."):
        function = getattr(function, part)
    return function


def symmetric(f):
    return lambda a: f((a + np.conj(np.swapaxes(a, -1, -2))) * 0.5)


CALLS = [
    *[(named(n), (z(3, 3),)) for n in HOLOMORPHIC.split()],
    *[(f, (z(2, 3), z(3))) for f in (np.add, np.subtract, np.multiply, np.divide, np.power, np.float_power)],
    *[(f, (z(2, 3), rng.uniform(1, 2, size=3))) for f in (np.add, np.multiply, np.divide, np.power)],
    (np.dot, (z(2, 3), z(3, 2))),
    (np.vdot, (z(4), z(4))),
    (np.matmul, (z(2, 3), rng.normal(size=(3, 2)))),
    (np.vecdot, (z(2, 3), z(2, 3))),
    (np.linalg.solve, (z(3, 3) + np.eye(3), z(3))),
    (np.linalg.slogdet, (z(3, 3),)),
    (symmetric(np.linalg.cholesky), (hermitian(3),)),
    (symmetric(np.linalg.eigvalsh), (hermitian(3),)),
    (symmetric(lambda a: np.abs(np.linalg.eigh(a)[1])), (hermitian(3),)),
    (lambda a: (lambda f: np.matmul(f[0] * f[1] ** 2, f[2]))(np.linalg.svd(a, full_matrices=False)), (z(3, 2),)),
    (lambda a: np.abs(np.linalg.svd(a, full_matrices=False)[0]), (z(3, 2),)),
    (lambda a: np.abs(np.linalg.svd(a, full_matrices=False)[2]), (z(2, 3),)),
    (np.linalg.qr, (z(3, 2),)),
    (np.linalg.qr, (z(2, 3),)),
    (np.linalg.eigvals, (z(3, 3),)),
    (lambda a: np.abs(np.linalg.eig(a)[1]), (z(3, 3),)),
    (np.linalg.eigvals, (np.array([[0.0, -1.0, 0.3], [1.0, 0.2, 0.0], [0.0, 0.5, 2.0]]),)),
    (np.cov, (z(2, 5),)),
    (lambda x: np.einsum("ij,kj->ik", x, np.conj(x)), (z(2, 3),)),
    (lambda x: np.where(np.real(x) > 0.5, x, np.conj(x)), (z(5),)),
    (lambda x: np.abs(np.fft.fft(np.real(x) * 1j)) ** 2, (z(4),)),
]
CASES = [Case(w := Written(f, args, {}), i, w.arrays(), {}) for i, (f, args) in enumerate(CALLS)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.number}-{c.op.name}")
def test_gradients_and_tangents_agree_with_differences(case):
    g = case.cotangent()
    points = [widened(case.inputs[i]) for i in case.moving]
    found = case.gradients("rule", g)
    for k in range(len(points)):
        expected = central(lambda x, k=k: pairing(case.forward(*points[:k], x, *points[k + 1 :]), g), points[k])
        assert_close(found[k], expected)
    tangents = [Case.cotangent(Case(Written(lambda x: x, (x,), {}), 0, (x,), {})) for x in points]
    _, tangent = tg.jvp(case.forward, points, tangents)
    left, right = pairing(g, tangent), sum(pairing(a, t) for a, t in zip(found, tangents, strict=True))
    assert abs(left - right) <= 1e-10 * max(1.0, abs(left))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.number}-{c.op.name}")
def test_second_derivatives_agree_with_differences(case):
    g = case.cotangent()
    points = tuple(widened(case.inputs[i]) for i in case.moving)
    tangents = tuple(np.ones_like(x) * (1.0 if x.dtype.kind == "f" else 1 - 0.5j) for x in points)

    def loss(*xs):
        return np.real(np.sum(np.square(case.forward(*xs)) * g))

    def slope(*xs):
        gradients = tg.grad(loss, argnums=tuple(range(len(xs))))(*xs)
        return sum(pairing(a, t) for a, t in zip(gradients, tangents, strict=True))

    for k, found in enumerate(tg.hvp(loss, points, tangents)):
        assert_close(found, central(lambda x, k=k: slope(*points[:k], x, *points[k + 1 :]), points[k]), 1e-6)


def test_the_gradient_of_a_real_loss_is_dx_less_i_dy():
    w = Value(1.0 + 2.0j)
    (np.real(w) ** 2 + 3.0 * np.imag(w)).backward()
    assert w.grad == 2.0 - 3.0j
    w = Value(np.array([1.0 + 2.0j]))
    np.abs(w).sum().backward()
    assert_close(w.grad, np.array([1.0 - 2.0j]) / np.sqrt(5.0), 1e-15)


def test_a_method_is_numpys_function():
    w = Value(np.array([3.0 + 4.0j]))
    np.imag(w.sign()).sum().backward()
    assert_close(w.grad, central(lambda x: np.sum(np.sign(x).imag), w.data), 1e-9)


def test_gradients_of_real_numbers_are_real():
    x = Value(2.0)
    np.real(np.exp(1j * x)).backward()
    assert type(x.grad) is float and abs(x.grad + np.sin(2.0)) < 1e-15
    y = Value(np.array([1.0, 2.0], np.float32))
    np.sum(np.abs(np.fft.fft(y)) ** 2).backward()
    assert y.grad.dtype == np.float32 and np.allclose(y.grad, 4 * y.data)


def test_the_complex_step_gives_the_derivative():
    f = lambda x: np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)
    step = f(Value(1.5 + 1e-30j, requires_grad=False)).data.imag / 1e-30
    x = Value(1.5)
    f(x).backward()
    assert abs(x.grad - step) < 1e-14 * abs(step)


def test_a_complex_loss_needs_a_cotangent():
    with pytest.raises(ValueError, match=r"np\.real"):
        (Value(1j) * 2).backward()


def test_what_is_of_real_numbers_refuses_complex_ones():
    for f in (tg.softmax, tg.log_softmax, tg.logsumexp, tg.sigmoid, tg.softplus):
        with pytest.raises(TypeError, match="real"):
            f(Value(np.array([1j, 2.0])))


def test_optimisers_refuse_complex_parameters():
    from tinygrad_ce.optim import SGD

    with pytest.raises(TypeError, match="complex"):
        SGD([Value(1j)], lr=0.1)


def test_the_gradient_in_a_complex_number_stays_complex_in_a_transform():
    # It starts from a real cotangent, a Python float.
    def pulled(x, v):
        return tg.vjp(np.real, x)[1](v)[0]

    out, tangent = tg.jvp(pulled, (0.4 + 0.3j, 1.0), (0.0, 2.0))
    assert (out, tangent) == (1.0, 2.0) and np.iscomplexobj(out) and np.iscomplexobj(tangent)
