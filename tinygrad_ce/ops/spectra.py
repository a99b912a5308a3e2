"""eigh, eigvalsh, eig, eigvals. What `decompositions.py` says of choices, conventions and triangles holds here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..forms import primitive
from ..registry import composed, implements
from .complex import conj
from .decompositions import conjugated, diagonal_matrix, half, spread_out, symmetric_samples
from .elementwise import inverse
from .inverses import adjoint, hermitian_from

# -- symmetric eigenvalues -------------------------------------------------------------------------------------


def _gaps(w: Any) -> Any:
    """1 / (w_j − w_i), and 0 between equal ones."""
    return inverse(np.expand_dims(w, -2) - np.expand_dims(w, -1))


def _to_eigh(g: Any, out: Any, a: Any, *, lower: bool) -> Any:
    w, v = np.real(out[..., 0, :]), out[..., 1:, :]
    gw, gv = np.real(g[..., 0, :]), g[..., 1:, :]
    inner = diagonal_matrix(gw) + np.matmul(adjoint(v), gv) * _gaps(w)
    return half(np.matmul(v, np.matmul(inner, adjoint(v))))


@primitive(vjps=(conjugated(_to_eigh),), samples=symmetric_samples, formula="V (diag g_w + VᵀgV / (w_j − w_i)) Vᵀ")
def eigen_symmetric(a: Any, *, lower: bool = True) -> Any:
    """Eigenvalues of (a + aᴴ)/2 in the first row, eigenvectors below them, whose signs depend on the triangle."""
    w, v = np.linalg.eigh(half(a), "L" if lower else "U")
    return np.concatenate([w[..., None, :], v], axis=-2)


@primitive(
    vjps=(
        conjugated(
            lambda g, out, a: (lambda v: np.matmul(v * np.expand_dims(g, -2), adjoint(v)))(np.linalg.eigh(half(a))[1])
        ),
    ),
    samples=symmetric_samples,
    formula="V diag(g) Vᵀ",
)
def eigenvalues_symmetric(a: Any) -> Any:
    """Eigenvalues of (a + aᴴ)/2, in ascending order."""
    return np.linalg.eigvalsh(half(a))


class EighResult(NamedTuple):
    """What np.linalg.eigh returns."""

    eigenvalues: Any
    eigenvectors: Any


def _one_triangle(rng: np.random.Generator) -> Iterable[Any]:
    yield from symmetric_samples(rng)
    for shape in ((3, 3), (2, 4, 4)):
        yield (spread_out(rng, *shape) + np.triu(rng.normal(size=shape), 1),), {}
        yield (spread_out(rng, *shape) + np.tril(rng.normal(size=shape), -1),), {"UPLO": "U"}


def _is_lower(UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return UPLO.upper() == "L"


@composed(np.linalg.eigh, samples=_one_triangle)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    lower = _is_lower(UPLO)
    packed = eigen_symmetric(hermitian_from(a, lower), lower=lower)
    return EighResult(np.real(packed[..., 0, :]), packed[..., 1:, :])


@composed(np.linalg.eigvalsh, samples=_one_triangle)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigenvalues_symmetric(hermitian_from(a, _is_lower(UPLO)))


# -- general eigenvalues ---------------------------------------------------------------------------------------


def _to_eig(g: Any, out: Any, a: Any) -> Any:
    w, v = out[..., 0, :], out[..., 1:, :]
    gw, gv = g[..., 0, :], g[..., 1:, :]
    inner = np.matmul(adjoint(v), gv)
    lengths = np.real(np.diagonal(inner, axis1=-2, axis2=-1))  # columns are of length 1
    inner = inner - np.matmul(adjoint(v), v) * np.expand_dims(lengths, -2)
    inner = inner * conj(_gaps(w)) + diagonal_matrix(gw)
    return np.linalg.solve(adjoint(v), np.matmul(inner, adjoint(v)))


def _real_spectrum(rng: np.random.Generator) -> Iterable[Any]:
    for shape in ((3, 3), (2, 2, 2)):
        yield (np.diag(1.0 + 4.0 * np.arange(shape[-1])) + 0.3 * rng.normal(size=shape),), {}


@primitive(
    vjps=(conjugated(_to_eig),),
    samples=_real_spectrum,
    formula="V⁻ᴴ (diag g_w + (Vᴴg_V − VᴴV diag Re Vᴴg_V) / (w_j − w_i)‾) Vᴴ",
)
def eigen(a: Any) -> Any:
    """Eigenvalues in the first row, eigenvectors below them; real where all of them are."""
    w, v = np.linalg.eig(a)
    return np.concatenate([w[..., None, :], v], axis=-2)


class EigResult(NamedTuple):
    """What np.linalg.eig returns."""

    eigenvalues: Any
    eigenvectors: Any


@composed(np.linalg.eig, samples=_real_spectrum)
def _eig(a: Any) -> Any:
    packed = eigen(a)
    return EigResult(packed[..., 0, :], packed[..., 1:, :])


@implements(np.linalg.eigvals)
def _eigvals(a: Any) -> Any:
    return eigen(a)[..., 0, :]
