"""Where the entries of a value lie: in which memory, how far from its start, and how far apart.

Layouts(graph)          how views lie within what they are views of
Places(graph, plan)     of(slot): a Place
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Graph, Step, perform
from .memory import Plan

ARENA = -1


@dataclass(frozen=True)
class Place:
    """Entries of a base array, flat: base, dtype, the first one, and the steps along each axis, in entries."""

    base: int  # the slot whose memory it is, or ARENA
    dtype: np.dtype[Any]
    offset: int
    strides: tuple[int, ...]


class Layouts:
    """How the arrays of a graph are laid out: views are taken of arrays that are never touched."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.by: dict[int, Step] = {s.slot: s for s in graph.steps}
        self._like: dict[int, Any] = {}

    def source(self, slot: int) -> int | None:
        """What a slot is a view of."""
        if slot not in self.graph.views or slot not in self.by:
            return None
        found = self.by[slot].inputs[self.graph.views[slot]]
        return found if self._held(found) else None

    def root(self, slot: int) -> int:
        """The value whose memory a slot is a view of."""
        while (source := self.source(slot)) is not None:
            slot = source
        return slot

    def array(self, slot: int) -> Any:
        """An array laid out as a value is."""
        if slot not in self._like:
            if self.source(slot) is not None:
                step = self.by[slot]
                given = [self.array(i) if self._held(i) else self.graph.constants.get(i) for i in step.inputs]
                self._like[slot] = perform(step.op, given, step.params)
            else:
                kind = self.graph.kinds[slot]
                shape = tuple([kind.shape[i] for i in kind.order])
                self._like[slot] = np.empty(shape, kind.dtype).transpose(np.argsort(kind.order))
        return self._like[slot]

    def forget(self) -> None:
        """Let go of the arrays; they are made again when they are asked for."""
        self._like.clear()

    def _held(self, slot: int) -> bool:
        return self.graph.kinds[slot].sort == "array"

    def strides(self, slot: int) -> tuple[int, ...]:
        return tuple([s // self.graph.kinds[slot].dtype.itemsize for s in self.array(slot).strides])

    def whole(self, slot: int) -> bool:
        """Whether a value's entries lie together, in C order."""
        return bool(self.array(slot).flags.c_contiguous)


class Places(Layouts):
    """Where the values of a planned graph lie."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        super().__init__(graph)
        self.plan = plan

    def of(self, slot: int) -> Place:
        root, dtype = self.root(slot), self.graph.kinds[slot].dtype
        offset = 0
        if slot != root and self.array(slot).size:
            start, first = [x.__array_interface__["data"][0] for x in (self.array(root), self.array(slot))]
            offset = (first - start) // dtype.itemsize
        store = self.plan.stores[root]
        if store.sort == "buffer":
            return Place(ARENA, dtype, offset + store.position // dtype.itemsize, self.strides(slot))
        return Place(root if store.sort == "fresh" else store.slot, dtype, offset, self.strides(slot))
