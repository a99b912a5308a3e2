"""T ŷ − ỹ, the gradient of cross-entropy in the logits, as an op that can be differentiated.

Entry i is ŷ_i Σ_{j≠i} ỹ_j − ỹ_i Σ_{j≠i} ŷ_j, in which nothing cancels where ỹ stands at one class: ŷ_i − 1 does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..invariants import blind_to_constants, homogeneous, permutation, rows_apart, shift, sums_to_zero
from ..registry import op
from .cross_entropy_rows import dense_residual
from .exponentials import exponentials, narrow, wide
from .rows import as_rows, floating, from_rows, in_blocks
from .sums import class_sum


def _samples(rng: np.random.Generator) -> Iterable[Any]:
    yield (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}
    yield (rng.normal(size=(2, 3, 2)), rng.dirichlet(np.ones(3), size=(2, 2)).swapaxes(1, 2)), {"axis": 1}


@op(
    samples=_samples,
    invariants=[
        sums_to_zero("z"),
        blind_to_constants("z"),
        shift("z"),
        permutation("z", "target"),
        rows_apart("z"),
        homogeneous("target"),
    ],
)
def residual(z: Any, target: Any, *, axis: int = -1) -> Any:
    """T ŷ − ỹ for scores z and dense targets ỹ, T = Σ ỹ, without cancellation; of z's dtype."""
    parts = exponentials(z, axis)
    p = parts.probabilities
    return p * (class_sum(target, axis) - target) - target * parts.complements(p)


@residual.forward
def _(z: Any, target: Any, *, axis: int) -> Any:
    if type(z) is not np.ndarray or type(target) is not np.ndarray:
        return residual.decomposition(z, target, axis=axis)
    rows = floating(as_rows(z, axis))
    return from_rows(in_blocks(dense_residual, rows.dtype, rows, wide(as_rows(target, axis))), z, axis)


def _push(tangents: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Of the target, itself, for it is linear there; of the scores, T ŷ ⊙ (d − Σ ŷ d), d behind the winner's tangent.

    What is added to all scores moves nothing, so the winner's d is 0, and where its ŷ is nearly 1 nothing cancels.
    """
    (z, target), (to_z, to_target), axis = inputs, tangents, params["axis"]
    along = None
    if to_z is not None:
        parts = exponentials(z, axis)
        p = parts.probabilities
        d = to_z - class_sum(np.where(parts.winner, to_z, 0.0), axis)
        along = narrow(class_sum(target, axis) * (p * (d - class_sum(p * d, axis))), z)
    if to_target is None:
        return along
    moved = residual(z, to_target, axis=axis)
    return moved if along is None else along + moved


residual.pushforward = _push
