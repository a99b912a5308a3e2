"""Pictures of arrays that are pictures: what a layer looks for, and which pixels an answer hangs on."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt, prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...nn import Module
from ...node import plain
from ...transforms import grad, no_grad
from ..options import function, image, numbers, whole
from .figure import SIGNED, literal, named, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]


def weights(layer: Any, *, shape: tuple[int, int] | None = None, limit: int = 64, axes: Any = None) -> Axes:
    """A layer's weights, an image for each unit, all on one scale: blue is negative, red positive.

    Parameters
    ----------
    layer : Module or array of shape (units, features...)
        A module's `.weight` is taken. Of convolutions, (units, channels, height, width), each unit's channels are
        averaged.
    shape : (int, int), optional
        Of the images; by default the weights' own last two axes, or a square.
    limit : int
        The largest number of units to show, in order.
    axes : Axes, optional

    Raises
    ------
    ValueError
        If the features make no such image.

    Examples
    --------
    >>> weights(np.eye(10, 64) / 8).get_title()
    '10 units of 8 × 8 weights, ±0.125'
    """
    if isinstance(layer, Module) and not hasattr(layer, "weight"):
        inner = [name for name, module in layer.named_modules() if name and hasattr(module, "weight")]
        hint = f"draw one of its layers: {', '.join(inner[:6])}" if inner else "draw another layer"
        raise ValueError(f"a {type(layer).__name__} has no weight of its own: {hint}")
    limit, shape = whole("limit", limit, 1), image(shape)
    array = numbers("weights", getattr(layer, "weight", layer))
    if array.ndim < 2 or not array.size:
        raise ValueError(f"weights have the shape (units, features), not {array.shape}")
    if array.ndim == 4 and shape is None:
        array = array.mean(axis=1)
    tiles = _images(array, shape)
    count, shown = len(tiles), tiles[:limit]
    top = _largest(shown)
    (drawn,) = panels(axes, 1, size=(4.8, 4.8))
    _mosaic(drawn, _coloured(shown, SIGNED, -top, top))
    high, wide = shown.shape[1:]
    few = "" if len(shown) == count else f"the first {len(shown)} of "
    drawn.set_title(f"{few}{count} units of {high} × {wide} weights, ±{top:.3g}", fontsize="medium")
    return drawn


def saliency(
    model: Any,
    x: ArrayLike,
    *,
    target: int | Sequence[int] | None = None,
    shape: tuple[int, int] | None = None,
    class_names: Any = None,
    axes: Any = None,
) -> Axes:
    """Inputs, and beneath each the gradient of its winning score: where more ink would help, and where it would hurt.

    Parameters
    ----------
    model : callable
        (N, features...) ↦ scores of shape (N, K). Its parameters' `.grad` are left as they are.
    x : array of shape (N, features...) or (features,)
    target : int or sequence of int, optional
        Of which class's score; by default, for each row, the class that wins.
    shape : (int, int), optional
        Of the images; by default the rows' own last two axes, or a square.
    class_names : sequence of str, optional
    axes : Axes, optional

    Raises
    ------
    ValueError
        If the features make no such image, or a target is no class.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> axes = saliency(lambda x: x @ tg.Value(np.eye(4)), np.eye(4)[:2])
    >>> [text.get_text() for text in axes.texts]
    ['0', '1']
    """
    function("model", model)
    shape, rows = image(shape), numbers("inputs", x)
    rows = rows[None] if rows.ndim == 1 else rows
    if not rows.size:
        raise ValueError(f"there is nothing to draw: the inputs have shape {rows.shape}")
    inputs = _images(rows, shape)
    with no_grad():
        scores = np.asarray(plain(model(rows)))
    if scores.ndim != 2 or len(scores) != len(rows):
        raise ValueError(f"the model answers {len(rows)} rows with shape {scores.shape}, not ({len(rows)}, K)")
    wanted = np.asarray(target)
    if wanted.ndim and wanted.shape != (len(rows),):
        raise ValueError(f"target= is a class, or one for each of {len(rows)} rows, not of shape {wanted.shape}")
    chosen = scores.argmax(axis=1) if target is None else np.broadcast_to(wanted, (len(rows),))
    if chosen.dtype.kind not in "iu" or np.any((chosen < 0) | (chosen >= scores.shape[1])):
        raise ValueError(f"target= names classes from 0 to {scores.shape[1] - 1}, not {target!r:.60}")
    slopes = grad(lambda z: np.sum(model(z)[np.arange(len(rows)), chosen]))(rows)
    gradients = _images(np.asarray(plain(slopes), dtype=float), shape)
    top = _largest(gradients, each=True)[:, None, None]
    (drawn,) = panels(axes, 1, size=(max(1.1 * len(rows), 2.4), 2.7))
    finite = inputs[np.isfinite(inputs)]
    low, high = float(np.min(finite, initial=np.inf)), float(np.max(finite, initial=-np.inf))
    low = low if finite.size else 0.0
    above = _coloured(inputs, "gray_r", low, high if high > low else low + 1)
    beneath = _coloured(gradients / top, SIGNED, -1.0, 1.0)
    _mosaic(drawn, np.concatenate([above, beneath]), columns=len(rows))
    names = named(class_names, scores.shape[1])
    for k, c in enumerate(chosen):
        step = inputs.shape[2] + 1
        drawn.text(k * step + (step - 2) / 2, -1.2, literal(names[c]), ha="center", va="bottom", fontsize=8)
    drawn.set_xlabel("red: more here raises the score; blue: lowers it", fontsize=8)
    return drawn


# -- tiles ------------------------------------------------------------------------------------------------------


def _images(rows: Array, shape: tuple[int, int] | None) -> Array:
    """(N, features...) as (N, height, width)."""
    features = prod(rows.shape[1:])
    if shape is None:
        side = isqrt(features)
        own = rows.shape[1:] if rows.ndim == 3 else (side, side)
        shape = (int(own[0]), int(own[1]))
        if prod(shape) != features or not features:
            raise ValueError(f"{features} features make no square image: give shape=(height, width)")
    elif prod(shape) != features:
        raise ValueError(f"shape={shape} has {prod(shape)} pixels, a row has {features} features")
    return rows.reshape(-1, *shape)


def _largest(tiles: Array, each: bool = False) -> Any:
    """The largest finite magnitude, of all or of each; 1 where there is none."""
    sizes = np.where(np.isfinite(tiles), np.abs(tiles), 0.0)
    top = sizes.max(axis=(1, 2)) if each else np.asarray(sizes.max())
    return np.where(top > 0, top, 1.0) if each else float(top) or 1.0


def _coloured(tiles: Array, palette: str, low: float, high: float) -> Array:
    """(N, h, w) as (N, h, w, 4)."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    colours = colormaps[palette].with_extremes(bad="#222222")
    return np.asarray(colours(Normalize(low, high)(np.ma.masked_invalid(tiles))))


def _mosaic(axes: Axes, tiles: Array, columns: int | None = None) -> None:
    """Tiles in rows and columns on one Axes, a transparent line between."""
    count, high, wide, _ = tiles.shape
    across = columns or ceil(sqrt(count * high / wide))
    down = ceil(count / across)
    sheet = np.zeros((down * (high + 1) - 1, across * (wide + 1) - 1, 4))
    for k, tile in enumerate(tiles):
        top, left = k // across * (high + 1), k % across * (wide + 1)
        sheet[top : top + high, left : left + wide] = tile
    axes.imshow(sheet, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
