"""inv, solve, det, slogdet, pinv, lstsq, tensorinv, tensorsolve.

Rules are written for real matrices and serve complex ones: what is holomorphic needs no conjugate (see `complex.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..forms import primitive, unbroadcast
from ..node import plain
from ..registry import composed, implements, op
from .complex import conj, is_complex
from .kinks import stop_gradient


def transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(np.swapaxes(x, -1, -2))


def hermitian_from(a: Any, lower: bool = True) -> Any:
    """What np.linalg reads of a matrix that it takes for Hermitian: one triangle, twice."""
    if np.ndim(a) < 2 or np.shape(a)[-1] != np.shape(a)[-2]:
        raise np.linalg.LinAlgError(f"square matrices are wanted, not shape {np.shape(a)}")
    triangle, strict = (np.tril(a), np.tril(a, -1)) if lower else (np.triu(a), np.triu(a, 1))
    return triangle + adjoint(strict)


def well_conditioned(rng: np.random.Generator, *shape: int) -> Any:
    """Random square matrices with a heavy diagonal."""
    return rng.normal(size=shape) + 3.0 * np.eye(shape[-1])


def _square(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 2, 2)):
        yield (well_conditioned(rng, *shape),), {}


def _to_inverted(g: Any, out: Any, a: Any) -> Any:
    return -np.matmul(transposed(out), np.matmul(g, transposed(out)))


@primitive(
    np.linalg.inv,
    vjps=(_to_inverted,),
    pushforward=lambda tangents, out, inputs, params: -np.matmul(out, np.matmul(tangents[0], out)),
    samples=_square,
    formula="−A⁻ᵀ g A⁻ᵀ",
)
def inv(a: Any) -> Any:
    """The inverses of square matrices."""
    return np.linalg.inv(a)


# -- linear systems --------------------------------------------------------------------------------------------


def _systems(rng: np.random.Generator) -> Iterable[Any]:
    for a, b in (
        ((3, 3), (3, 2)),
        ((3, 3), (3,)),
        ((2, 3, 3), (3,)),
        ((2, 2, 2), (2, 1)),
        ((2, 2), (3, 2, 1)),
        ((2, 2), (2, 0)),
    ):
        yield (well_conditioned(rng, *a), rng.normal(size=b)), {}


def _columns(x: Any, b: Any) -> Any:
    """Solutions or gradients as columns, where b is one vector."""
    return np.expand_dims(x, -1) if np.ndim(b) == 1 else x


def _to_right_side(g: Any, out: Any, a: Any, b: Any) -> Any:
    return np.linalg.solve(transposed(a), _columns(g, b))


def _push_solve(tangents: Any, out: Any, inputs: Any, params: Any) -> Any:
    (ta, tb), (a, b) = tangents, inputs
    right = 0.0 if tb is None else _columns(tb, b)
    right = right if ta is None else right - np.matmul(ta, _columns(out, b))
    solved = np.linalg.solve(a, right)
    return np.squeeze(solved, -1) if np.ndim(b) == 1 else solved


@primitive(
    np.linalg.solve,
    vjps=(
        lambda g, out, a, b: unbroadcast(-np.matmul(_to_right_side(g, out, a, b), transposed(_columns(out, b))), a),
        lambda g, out, a, b: unbroadcast(
            np.squeeze(_to_right_side(g, out, a, b), -1) if np.ndim(b) == 1 else _to_right_side(g, out, a, b), b
        ),
    ),
    pushforward=_push_solve,
    samples=_systems,
    formula="−(A⁻ᵀ g) xᵀ, A⁻ᵀ g",
)
def solve(a: Any, b: Any) -> Any:
    """x with a x = b; `b` is one vector where it has one axis, else columns."""
    return np.linalg.solve(a, b)


# -- determinants ----------------------------------------------------------------------------------------------


def _singular_values(a: Any) -> tuple[Any, Any, Any, Any]:
    """U, s, V with a = U diag(s) Vᵀ, and det U · det V."""
    u, s, vt = np.linalg.svd(a)
    turn = np.linalg.det(u) * np.linalg.det(vt)
    return u, s, transposed(vt), turn[..., None, None]


def _with_singular(rng: np.random.Generator) -> Iterable[Any]:
    yield from _square(rng)
    yield (np.outer([1.0, 2.0], [3.0, -1.0]),), {}
    yield (np.diag([1.0, 2.0, 0.0]) @ rng.normal(size=(3, 3)),), {}


@primitive(
    vjps=(lambda g, out, a: _second_cofactors(a, g),),
    samples=_square,
    formula="derivative of the cofactors",
)
def cofactors(a: Any) -> Any:
    """The gradient of det: det(A) A⁻ᵀ, by products of singular values, so that it is right where A has no inverse."""
    u, s, v, turn = _singular_values(a)
    n = s.shape[-1]
    others = np.prod(np.where(np.eye(n, dtype=bool), 1.0, s[..., None, :]), axis=-1)
    return turn * np.matmul(u.conj() * others[..., None, :], adjoint(v))


def _third(gg: Any, out: Any, a: Any, h: Any) -> Any:
    inverse = np.linalg.inv(a)  # an order where a singular matrix is refused, by LinAlgError
    return _second(a, h, inverse, gg)


def _inner(x: Any, y: Any) -> Any:
    return np.sum(x * y, axis=(-2, -1), keepdims=True)


def _second(a: Any, h: Any, inverse: Any, gg: Any) -> Any:
    """The gradient in a of <gg, D cof(a)[h]>, for a that has an inverse; in terms of functions with rules."""
    it = transposed(inverse)
    det = np.linalg.det(a)[..., None, None]
    ch, cg = np.matmul(it, np.matmul(transposed(h), it)), np.matmul(it, np.matmul(transposed(gg), it))
    first = _inner(it, h) * _inner(it, gg) - _inner(ch, gg)
    slope = -_inner(it, gg) * ch - _inner(it, h) * cg
    slope = slope + np.matmul(ch, np.matmul(transposed(gg), it)) + np.matmul(cg, np.matmul(transposed(h), it))
    return det * (first * it + slope)


@primitive(
    vjps=(
        _third,
        lambda gg, out, a, h: _second_cofactors(a, gg),
    ),
    samples=lambda rng: [((well_conditioned(rng, 3, 3), rng.normal(size=(3, 3))), {})],
    formula="derivative of the second derivative; symmetric in h and g",
)
def second_cofactors(a: Any, h: Any) -> Any:
    """The second derivative of det in the direction h, by products of singular values without two of them."""
    u, s, v, turn = _singular_values(a)
    n = s.shape[-1]
    i = np.arange(n)
    without = (i[:, None, None] == i) | (i[None, :, None] == i)
    pairs = np.prod(np.where(without, 1.0, s[..., None, None, :]), axis=-1) * (i[:, None] != i)
    turned = np.matmul(adjoint(u), np.matmul(h, conj(v)))
    diagonal = np.matmul(pairs, np.diagonal(turned, axis1=-2, axis2=-1)[..., None])[..., 0]
    inner = diagonal[..., None] * np.eye(n) - np.swapaxes(pairs * turned, -1, -2)
    return turn * np.matmul(u.conj(), np.matmul(inner, adjoint(v)))


def _second_cofactors(a: Any, h: Any) -> Any:
    return second_cofactors(a, h) if np.shape(a)[-1] > 1 else h * 0.0  # det of 1 × 1 is linear


@primitive(
    np.linalg.det,
    vjps=(lambda g, out, a: g[..., None, None] * cofactors(a),),
    pushforward=lambda tangents, out, inputs, params: np.sum(tangents[0] * cofactors(inputs[0]), axis=(-2, -1)),
    samples=_with_singular,
    formula="g det(A) A⁻ᵀ",
)
def det(a: Any) -> Any:
    """Determinants of square matrices; differentiable twice where they are 0."""
    return np.linalg.det(a)


@primitive(
    vjps=(lambda g, out, a: g[..., None, None] * transposed(np.linalg.inv(a)),),
    pushforward=lambda tangents, out, inputs, params: np.sum(
        tangents[0] * transposed(np.linalg.inv(inputs[0])), axis=(-2, -1)
    ),
    samples=_square,
    formula="g A⁻ᵀ",
)
def logdet(a: Any) -> Any:
    """log |det a|; of complex matrices log det a, whose imaginary part is the angle."""
    sign, logabs = np.linalg.slogdet(a)
    return logabs + 1j * np.angle(sign) if is_complex(a) else logabs


class SlogdetResult(NamedTuple):
    """What np.linalg.slogdet returns."""

    sign: Any
    logabsdet: Any


@composed(np.linalg.slogdet, samples=_square)
def _slogdet(a: Any) -> Any:
    log = logdet(a)
    if is_complex(a):
        return SlogdetResult(np.exp(1j * np.imag(log)), np.real(log))
    return SlogdetResult(stop_gradient(np.linalg.slogdet(plain(a))[0]), log)


# -- pseudo-inverses -------------------------------------------------------------------------------------------


def _to_pseudo_inverted(g: Any, out: Any, a: Any, rcond: Any, rtol: Any, *, hermitian: bool) -> Any:
    g, p = conj(g), out
    ph, gh = adjoint(p), adjoint(g)
    left = gh - np.matmul(a, np.matmul(p, gh))  # (I − AP) gᴴ
    right = gh - np.matmul(gh, np.matmul(p, a))
    total = np.matmul(left, np.matmul(p, ph)) + np.matmul(np.matmul(ph, p), right)
    return conj(total - np.matmul(ph, np.matmul(g, ph)))


@primitive(
    vjps=(_to_pseudo_inverted, None, None),
    constants=("rcond", "rtol"),
    samples=lambda rng: [((rng.normal(size=s), None, None), {}) for s in ((3, 2), (2, 3), (2, 2), (2, 3, 2), (0, 2))],
    formula="−Pᵀ g Pᵀ + (I − AP) gᵀ P Pᵀ + Pᵀ P gᵀ (I − PA)",
)
def pinv(a: Any, rcond: Any = None, rtol: Any = None, *, hermitian: bool = False) -> Any:
    """Moore and Penrose's inverse; its gradient is that at constant rank."""
    options = {k: v for k, v in (("rcond", rcond), ("rtol", rtol)) if v is not None}
    return np.linalg.pinv(a, hermitian=hermitian, **options)


@implements(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    a = hermitian_from(a) if hermitian else a
    return pinv(a, rcond, None if rtol is np._NoValue else rtol, hermitian=hermitian)


def _least_squares(rng: np.random.Generator) -> Iterable[Any]:
    for a, b in (((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2,)), ((2, 2), (2, 1))):
        yield (rng.normal(size=a), rng.normal(size=b)), {}


@op(samples=_least_squares)
def least_squares(a: Any, b: Any, *, rcond: Any = None) -> Any:
    """The x of least norm among those with the least |a x − b|; its gradient is that at constant rank."""
    return np.matmul(np.linalg.pinv(a), b)


@least_squares.forward
def _(a: Any, b: Any, *, rcond: Any = None) -> Any:
    return np.linalg.lstsq(a, b, rcond=rcond)[0]


@composed(np.linalg.lstsq, samples=_least_squares)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x = least_squares(a, b, rcond=rcond)
    rank = int(np.linalg.lstsq(plain(a), plain(b), rcond=rcond)[2])
    m, n = np.shape(a)
    residuals: Any = np.real(np.zeros(0, plain(x).dtype))
    if m > n == rank:
        rest = np.square(np.abs(b - np.matmul(a, x)))
        residuals = np.sum(rest, axis=0, keepdims=np.ndim(b) == 1)
    return x, residuals, rank, np.linalg.svd(a, compute_uv=False)


# -- tensors as matrices ---------------------------------------------------------------------------------------


@composed(np.linalg.tensorinv, samples=lambda rng: [((well_conditioned(rng, 4, 4).reshape(2, 2, 4),), {"ind": 2})])
def _tensorinv(a: Any, ind: int = 2) -> Any:
    shape = np.shape(a)
    rows = int(np.prod(shape[:ind], dtype=int))
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), (*shape[ind:], *shape[:ind]))


@composed(
    np.linalg.tensorsolve,
    samples=lambda rng: [((well_conditioned(rng, 4, 4).reshape(2, 2, 4), rng.normal(size=(2, 2))), {})],
)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    if axes is not None:
        rest = [i for i in range(np.ndim(a)) if i not in [x % np.ndim(a) for x in axes]]
        a = np.transpose(a, (*rest, *[x % np.ndim(a) for x in axes]))
    shape = np.shape(a)[np.ndim(b) :]
    return np.reshape(np.linalg.solve(np.reshape(a, (np.size(b), -1)), np.ravel(b)), shape)
