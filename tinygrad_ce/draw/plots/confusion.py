"""The confusion matrix as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .figure import literal, named, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WRITTEN = 20  # so many classes have their counts written


def confusion(matrix: ArrayLike, *, class_names: Any = None, axes: Any = None) -> Axes:
    """Which class is taken for which.

    Parameters
    ----------
    matrix : array of shape (K, K)
        Entry (i, j) counts rows of class i that are given j, as `tinygrad_ce.train.confusion` returns it.
    class_names : sequence of str, optional
    axes : Axes, optional

    Returns
    -------
    Axes
        Rows are shaded by their shares, so that rare classes are seen as well as common ones; the diagonal, which is
        right, is blue, and mistakes are orange. Counts are written where there are at most 20 classes.

    Raises
    ------
    ValueError
        If the matrix is not square, or holds negative numbers.

    Examples
    --------
    >>> axes = confusion([[5, 1], [0, 4]], class_names=["cat", "dog"])
    >>> axes.get_title()
    '90.0 % of 10 right'
    """
    counts = np.asarray(matrix)
    if counts.dtype.kind not in "biuf":
        raise ValueError(f"a confusion matrix holds counts, not {counts.dtype}")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"a confusion matrix is square, not of shape {counts.shape}")
    if np.any(counts < 0) or not np.all(np.isfinite(counts)):
        raise ValueError("a confusion matrix holds counts, which are finite and not negative")
    k = len(counts)
    names = [literal(name) for name in named(class_names, k)]
    side = min(max(3.2, 0.42 * k + 1.4), 9.0)
    (drawn,) = panels(axes, 1, size=(side, side))
    from matplotlib.colors import to_rgb

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right, wrong = np.array(to_rgb("#0072B2")), np.array(to_rgb("#D55E00"))
    strength = np.where(np.eye(k, dtype=bool), 0.85 * shares, np.where(shares > 0, 0.12 + 0.88 * shares, 0))[..., None]
    ink = np.where(np.eye(k, dtype=bool)[..., None], right, wrong)
    drawn.imshow(1 - strength * (1 - ink))
    if k <= WRITTEN:
        for i, j in np.argwhere(counts):
            dark = strength[i, j, 0] > 0.55
            drawn.text(
                j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=8, color="white" if dark else "#222222"
            )
    turned = 0 if max(map(len, names)) * k < 44 else 60
    drawn.set_xticks(range(k), names, rotation=turned, ha="right" if turned else "center", rotation_mode="anchor")
    drawn.set_yticks(range(k), names)
    drawn.set_xlabel("given")
    drawn.set_ylabel("true")
    drawn.set_title(_told(int(np.trace(counts)), int(counts.sum())), fontsize="medium")
    return drawn


def _told(right: int, total: int) -> str:
    """The share that is right; where rounding would hide the last mistake, or the only success, the count of it."""
    share = f"{100 * right / total:.1f}" if total else ""
    if not total:
        return "no rows"
    if share in ("100.0", "0.0") and 0 < right < total:
        return f"{right:,} of {total:,} right"
    return f"{share} % of {total:,} right"
