"""Elementwise steps in one loop: a pass that makes a nest of neighbours of one shape.

    nested(graph, ...)  the graph with nests
    Nest                        steps done together, entry by entry; what it is given, what it leaves in memory
    Fused                       the op of a step that is one result of a nest

A nest with several results stands in the graph as several steps, one after another: they are made at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..tracer import Kind
from .expressions import FUNCTIONS, TYPES, WAVES, said_in_loop
from .graph import Graph, Step, perform

LONGEST = 64  # steps in one nest: beyond it, values that are kept no longer fit into registers
MANY = 24  # functions such as exp in a graph: beyond it there is one in a nest, so that nests are alike


@dataclass(frozen=True, eq=False)
class Nest:
    """Steps of one shape that are done together, entry by entry."""

    shape: tuple[int, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: Mapping[int, Any]

    @property
    def careful(self) -> bool:
        """Whether it may have to be done again, otherwise: then nothing is written over what it reads."""
        return any(s.op in WAVES for s in self.steps)


@dataclass(frozen=True, eq=False)
class Fused:
    """One result of a nest."""

    nest: Nest
    slot: int

    @property
    def name(self) -> str:
        return "fused " + ", ".join(dict.fromkeys(s.name for s in self.nest.steps))

    def __call__(self, *inputs: Any) -> Any:
        """In NumPy, step by step."""
        values = {**self.nest.constants, **dict(zip(self.nest.inputs, inputs, strict=True))}
        for step in self.nest.steps:
            values[step.slot] = perform(step.op, [values[i] for i in step.inputs], step.params)
            if step.slot == self.slot:
                break
        return values[self.slot]


def in_loop(step: Step, graph: Graph) -> bool:
    """Whether a step makes an array, entry by entry."""
    kind = graph.kinds[step.slot]
    if kind.sort != "array" or not kind.size or step.slot in graph.views or not said_in_loop(step, graph.kinds):
        return False
    return all(_readable(i, graph) for i in step.inputs)


def _readable(slot: int, graph: Graph) -> bool:
    kind = graph.kinds[slot]
    return kind.dtype in TYPES if kind.sort in ("array", "number") else kind.sort == "float" or kind.dtype.kind in "fib"


def nested(graph: Graph, boundary: int | None, flat: Callable[[int, Graph], bool]) -> tuple[Graph, int | None]:
    """The graph with nests of what is `flat` in memory, and where its second half begins now."""
    cut = len(graph.steps) if boundary is None else boundary
    results = {*graph.results}
    alike = sum(_heavy(s) for s in graph.steps) > MANY
    first = _half(graph, graph.steps[:cut], graph.steps[cut:], results, alike, flat)
    second = _half(graph, graph.steps[cut:], (), results, alike, flat)
    return graph.with_steps([*first, *second]), None if boundary is None else len(first)


def _heavy(step: Step) -> bool:
    return bool(step.op.__hash__) and (step.op in FUNCTIONS or step.op in WAVES)


class _Group:
    """A nest that is being made."""

    def __init__(self, shape: tuple[int, ...], order: tuple[int, ...], alike: bool) -> None:
        self.shape, self.order, self.alike = shape, order, alike
        self.steps: list[Step] = []

    def full(self, step: Step) -> bool:
        heavy = self.alike and (_heavy(self.steps[-1]) or (_heavy(step) and any(map(_heavy, self.steps))))
        return len(self.steps) >= LONGEST or heavy


def _half(
    graph: Graph,
    steps: Sequence[Step],
    later: Sequence[Step],
    results: set[int],
    alike: bool,
    flat: Callable[[int, Graph], bool],
) -> list[Step]:
    """These steps, with each that can be done in a loop in the latest nest that has all it needs."""
    line: list[_Group | Step] = []
    place: dict[int, int] = {}  # of each slot: where in the line it is made
    for step in steps:
        ready = max((place[i] for i in step.inputs if i in place), default=-1)
        if in_loop(step, graph) and all(flat(i, graph) for i in step.inputs):
            kind = graph.kinds[step.slot]
            for at in range(len(line) - 1, max(ready, len(line) - 24) - 1, -1):
                group = line[at] if at >= 0 else None
                if isinstance(group, _Group) and _joins(step, kind, group, at, place, graph):
                    group.steps.append(step)
                    place[step.slot] = at
                    break
            else:
                group = _Group(kind.shape, kind.order, alike)
                group.steps.append(step)
                place[step.slot] = len(line)
                line.append(group)
        else:
            place[step.slot] = len(line)
            line.append(step)
    _sink(line, results | {i for s in later for i in s.inputs})
    inside = [x.steps if isinstance(x, _Group) else [x] for x in line]
    users: dict[int, set[int]] = {}
    for at, part in enumerate(inside):
        for step in part:
            for slot in step.inputs:
                users.setdefault(slot, set()).add(at)
    outside = results | {i for s in later for i in s.inputs}
    made: list[Step] = []
    for at, x in enumerate(line):
        if isinstance(x, Step):
            made.append(x)
        else:
            made += _parts(x, graph, lambda slot, at=at: slot in outside or users.get(slot, set()) - {at})
    return made


def _sink(line: Sequence[_Group | Step], kept: set[int]) -> None:
    """Put what one later nest alone needs there, if what it is made of has to be in memory anyway: masks, mostly."""
    users: dict[int, set[int]] = {}
    for at, x in enumerate(line):
        for step in x.steps if isinstance(x, _Group) else [x]:
            for slot in step.inputs:
                users.setdefault(slot, set()).add(at)
    for at, group in enumerate(line):
        if not isinstance(group, _Group):
            continue
        for step in reversed(group.steps[1:]):
            own = {s.slot for s in group.steps}
            uses = users.get(step.slot, set())
            if step.slot in kept or len(uses) != 1 or at in uses:
                continue
            (to,) = uses
            target = line[to]
            held = all(i not in own or i in kept or max(users[i]) >= to for i in step.inputs)
            if not isinstance(target, _Group) or target.shape != group.shape or not held:
                continue
            if target.order != group.order or target.alike or target.full(step):
                continue
            group.steps.remove(step)
            target.steps.insert(0, step)
            for slot in step.inputs:
                users[slot].add(to)


def _joins(step: Step, kind: Kind, group: _Group, at: int, place: Mapping[int, int], graph: Graph) -> bool:
    """Whether a step may be done in a nest: what it takes from it, it takes entry by entry."""
    if group.shape != kind.shape or group.full(step):
        return False
    if kind.order != group.order and sum(n > 1 for n in kind.shape) > 1:
        return False
    inner = {s.slot for s in group.steps}
    return all(graph.kinds[i].shape == kind.shape for i in step.inputs if i in inner)


def _parts(group: _Group, graph: Graph, needed: Any) -> list[Step]:
    """A nest's steps in the graph, one for each of its results."""
    own = {s.slot for s in group.steps}
    inputs = tuple(dict.fromkeys(i for s in group.steps for i in s.inputs if i not in own))
    outputs = tuple([s.slot for s in group.steps if needed(s.slot)])
    given = tuple([i for i in inputs if i not in graph.constants or graph.kinds[i].sort == "array"])
    constants = {i: graph.constants[i] for i in inputs if i not in given}
    nest = Nest(group.shape, tuple(group.steps), given, outputs, constants)
    notes = {s.slot: s.note for s in group.steps}
    return [Step(Fused(nest, slot), given, {}, slot, notes[slot]) for slot in outputs]


def layered(steps: Sequence[Step], here: Callable[[Step], bool], free: Callable[[Step], bool]) -> list[Step]:
    """The steps in an order in which those that are done `here` stand together, as far as what they need lets them."""
    waiting, missing = list(steps), {s.slot for s in steps}
    made: list[Step] = []
    turn = False
    while waiting:
        rest = []
        for step in waiting:
            if not missing.isdisjoint(step.inputs) or (here(step) is not turn and not free(step)):
                rest.append(step)
                continue
            made.append(step)
            if not isinstance(step.op, Fused):
                missing.discard(step.slot)
            elif step.slot == step.op.nest.outputs[-1]:
                missing.difference_update(step.op.nest.outputs)
        waiting, turn = rest, not turn
    return made


__all__ = ["Fused", "Nest", "in_loop", "layered", "nested"]
