"""Products of matrices in the shape that BLAS likes, and written where they belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..graph import Graph, Step
from .rewriting import Defined, axes_of, simplified


def turned(graph: Graph) -> Graph:
    """With transposes of products as products of transposes, so that they can be written where they belong."""
    return simplified(graph, {np.transpose: (_turned,)})


def _turned(step: Step, known: Defined) -> Step | None:
    """(A B)ᵀ is Bᵀ Aᵀ: the same products, perhaps added up in another order."""
    inner = known.by(step.inputs[0], np.matmul)
    kind = known.kinds[step.slot]
    if inner is None or len(kind.shape) != 2 or known.uses.get(inner.slot) != 1 or kind.sort != "array":
        return None
    if axes_of(step, kind) != (1, 0) or any(len(known.kinds[i].shape) != 2 for i in inner.inputs):
        return None
    turned = []
    for slot in reversed(inner.inputs):
        before = known.steps.get(slot)
        if (
            before is not None
            and before.op in (np.transpose, np.swapaxes)
            and len(known.kinds[before.inputs[0]].shape) == 2
        ):
            turned.append(before.inputs[0])
            continue
        source = known.kinds[slot]
        made = known.new(replace(source, shape=source.shape[::-1], order=tuple([1 - i for i in source.order])))
        known.add(Step(np.transpose, (slot,), {"axes": None}, made, step.note))
        known.views[made] = 0
        turned.append(made)
    known.views.pop(step.slot, None)
    known.kinds[step.slot] = replace(kind, order=(0, 1))
    return replace(step, op=np.matmul, inputs=tuple(turned), params={})
