"""Products of matrices in the shape that BLAS likes, and written where they belong.

    flattened       a batch times one matrix is one product; products summed over the batch are one product
    turned          (A B)ᵀ is Bᵀ Aᵀ

The same products, added up in another order perhaps.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...tracer import Kind
from ..graph import Graph, Step
from .rewriting import Defined, axes_of, simplified


def flattened(graph: Graph) -> Graph:
    """With batched products of one matrix, and their sums over the batch, as products of two matrices."""
    return simplified(graph, {np.matmul: (_of_rows,), np.sum: (_summed,)})


def turned(graph: Graph) -> Graph:
    """With transposes of products as products of transposes, so that they can be written where they belong."""
    return simplified(graph, {np.transpose: (_turned,)})


def _of_rows(step: Step, known: Defined) -> Step | None:
    """A batch of matrices times one matrix: their rows, all together, times it."""
    a, b = step.inputs
    first, second, made = known.kinds[a], known.kinds[b], known.kinds[step.slot]
    if len(first.shape) < 3 or len(second.shape) != 2 or not known.in_rows(a) or not made.size or step.params:
        return None
    product = known.new(Kind("array", made.dtype, (math.prod(made.shape[:-1]), made.shape[-1]), (0, 1)))
    known.add(Step(np.matmul, (_rows(a, step, known), b), {}, product, step.note))
    known.views[step.slot] = 0
    known.kinds[step.slot] = replace(made, order=tuple(range(len(made.shape))))
    return Step(np.reshape, (product,), {"shape": made.shape}, step.slot, step.note)


def _summed(step: Step, known: Defined) -> Step | None:
    """Σ Aₙᵀ Bₙ over a batch: the rows of A, all together, transposed, times those of B."""
    inner = known.by(step.inputs[0], np.matmul)
    if inner is None or known.uses.get(inner.slot) != 1 or inner.params:
        return None
    if set(step.params) - {"axis", "keepdims"} or step.params.get("keepdims"):
        return None
    made, (left, b) = known.kinds[inner.slot], inner.inputs
    before, n = known.steps.get(left), len(made.shape)
    axis = step.params.get("axis")
    axes = (axis,) if isinstance(axis, int) else axis
    lead = tuple(range(n - 2))
    if not lead or axes is None or tuple(sorted(i % n for i in axes)) != lead or before is None or not made.size:
        return None
    if before.op is not np.transpose or axes_of(before, known.kinds[left]) != (*lead, n - 1, n - 2):
        return None
    a = before.inputs[0]
    if known.kinds[a].shape[:-1] != known.kinds[b].shape[:-1] or not known.in_rows(a) or not known.in_rows(b):
        return None
    rows, others = _rows(a, step, known), _rows(b, step, known)
    kind = known.kinds[rows]
    across = known.new(Kind("array", kind.dtype, kind.shape[::-1], (1, 0)))
    known.add(Step(np.transpose, (rows,), {"axes": None}, across, step.note))
    known.views[across] = 0
    return Step(np.matmul, (across, others), {}, step.slot, step.note)


def _rows(slot: int, step: Step, known: Defined) -> int:
    """(..., n) as a matrix."""
    kind = known.kinds[slot]
    made = known.new(Kind("array", kind.dtype, (math.prod(kind.shape[:-1]), kind.shape[-1]), (0, 1)))
    known.add(Step(np.reshape, (slot,), {"shape": known.kinds[made].shape}, made, step.note))
    known.views[made] = 0
    return made


def _turned(step: Step, known: Defined) -> Step | None:
    """(A B)ᵀ is Bᵀ Aᵀ."""
    inner = known.by(step.inputs[0], np.matmul)
    kind = known.kinds[step.slot]
    if inner is None or len(kind.shape) != 2 or known.uses.get(inner.slot) != 1 or kind.sort != "array":
        return None
    if axes_of(step, kind) != (1, 0) or any(len(known.kinds[i].shape) != 2 for i in inner.inputs):
        return None
    across = []
    for slot in reversed(inner.inputs):
        before = known.steps.get(slot)
        if (
            before is not None
            and before.op in (np.transpose, np.swapaxes)
            and len(known.kinds[before.inputs[0]].shape) == 2
        ):
            across.append(before.inputs[0])
            continue
        source = known.kinds[slot]
        made = known.new(replace(source, shape=source.shape[::-1], order=tuple([1 - i for i in source.order])))
        known.add(Step(np.transpose, (slot,), {"axes": None}, made, step.note))
        known.views[made] = 0
        across.append(made)
    known.views.pop(step.slot, None)
    known.kinds[step.slot] = replace(kind, order=(0, 1))
    return replace(step, op=np.matmul, inputs=tuple(across), params={})
