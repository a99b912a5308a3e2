"""Pieces that were put into zeros and added up: they are joined instead.

    joined      Σ of pieces, each in zeros of the whole's shape, is their concatenation where they cover it once

What comes of it may differ in the sign of zeros alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...ops.indexing import scatter_add
from ..graph import Graph, Step
from .rewriting import Defined, simplified


def joined(graph: Graph) -> Graph:
    """With sums of pieces as concatenations."""
    return simplified(graph, {np.add: (_pieces,)})


def _pieces(step: Step, known: Defined) -> Step | None:
    made = known.kinds[step.slot]
    found = list(_placed(step, known))
    if None in found or not made.shape:
        return None
    placed = sorted([p for p in found if p is not None])
    if [a for a, _, _ in placed] != [0, *[b for _, b, _ in placed[:-1]]] or placed[-1][1] != made.shape[0]:
        return None
    if any(known.kinds[slot].dtype != made.dtype or known.kinds[slot].sort != "array" for _, _, slot in placed):
        return None
    return Step(np.concatenate, tuple([slot for _, _, slot in placed]), {"axis": 0}, step.slot, step.note)


def _placed(step: Step, known: Defined) -> Iterator[tuple[int, int, int] | None]:
    """Rows from, to, and the slot of what stands there, of each piece of a sum; None for what is no piece."""
    for slot in step.inputs:
        inner = known.steps.get(slot)
        if inner is None or known.uses.get(slot) != 1:
            yield None
        elif inner.op is np.add and known.kinds[slot].shape == known.kinds[step.slot].shape:
            yield from _placed(inner, known)
        else:
            yield _rows_of(inner, known)


def _rows_of(step: Step, known: Defined) -> tuple[int, int, int] | None:
    if step.op is not scatter_add or len(step.inputs) != 1 or len(step.params["key"]) != 1:
        return None
    part, made = step.params["key"][0], known.kinds[step.slot]
    if not isinstance(part, tuple) or part[0] != "slice" or part[3] not in (None, 1):
        return None
    start, end, _ = slice(*part[1:]).indices(made.shape[0])
    kind = known.kinds[step.inputs[0]]
    return (start, end, step.inputs[0]) if kind.shape == (end - start, *made.shape[1:]) and end > start else None
