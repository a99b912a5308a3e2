"""Pooling: the largest entry, or the mean, of windows of images (the last two axes).

max_pool2d              the gradient goes to where the largest entry stood: the first of equals, as in torch
avg_pool2d              linear; its transpose spreads g over the windows
adaptive_avg_pool2d     the same, with windows that divide the image into so many rows and columns
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from ..invariants import Invariant, homogeneous
from ..node import plain
from ..registry import op
from .exponentials import largest
from .indexing import scatter_along_axis
from .runs import Runs, run_sums, transposed
from .windows import Sizes, Windows, padded, per_axis, tap, unfolded, windows

INFINITY = float("inf")


def _image(x: Any) -> Sizes:
    height, width = np.shape(x)[-2:]
    return height, width


def _pooling(name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Windows:
    kernel = per_axis(name, "kernel_size", kernel_size, 2)
    return windows(name, _image(x), kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)


@lru_cache(maxsize=256)
def pooled(
    name: str,
    shape: Sizes | None,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> None:
    """Raise ValueError unless an input of that shape can be pooled; without a shape, unless any can."""
    kernel, spread = per_axis(name, "kernel_size", kernel_size, 2), per_axis(name, "dilation", dilation, 2)
    border = per_axis(name, "padding", padding, 2, least=0)
    per_axis(name, "stride", kernel if stride is None else stride, 2)
    reach = tuple([d * (k - 1) + 1 for k, d in zip(kernel, spread, strict=True)])
    if any(2 * p > r for p, r in zip(border, reach, strict=True)):
        raise ValueError(
            f"{name}: padding {border} is more than half of the kernel's extent {reach}: windows would lie outside"
        )
    if shape is not None and len(shape) < 2:
        raise ValueError(f"{name}: an input has shape (..., height, width), not {shape}")
    if shape is not None:
        windows(name, shape[-2:], kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)


# -- max -------------------------------------------------------------------------------------------------------


def _max_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 4, 4)),), {"kernel_size": 2}
    yield (rng.normal(size=(1, 2, 3, 5)),), {"kernel_size": (2, 3), "stride": 1, "padding": (0, 1)}
    yield (rng.normal(size=(4, 5)),), {"kernel_size": 2, "stride": 3, "padding": 1, "dilation": 2, "ceil_mode": True}
    yield (rng.normal(size=(0, 2, 2)),), {"kernel_size": 2}


@op(samples=_max_samples, invariants=[homogeneous()])
def max_pool2d(
    x: Any,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest entry of every window.

    Parameters
    ----------
    x : Value or array of shape (..., H, W)
    kernel_size, dilation : int, or one for each axis
    stride : int, or one for each axis, optional
        The kernel's size by default: windows side by side.
    padding : int, or one for each axis
        −inf on both sides, at most half a kernel.
    ceil_mode : bool
        Whether the last windows may stand partly outside.

    Returns
    -------
    Value or array of shape (..., H', W')

    Raises
    ------
    ValueError
        If an option is out of range, or no window fits.

    Notes
    -----
    Where several entries of a window are largest, the gradient is the first one's, row by row, as in torch; of several
    nan too (torch: the last one's).

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.pooling import max_pool2d
    >>> max_pool2d(np.arange(16.0).reshape(4, 4), kernel_size=2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    w = _pooling("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    return largest(_flat(unfolded(x, w, -INFINITY), w), axis=-1)[..., 0]


def _flat(views: Any, w: Windows) -> Any:
    """Windows (..., *out, *kernel) as (..., *out, entries)."""
    return np.reshape(views, (*np.shape(views)[:-2], math.prod(w.kernel)))


@max_pool2d.guard
def _(x: Any, **options: Any) -> None:
    pooled("max_pool2d", np.shape(x), **options)


@max_pool2d.forward
def _(x: Any, **options: Any) -> Any:
    w = _pooling("max_pool2d", x, **options)
    if type(x) is not np.ndarray:
        return max_pool2d.decomposition(x, **options)
    whole = padded(x, w, -INFINITY)
    first, *rest = [whole[(..., *tap(k, w))] for k in w.taps()]
    found = first.copy()
    for entry in rest:
        np.maximum(found, entry, out=found)
    return found


def _winners(x: Any, out: Any, w: Windows) -> Any:
    """Which entry of each window is the largest: the first of equals, and of nan."""
    if type(x) is not np.ndarray or type(out) is not np.ndarray or np.any(out != out):
        return np.argmax(_flat(unfolded(x, w, -INFINITY), w), axis=-1)
    whole = padded(x, w, -INFINITY)
    behind = np.ones(out.shape, dtype=bool)
    winner: Any = np.zeros(out.shape, dtype=np.uint8 if math.prod(w.kernel) <= 256 else np.intp)
    for k in list(w.taps())[:-1]:
        behind &= whole[(..., *tap(k, w))] != out
        winner += behind
    return winner


def _places(winners: Any, w: Windows) -> Any:
    """Where the winners stand in the padded image, its entries counted row by row."""
    width, across = w.full[1], w.kernel[1]
    rows, columns = [np.arange(n) * s for n, s in zip(w.out, w.stride, strict=True)]
    begins = rows[:, None] * width + columns
    if type(winners) is np.ndarray:
        entries = np.arange(math.prod(w.kernel))
        return begins + (entries // across * (w.dilation[0] * width) + entries % across * w.dilation[1])[winners]
    return begins + (winners // across * (w.dilation[0] * width) + winners % across * w.dilation[1])


@max_pool2d.derivation("analytic", formula="g, at the first largest entry of each window")
def _(g: Any, out: Any, x: Any, **options: Any) -> Any:
    w = _pooling("max_pool2d", x, **options)
    places = _places(_winners(plain(x), plain(out), w), w)
    lead = np.shape(x)[:-2]
    g, places = [np.reshape(a, (*lead, math.prod(w.out))) for a in (g, places)]
    spread = scatter_along_axis(g, places, axis=-1, shape=(*lead, math.prod(w.full)))
    return np.reshape(spread, (*lead, *w.full))[w.inside]


# -- means -----------------------------------------------------------------------------------------------------

Grid = tuple[Runs, Runs]  # of rows and of columns


def _sums(x: Any, grid: Grid) -> Any:
    rows, columns = grid
    return run_sums(run_sums(x, runs=rows, axis=-2), runs=columns, axis=-1)


def _over(x: Any, counts: tuple[Sizes, Sizes]) -> Any:
    """x divided by how many entries a window has, in x's dtype."""
    down, along = [np.array(c) for c in counts]
    divisor = down[:, None] * along
    if divisor.size and np.all(divisor == divisor[0, 0]):
        return x / int(divisor[0, 0])
    dtype = np.result_type(x)
    return x / (divisor.astype(dtype) if dtype.kind == "f" else divisor)


def _spread(g: Any, x: Any, grid: Grid, counts: tuple[Sizes, Sizes]) -> Any:
    """The transpose of the means over a grid."""
    rows, columns = [transposed(runs, n) for runs, n in zip(grid, _image(x), strict=True)]
    return _sums(_over(g, counts), (rows, columns))


def _avg_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 4, 4)),), {"kernel_size": 2}
    yield (rng.normal(size=(1, 3, 5)),), {"kernel_size": (2, 3), "stride": (1, 2), "padding": 1}
    padding = {"padding": (1, 0), "ceil_mode": True}
    yield (rng.normal(size=(4, 4)),), {"kernel_size": 3, "stride": 2, **padding, "count_include_pad": False}
    yield (rng.normal(size=(3, 3)),), {"kernel_size": 2, "ceil_mode": True, "divisor_override": 3}
    yield (rng.normal(size=(0, 2, 2)),), {"kernel_size": 2}


LINEAR: list[Invariant] = [homogeneous()]


@op(samples=_avg_samples, invariants=LINEAR)
def avg_pool2d(
    x: Any,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window.

    Parameters
    ----------
    x : Value or array of shape (..., H, W)
    kernel_size, stride, padding, ceil_mode
        As for `max_pool2d`; the padding is of zeros.
    count_include_pad : bool
        Whether these zeros count in the number that a sum is divided by.
    divisor_override : int, optional
        What to divide by instead.

    Returns
    -------
    Value or array of shape (..., H', W')

    Raises
    ------
    ValueError
        If an option is out of range, or no window fits.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.pooling import avg_pool2d
    >>> avg_pool2d(np.arange(16.0).reshape(4, 4), kernel_size=2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    w = _pooling("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    counts = _avg_counts(w, count_include_pad, divisor_override)
    return _over(np.sum(unfolded(x, w), axis=(-2, -1)), counts)


def _avg_grid(w: Windows) -> Grid:
    rows, columns = [
        tuple([(i * s - p, i * s - p + k) for i in range(n)])
        for n, s, p, k in zip(w.out, w.stride, w.before, w.kernel, strict=True)
    ]
    return rows, columns


def _avg_counts(w: Windows, padded_too: bool, override: int | None) -> tuple[Sizes, Sizes]:
    """How many entries windows have along either axis: of the image, or of it and the padding it was given."""
    if override is not None:
        return (1,) * w.out[0], (override,) * w.out[1]
    rows, columns = [
        tuple([min(b, n + p) - a if padded_too else min(b, n) - max(a, 0) for a, b in runs])
        for runs, n, p in zip(_avg_grid(w), w.size, w.before, strict=True)
    ]
    return rows, columns


@avg_pool2d.guard
def _(x: Any, *, count_include_pad: bool, divisor_override: Any, **options: Any) -> None:
    pooled("avg_pool2d", np.shape(x), **options)
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override is what sums are divided by: not 0")


@avg_pool2d.forward
def _(x: Any, *, count_include_pad: bool, divisor_override: int | None, **options: Any) -> Any:
    w = _pooling("avg_pool2d", x, dilation=1, **options)
    return _over(_sums(x, _avg_grid(w)), _avg_counts(w, count_include_pad, divisor_override))


@avg_pool2d.derivation("analytic", formula="g / count, summed over the windows that an entry lies in")
def _(g: Any, out: Any, x: Any, *, count_include_pad: bool, divisor_override: int | None, **options: Any) -> Any:
    w = _pooling("avg_pool2d", x, dilation=1, **options)
    return _spread(g, x, _avg_grid(w), _avg_counts(w, count_include_pad, divisor_override))


avg_pool2d.pushforward = lambda tangents, out, inputs, params: avg_pool2d.apply((tangents[0],), params)


# -- means of so many windows ----------------------------------------------------------------------------------


def _adaptive_samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(2, 5, 4)),), {"output_size": (3, 2)}
    yield (rng.normal(size=(2, 3)),), {"output_size": 4}
    yield (rng.normal(size=(1, 3, 4)),), {"output_size": (None, 1)}


@op(samples=_adaptive_samples, invariants=LINEAR)
def adaptive_avg_pool2d(x: Any, *, output_size: int | tuple[int | None, int | None] | None) -> Any:
    """The means of H' × W' windows that cover the image: window i of n along an axis of size m is ⌊im/n⌋ … ⌈(i+1)m/n⌉.

    Parameters
    ----------
    x : Value or array of shape (..., H, W)
    output_size : int, or one for each axis
        H' and W'; None for the input's own.

    Returns
    -------
    Value or array of shape (..., H', W')

    Raises
    ------
    ValueError
        If `output_size` is no positive integer, or the image has no entry.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.pooling import adaptive_avg_pool2d
    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(4, 4), output_size=1).tolist()
    [[7.5]]
    """
    (rows, columns), _ = _adaptive(_image(x), output_size)
    means = [np.mean(x[..., a:b, c:d], axis=(-2, -1)) for a, b in rows for c, d in columns]
    return np.reshape(np.stack(means, axis=-1), (*np.shape(x)[:-2], len(rows), len(columns)))


@lru_cache(maxsize=256)
def _adaptive(image: Sizes, output_size: Any) -> tuple[Grid, tuple[Sizes, Sizes]]:
    """Runs of rows and columns, and how many entries each has."""
    wanted = output_size if isinstance(output_size, tuple) else (output_size, output_size)
    filled = tuple([n if m is None else m for n, m in zip(image, wanted, strict=False)])
    if len(wanted) != 2:
        filled = wanted
    sizes = per_axis("adaptive_avg_pool2d", "output_size", filled, 2)
    rows, columns = [
        tuple([(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]) for n, m in zip(image, sizes, strict=True)
    ]
    down, along = [tuple([b - a for a, b in runs]) for runs in (rows, columns)]
    return (rows, columns), (down, along)


@adaptive_avg_pool2d.guard
def _(x: Any, *, output_size: Any) -> None:
    if len(np.shape(x)) < 2 or not all(_image(x)):
        raise ValueError(
            f"adaptive_avg_pool2d: an input has shape (..., height, width), none of them 0, not {np.shape(x)}"
        )


@adaptive_avg_pool2d.forward
def _(x: Any, *, output_size: Any) -> Any:
    grid, counts = _adaptive(_image(x), output_size)
    return _over(_sums(x, grid), counts)


@adaptive_avg_pool2d.derivation("analytic", formula="g / count, summed over the windows that an entry lies in")
def _(g: Any, out: Any, x: Any, *, output_size: Any) -> Any:
    return _spread(g, x, *_adaptive(_image(x), output_size))


adaptive_avg_pool2d.pushforward = lambda tangents, out, inputs, params: adaptive_avg_pool2d.apply(
    (tangents[0],), params
)
