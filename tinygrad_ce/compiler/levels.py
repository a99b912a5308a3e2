"""The pass that does single numbers many at a time: a step for each part of them, in the place of theirs.

levelled(graph)     the graph with its single numbers in one vector (scalars.py, layout.py, program.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from ..tracer import Kind
from .graph import Graph, Step
from .layout import Layout, View, laid_out
from .program import Part, Program, exported
from .record import element
from .scalars import SUM, Group, Numbers, grouped, single

FEW = 100  # steps of single numbers that are left as they are
STEP, CALL, ENTRY, READ = 0.06, 1.2, 0.003, 0.1  # microseconds: a line of Python, a NumPy call, an entry, a number read


def levelled(graph: Graph) -> Graph:
    """With single numbers done together, where that is faster than one by one.

    Each operation is the one that the steps were, and sums are taken in their order. What NumPy computes otherwise
    than Python's `math` (exp, tanh, ...) may differ in the last digits.
    """
    if sum(single(graph.kinds[step.slot]) for step in graph.steps) < FEW:
        return graph
    numbers = Numbers(graph)
    if numbers.steps < FEW:
        return graph
    groups = grouped(numbers)
    stacks = [step for _, step in numbers.apart if _joins(step, numbers)]
    layout = laid_out(numbers, groups, [[numbers.at[i] for i in step.inputs] for step in stacks])
    if _cost(layout) > _cost_alone(numbers, groups):
        return graph
    made = _Rewriter(graph, numbers, groups, layout, stacks).graph()
    layout.forget()
    return made


def _cost(layout: Layout) -> float:
    """What they take together, in microseconds."""
    calls = sum(1 + len(work.gathers) for _, work in layout.work)
    entries = sum(prod(x.shape) for _, work in layout.work for x in (work.out, *work.operands) if isinstance(x, View))
    return CALL * calls + ENTRY * entries / 2 + READ * len(layout.numbers.exported)


def _cost_alone(numbers: Numbers, groups: Sequence[Group]) -> float:
    """What they take one by one."""
    sums = sum(len(numbers.operands[n]) - 1 for g in groups if g.function is SUM for n in g.nodes)
    return STEP * (sums + sum(len(g.nodes) for g in groups if g.function is not SUM))


def _joins(step: Step, numbers: Numbers) -> bool:
    """Whether a step makes a vector of single numbers."""
    if step.op is not np.stack or step.params.get("axis", 0) not in (0, -1) or set(step.params) - {"axis"}:
        return False
    if not all(i in numbers.at and numbers.graph.kinds[i].dtype.kind == "f" for i in step.inputs):
        return False
    nodes = [numbers.at[i] for i in step.inputs]
    last = max([numbers.stages[n] for n in nodes if numbers.made(n)], default=-1)
    return last >= 0 and all(numbers.stages[n] <= last for n in nodes)


class _Rewriter:
    def __init__(
        self, graph: Graph, numbers: Numbers, groups: Sequence[Group], layout: Layout, stacks: Sequence[Step]
    ) -> None:
        self.before, self.numbers, self.layout = graph, numbers, layout
        self.stacks = {id(s) for s in stacks}
        self.kinds, self.constants = dict(graph.kinds), dict(graph.constants)
        self.steps: list[Step] = []
        self.stages = sorted({stage for stage, _ in layout.work} | {stage for stage, *_ in layout.loads})
        self.program = Program(layout, tuple(self.stages))
        self.vectors: dict[int, int] = {}  # by stage
        self.read: set[int] = set()

    def graph(self) -> Graph:
        apart: dict[int, list[Step]] = {}
        for stage, step in self.numbers.apart:
            apart.setdefault(stage, []).append(step)
        for stage in sorted({*apart, *self.stages}):
            for step in apart.get(stage, ()):
                if id(step) in self.stacks:
                    self._gathered(step)
                else:
                    for slot in step.inputs:
                        self._read(slot)
                    self.steps.append(step)
            if stage in self.stages:
                self._part(stage)
        for slot in self.before.results:
            self._read(slot)
        used = {*self.before.inputs, *self.before.results, *self.before.updates.values()}
        used.update(slot for step in self.steps for slot in (step.slot, *step.inputs))
        return replace(
            self.before,
            steps=tuple(self.steps),
            kinds={slot: kind for slot, kind in self.kinds.items() if slot in used},
            constants={slot: x for slot, x in self.constants.items() if slot in used},
        )

    def _new(self, kind: Kind) -> int:
        slot = max(self.kinds) + 1
        self.kinds[slot] = kind
        return slot

    def _part(self, stage: int) -> None:
        k = self.stages.index(stage)
        inputs = list(dict.fromkeys(slot for at, slot, *_ in self.layout.loads if at == stage))
        for slot in inputs:
            self._read(slot)
        if k:
            inputs.insert(0, self.vectors[self.stages[k - 1]])
        slot = self._new(Kind("array", np.dtype(float), (self.layout.size,), (0,)))
        notes = [w.note for at, w in self.layout.work if at == stage]
        self.steps.append(
            Step(
                Part(self.program, k),
                tuple(inputs),
                {},
                slot,
                replace(notes[0], op="numbers") if notes else self.steps[-1].note,
            )
        )
        self.vectors[stage] = slot

    def _vector(self, stage: int) -> int:
        return self.vectors[max(s for s in self.stages if s <= stage)]

    def _read(self, slot: int) -> None:
        """A step that reads a number from the vector, for those who want it by itself."""
        node = self.numbers.at.get(slot)
        if node is None or slot in self.read or not self.numbers.made(node):
            return
        self.read.add(slot)
        kind, at = self.kinds[slot], int(self.layout.places[node])
        vector, note = self._vector(self.numbers.stages[node]), self.numbers.notes[node]
        if kind.sort == "float":
            self.steps.append(Step(element, (vector,), {"at": at}, slot, note))
        else:
            params = {"at": at, "sort": kind.sort, "dtype": kind.dtype}
            self.steps.append(Step(exported, (vector,), params, slot, note))

    def _gathered(self, step: Step) -> None:
        nodes = [self.numbers.at[i] for i in step.inputs]
        indices = self._new(Kind.of(self.layout.places[nodes]))
        self.constants[indices] = self.layout.places[nodes]
        stage = max(self.numbers.stages[n] for n in nodes)
        self.steps.append(Step(np.take, (self._vector(stage), indices), {}, step.slot, step.note))
