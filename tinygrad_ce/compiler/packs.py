"""Very many single numbers that a function reaches and sets, taken together: read into one array, written from one.

Pack            numbers of several Values, and the slot of the array that holds them
packed(...)     a graph whose numbers of Values come in packs
joined(...)     a step that puts numbers into one array
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..node import changed, changed_together, plain
from ..tracer import Kind
from ..value import Value
from .graph import Graph, Note, Step
from .record import element

MANY = 32  # numbers that are worth a pack


@dataclass
class Pack:
    """Numbers of several Values, in one array.

    `what` is "data" or "grad"; the numbers have the slots `members` on their own.
    """

    what: str
    values: list[Value]
    members: list[int]
    slot: int
    _numbers: list[int] = field(default_factory=list)  # of the Values, once they have been written to

    def read(self) -> Any:
        """The array, of gradients, from what the Values hold now."""
        return np.array([0.0 if x.grad is None else plain(x.grad) for x in self.values], float)

    def write(self, array: Any) -> None:
        """Give each Value its number."""
        if self.what == "data":
            for value, x in zip(self.values, array.tolist(), strict=True):
                value._data = x
            if self._numbers:
                changed_together(self._numbers)
            else:
                for value in self.values:
                    changed(value)
                self._numbers = [value.number for value in self.values]
        else:
            for value, x in zip(self.values, array.tolist(), strict=True):
                value.grad = x


def packed(graph: Graph, what: str, wanted: Sequence[tuple[Value, int]]) -> tuple[Graph, Pack | None]:
    """A graph that is given these inputs, single numbers of Values, in one array; as it is, where they are few."""
    used = {i for s in graph.steps for i in s.inputs} | {*graph.results}
    found = [(value, slot) for value, slot in wanted if slot in used and graph.kinds[slot].sort == "float"]
    if len(found) < MANY:
        return graph, None
    pack = Pack(what, [v for v, _ in found], [s for _, s in found], max(graph.kinds) + 1)
    kind = Kind("array", np.dtype(float), (len(found),), (0,))
    name = "parameters" if what == "data" else "gradients"
    steps = [Step(element, (pack.slot,), {"at": i}, slot, Note(op=name)) for i, slot in enumerate(pack.members)]
    members = {*pack.members}
    return replace(
        graph,
        inputs=(*[s for s in graph.inputs if s not in members], pack.slot),
        steps=(*steps, *graph.steps),
        kinds={**graph.kinds, pack.slot: kind},
        names={**graph.names, pack.slot: name},
    ), pack


def joined(slots: Sequence[int], new: Callable[[Kind], int], name: str) -> Step:
    """A step that puts these single numbers into one array."""
    kind = Kind("array", np.dtype(float), (len(slots),), (0,))
    return Step(np.stack, tuple(slots), {}, new(kind), Note(op=name))
