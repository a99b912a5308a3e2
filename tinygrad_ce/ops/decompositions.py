"""cholesky, svd, qr: each an op whose one result holds all the factors, which NumPy's functions take apart.

The ops for Hermitian matrices take (a + aᴴ)/2. np.linalg reads one triangle and takes the other for its mirror
image, so NumPy's functions build that matrix first, and the gradient goes to the triangle that was read: it is the
derivative of what is computed. (PyTorch and JAX share it out to both triangles.)

Where eigenvalues or singular values are equal, vectors may be turned among themselves; their gradient is 0 between
equal ones, which is right for every function that does not depend on the choice, and arbitrary for others. Signs and
phases of vectors are taken as given. Rules are in PyTorch's convention for complex numbers, and `conjugated` turns
them into the one used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..forms import primitive
from ..node import plain
from ..registry import composed
from .complex import conj, is_complex
from .elementwise import inverse
from .inverses import adjoint, hermitian_from, transposed


def conjugated(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule for gradients ∂L/∂x + i ∂L/∂y as one for ∂L/∂x − i ∂L/∂y."""

    def vjp(g: Any, out: Any, *inputs: Any, **params: Any) -> Any:
        return conj(rule(conj(g), out, *inputs, **params))

    return vjp


def half(x: Any) -> Any:
    return 0.5 * (x + adjoint(x))


def spread_out(rng: np.random.Generator, *shape: int) -> Any:
    """Symmetric matrices with eigenvalues well apart, and positive."""
    q = np.linalg.qr(rng.normal(size=shape))[0]
    return (q * (1.0 + np.arange(shape[-1]))) @ np.swapaxes(q, -1, -2)


def symmetric_samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 2, 2)):
        yield (spread_out(rng, *shape),), {}


# -- cholesky --------------------------------------------------------------------------------------------------


def _lower_half(x: Any) -> Any:
    n = np.shape(x)[-1]
    return np.tril(x) * (1.0 - 0.5 * np.eye(n, dtype=np.real(plain(x)).dtype))


def _to_factored(g: Any, out: Any, a: Any) -> Any:
    inner = _lower_half(np.matmul(adjoint(out), np.tril(g)))
    left = np.linalg.solve(adjoint(out), inner)
    return half(adjoint(np.linalg.solve(adjoint(out), adjoint(left))))


@primitive(vjps=(conjugated(_to_factored),), samples=symmetric_samples, formula="sym(L⁻ᵀ Φ(Lᵀ g) L⁻¹)")
def cholesky(a: Any) -> Any:
    """The lower triangular L with L Lᴴ = (a + aᴴ)/2."""
    return np.linalg.cholesky(half(a))


@composed(
    np.linalg.cholesky,
    samples=lambda rng: [
        *symmetric_samples(rng),
        ((spread_out(rng, 3, 3) + np.tril(rng.normal(size=(3, 3)), -1).T,), {}),
    ],
)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return adjoint(cholesky(hermitian_from(a, lower=False))) if upper else cholesky(hermitian_from(a, lower=True))


def diagonal_matrix(x: Any) -> Any:
    return np.expand_dims(x, -1) * np.eye(np.shape(x)[-1])


# -- singular values -------------------------------------------------------------------------------------------


def _rectangular(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((3, 2), (2, 3), (3, 3), (2, 3, 2), (1, 2), (0, 2, 2)):
        yield (rng.normal(size=shape),), {}


def _factors(packed: Any, m: int) -> tuple[Any, Any, Any]:
    """U, s, V from the rows of an op's result."""
    return packed[..., :m, :], packed[..., m, :], packed[..., m + 1 :, :]


def _to_svd(g: Any, out: Any, a: Any) -> Any:
    m = np.shape(a)[-2]
    u, s, v = _factors(out, m)
    gu, gs, gv = _factors(g, m)
    s, gs = np.real(s), np.real(gs)
    row, column = np.expand_dims(s, -2), np.expand_dims(s, -1)
    gaps = inverse((row - column) * (row + column))
    uu, vv = np.matmul(adjoint(u), gu), np.matmul(adjoint(v), gv)
    inner = diagonal_matrix(gs) + (uu - adjoint(uu)) * gaps * row + column * (vv - adjoint(vv)) * gaps
    if is_complex(a):  # the phase that u and v share
        inner = inner + 1j * diagonal_matrix(np.imag(np.diagonal(uu, axis1=-2, axis2=-1)) * inverse(s))
    total = np.matmul(u, np.matmul(inner, adjoint(v)))
    outside_u = (gu - np.matmul(u, uu)) * inverse(row)
    outside_v = (gv - np.matmul(v, vv)) * inverse(row)
    return total + np.matmul(outside_u, adjoint(v)) + np.matmul(u, adjoint(outside_v))


@primitive(
    vjps=(conjugated(_to_svd),),
    samples=_rectangular,
    formula="U [(skew(Uᵀg_U)/E) S + S (skew(Vᵀg_V)/E) + diag g_s] Vᵀ + …, E = s_j² − s_i²",
)
def singular(a: Any) -> Any:
    """The thin a = U diag(s) Vᴴ, as rows: U, then s, then V."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], adjoint(vh)], axis=-2)


@primitive(
    vjps=(
        conjugated(
            lambda g, out, a: (lambda f: np.matmul(f[0] * np.expand_dims(g, -2), f[2]))(
                np.linalg.svd(a, full_matrices=False)
            )
        ),
    ),
    samples=_rectangular,
    formula="U diag(g) Vᵀ",
)
def singular_values(a: Any) -> Any:
    """Singular values, in descending order."""
    return np.linalg.svd(a, compute_uv=False)


def _refuse(g: Any, out: Any, x: Any) -> Any:
    if np.any(plain(g) != 0):
        raise NotImplementedError(
            "the columns that complete an orthogonal matrix are not unique, and have no gradient: "
            "use full_matrices=False (svd), or mode='reduced' (qr)"
        )
    return g * 0.0


@primitive(
    vjps=(_refuse,),
    pushforward=lambda tangents, out, inputs, params: _refuse(tangents[0], out, inputs[0]),
    samples=lambda rng: [((np.zeros((0, 2)),), {})],
    formula="none: refused",
)
def undetermined(x: Any) -> Any:
    """`x`, through which no gradient may flow."""
    return x


class SVDResult(NamedTuple):
    """What np.linalg.svd returns."""

    U: Any
    S: Any
    Vh: Any


_VALUES = {"compute_uv": False}


@composed(
    np.linalg.svd,
    samples=lambda rng: [
        *[(x, _VALUES) for x, _ in _rectangular(rng)],
        *[(x, {"full_matrices": False}) for x, _ in _rectangular(rng)],
        ((rng.normal(size=(3, 3)),), {}),
        *[((spread_out(rng, 3, 3) - 2.2 * np.eye(3),), {"hermitian": True, **p}) for p in ({}, _VALUES)],
    ],
)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if hermitian:
        return _svd_hermitian(a, compute_uv)
    if not compute_uv:
        return singular_values(a)
    m, n = np.shape(a)[-2:]
    u, s, v = _factors(singular(a), m)
    s, vh = np.real(s), adjoint(v)
    if full_matrices and m != n:
        whole_u, _, whole_vh = np.linalg.svd(plain(a))
        k = min(m, n)
        if m > n:
            u = np.concatenate([u, undetermined(whole_u[..., k:] + 0.0 * np.sum(s))], -1)
        else:
            vh = np.concatenate([vh, undetermined(whole_vh[..., k:, :] + 0.0 * np.sum(s))], -2)
    return SVDResult(u, s, vh)


def _svd_hermitian(a: Any, compute_uv: bool) -> Any:
    """From the eigenvalues, whose signs go into V."""
    w, u = np.linalg.eigh(a)
    order = np.argsort(np.abs(plain(w)), axis=-1)[..., ::-1]
    w, u = np.take_along_axis(w, order, -1), np.take_along_axis(u, order[..., None, :], -1)
    if not compute_uv:
        return np.abs(w)
    return SVDResult(u, np.abs(w), adjoint(u * np.sign(plain(w))[..., None, :]))


@composed(np.linalg.svdvals, samples=_rectangular)
def _svdvals(x: Any, /) -> Any:
    return singular_values(x)


# -- qr --------------------------------------------------------------------------------------------------------


def _to_square_qr(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """The gradient of a tall or square matrix, from those of its factors."""
    m = np.matmul(r, adjoint(gr)) - np.matmul(adjoint(gq), q)
    lower = np.tril(m, -1)
    symmetric = lower + adjoint(lower) + diagonal_matrix(np.real(np.diagonal(m, axis1=-2, axis2=-1)))
    right = gq + np.matmul(q, symmetric)
    return adjoint(np.linalg.solve(r, adjoint(right)))  # right · R⁻ᴴ


def _to_qr(g: Any, out: Any, a: Any) -> Any:
    m, n = np.shape(a)[-2:]
    k = min(m, n)
    q, r = out[..., :m, :], transposed(out[..., m:, :])
    gq, gr = g[..., :m, :], transposed(g[..., m:, :])
    gr = np.triu(gr)
    if m >= n:
        return _to_square_qr(gq, gr, q, r)
    # a = [X Y] with X square: Q and R's first columns are X's, R's others are Qᴴ Y
    rest, grest = a[..., k:], gr[..., k:]
    first = _to_square_qr(gq + np.matmul(rest, adjoint(grest)), gr[..., :k], q, r[..., :k])
    return np.concatenate([first, np.matmul(q, grest)], -1)


@primitive(vjps=(conjugated(_to_qr),), samples=_rectangular, formula="(g_Q + Q copyltu(R g_Rᵀ − g_Qᵀ Q)) R⁻ᵀ")
def orthogonal(a: Any) -> Any:
    """The reduced a = Q R, as rows: Q, then Rᵀ."""
    q, r = np.linalg.qr(a)
    return np.concatenate([q, transposed(r)], axis=-2)


class QRResult(NamedTuple):
    """What np.linalg.qr returns."""

    Q: Any
    R: Any


@composed(
    np.linalg.qr, samples=lambda rng: [(x, {"mode": mode}) for x, _ in _rectangular(rng) for mode in ("reduced", "r")]
)
def _qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "r", "complete"):
        raise NotImplementedError(f"np.linalg.qr with mode='{mode}' has no rule; use 'reduced', 'r' or 'complete'")
    m, n = np.shape(a)[-2:]
    packed = orthogonal(a)
    q, r = packed[..., :m, :], transposed(packed[..., m:, :])
    if mode == "complete" and m > n:
        whole = np.linalg.qr(plain(a), mode="complete")[0]
        q = np.concatenate([q, undetermined(whole[..., n:] + 0.0 * np.sum(r))], -1)
        r = np.concatenate([r, np.zeros((*np.shape(r)[:-2], m - n, n))], -2)
    return r if mode == "r" else QRResult(q, r)
