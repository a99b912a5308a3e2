"""Small images changed a little, so that a network cannot learn them by heart.

Each function maps a batch of images, of shape (B, ..., height, width), and a Generator to a new batch of the same shape
and dtype; every image is changed by a draw of its own. They are transforms for a `DataLoader` as they are, or with
options by ``functools.partial(shift, by=2)``.

>>> import numpy as np
>>> from functools import partial
>>> from tinygrad_ce.data import DataLoader, augment, digits
>>> transform = [partial(augment.rotate, degrees=8), augment.shift]
>>> loader = DataLoader(digits().reshape(1, 8, 8), transform=transform)
>>> next(iter(loader))[0].shape
(32, 1, 8, 8)
"""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .errors import DataError

__all__ = ["cutout", "flip", "noise", "rotate", "shift"]

Images = NDArray[Any]


def shift(images: Images, rng: Generator, by: int = 1) -> Images:
    """Move each image by up to `by` pixels along both axes; zeros come in.

    Examples
    --------
    >>> moved = shift(np.ones((100, 3, 3)), np.random.default_rng(0))
    >>> sorted({int(total) for total in moved.sum(axis=(1, 2))})
    [4, 6, 9]
    """
    _check(images)
    most = _whole("by", by, least=0)
    offsets = rng.integers(-most, most + 1, size=(2, len(images), 1))
    height, width = images.shape[-2:]
    rows, columns = np.arange(height) - offsets[0], np.arange(width) - offsets[1]
    moved = _taken(images, rows[:, :, None], columns[:, None, :])
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    return np.where(_spread(inside, images), moved, images.dtype.type(0))


def rotate(images: Images, rng: Generator, degrees: float = 10.0) -> Images:
    """Turn each image about its centre by up to `degrees` either way, between pixels linearly; zeros come in.

    Examples
    --------
    >>> turned = rotate(np.ones((2, 5, 5)), np.random.default_rng(0))
    >>> turned[:, 2, 2]
    array([1., 1.])
    """
    _check(images, floating=True)
    angle = np.radians(rng.uniform(-_size("degrees", degrees), degrees, size=(len(images), 1, 1)))
    height, width = images.shape[-2:]
    y, x = np.arange(height)[:, None] - (height - 1) / 2, np.arange(width)[None] - (width - 1) / 2
    rows = np.cos(angle) * y - np.sin(angle) * x + (height - 1) / 2
    columns = np.sin(angle) * y + np.cos(angle) * x + (width - 1) / 2
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    turned: Images = np.zeros_like(images)
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = np.where(inside, (1 - np.abs(rows - row)) * (1 - np.abs(columns - column)), 0.0)
            turned = turned + _spread(weight.astype(images.dtype), images) * _taken(images, row, column)
    return turned


def flip(images: Images, rng: Generator, p: float = 0.5) -> Images:
    """Mirror each image left to right with probability `p`.

    Examples
    --------
    >>> flip(np.array([[[1, 2, 3]]]), np.random.default_rng(0), p=1.0)
    array([[[3, 2, 1]]])
    """
    _check(images)
    if not 0.0 <= p <= 1.0:
        raise DataError(f"p is a probability, from 0 to 1, not {p!r}")
    mirrored = (rng.random(len(images)) < p).reshape(-1, *[1] * (images.ndim - 1))
    return np.where(mirrored, images[..., ::-1], images)


def noise(images: Images, rng: Generator, std: float = 0.1) -> Images:
    """Add normally distributed noise to each pixel.

    Examples
    --------
    >>> noise(np.zeros((1000, 5, 5)), np.random.default_rng(0)).std().round(2)
    np.float64(0.1)
    """
    _check(images, floating=True)
    # Drawn in float64, so that float32 images get the same noise.
    drawn = _size("std", std) * rng.normal(size=images.shape)
    return images + drawn.astype(images.dtype)


def cutout(images: Images, rng: Generator, size: int = 2) -> Images:
    """Put a square of zeros, `size` pixels wide, somewhere in each image (DeVries and Taylor, 2017).

    Its centre is anywhere, so that it may reach beyond the edge.

    Examples
    --------
    >>> holes = cutout(np.ones((100, 4, 4)), np.random.default_rng(0)) == 0
    >>> int(holes.sum(axis=(1, 2)).max())
    4
    """
    _check(images)
    side = _whole("size", size, least=1)
    height, width = images.shape[-2:]
    top = rng.integers(0, height, size=(len(images), 1, 1)) - side // 2
    left = rng.integers(0, width, size=(len(images), 1, 1)) - side // 2
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    hole = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return np.where(_spread(hole, images), images.dtype.type(0), images)


def _taken(images: Images, rows: NDArray[Any], columns: NDArray[Any]) -> Images:
    """The pixels at these places, shape (B, height, width), of every channel; at the edge for those beyond it."""
    height, width = images.shape[-2:]
    flat = images.reshape(len(images), prod(images.shape[1:-2]), height * width)
    places = np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
    return np.take_along_axis(flat, places.reshape(len(images), 1, height * width), axis=2).reshape(images.shape)


def _spread(mask: NDArray[Any], images: Images) -> NDArray[Any]:
    """A (B, height, width) array in a shape that goes with the images' channels."""
    return mask.reshape(len(images), *[1] * (images.ndim - 3), *images.shape[-2:])


def _check(images: Images, floating: bool = False) -> None:
    shape = np.shape(images)
    if len(shape) < 3:
        raise DataError(f"images have shape (batch, ..., height, width), not {shape}: reshape them, as in (-1, 8, 8)")
    if floating and images.dtype.kind != "f":
        raise DataError(f"images are {images.dtype}, which has nothing between two pixels: make them floats")


def _whole(name: str, value: int, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise DataError(f"{name} is an integer of at least {least}, not {value!r}")
    return number


def _size(name: str, value: float) -> float:
    if not 0.0 <= value < np.inf:
        raise DataError(f"{name} is at least 0 and finite, not {value!r}")
    return float(value)
