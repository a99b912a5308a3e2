"""The exponentials of scores, exact to their last places: what softmax and the losses are made of.

With a = argmax z and h = z − z_a, the difference is rounded; its exact rest l enters as exp(h + l) = exp(h) (1 + l).
The winner's 1 stays out of the sum r = Σ_{j≠a} exp(z_j − z_a), so that where the rest is small it is still there:

    softmax      ŷ = e / (1 + r)            its complement Σ_{j≠i} ŷ_j is r / (1 + r) for the winner
    logsumexp    z_a + log1p(r)
    log_softmax  h + l − log1p(r)

float32 is evaluated in float64, which makes all this exact to its last place. `exponentials` says it in plain
NumPy, for Values and for any array; rows.py has the fast way of ndarrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..arrays import is_eager
from ..derivation import Assumption
from ..forms import elementwise, primitive
from ..invariants import homogeneous, permutation
from ..node import plain
from .sums import class_sum


def _rounding_error(x: Any, y: Any) -> Any:
    """x − y − fl(x − y), exactly (Knuth's two-sum); 0 where that is not finite."""
    with np.errstate(invalid="ignore"):
        difference = x - y
        back = x - difference
        rest = (x - (difference + back)) + (back - y)
        finite = np.abs(rest) < np.inf
        return rest if is_eager(rest) and np.all(finite) else np.where(finite, rest, 0.0)


rounding_error = elementwise(
    _rounding_error,
    None,
    None,
    name="rounding_error",
    constants=("x", "y"),
    formula="none",
    doc="What x − y loses in rounding, exactly. Flat almost everywhere: it has no gradient.",
)


def first_winner(x: Any, axis: int) -> Any:
    x = plain(x)
    if not x.shape[axis]:
        return np.zeros(x.shape, dtype=bool)
    return along(np.arange(x.shape[axis]), axis, x.ndim) == np.expand_dims(np.argmax(x, axis), axis)


def along(x: Any, axis: int, ndim: int) -> Any:
    """A vector over the classes, shaped to broadcast along `axis` of an array of `ndim` axes."""
    return np.reshape(x, tuple([-1 if i == axis % ndim else 1 for i in range(ndim)]))


def _to_winner(g: Any, out: Any, x: Any, *, axis: int) -> Any:
    return np.where(first_winner(x, axis), g, 0.0)


@primitive(
    vjps=(_to_winner,),
    pushforward=lambda tangents, out, inputs, params: np.sum(
        np.where(first_winner(inputs[0], params["axis"]), tangents[0], 0.0),
        axis=params["axis"],
        keepdims=True,
    ),
    samples=lambda rng: [((rng.normal(size=(3, 4)),), {}), ((rng.normal(size=(3, 4)),), {"axis": 0})],
    formula="g to the first winner",
    invariants=[homogeneous(), permutation("x", follows=False)],
)
def largest(x: Any, *, axis: int = -1) -> Any:
    """The largest entry along `axis`, kept as an axis of length 1; at a tie the gradient is the first one's."""
    return (
        np.max(x, axis=axis, keepdims=True) if np.shape(x)[axis] else np.max(x, axis=axis, keepdims=True, initial=0.0)
    )


def wide(x: Any) -> Any:
    """float16 and float32 as float64; anything wider as it is."""
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        return np.asarray(x, dtype=np.float64)
    if dtype.kind == "c":
        raise TypeError("softmax and the losses are of real scores, not of complex ones")
    return x.astype(np.float64) if dtype.kind in "iub" or dtype.itemsize < 8 else x


@dataclass(frozen=True)
class Exponentials:
    """e = exp(z − z_a), and what is left of it without the winner a."""

    winner: Any  # plain mask: True at the first largest entry
    top: Any  # z_a, with axis kept
    high: Any  # z − z_a, rounded
    low: Any  # what the rounding lost
    e: Any  # exp(z − z_a)
    rest: Any  # r: Σ e without the winner, axis kept

    @property
    def probabilities(self) -> Any:
        return self.e / (1.0 + self.rest)

    def complements(self, p: Any) -> Any:
        """Σ_{j≠i} ŷ_j, which 1 − ŷ_i would lose for the winner."""
        return np.where(self.winner, self.rest / (1.0 + self.rest), 1.0 - p)


def exponentials(z: Any, axis: int) -> Exponentials:
    """The pieces above, of arrays or of Values; plain NumPy either way."""
    z = wide(z)
    axis = normalize_axis_index(axis, z.ndim)
    top = largest(z, axis=axis)
    high = z - top
    low = rounding_error(z, top)
    e = np.exp(high) * (1.0 + low)
    winner = first_winner(z, axis)
    return Exponentials(winner, top, high, low, e, class_sum(np.where(winner, 0.0, e), axis))


def narrow(x: Any, like: Any) -> Any:
    """`x` in the floating dtype of what it was computed from; float64 where that was none."""
    dtype = getattr(like, "dtype", None)
    dtype = dtype if dtype is not None and dtype.kind == "f" else np.dtype(np.float64)
    return x if x.dtype is dtype else x.astype(dtype)


def small_gap(z: Any, axis: int, what: str = "logit") -> bool | str:
    """Whether the largest logit stands below the point where 1 − ŷ has lost most digits."""
    z = np.asarray(z)
    if z.size == 0 or z.shape[axis] < 2:
        return True
    top_two = np.partition(wide(z), -2, axis=axis).take([-2, -1], axis=axis)
    gap = np.max(np.diff(top_two, axis=axis), initial=0.0, where=np.isfinite(np.diff(top_two, axis=axis)))
    limit = 10.0 if z.dtype.itemsize < 8 else 30.0
    return True if gap < limit else f"a {what} gap is {gap:.3g}"


ACCURATE = Assumption(
    "the two largest logits less than 30 apart (10 in float32)", lambda z, *_, axis, **__: small_gap(z, axis)
)
