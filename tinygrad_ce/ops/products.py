"""Products written in matmul and multiply: dot, tensordot, inner, outer, kron, cross, multi_dot, matrix_power."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..node import plain
from ..registry import composed
from .complex import conj


def _pair(*shapes: tuple[tuple[int, ...], ...], **params: Any) -> Any:
    return lambda rng: [(tuple([rng.normal(size=s) for s in group]), params) for group in shapes]


# -- written in matmul and multiply ----------------------------------------------------------------------------


@composed(
    np.dot,
    samples=_pair(
        ((), ()), ((), (2, 3)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)),
        ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)), ((2, 3), ()), ((0, 2), (2, 3)),
    ),
)  # fmt: skip
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(b) <= 2 or np.ndim(a) == 1 else np.tensordot(a, b, (-1, -2))


@composed(
    np.tensordot,
    samples=lambda rng: [
        ((rng.normal(size=a), rng.normal(size=b), axes), {})
        for a, b, axes in [
            ((2, 3, 4), (3, 4, 2), 2),
            ((2, 3), (3,), 1),
            ((2, 3), (2,), 0),
            ((2, 3, 4), (4, 3), ([1, 2], [1, 0])),
            ((2, 3), (5, 3), (1, -1)),
            ((2, 0), (0, 3), 1),
        ]
    ],
)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    na, nb = np.ndim(a), np.ndim(b)
    ours: Any
    theirs: Any
    if isinstance(axes, (int, np.integer)):
        ours, theirs = range(na - int(axes), na), range(int(axes))
    else:
        ours, theirs = [(x,) if isinstance(x, (int, np.integer)) else tuple(x) for x in axes]
    ours, theirs = normalize_axis_tuple(ours, na), normalize_axis_tuple(theirs, nb)
    if [np.shape(a)[i] for i in ours] != [np.shape(b)[i] for i in theirs]:
        raise ValueError(f"tensordot: shapes {np.shape(a)} and {np.shape(b)} do not match along axes {axes}")
    left, right = [i for i in range(na) if i not in ours], [i for i in range(nb) if i not in theirs]
    n = int(np.prod([np.shape(a)[i] for i in ours], dtype=int))
    shape = [*[np.shape(a)[i] for i in left], *[np.shape(b)[i] for i in right]]
    rows = int(np.prod(shape[: len(left)], dtype=int))
    columns = int(np.prod(shape[len(left) :], dtype=int))
    first = np.reshape(np.transpose(a, (*left, *ours)), (rows, n))
    second = np.reshape(np.transpose(b, (*theirs, *right)), (n, columns))
    return np.reshape(np.matmul(first, second), shape)


@composed(np.inner, samples=_pair(((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (3,)), ((), (2,))))
def _inner(a: Any, b: Any) -> Any:
    return np.multiply(a, b) if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


@composed(np.outer, samples=_pair(((3,), (2,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,))))
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composed(np.vdot, samples=_pair(((3,), (3,)), ((2, 2), (4,)), ((), ())))
def _vdot(a: Any, b: Any) -> Any:
    return np.matmul(conj(np.ravel(a)), np.ravel(b))


@composed(np.kron, samples=_pair(((2,), (3,)), ((2, 2), (1, 3)), ((2,), (2, 2)), ((2, 1, 2), (2, 2)), ((), (2,))))
def _kron(a: Any, b: Any) -> Any:
    n = max(np.ndim(a), np.ndim(b))
    rows = (1,) * (n - np.ndim(a)) + np.shape(a)
    columns = (1,) * (n - np.ndim(b)) + np.shape(b)
    product = np.reshape(a, [s for r in rows for s in (r, 1)]) * np.reshape(b, [s for c in columns for s in (1, c)])
    return np.reshape(product, [r * c for r, c in zip(rows, columns, strict=True)])


def _cross_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=3), rng.normal(size=3)), {}
    yield (rng.normal(size=(2, 3)), rng.normal(size=3)), {}
    yield (rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), {"axis": 0}
    yield (rng.normal(size=(3, 2)), rng.normal(size=(2, 3))), {"axisa": 0, "axisc": 0}


@composed(np.cross, samples=_cross_samples)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    lengths = np.shape(a)[-1], np.shape(b)[-1]
    if not {*lengths} <= {2, 3}:
        raise ValueError("incompatible dimensions for cross product (dimension must be 2 or 3)")
    if lengths == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = _spatial(a), _spatial(b)
    first = a[..., [1, 2, 0]] * b[..., [2, 0, 1]]
    return np.moveaxis(first - a[..., [2, 0, 1]] * b[..., [1, 2, 0]], -1, axisc)


def _spatial(x: Any) -> Any:
    """Vectors in the plane as vectors in space."""
    if np.shape(x)[-1] == 3:
        return x
    return np.concatenate([x, np.zeros((*np.shape(x)[:-1], 1), dtype=np.result_type(x))], -1)


@composed(np.vecdot, samples=_pair(((3,), (3,)), ((2, 3), (3,))))
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)
    return np.squeeze(np.matmul(np.expand_dims(conj(x1), -2), np.expand_dims(x2, -1)), (-2, -1))


if hasattr(np, "matvec"):  # NumPy 2.2

    @composed(np.matvec, samples=_pair(((2, 3), (3,)), ((2, 2, 3), (2, 3))))
    def _matvec(x1: Any, x2: Any, /) -> Any:
        return np.squeeze(np.matmul(x1, np.expand_dims(x2, -1)), -1)

    @composed(np.vecmat, samples=_pair(((2,), (2, 3)), ((2, 2), (2, 2, 3))))
    def _vecmat(x1: Any, x2: Any, /) -> Any:
        return np.squeeze(np.matmul(np.expand_dims(conj(x1), -2), x2), -2)


# -- the same in np.linalg -------------------------------------------------------------------------------------


@composed(np.linalg.matmul, samples=_pair(((2, 3), (3, 2))))
def _linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@composed(np.linalg.outer, samples=_pair(((2,), (3,))))
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    return np.outer(x1, x2)


@composed(np.linalg.tensordot, samples=_pair(((2, 3), (3, 2)), axes=1))
def _linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes)


@composed(np.linalg.vecdot, samples=_pair(((2, 3), (2, 3)), axis=0))
def _linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return _vecdot(x1, x2, axis=axis)


@composed(np.linalg.cross, samples=_pair(((3, 2), (3, 2)), axis=0))
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.cross(x1, x2, axis=axis)


def _cheapest(n: Sequence[int]) -> Any:
    """Where to cut a chain of matrices of n[i] × n[i + 1], for the fewest multiplications."""
    count = len(n) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], cut[i, j] = min(
                [(cost[i, k] + cost[k + 1, j] + n[i] * n[k + 1] * n[j + 1], k) for k in range(i, j)]
            )
    return cut


@composed(
    np.linalg.multi_dot,
    samples=lambda rng: [
        (([rng.normal(size=s) for s in shapes],), {})
        for shapes in (((2, 3), (3, 4)), ((2, 3), (3, 1), (1, 4)), ((2,), (2, 3), (3, 2), (2,)))
    ],
)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    if len(arrays) < 2:
        raise ValueError("multi_dot expects at least two arrays")
    first, *_, last = [np.ndim(a) for a in arrays]
    matrices = [np.atleast_2d(arrays[0]), *arrays[1:-1], np.reshape(arrays[-1], (-1, 1)) if last == 1 else arrays[-1]]
    cut = _cheapest([np.shape(matrices[0])[0], *[np.shape(m)[1] for m in matrices]])

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else np.matmul(product(i, cut[i, j]), product(cut[i, j] + 1, j))

    whole = product(0, len(matrices) - 1)
    whole = whole[..., 0] if last == 1 else whole
    return whole[0] if first == 1 else whole


@composed(
    np.linalg.matrix_power,
    samples=lambda rng: [((rng.normal(size=(2, 3, 3)) + 3.0 * np.eye(3), n), {}) for n in (0, 1, 2, 3, 7, -1, -2)],
)
def _matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return a * 0.0 + np.eye(np.shape(a)[-1], dtype=plain(a).dtype)
    power = None
    while n:
        if n % 2:
            power = a if power is None else np.matmul(power, a)
        n //= 2
        a = np.matmul(a, a) if n else a
    return power
