"""Polynomials as vectors of coefficients, the highest power first, as in np.polyval; their roots, and fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..node import Node, plain
from ..registry import composed

# -- values ----------------------------------------------------------------------------------------------------


@composed(
    np.polyval,
    samples=lambda rng: [((rng.normal(size=4), rng.normal(size=(2, 3))), {}), (([1.0, 2.0], rng.normal(size=())), {})],
)
def _polyval(p: Any, x: Any) -> Any:
    p = np.asarray(p) if isinstance(p, (list, tuple)) and not any(isinstance(c, Node) for c in p) else p
    y = x * 0.0
    for i in range(len(p)):
        y = y * x + p[i]
    return y


@composed(
    np.vander, samples=lambda rng: [((rng.normal(size=3),), p) for p in ({}, {"N": 2}, {"N": 4, "increasing": True})]
)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    if np.ndim(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    N = len(x) if N is None else N
    wide = np.promote_types(plain(x).dtype, int)
    x = x if plain(x).dtype == wide else x.astype(wide)
    powers = [x * 0.0 + 1.0]
    for _ in range(1, N):
        powers.append(powers[-1] * x)
    powers = powers[:N] if increasing else powers[:N][::-1]
    return np.stack(powers, axis=-1) if powers else np.reshape(x, (-1, 1))[:, :0]


# -- arithmetic ------------------------------------------------------------------------------------------------


def _pair(m: int, n: int) -> Any:
    return lambda rng: [((rng.normal(size=m), rng.normal(size=n)), {}), ((rng.normal(size=n), rng.normal(size=m)), {})]


def _longer(p: Any, n: int) -> Any:
    """The coefficients of p, with zeros ahead up to n of them."""
    p = np.atleast_1d(p)
    return np.concatenate([np.zeros(n - len(p), plain(p).dtype), p]) if len(p) < n else p


def _of_one_length(a1: Any, a2: Any) -> tuple[Any, Any]:
    n = max(np.size(a1), np.size(a2))
    return _longer(a1, n), _longer(a2, n)


@composed(np.polyadd, samples=_pair(4, 2))
def _polyadd(a1: Any, a2: Any) -> Any:
    x, y = _of_one_length(a1, a2)
    return x + y


@composed(np.polysub, samples=_pair(3, 2))
def _polysub(a1: Any, a2: Any) -> Any:
    x, y = _of_one_length(a1, a2)
    return x - y


def _trimmed(p: Any) -> Any:
    p = np.trim_zeros(np.atleast_1d(p), "f")
    return p if len(p) else np.zeros(1)


@composed(np.polymul, samples=_pair(3, 2))
def _polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(_trimmed(a1), _trimmed(a2))


@composed(np.polydiv, samples=_pair(4, 2))
def _polydiv(u: Any, v: Any) -> Any:
    u, v = np.atleast_1d(u) + 0.0, np.atleast_1d(v) + 0.0
    m, n = len(u) - 1, len(v) - 1
    quotient, rest = [], u
    for _ in range(m - n + 1):
        d = rest[0] / v[0]
        quotient.append(d)
        rest = np.concatenate([rest[1 : n + 1] - d * v[1:], rest[n + 1 :]])
    if not quotient:
        return np.zeros(1, plain(u).dtype), u
    # n numbers are left, where NumPy has the zeros before them too and takes off what it finds to be 0
    first = next((i for i in range(n) if not np.isclose(plain(rest)[i], 0, rtol=1e-14)), max(n - 1, 0))
    return np.stack(quotient), rest[first:] if n else np.zeros(1, plain(u).dtype)


@composed(np.polyder, samples=lambda rng: [((rng.normal(size=4), m), {}) for m in (0, 1, 2, 5)])
def _polyder(p: Any, m: int = 1) -> Any:
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@composed(
    np.polyint,
    samples=lambda rng: [
        ((rng.normal(size=3), *rest), {}) for rest in ((), (2,), (0,), (1, rng.normal(size=1)), (2, rng.normal(size=2)))
    ],
)
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    k = np.zeros(m) if k is None else np.atleast_1d(k)
    if len(k) not in (1, m) and m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        constant = np.reshape(k[i if len(k) > 1 else 0], (1,))
        p = np.concatenate([p / np.arange(len(p), 0, -1), constant])
    return p


# -- roots -----------------------------------------------------------------------------------------------------


@composed(
    np.poly,
    samples=lambda rng: [((rng.normal(size=3),), {}), ((np.diag([1.0, 2.0, 4.0]) + 0.1 * rng.normal(size=3),), {})],
)
def _poly(seq_of_zeros: Any) -> Any:
    roots = np.atleast_1d(seq_of_zeros)
    if np.ndim(roots) == 2 and np.shape(roots)[0] == np.shape(roots)[1] > 0:
        roots = np.linalg.eigvals(roots)
    elif np.ndim(roots) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    p: Any = np.ones(1, plain(roots).dtype)
    for i in range(len(roots)):
        p = np.convolve(p, np.stack([np.ones((), plain(roots).dtype), -roots[i]]))
    data = plain(roots)
    in_pairs = data.dtype.kind == "c" and np.all(np.sort(data) == np.sort(data.conj()))
    return np.real(p) if in_pairs else p


@composed(
    np.roots,
    samples=lambda rng: [
        ((np.poly([1.0, 2.0, 4.0]) + 0.01 * rng.normal(size=4),), {}),
        ((np.array([2.0, 1.0, 3.0]),), {}),
        ((np.array([1.0, -3.0]),), {}),
    ],
)
def _roots(p: Any) -> Any:
    p = np.atleast_1d(p)
    if np.ndim(p) != 1:
        raise ValueError("Input must be a rank-1 array.")
    places = np.flatnonzero(plain(p))
    if not len(places):
        return np.array([])
    kind = plain(p).dtype
    zeros = np.zeros(len(p) - places[-1] - 1, kind)
    p = p[places[0] : places[-1] + 1]
    n = len(p) - 1
    if not n:
        return zeros
    companion = np.concatenate([np.reshape(-p[1:] / p[0], (1, n)), np.eye(n - 1, n, dtype=kind)])
    found = np.linalg.eigvals(companion)
    return np.concatenate([found, zeros]) if len(zeros) else found


# -- fits ------------------------------------------------------------------------------------------------------


def _fits(rng: np.random.Generator) -> Any:
    x = np.array([-1.0, -0.3, 0.4, 1.0, 1.7])
    yield (x, rng.normal(size=5), 2), {}
    yield (x, rng.normal(size=(5, 2)), 1), {"w": np.array([1.0, 0.5, 2.0, 1.0, 1.0])}
    yield (x, rng.normal(size=5), 1), {"cov": True}
    yield (x, rng.normal(size=5), 1), {"cov": "unscaled"}


@composed(np.polyfit, samples=_fits)
def _polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    powers = np.asarray(deg)
    if powers.ndim > 1 or powers.dtype.kind not in "iu" or np.any(powers < 0):
        raise ValueError("deg is a whole number from 0, or a list of them")
    x, y = x + 0.0, y + 0.0
    if np.ndim(x) != 1 or np.ndim(y) not in (1, 2) or not len(x) or len(x) != len(y):
        raise TypeError("expected a vector x that is not empty, and y of one or two axes of the same length")
    top = int(np.max(powers))
    kept = None if powers.ndim == 0 else np.sort(powers)
    left = np.vander(x, top + 1)
    left = left if kept is None else left[:, top - kept]
    if w is not None:
        w = w + 0.0
        left, y = left * np.reshape(w, (-1, 1)), np.transpose(np.transpose(y) * w)
    rcond = len(x) * np.finfo(plain(x).dtype).eps if rcond is None else rcond
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    found, residuals, rank, values = np.linalg.lstsq(left, y, rcond)
    found = np.transpose(np.transpose(found) / scale)
    if kept is not None:
        places = np.full(top + 1, len(kept))
        places[top - kept] = np.arange(len(kept))
        found = np.concatenate([found, np.zeros((1, *np.shape(found)[1:]))])[places]
    if full:
        return found, residuals, rank, values, rcond
    if not cov:
        return found
    base = np.linalg.inv(np.matmul(np.transpose(left), left)) / np.outer(scale, scale)
    free = len(x) - (top + 1 if kept is None else len(kept))
    if cov != "unscaled" and free <= 0:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    factor = 1.0 if cov == "unscaled" else residuals / free
    if np.ndim(y) == 1:
        return found, base * factor
    return found, np.expand_dims(base, -1) * factor
