"""Where each value of a graph lies: what is a view, what is written in place, and which buffers share memory.

    plan(graph, boundary)       a Plan: for every slot a Store
    settled(graph)              with what stays until the next call where it can stay

A value is a number (a local variable), a view of another, or an array: one of the caller's, a constant, one that
NumPy makes anew at each call (what is returned, and what no function writes into a given array), or a buffer. Buffers
lie in one arena; two that are never alive at the same time may share bytes, and an elementwise step writes over an
operand that nobody needs any more. Pieces of a concatenation are written straight into it, updates over what they
update.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..op import Op
from ..tracer import Kind
from .fused import Fused
from .graph import Graph, Note, Step
from .phrases import writes

ALIGNED = 64


@dataclass(eq=False)
class Store:
    """Memory that values lie in.

    Attributes
    ----------
    sort : str
        "given" (the caller's), "bound" (the caller's, the same at every call), "constant", "fresh" (made at each
        call) or "buffer".
    slot : int
        The value that it was made for.
    start, end : int
        The steps between which it is in use.
    offset : int
        Of a buffer, in the arena.
    inside : Store, optional
        The buffer that this is part of, `offset` bytes from its start.
    """

    sort: str
    slot: int
    nbytes: int = 0
    start: int = 0
    end: int = 0
    offset: int = 0
    inside: Store | None = None

    @property
    def position(self) -> int:
        return self.offset + (self.inside.position if self.inside else 0)


@dataclass
class Plan:
    """Where the values of a graph lie.

    Attributes
    ----------
    stores : mapping of int to Store
        Of every slot that is no number.
    views : mapping of int to int
        Slots that are views, by slot, and of what.
    arena : int
        Bytes of the buffers together.
    placed : set of int
        Pieces of concatenations that lie where they belong.
    """

    stores: dict[int, Store] = field(default_factory=dict)
    views: dict[int, int] = field(default_factory=dict)
    arena: int = 0
    placed: set[int] = field(default_factory=set)

    def static(self, slot: int) -> bool:
        """Whether a slot is the same memory at every call."""
        store = self.stores.get(slot)
        return store is not None and store.sort in ("buffer", "constant", "bound")


FOREVER = 1 << 40


def plan(graph: Graph, boundary: int | None = None, *, in_place: bool = True) -> Plan:
    """A Plan for a graph's steps; those before `boundary` may be run once, and those after it many times."""
    return _Planner(graph, boundary, in_place).plan()


def settled(graph: Graph) -> Graph:
    """With copies of those kept results that have no memory of their own that is the same at every call.

    That is so of inputs, constants, doubles, updates, what is returned, and what a step makes anew.
    """
    by = {s.slot: s for s in graph.steps}

    def root(slot: int) -> int:
        while slot in graph.views and slot in by:
            slot = by[slot].inputs[graph.views[slot]]
        return slot

    shared = {*graph.updates, *[root(s) for s in graph.outputs]}
    kinds, copies, kept = dict(graph.kinds), dict[int, list[int]](), []
    for slot in graph.kept:
        own, kind = root(slot), kinds[slot]
        maker = by.get(own)
        stays = maker is not None and own not in shared and kind.sort == "array" and writes(maker, kinds)
        shared.add(own)
        if not stays:
            new = max(kinds) + 1
            kinds[new] = replace(kind, sort="array", order=tuple(range(len(kind.shape))))
            copies.setdefault(slot, []).append(new)
            slot = new
        kept.append(slot)
    if not copies:
        return graph
    steps: list[Step] = []
    for slot in (*graph.inputs, *graph.constants):
        steps += [Step(np.copy, (slot,), {"order": "C"}, new, Note(op="gradient")) for new in copies.get(slot, ())]
    becomes: dict[int, int] = {}  # what is joined afterwards is joined from the copy
    for step in graph.steps:
        steps.append(step.renamed(becomes))
        made = copies.get(step.slot, ())
        steps += [Step(np.copy, (step.slot,), {"order": "C"}, new, step.note) for new in made]
        if made and kinds[step.slot].sort == "array":
            becomes[step.slot] = made[0]
    return replace(graph, steps=tuple(steps), kinds=kinds, kept=tuple(kept))


class _Planner:
    def __init__(self, graph: Graph, boundary: int | None, in_place: bool) -> None:
        self.graph, self.boundary, self.in_place = graph, boundary, in_place
        self.kinds: Mapping[int, Kind] = graph.kinds
        self.made = Plan()
        self.moments = _moments(graph.steps)
        self.at = {s.slot: i for i, s in zip(self.moments, graph.steps, strict=True)}
        self.by = {s.slot: s for s in graph.steps}
        self.root: dict[int, int] = {}
        self.last: dict[int, int] = {}  # the last use of each root

    def plan(self) -> Plan:
        self._roots()
        for slot in self.graph.inputs:
            self._store(slot, "bound" if slot in self.graph.bound else "given")
        for slot in self.graph.constants:
            self._store(slot, "constant")
        if self.in_place:
            self._updates()
            self._joined()
        for step in self.graph.steps:
            if step.slot not in self.made.stores and step.slot not in self.made.views and self._is_array(step.slot):
                self._place(step)
        for slot in self.made.views:
            store = self.made.stores.get(self.root[slot])
            if store is not None:
                self.made.stores[slot] = store
        self._pack()
        return self.made

    # -- what is what ------------------------------------------------------------------------------------------

    def _is_array(self, slot: int) -> bool:
        return self.kinds[slot].sort == "array"

    def _roots(self) -> None:
        for step in self.graph.steps:
            source = step.inputs[self.graph.views[step.slot]] if step.slot in self.graph.views else None
            if source is not None and self._is_array(source):
                self.made.views[step.slot] = source
                self.root[step.slot] = self.root.get(source, source)
        for i, step in zip(self.moments, self.graph.steps, strict=True):
            for slot in (step.slot, *step.inputs):
                self.last[self.root.get(slot, slot)] = i
        for slot in self.graph.results:
            self.last[self.root.get(slot, slot)] = FOREVER
        if self.boundary is not None:
            for i, step in zip(self.moments, self.graph.steps, strict=True):
                for slot in step.inputs:
                    root = self.root.get(slot, slot)
                    if i >= self.boundary and self.at.get(root, -1) < self.boundary:
                        self.last[root] = FOREVER

    def _store(self, slot: int, sort: str) -> Store:
        start = self.at.get(slot, -1)
        store = Store(sort, slot, self.kinds[slot].nbytes, start, self.last.get(slot, start))
        self.made.stores[slot] = store
        return store

    def _root(self, slot: int) -> int:
        return self.root.get(slot, slot)

    # -- where results go --------------------------------------------------------------------------------------

    def _place(self, step: Step) -> None:
        """A store for what a step makes: over a dying operand, in a buffer of its own, or made by NumPy."""
        escapes = step.slot in {self._root(s) for s in self.graph.outputs}
        kept = step.slot in {self._root(s) for s in self.graph.kept}
        if not kept and (escapes or not writes(step, self.kinds)):
            self._store(step.slot, "fresh")
            return
        over = self._dying(step) if self.in_place else None
        if over is None:
            self._store(step.slot, "buffer")
        else:
            self.made.stores[step.slot] = over
            over.end = max(over.end, self.last.get(step.slot, over.end))

    def _dying(self, step: Step) -> Store | None:
        """The buffer of an operand that this step may write over."""
        if not elementwise(step):
            return None
        now = self.at[step.slot]
        for slot in step.inputs:
            store = self.made.stores.get(self._root(slot))
            if store is None or store.sort != "buffer" or store.inside is not None or store.end != now:
                continue
            if self._over(step, slot) and self.last[self._root(slot)] == now:
                return store
        return None

    def _over(self, step: Step, slot: int) -> bool:
        """Whether a step can be written over an operand: it is laid out alike, and the only operand that lies there."""
        a, b = self.kinds[slot], self.kinds[step.slot]
        root = self.kinds[self._root(slot)]
        same = slot not in self.made.views or (self._flat_alike(slot) and root.size == a.size)
        fits = same and (a.sort, a.dtype, a.shape, a.order) == (b.sort, b.dtype, b.shape, b.order)
        return fits and all(i == slot or self._memory(i) is not self._memory(slot) for i in step.inputs)

    def _memory(self, slot: int) -> Any:
        return self.made.stores.get(self._root(slot), slot)

    def _updates(self) -> None:
        """Updates are written over what they update, if it is not needed afterwards."""
        for new, old in self.graph.updates.items():
            step = self.by.get(new)
            if step is None or new in self.made.views or new in self.graph.outputs or not self._is_array(new):
                continue
            free, store = self.last.get(old, -1), self.made.stores[old]
            while step is not None and step.slot not in self.made.stores and self._may_write(step, old, free):
                self.made.stores[step.slot] = store
                step = self._only_user_of(step, old, free)

    def _may_write(self, step: Step, old: int, free: int) -> bool:
        a, b, at = self.kinds[old], self.kinds[step.slot], self.at[step.slot]
        alike = (a.sort, a.dtype, a.shape) == (b.sort, b.dtype, b.shape) and writes(step, self.kinds)
        return alike and (free < at or (free == at and elementwise(step) and step.inputs.count(old) > 0))

    def _only_user_of(self, step: Step, old: int, free: int) -> Step | None:
        """An operand of an elementwise step that dies there and can lie where the result will."""
        if not elementwise(step):
            return None
        for slot in step.inputs:
            dies = self.last[self._root(slot)] == self.at[step.slot] and step.inputs.count(slot) == 1
            viewed = slot in self.made.views or slot in self.root.values()
            if slot in self.by and dies and not viewed and self.at[slot] >= free:
                return self.by[slot]
        return None

    def _joined(self) -> None:
        """Pieces of a concatenation that nothing else holds are written straight into it."""
        returned = {self._root(s) for s in self.graph.outputs}
        for step in reversed(self.graph.steps):  # what is joined of joined pieces comes first
            kind = self.kinds[step.slot]
            if step.op is not np.concatenate or step.params.get("axis", 0) not in (0, None):
                continue
            if self._root(step.slot) in returned or kind.order != tuple(range(len(kind.shape))):
                continue
            if len(kind.shape) > 1 and step.params.get("axis", 0) is None:
                continue
            whole = self.made.stores.get(step.slot) or self._store(step.slot, "buffer")
            if whole.sort != "buffer":
                continue
            at = 0
            for slot in step.inputs:
                piece = self.kinds[slot]
                if self._may_lie_in(slot, step):
                    root = self._root(slot)
                    start, end = self.at[root], self.at[step.slot]
                    self.made.stores[root] = Store("buffer", root, piece.nbytes, start, end, at, whole)
                    self.made.placed.add(slot)
                    outer: Store | None = whole
                    while outer is not None:
                        outer.start, outer.end = min(outer.start, start), max(outer.end, self.last[root])
                        outer = outer.inside
                at += piece.nbytes

    def _may_lie_in(self, slot: int, step: Step) -> bool:
        """Whether a piece of a concatenation can be made where it goes."""
        kind, root = self.kinds[slot], self._root(slot)
        maker = self.by.get(root)
        return (
            maker is not None
            and root not in self.made.stores
            and kind.dtype == self.kinds[step.slot].dtype
            and self.kinds[root].size == kind.size
            and self._flat_alike(slot)
            and writes(maker, self.kinds)
            and self._is_array(root)
            and self.last[root] >= self.at[step.slot]
            and step.inputs.count(slot) == 1
            and root not in {self._root(s) for s in step.inputs if s != slot}
        )

    def _flat_alike(self, slot: int) -> bool:
        """Whether a slot is its root in another shape, in C order."""
        while slot in self.made.views:
            if self.by[slot].op is not np.reshape:
                return False
            slot = self.made.views[slot]
        return self.kinds[slot].order == tuple(range(len(self.kinds[slot].shape)))

    # -- the arena ---------------------------------------------------------------------------------------------

    def _pack(self) -> None:
        """Buffers at the lowest offsets where nothing lies that is in use at the same time, the largest first."""
        buffers = {id(s): s for s in self.made.stores.values() if s.sort == "buffer" and s.inside is None}
        packed: list[Store] = []
        for store in sorted(buffers.values(), key=lambda s: (-s.nbytes, s.start)):
            offset = 0
            for other in sorted(packed, key=lambda s: s.offset):
                apart = other.end < store.start or store.end < other.start
                if not apart and offset + store.nbytes > other.offset and other.offset + other.nbytes > offset:
                    offset = -(-(other.offset + other.nbytes) // ALIGNED) * ALIGNED
            store.offset = offset
            packed.append(store)
            self.made.arena = max(self.made.arena, offset + store.nbytes)


def elementwise(step: Step) -> bool:
    """Whether a step is done entry by entry: one ufunc, or several in one loop that is run once."""
    if isinstance(step.op, Fused):
        return not step.op.nest.careful
    return isinstance(step.op, np.ufunc) and step.op.signature is None and not isinstance(step.op, Op)


def _moments(steps: Sequence[Step]) -> list[int]:
    """When each step is done: results of one nest are made at the same time, that of the first."""
    moments: list[int] = []
    for i, step in enumerate(steps):
        before = steps[i - 1].op if i else None
        together = isinstance(step.op, Fused) and isinstance(before, Fused) and before.nest is step.op.nest
        moments.append(moments[-1] if together else i)
    return moments
