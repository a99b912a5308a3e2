"""dropout: entries set to 0 by a mask, the others scaled up so that the mean stays (Srivastava et al., 2014)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..invariants import entrywise, homogeneous
from ..registry import op


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    for shape, p in (((3, 4), 0.5), ((2, 1), 0.1), ((0, 2), 0.5), ((5,), 0.0)):
        yield (rng.normal(size=shape), rng.random(shape) >= p), {"p": p}
    yield (rng.normal(size=(2, 3)), np.zeros((2, 3), bool)), {"p": 1.0}
    yield (rng.normal(size=(2, 3, 2)), np.array([[[True], [False], [True]]])), {"p": 0.25}


@op(samples=_samples, constants=("mask",), invariants=[homogeneous(), entrywise()])
def dropout(x: Any, mask: Any, *, p: float = 0.5) -> Any:
    """x / (1 − p) where the mask is True, 0 elsewhere. The randomness is the mask, which is an input.

    Parameters
    ----------
    x : Value or array of any shape
    mask : array of bool that broadcasts against x
        True for what is kept: each entry with probability 1 − p.
    p : float in [0, 1]
        The probability of a 0; with 1, everything is.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.dropout import dropout
    >>> dropout([1.0, 2.0, 3.0], np.array([True, False, True]), p=0.5).tolist()
    [2.0, 0.0, 6.0]
    """
    return np.where(mask, x * _scale(p), 0.0)


def _scale(p: float) -> float:
    return 0.0 if p == 1.0 else 1.0 / (1.0 - p)


@dropout.guard
def _(x: Any, mask: Any, *, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability, from 0 to 1, not {p!r}")
    if getattr(mask, "dtype", np.dtype(bool)).kind != "b":
        raise ValueError(f"dropout: the mask holds {mask.dtype}; True for what is kept is wanted")


dropout.derivation("analytic", formula="g / (1 − p) where kept")(
    (lambda g, out, x, mask, *, p: np.where(mask, g * _scale(p), 0.0), None)
)
