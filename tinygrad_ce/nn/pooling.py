"""MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, with torch's arguments."""

from __future__ import annotations

from typing import Any

from ..ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d, pooled
from ..ops.windows import Sizes, per_axis
from .module import Module
from .shapes import shape_of, wrong_shape


def fixed(option: Any) -> Any:
    """An option that cannot be changed behind the layer's back: a list as a tuple."""
    return tuple(option) if isinstance(option, list) else option


class _Pool(Module):
    """What the pooling layers share: options, an image to look at, a repr of one line."""

    def _shown(self) -> dict[str, Any]:
        """Options by name, those that are as usual left out."""
        raise NotImplementedError

    def _image(self, x: Any) -> tuple[int, ...]:
        shape = shape_of(x)
        if len(shape) not in (3, 4):
            raise wrong_shape(self, "(batch, channels, height, width)", shape)
        return shape

    def extra_repr(self) -> str:
        return ", ".join([f"{name}={value!r}" for name, value in self._shown().items()])

    def __repr__(self) -> str:
        return self._headline()


class MaxPool2d(_Pool):
    """The largest entry of every window; see `ops.pooling.max_pool2d`. Of equals the first has the gradient.

    Parameters
    ----------
    kernel_size : int, or one for each axis
    stride : int, or one for each axis, optional
        The kernel's size by default.
    padding, dilation : int, or one for each axis
    ceil_mode : bool
        Whether the last windows may stand partly outside.

    Raises
    ------
    ValueError
        If an option is out of range, an input is no image, or no window fits into it.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[5.0, 7.0], [13.0, 15.0]]]
    """

    def __init__(
        self,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        dilation: int | Sizes = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = fixed(kernel_size)
        self.stride = self.kernel_size if stride is None else fixed(stride)
        self.padding, self.dilation, self.ceil_mode = fixed(padding), fixed(dilation), ceil_mode
        pooled("MaxPool2d", None, **self._options())

    def _options(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return {name: getattr(self, name) for name in names}

    def _shown(self) -> dict[str, Any]:
        usual = {"stride": self.kernel_size, "padding": 0, "dilation": 1, "ceil_mode": False}
        return {k: v for k, v in self._options().items() if k not in usual or v != usual[k]}

    def forward(self, x: Any) -> Any:
        """x of shape (batch, channels, H, W), or without the batch."""
        pooled(self._name(), self._image(x), **self._options())
        return max_pool2d(x, **self._options(), validate=False)


class AvgPool2d(_Pool):
    """The mean of every window; see `ops.pooling.avg_pool2d`.

    Parameters
    ----------
    kernel_size : int, or one for each axis
    stride : int, or one for each axis, optional
        The kernel's size by default.
    padding : int, or one for each axis
    ceil_mode : bool
        Whether the last windows may stand partly outside.
    count_include_pad : bool
        Whether zeros of the padding count in the number that sums are divided by.
    divisor_override : int, optional
        What to divide by instead.

    Raises
    ------
    ValueError
        If an option is out of range, an input is no image, or no window fits into it.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """

    def __init__(
        self,
        kernel_size: int | Sizes,
        stride: int | Sizes | None = None,
        padding: int | Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = fixed(kernel_size)
        self.stride = self.kernel_size if stride is None else fixed(stride)
        self.padding, self.ceil_mode = fixed(padding), ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        if divisor_override == 0:
            raise ValueError("divisor_override is what sums are divided by: not 0")
        pooled("AvgPool2d", None, **self._places())

    def _places(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("kernel_size", "stride", "padding", "ceil_mode")}

    def _options(self) -> dict[str, Any]:
        rest = {"count_include_pad": self.count_include_pad, "divisor_override": self.divisor_override}
        return {**self._places(), **rest}

    def _shown(self) -> dict[str, Any]:
        usual = {"stride": self.kernel_size, "padding": 0, "ceil_mode": False}
        usual |= {"count_include_pad": True, "divisor_override": None}
        return {k: v for k, v in self._options().items() if k not in usual or v != usual[k]}

    def forward(self, x: Any) -> Any:
        """x of shape (batch, channels, H, W), or without the batch."""
        pooled(self._name(), self._image(x), **self._places())
        return avg_pool2d(x, **self._options(), validate=False)


class AdaptiveAvgPool2d(_Pool):
    """Means of as many windows as the output has entries; see `ops.pooling.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int, or one for each axis
        H' and W'; None for the input's own.

    Raises
    ------
    ValueError
        If a size is no positive integer, or an input is no image or has no entries.

    Examples
    --------
    >>> import numpy as np
    >>> AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[7.5]]]
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
        per_axis("AdaptiveAvgPool2d", "output_size", tuple([1 if n is None else n for n in sizes]), 2)
        self.output_size = fixed(output_size)

    def _shown(self) -> dict[str, Any]:
        return {"output_size": self.output_size}

    def forward(self, x: Any) -> Any:
        """x of shape (batch, channels, H, W), or without the batch."""
        shape = self._image(x)
        if not all(shape[-2:]):
            raise wrong_shape(self, "(batch, channels, height, width), with entries to average", shape)
        return adaptive_avg_pool2d(x, output_size=self.output_size, validate=False)
