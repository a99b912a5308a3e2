"""Convolution and pooling in steps, the batch innermost in memory, so that passes run over long contiguous rows.

The windows of a convolution are laid out once, for its forward and for the gradient of its weight. What is turned so
that the batch is innermost is turned once: results stay as they lie, and the next layer finds them so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...ops.convolution import CONV
from ...ops.pooling import max_pool2d
from ...ops.windows import Sizes, Windows, windows
from ...tracer import Kind
from .. import images
from .kernel_calls import FLOATS, call, require

Options = Mapping[str, Any]


def _inward(x: Any, rank: int) -> Any:
    """(..., C, *L) as (C, *L, N), contiguous."""
    shape = x.shape
    batch = x if len(shape) == rank + 2 else x.reshape((math.prod(shape[: -rank - 1]), *shape[-rank - 1 :]))
    turned: Any = np.transpose(batch, (*range(1, rank + 2), 0))
    return turned if turned.example.flags.c_contiguous else np.copy(turned, order="C")


def _outward(y: Any, lead: Sizes) -> Any:
    """(C, *L, N) as (*lead, C, *L)."""
    batch = np.transpose(y, (y.ndim - 1, *range(y.ndim - 1)))
    return batch if len(lead) == 1 else batch.reshape((*lead, *batch.shape[1:]))


# -- convolution ---------------------------------------------------------------------------------------------------


def _windows(x: Any, weight: Any, options: Options) -> Windows:
    rank = weight.ndim - 2
    require(x.dtype in FLOATS and weight.dtype == x.dtype and x.size > 0 and weight.size > 0)
    o = options
    return windows(f"conv{rank}d", x.shape[-rank:], weight.shape[2:], o["stride"], o["padding"], o["dilation"])


def _columns(x: Any, w: Windows, groups: int) -> Any:
    """Windows side by side: (C · kernel, out · N), with groups (G, C/G · kernel, out · N)."""
    inside = _inward(x, w.rank)
    if not w.bare:
        inside = call(images.bordered, inside, before=(0, *w.before, 0), after=(0, *w.after, 0), fill=0.0)
    channels, n = inside.shape[0], inside.shape[-1]
    views = np.lib.stride_tricks.sliding_window_view(inside, w.extent, axis=tuple(range(1, 1 + w.rank)))
    starts = [slice(0, (m - 1) * s + 1, s) for m, s in zip(w.out, w.stride, strict=True)]
    views = views[(slice(None), *starts, slice(None), *[slice(None, None, d) for d in w.dilation])]
    views = np.transpose(views, (0, *range(2 + w.rank, 2 + 2 * w.rank), *range(1, 2 + w.rank)))
    rows, across = channels * math.prod(w.kernel), math.prod(w.out) * n
    return views.reshape((rows, across) if groups == 1 else (groups, rows // groups, across))


def _matrix(weight: Any, groups: int) -> Any:
    outs, fan = weight.shape[0], math.prod(weight.shape[1:])
    return weight.reshape((outs, fan) if groups == 1 else (groups, outs // groups, fan))


def _rows(g: Any, w: Windows, groups: int) -> Any:
    """(..., O, *out) as (O, out · N), with groups (G, O/G, out · N)."""
    inside = _inward(g, w.rank)
    outs = inside.shape[0]
    return inside.reshape((outs, -1) if groups == 1 else (groups, outs // groups, -1))


def _convolved(x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    w, groups = _windows(x, weight, options), options["groups"]
    y = np.matmul(_matrix(weight, groups), _columns(x, w, groups))
    if bias is not None:
        require(bias.dtype == x.dtype)
        y = y + bias.reshape((*y.shape[:-1], 1))
    lead = x.shape[: -w.rank - 1]
    return _outward(y.reshape((weight.shape[0], *w.out, math.prod(lead))), lead)


def _to_input(g: Any, out: Any, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    w, groups = _windows(x, weight, options), options["groups"]
    require(g.dtype == x.dtype)
    spread = np.matmul(np.swapaxes(_matrix(weight, groups), -1, -2), _rows(g, w, groups))
    lead, channels = x.shape[: -w.rank - 1], x.shape[-w.rank - 1]
    spread = spread.reshape((channels, *w.kernel, *w.out, math.prod(lead)))
    total = call(images.put_back, spread, full=w.full, kernel=w.kernel, stride=w.stride, dilation=w.dilation)
    if not w.bare:
        total = total[(slice(None), *w.inside[1:], slice(None))]
    return _outward(total, lead)


def _to_weight(g: Any, out: Any, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    w, groups = _windows(x, weight, options), options["groups"]
    require(g.dtype == x.dtype)
    made = np.matmul(_rows(g, w, groups), np.swapaxes(_columns(x, w, groups), -1, -2))
    return made.reshape(weight.shape)


def _to_bias(g: Any, out: Any, x: Any, weight: Any, bias: Any, **options: Any) -> Any:
    w = _windows(x, weight, options)
    return np.sum(_rows(g, w, 1), axis=1)


# -- pooling -------------------------------------------------------------------------------------------------------


def _pooling(x: Any, options: Options) -> tuple[Windows, dict[str, Any]]:
    o, kernel = options, options["kernel_size"]
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    stride = kernel if o["stride"] is None else o["stride"]
    w = windows("max_pool2d", x.shape[-2:], kernel, stride, o["padding"], o["dilation"], o["ceil_mode"])
    require(x.dtype in FLOATS and x.size > 0 and w.bare and len(x.shape) > 2)
    return w, {"kernel": w.kernel, "stride": w.stride, "dilation": w.dilation, "counts": w.out}


def _largest(x: Any, **options: Any) -> Any:
    return call(images.largest, x, **_pooling(x, options)[1])


def _to_largest(g: Any, out: Any, x: Any, **options: Any) -> Any:
    require(g.dtype == x.dtype)
    return call(images.largest_gradient, _laid_as(g, x), _laid_as(out, x), x, **_pooling(x, options)[1])


def _laid_as(x: Any, other: Any) -> Any:
    """x with its axes in memory as another's are."""
    axes = Kind.of(other.example).order
    if Kind.of(x.example).order == axes:
        return x
    return np.transpose(np.copy(np.transpose(x, axes), order="C"), tuple([axes.index(i) for i in range(len(axes))]))


# -- by op ---------------------------------------------------------------------------------------------------------

IMAGES: dict[Any, Callable[..., Any]] = {max_pool2d: _largest, (max_pool2d, "analytic", 0): _to_largest}
for _conv in CONV.values():
    IMAGES |= {
        _conv: _convolved,
        (_conv, "analytic", 0): _to_input,
        (_conv, "analytic", 1): _to_weight,
        (_conv, "analytic", 2): _to_bias,
    }
