"""Every partial derivative of a function, as a picture."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from ...choice import Request, use_derivation
from ...node import plain
from ...transforms import jacobian
from ..options import function, numbers, whole
from .figure import SIGNED, literal, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WRITTEN = 12  # so many rows and columns have their numbers written
SEEN = 1024  # rows and columns, at most


def jacobian_heatmap(
    f: Any, *inputs: Any, argnum: int = 0, derivation: Request = None, axes: Any = None, **params: Any
) -> Axes:
    """∂f/∂x as a matrix of colours: a row for each number of the result, a column for each number of the input.

    Parameters
    ----------
    f : callable
        An op, or any function of Values.
    *inputs : arrays
    argnum : int
        With respect to which of them.
    derivation : str or mapping of ops to names, optional
        Which derivations the rows are swept with.
    axes : Axes, optional
    **params
        Options of f.

    Returns
    -------
    Axes
        Blue is negative, red positive, white nothing; numbers are written where there are few.

    Raises
    ------
    ValueError
        If there are more than 1024 rows or columns: look at a part of f then, `lambda x: f(x)[:10]`.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> jacobian_heatmap(tg.softmax, [1.0, 2.0, 3.0], derivation="analytic").get_title()
    '∂ softmax / ∂ z'
    """
    function("f", f)
    if whole("argnum", argnum, 0) >= len(inputs):
        raise ValueError(f"argnum={argnum} is none of the {len(inputs)} inputs, which count from 0")
    x = inputs[argnum]
    if not hasattr(x, "shape"):
        x = numbers("inputs", x)
    rows = int(np.size(plain(x)))
    if rows > SEEN:
        raise ValueError(f"the input has {rows:,} numbers, more than {SEEN:,} columns that can be seen: take a part")
    with use_derivation(derivation) if derivation is not None else nullcontext():
        mode: Any = "reverse" if derivation is not None else None
        # An op's options and data stay what they are: only the one input is varied.
        found = jacobian(lambda v: f(*inputs[:argnum], v, *inputs[argnum + 1 :], **params), mode=mode)(plain(x))
    matrix = np.asarray(plain(found), dtype=float)
    matrix = matrix.reshape(-1, rows) if rows else matrix.reshape(0, 0)
    if len(matrix) > SEEN:
        raise ValueError(f"the result has {len(matrix):,} numbers, more than {SEEN:,} rows that can be seen: take part")
    if not matrix.size:
        raise ValueError("a Jacobian of nothing: the input or the result is empty")
    size = (min(max(0.5 * matrix.shape[1] + 1.6, 3.2), 8.0), min(max(0.45 * len(matrix) + 1.2, 2.6), 8.0))
    (drawn,) = panels(axes, 1, size=size)
    _matrix(drawn, matrix)
    names = getattr(f, "input_names", ())
    name, of = getattr(f, "name", getattr(f, "__name__", "f")), names[argnum] if argnum < len(names) else "x"
    drawn.set_title(literal(f"∂ {'f' if name == '<lambda>' else name} / ∂ {of}"), fontsize="medium")
    return drawn


def _matrix(axes: Axes, matrix: Any) -> None:
    finite = matrix[np.isfinite(matrix)]
    top = float(np.max(np.abs(finite), initial=0.0)) or 1.0
    image = axes.imshow(np.ma.masked_invalid(matrix), cmap=SIGNED, vmin=-top, vmax=top, aspect="auto")
    axes.set_facecolor("#222222")  # what is not finite
    if max(matrix.shape) <= WRITTEN:
        for (i, j), x in np.ndenumerate(matrix):
            dark = not np.isfinite(x) or abs(x) > 0.6 * top
            axes.text(j, i, f"{x:.2g}", ha="center", va="center", fontsize=8, color="white" if dark else "#222222")
    axes.set_xlabel("entry of the input")
    axes.set_ylabel("entry of the result")
    from matplotlib.ticker import MaxNLocator

    for side in (axes.xaxis, axes.yaxis):
        side.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.figure.colorbar(image, ax=axes)
