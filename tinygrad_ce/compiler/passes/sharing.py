"""What need not be done: steps that nothing needs, steps of constants, steps that were done before.

dead_code       steps that nothing needs
folded          steps of constants alone are done once, here
shared          a step that was done before is not done again
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Graph, Pull, perform


def dead_code(graph: Graph) -> Graph:
    """Without the steps that lead to no output."""
    needed, kept = {*graph.results}, []
    for step in reversed(graph.steps):
        if step.slot in needed:
            kept.append(step)
            needed.update(step.inputs)
    constants = {s: x for s, x in graph.constants.items() if s in needed}
    return graph.with_steps(reversed(kept), constants=constants)


_LARGEST = 1 << 16  # bytes of a folded constant that is no larger than what it is made of


def folded(graph: Graph) -> Graph:
    """With steps of constants alone done now."""
    constants, kept = dict(graph.constants), []
    for step in graph.steps:
        if step.inputs and all(i in constants for i in step.inputs) and graph.kinds[step.slot].nbytes <= _LARGEST:
            with np.errstate(all="ignore"):
                constants[step.slot] = perform(step.op, [constants[i] for i in step.inputs], step.params)
        else:
            kept.append(step)
    return graph.with_steps(kept, constants=constants)


def shared(graph: Graph) -> Graph:
    """With equal steps done once, and equal constants kept once."""
    becomes: dict[int, int] = {}
    known: dict[Any, int] = {}
    for slot, x in graph.constants.items():
        key: Any = (type(x), repr(x)) if type(x) in (float, int, bool) else None
        if isinstance(x, np.ndarray) and x.nbytes <= _LARGEST and x.dtype != object:
            key = (x.dtype.str, x.shape, x.strides, x.tobytes())
        if key is not None:
            becomes[slot] = known.setdefault(key, slot)
    kept = []
    for step in graph.steps:
        inputs = tuple([becomes.get(i, i) for i in step.inputs])
        op = step.op if isinstance(step.op, Pull) else id(step.op) if not hasattr(step.op, "__self__") else step.op
        key = (op, inputs, repr(sorted(step.params.items())))
        if key in known:
            becomes[step.slot] = known[key]
        else:
            known[key] = step.slot
            kept.append(step)
    return graph.renamed(becomes, kept)
