"""Where the windows of a convolution or a pooling stand, along every spatial axis.

    Windows         sizes and offsets: window i of an axis covers i·stride − before + k·dilation, k = 0 … kernel − 1
    windows         the Windows of an input, from options as a user writes them; or a sentence that says why not
    padded          an array with its borders
    unfolded        every window of an array as new last axes, in NumPy functions that have rules
    tap             entry k of every window, as a slice of the padded array

Spatial axes are the last ones; what stands before them is of no consequence here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from operator import index
from typing import Any

import numpy as np

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """Where windows stand: for each spatial axis, one number of each kind."""

    size: Sizes  # of the input
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    before: Sizes  # border before the input
    after: Sizes  # and after it: at least what the last window needs
    out: Sizes  # how many windows there are

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def extent(self) -> Sizes:
        """From a window's first entry to its last."""
        return tuple([d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)])

    @property
    def full(self) -> Sizes:
        """The size of the padded input."""
        return tuple([a + n + b for a, n, b in zip(self.before, self.size, self.after, strict=True)])

    @property
    def bare(self) -> bool:
        """Whether there is no border."""
        return not any(self.before) and not any(self.after)

    @property
    def inside(self) -> tuple[Any, ...]:
        """Where the input lies in the padded one, as an index."""
        return (..., *[slice(a, a + n) for a, n in zip(self.before, self.size, strict=True)])

    def taps(self) -> Iterator[Sizes]:
        """The places in a kernel, row by row."""
        return product(*[range(k) for k in self.kernel])


# -- from options ----------------------------------------------------------------------------------------------


def per_axis(name: str, option: str, value: Any, rank: int, least: int = 1) -> Sizes:
    """An option that is one integer, or one for each axis, as a tuple of them."""
    values = value if isinstance(value, (tuple, list)) else (value,) * rank
    try:
        found = tuple([index(v) for v in values if not isinstance(v, bool)])
    except TypeError:
        found = ()
    if len(found) != rank or len(values) != rank or any(v < least for v in found):
        each = f", or {rank} of them" if rank > 1 else ""
        raise ValueError(f"{name}: {option} is an integer of at least {least}{each}, not {value!r}")
    return found


def borders(name: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """The borders before and after: integers, or torch's "valid" (none) and "same" (as many windows as entries)."""
    rank = len(kernel)
    if padding == "valid":
        return (0,) * rank, (0,) * rank
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ValueError(f"{name}: padding='same' is for stride 1, not {stride}: give the padding in numbers")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple([t // 2 for t in total]), tuple([t - t // 2 for t in total])
    if isinstance(padding, str):
        raise ValueError(f"{name}: padding is 'same', 'valid', or a number of entries, not {padding!r}")
    both = per_axis(name, "padding", padding, rank, least=0)
    return both, both


@lru_cache(maxsize=512)
def windows(
    name: str,
    size: Sizes,
    kernel: Sizes,
    stride: int | Sizes,
    padding: int | Sizes | str,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> Windows:
    """The windows of `kernel` in an input of that size.

    Parameters
    ----------
    name : str
        Of the op, for messages.
    size, kernel : tuple of int
        Along the spatial axes.
    stride, padding, dilation
        As `torch.nn.functional.conv2d` takes them.
    ceil_mode : bool
        Whether a last window may stand partly beyond the border, as long as it begins within it or the input.

    Raises
    ------
    ValueError
        If an option is out of range, or no window fits.
    """
    rank = len(kernel)
    stride = per_axis(name, "stride", stride, rank)
    dilation = per_axis(name, "dilation", dilation, rank)
    before, after = borders(name, padding, kernel, stride, dilation)
    out, reach = [], []
    for n, k, s, d, a, b in zip(size, kernel, stride, dilation, before, after, strict=True):
        room = a + n + b - (d * (k - 1) + 1)
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= a + n:
            count -= 1
        if n == 0 or count < 1:
            raise ValueError(_too_small(name, size, kernel, dilation, before, after))
        out.append(count)
        reach.append(max(b, (count - 1) * s + d * (k - 1) + 1 - a - n))
    return Windows(size, kernel, stride, dilation, before, tuple(reach), tuple(out))


def _too_small(name: str, size: Sizes, kernel: Sizes, dilation: Sizes, before: Sizes, after: Sizes) -> str:
    border = f" with its border {tuple([a + n + b for a, n, b in zip(before, size, after, strict=True)])}"
    spread = tuple([d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)])
    wide = f", which dilation {dilation} spreads over {spread}," if spread != kernel else ""
    return (
        f"{name}: a kernel of {kernel}{wide} does not fit into an input of spatial size {size}"
        f"{border if any(before) or any(after) else ''}: use a smaller kernel, or padding"
    )


# -- windows of arrays -----------------------------------------------------------------------------------------


def padded(x: Any, w: Windows, fill: float = 0.0) -> Any:
    """`x` with its borders; `x` itself where there are none."""
    if w.bare:
        return x
    if type(x) is np.ndarray:
        whole = np.full((*x.shape[: -w.rank], *w.full), fill, dtype=x.dtype)
        whole[w.inside] = x
        return whole
    widths = [(0, 0)] * (len(np.shape(x)) - w.rank) + list(zip(w.before, w.after, strict=True))
    return np.pad(x, widths, constant_values=fill) if fill else np.pad(x, widths)


def unfolded(x: Any, w: Windows, fill: float = 0.0) -> Any:
    """Every window of `x`: shape (..., *out, *kernel)."""
    spatial = tuple(range(-w.rank, 0))
    views: Any = np.lib.stride_tricks.sliding_window_view(padded(x, w, fill), w.extent, axis=spatial)
    first = [slice(0, (n - 1) * s + 1, s) for n, s in zip(w.out, w.stride, strict=True)]
    return views[(..., *first, *[slice(None, None, d) for d in w.dilation])]


def tap(k: Sizes, w: Windows) -> tuple[slice, ...]:
    """Entry `k` of every window, as slices of the padded input's spatial axes."""
    return tuple(
        [slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in zip(k, w.dilation, w.out, w.stride, strict=True)]
    )
