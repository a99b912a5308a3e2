"""Kernels over images whose batch is innermost in memory, so that every pass runs over long contiguous rows.

    bordered            images within borders
    put_back            what windows hold, added up where they stood (col2im)
    largest             the largest entry of each window
    largest_gradient    its gradient, at the first largest entry

Spatial axes are where the callers say; these functions come along in the text of what is compiled.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np


def bordered(x: Any, *, before: Any, after: Any, fill: float, out: Any = None) -> Any:
    """x with so many entries of `fill` before and after it, along each axis."""
    if out is None:
        out = np.empty([a + n + b for a, n, b in zip(before, x.shape, after, strict=True)], x.dtype)
    out.fill(fill)
    out[tuple([slice(a, a + n) for a, n in zip(before, x.shape, strict=True)])] = x
    return out


def put_back(columns: Any, *, full: Any, kernel: Any, stride: Any, dilation: Any, out: Any = None) -> Any:
    """Windows (C, *kernel, *out, N) summed into (C, *full, N)."""
    out = np.empty((columns.shape[0], *full, columns.shape[-1]), columns.dtype) if out is None else out
    out.fill(0.0)
    rank = len(full)
    counts = columns.shape[1 + rank : 1 + 2 * rank]
    for k in product(*[range(n) for n in kernel]):
        place = [
            slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in zip(k, dilation, counts, stride, strict=True)
        ]
        part = out[(slice(None), *place)]
        np.add(part, columns[(slice(None), *k)], out=part)
    return out


def largest(x: Any, *, kernel: Any, stride: Any, dilation: Any, counts: Any, out: Any = None) -> Any:
    """The largest entry of each window over the last two axes."""
    first, *rest = [x[(..., *place)] for place in places(kernel, stride, dilation, counts)]
    if out is None:
        out = first.copy(order="K")
    if not rest:
        out[...] = first
        return out
    np.maximum(first, rest[0], out=out)
    for entry in rest[1:]:
        np.maximum(out, entry, out=out)
    return out


def largest_gradient(
    g: Any, top: Any, x: Any, *, kernel: Any, stride: Any, dilation: Any, counts: Any, out: Any = None
) -> Any:
    """g where the first largest entry of each window stands."""
    out = np.empty_like(x) if out is None else out
    *taps, last = places(kernel, stride, dilation, counts)
    tiled = tuple(kernel) == tuple(stride) and all(
        k * n == m for k, n, m in zip(kernel, counts, x.shape[-2:], strict=True)
    )
    tiled = tiled and set(dilation) == {1}
    if not tiled:
        out.fill(0.0)
    odd = bool(np.isnan(top).any())
    free, best = np.ones_like(top, dtype=bool), np.empty_like(top, dtype=bool)
    for place in taps:
        entry = x[(..., *place)]
        np.equal(entry, top, out=best)
        if odd:
            np.logical_or(best, entry != entry, out=best)
        np.logical_and(best, free, out=best)
        np.logical_xor(free, best, out=free)
        spot = out[(..., *place)]
        np.multiply(g, best, out=spot) if tiled else np.add(spot, g * best, out=spot)
    spot = out[(..., *last)]
    np.multiply(g, free, out=spot) if tiled else np.add(spot, g * free, out=spot)
    return out


def places(kernel: Any, stride: Any, dilation: Any, counts: Any) -> Any:
    """Where entry k of every window stands, along the last axes, for each k."""
    return [
        tuple(
            [slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in zip(k, dilation, counts, stride, strict=True)]
        )
        for k in product(*[range(n) for n in kernel])
    ]


KERNELS = frozenset({bordered, put_back, largest, largest_gradient})
