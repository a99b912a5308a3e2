"""Conv1d and Conv2d, with torch's arguments, names and beginnings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..ops.convolution import CONV
from ..ops.windows import Sizes, borders, per_axis, windows
from ..value import Value
from .initialise import initial
from .module import Module
from .randomness import Randomness, generator_of
from .shapes import floating_dtype, shape_of, size, wrong_shape

# What torch calls a border, and what NumPy does.
_MODES: dict[str, Any] = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Conv(Module):
    """What Conv1d and Conv2d share."""

    rank: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: int | Sizes | str = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: str = "default",
        rng: Randomness = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.in_channels = size("in_channels", in_channels)
        self.out_channels = size("out_channels", out_channels)
        self.groups = size("groups", groups)
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"groups={groups} does not divide {what}={channels}")
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode is one of {', '.join(map(repr, _MODES))}, not {padding_mode!r}")
        name, rank = type(self).__name__, self.rank
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, rank)
        self.stride = per_axis(name, "stride", stride, rank)
        self.dilation = per_axis(name, "dilation", dilation, rank)
        borders(name, padding, self.kernel_size, self.stride, self.dilation)  # whether they are any
        self.padding = padding if isinstance(padding, str) else per_axis(name, "padding", padding, rank, least=0)
        self.padding_mode = padding_mode
        kind = floating_dtype(dtype)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        weight, offset = initial(init, out_channels, int(np.prod(shape[1:])), generator_of(rng))
        self.weight = Value(weight.reshape(shape).astype(kind))
        self.bias = Value(offset.astype(kind)) if bias else None

    def forward(self, x: Any) -> Any:
        """x of shape (batch, in_channels, *size), or without the batch, to (batch, out_channels, *size)."""
        rank, shape = self.rank, shape_of(x)
        if len(shape) not in (rank + 1, rank + 2) or shape[-rank - 1] != self.in_channels:
            axes = "length" if rank == 1 else "height, width"
            raise wrong_shape(self, f"(batch, {self.in_channels}, {axes})", shape)
        places: dict[str, Any] = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        windows(self._name(), shape[-rank:], self.kernel_size, **places)  # whether any fits
        if self.padding_mode != "zeros":
            x = self._bordered(x, len(shape))
            places["padding"] = 0
        return CONV[rank](x, self.weight, self.bias, **places, groups=self.groups, validate=False)

    def _bordered(self, x: Any, ndim: int) -> Any:
        before, after = borders(self._name(), self.padding, self.kernel_size, self.stride, self.dilation)
        widths = [(0, 0)] * (ndim - self.rank) + list(zip(before, after, strict=True))
        return np.pad(x, widths, _MODES[self.padding_mode])

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels} → {self.out_channels}", f"kernel_size={_short(self.kernel_size)}"]
        usual: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
        for name, default in usual.items():
            value = _short(getattr(self, name))
            shown += [f"{name}={value!r}"] if value != default else []
        return ", ".join(shown + ["no bias"] * (self.bias is None))

    def __repr__(self) -> str:
        return self._headline()


def _short(value: Any) -> Any:
    """(5, 5) as 5."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


class Conv1d(_Conv):
    """A convolution along the last axis: (batch, in_channels, L) to (batch, out_channels, L').

    Parameters, attributes and errors are those of `Conv2d`, with one number where that has two.

    Examples
    --------
    >>> layer = Conv1d(3, 8, kernel_size=5, padding="same", rng=0)
    >>> layer(np.zeros((2, 3, 20))).shape
    (2, 8, 20)
    """

    rank = 1


class Conv2d(_Conv):
    """A convolution of images: (batch, in_channels, H, W) to (batch, out_channels, H', W'); see `ops.convolution`.

    Parameters
    ----------
    in_channels, out_channels : int
        At least 1.
    kernel_size, stride, dilation : int, or one for each axis
    padding : int, one for each axis, "valid" (none), or "same" (with stride 1, the output is of the input's size)
    groups : int
        Divides both numbers of channels; output channels of a group see its input channels alone.
    bias : bool
        Whether there is one.
    padding_mode : "zeros", "reflect", "replicate" or "circular"
        What stands in the padding.
    init : "default", "he" or "glorot"
        How the weights begin (see `tinygrad_ce.nn.initialise`), with in_channels / groups · kernel entries for the
        number of inputs; the default is torch's.
    rng : numpy.random.Generator or int, optional
    dtype : dtype
        Of the parameters: a floating one.

    Attributes
    ----------
    weight : Value of shape (out_channels, in_channels / groups, *kernel_size)
    bias : Value of shape (out_channels,), or None

    Raises
    ------
    ValueError
        If an option is out of range, groups do not divide the channels, an input has other channels, or the kernel
        does not fit into it.

    Examples
    --------
    >>> layer = Conv2d(1, 6, kernel_size=5, rng=0)
    >>> layer(np.zeros((2, 1, 28, 28))).shape
    (2, 6, 24, 24)
    >>> layer(np.zeros((2, 3, 28, 28)))
    Traceback (most recent call last):
        ...
    ValueError: Conv2d(1 → 6, kernel_size=5) takes inputs of shape (batch, 1, height, width), not (2, 3, 28, 28)
    >>> layer(np.zeros((2, 1, 4, 4)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: Conv2d(1 → 6, kernel_size=5): a kernel of (5, 5) does not fit into an input of spatial size (4, 4): ...
    """

    rank = 2
