"""How steps are put in the place of others: by rules that look at one step and what its operands were made by.

Defined         what each slot is made by, so far
simplified      a graph with rules applied, each wherever it can be
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...tracer import Kind
from ..graph import Graph, Step
from ..record import picked

# Views of all that there is, in order, in another shape.
_WHOLE = frozenset({np.reshape, np.transpose, np.swapaxes, np.expand_dims, np.squeeze})


class Defined:
    """What each slot is made by, so far."""

    def __init__(self, graph: Graph) -> None:
        self.kinds: dict[int, Kind] = dict(graph.kinds)
        self._next = max(self.kinds, default=0)
        self.constants = dict(graph.constants)
        self.steps: dict[int, Step] = {}
        self.views = dict(graph.views)
        self.uses = graph.uses()
        self.clipped: dict[int, int] = {}
        self.added: list[Step] = []

    def new(self, kind: Kind) -> int:
        """A slot for a step that is put in."""
        self._next += 1
        self.kinds[self._next] = kind
        return self._next

    def add(self, step: Step) -> None:
        """Put a step in before the present one."""
        self.steps[step.slot] = step
        self.added.append(step)

    def constant(self, x: Any) -> int:
        slot = self.new(Kind.of(x))
        self.constants[slot] = x
        return slot

    def by(self, slot: int, op: Any) -> Step | None:
        """The step that made a slot, if it is of that op."""
        step = self.steps.get(slot)
        return step if step is not None and step.op is op else None

    def number(self, slot: int) -> float | None:
        """The number that a slot holds everywhere, where it is a constant."""
        x: Any = self.constants.get(slot)
        if type(x) in (float, int):
            return float(x)
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fiu" and x.size:
            first = np.ravel(x)[0]
            return float(first) if x.size == 1 or (x == first).all() else None
        return None

    def in_rows(self, slot: int) -> bool:
        """Whether a slot lies in memory row after row without gaps, or is the caller's, so that a copy may be made."""
        kind = self.kinds[slot]
        if kind.sort != "array" or kind.order != tuple(range(len(kind.shape))):
            return False
        while slot in self.views and slot in self.steps:
            step = self.steps[slot]
            if step.op not in _WHOLE and not self._is_run(step):
                return False
            slot = step.inputs[self.views[slot]]
        return self.kinds[slot].sort == "array"

    def _is_run(self, step: Step) -> bool:
        """Whether a step picks entries of a vector that lie one after the other."""
        key = step.params.get("key") if step.op is picked else None
        return isinstance(key, slice) and key.step in (None, 1) and len(self.kinds[step.inputs[0]].shape) == 1

    def alike(self, a: int, b: int) -> bool:
        """Whether one may stand for the other: the same sort, dtype and shape."""
        x, y = self.kinds[a], self.kinds[b]
        return (x.sort, x.dtype, x.shape) == (y.sort, y.dtype, y.shape)


Rule = Callable[[Step, Defined], "Step | int | None"]  # another step, a slot that is the same, or nothing


def simplified(graph: Graph, table: Mapping[Any, tuple[Rule, ...]]) -> Graph:
    """With these rules applied, by op, each wherever it can be."""
    known, kept = Defined(graph), []
    becomes: dict[int, int] = {}
    for step in graph.steps:
        step = step.renamed(becomes)
        key = step.op if step.op.__hash__ else None
        for rule in table.get(key, ()):
            found = rule(step, known)
            if isinstance(found, int):
                becomes[step.slot] = found
                break
            if found is not None:
                step = found
                if step.op is not key:
                    break
        if step.slot not in becomes:
            known.steps[step.slot] = step
            kept += [*known.added, step]
            known.added.clear()
    graph = replace(graph, kinds=known.kinds, constants=known.constants, views=known.views)
    return graph.renamed(becomes, kept)


def axes_of(step: Step, kind: Kind) -> tuple[int, ...]:
    """The axes of a transpose, counted from the front."""
    axes = step.params.get("axes")
    n = len(kind.shape)
    return tuple(reversed(range(n))) if axes is None else tuple([i % n for i in axes])
