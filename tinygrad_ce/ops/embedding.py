"""embedding: rows of a table, by their numbers. The gradient of a row adds up over its uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import as_array, is_eager
from ..invariants import homogeneous
from ..registry import op
from .indexing import ROWS, getitem, scatter_add
from .targets import first, where


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    table = rng.normal(size=(5, 3))
    for indices in (np.array([0, 2, 2, 4]), np.array([[0, 2], [2, 2]]), np.array(3), np.zeros((0, 2), int)):
        yield (table, indices), {}


@op(samples=_samples, constants=("indices",), invariants=[homogeneous()])
def embedding(weight: Any, indices: Any) -> Any:
    """weight[indices]: a row of the table for each index.

    Parameters
    ----------
    weight : Value or array of shape (V, D)
    indices : array of integers of any shape
        Each in 0 … V − 1.

    Returns
    -------
    Value or array of shape (*indices.shape, D)

    Raises
    ------
    ValueError
        If indices are no integers.
    IndexError
        If one is outside the table; the message says which and where.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ce as tg
    >>> from tinygrad_ce.nn import functional as F
    >>> table = tg.Value(np.eye(3))
    >>> F.embedding([0, 2, 2], table).sum().backward()
    >>> table.grad[:, 0].tolist()
    [1.0, 0.0, 2.0]
    """
    return getitem(weight, indices, key=ROWS)


@embedding.forward
def _(weight: Any, indices: Any) -> Any:
    return getitem.kernel(weight, indices, key=ROWS)


@embedding.guard
def _(weight: Any, indices: Any) -> None:
    shape = np.shape(weight)
    if len(shape) != 2:
        raise ValueError(f"embedding: a table of shape {shape} where (V, D) is wanted")
    indices = as_array(indices)
    if indices.dtype.kind not in "iu":
        raise ValueError(f"embedding: indices are integers, not {indices.dtype}; write .astype(int)")
    if is_eager(indices) and indices.size and (np.min(indices) < 0 or np.max(indices) >= shape[0]):
        at = first((indices < 0) | (indices >= shape[0]))
        raise IndexError(f"embedding: index{where(at)} is {indices[at]}, outside 0 … {shape[0] - 1}")


def _to_weight(g: Any, out: Any, weight: Any, indices: Any) -> Any:
    return scatter_add(g, indices, key=ROWS, shape=np.shape(weight))


embedding.derivation("analytic", formula="g, added up at the indices")((_to_weight, None))
