"""Which steps of a graph are of single numbers, and which of these can be done together.

    Numbers(graph)      its single numbers as nodes: what each is made by and of, and in which stage
    grouped(numbers)    Groups of nodes that are one operation on arrays, in an order in which they can be done

Chains of additions become sums, (a + b) + c + ... in that order. Two nodes are of one class where they are made by the
same op of operands of the same classes, down to inputs and constants: the neurons of a layer at all points of a data
set are. A class is a group; small classes of one op that are equally far from the inputs go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any

import numpy as np

from ..op import Op
from ..tracer import Kind
from .graph import Graph, Note, Step
from .record import astype, element, number, picked

CONSTANT, OUTSIDE, SUM = "constant", "outside", "sum"  # what a node is made by, where it is no function
SMALL = 32  # classes of fewer nodes may share a group

_SAME = frozenset({number, np.positive, np.copy, np.squeeze, np.reshape, np.broadcast_to})
_OF_BOOLS = {
    np.bitwise_and: np.logical_and,
    np.bitwise_or: np.logical_or,
    np.bitwise_xor: np.logical_xor,
    np.invert: np.logical_not,
    np.add: np.logical_or,
    np.multiply: np.logical_and,
}


@dataclass
class Group:
    """Nodes that are one operation on arrays."""

    function: Any  # a ufunc, another function of arrays, or SUM
    nodes: list[int]
    stage: int
    level: int
    note: Note


@dataclass
class Numbers:
    """The single numbers of a graph, as nodes 0, 1, ...: each younger than those it is made of.

    Attributes
    ----------
    functions : list
        What each is made by: a function of arrays, SUM, CONSTANT or OUTSIDE.
    operands : list of list of int
    stages : list of int
        How many parts of the graph that are no such numbers lie before it. What comes late begins a stage.
    values : mapping of int to float
        Of constants.
    outside : mapping of int to (slot, position)
        Of numbers that are made elsewhere: where they are found, in an array at that position, or in a slot: None.
    at : mapping of int to int
        The node of a slot.
    apart : list of (stage, Step)
        The steps that are not of single numbers, and after the parts of which stages they come.
    exported : set of int
        Nodes that these steps, or results, need.
    """

    graph: Graph
    functions: list[Any] = field(default_factory=list)
    operands: list[list[int]] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    values: dict[int, float] = field(default_factory=dict)
    outside: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    apart: list[tuple[int, Step]] = field(default_factory=list)
    exported: set[int] = field(default_factory=set)
    steps: int = 0  # how many of the graph's steps they are

    def __post_init__(self) -> None:
        self._outside = dict.fromkeys(self.graph.inputs, 0)  # stages of slots that are no nodes
        first = self._last_stage_without(self.graph.late)
        self._outside |= dict.fromkeys(self.graph.late, first + 1)
        self._constants: dict[str, int] = {}
        self._functions: dict[Any, Any] = {}
        for step in self.graph.steps:
            self._take(step)
        for slot in self.graph.results:
            if slot in self.at:
                self.exported.add(self.at[slot])

    def made(self, node: int) -> bool:
        """Whether a node is made here."""
        return self.functions[node] is not CONSTANT and self.functions[node] is not OUTSIDE

    def _last_stage_without(self, late: tuple[int, ...]) -> int:
        """The last stage in which anything is made that does not need what comes late."""
        if not late:
            return -1
        graph = self.graph
        needing, steps = {*late}, []
        for step in graph.steps:
            if needing.isdisjoint(step.inputs):
                steps.append(step)
            else:
                needing.add(step.slot)
        inputs = tuple([s for s in graph.inputs if s not in late])
        return max(Numbers(Graph(inputs, graph.constants, tuple(steps), (), graph.kinds)).stages, default=-1)

    def _node(self, function: Any, operands: list[int], stage: int, note: Note) -> int:
        self.functions.append(function)
        self.operands.append(operands)
        self.stages.append(stage)
        self.notes.append(note)
        return len(self.functions) - 1

    def _take(self, step: Step) -> None:
        kinds = self.graph.kinds
        if step.op is np.stack and all(single(kinds[i]) and kinds[i].dtype.kind == "f" for i in step.inputs):
            for slot in step.inputs:
                self._of(slot)
        if single(kinds[step.slot]):
            found = _position(step, kinds)
            if found is not None:
                source = step.inputs[0]
                self._kept(step)
                self.at[step.slot] = self._from(source, found, self._outside[step.slot])
                return
            function = self._vectorised(step)
            if function is not None:
                nodes = [self._of(slot) for slot in step.inputs]
                self.steps += 1
                if function in _SAME:
                    self.at[step.slot] = nodes[0]
                    if not self.made(nodes[0]):
                        self._kept(step)
                else:
                    stage = max([self.stages[n] for n in nodes], default=0)
                    self.at[step.slot] = self._node(function, nodes, stage, step.note)
                return
        self._kept(step)

    def _vectorised(self, step: Step) -> Any:
        """`vectorised`, once for each op and sorts of numbers."""
        if step.params:
            return vectorised(step, self.graph.kinds)
        kinds = self.graph.kinds
        key = (id(step.op), id(kinds[step.slot]), *[id(kinds[i]) for i in step.inputs])
        if key not in self._functions:
            self._functions[key] = vectorised(step, kinds)
        return self._functions[key]

    def _kept(self, step: Step) -> None:
        """A step that stays as it is."""
        stage = 0
        for slot in step.inputs:
            n = self.at.get(slot)
            if n is not None and self.made(n):
                stage = max(stage, self.stages[n] + 1)
                self.exported.add(n)
            else:
                stage = max(stage, self._outside.get(slot, 0))
        self._outside[step.slot] = stage
        self.apart.append((stage, step))

    def _of(self, slot: int) -> int:
        """The node of a slot; one is made for what is given, or made elsewhere."""
        if slot not in self.at:
            if slot in self.graph.constants:
                x = float(self.graph.constants[slot])
                key = repr(x)
                if key not in self._constants:
                    self._constants[key] = self._node(CONSTANT, [], 0, Note())
                    self.values[self._constants[key]] = x
                self.at[slot] = self._constants[key]
            else:
                self.at[slot] = self._from(slot, None, self._outside.get(slot, 0))
        return self.at[slot]

    def _from(self, slot: int, position: int | None, stage: int) -> int:
        node = self._node(OUTSIDE, [], stage, Note())
        self.outside[node] = slot, position
        return node


def single(kind: Kind) -> bool:
    """Whether a slot is one number of double precision, or one truth value."""
    return not kind.shape and kind.sort != "other" and kind.dtype.char in "d?"


def _position(step: Step, kinds: Mapping[int, Kind]) -> int | None:
    """Where in an array, in C order, lies the number that a step picks from it."""
    if step.op is element:
        return int(step.params["at"])
    if step.op is not picked:
        return None
    kind, key = kinds[step.inputs[0]], step.params["key"]
    key = key if isinstance(key, tuple) else (key,)
    if kind.dtype.char != "d" or len(key) != len(kind.shape) or not key:
        return None
    try:
        where = [index(k) + (n if index(k) < 0 else 0) for k, n in zip(key, kind.shape, strict=True)]
    except TypeError:
        return None
    return int(np.ravel_multi_index(where, kind.shape))


def vectorised(step: Step, kinds: Mapping[int, Kind]) -> Any:
    """The function of arrays that does what a step does to single numbers; None where there is none."""
    op, params = step.op, step.params
    given = [kinds[i] for i in step.inputs]
    if not given or not all(single(k) or (k.sort == "other" and k.dtype.kind in "ib") for k in given):
        return None
    bools = all(k.dtype.kind == "b" for k in given)
    if isinstance(op, Op):
        function = op.kernel if op.partials is not None and not params and op.name != "stop_gradient" else None
        return None if bools else getattr(np, op.name) if op.name in _ARITHMETIC else function
    if op is astype:
        return number if kinds[step.slot].dtype == given[0].dtype or bools else None
    if op in _SAME:
        return number
    if op is np.where:
        return op if len(given) == 3 and not params else None
    if not isinstance(op, np.ufunc) or op.signature is not None or op.nout != 1 or params:
        return None
    return _OF_BOOLS.get(op, op) if bools else op


_ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide", "negative"})


# -- what can be done together -----------------------------------------------------------------------------------


def grouped(numbers: Numbers) -> list[Group]:
    """Groups of the nodes that are needed, each after those it needs."""
    needed = _needed(numbers)
    _summed(numbers, needed)
    needed = _needed(numbers)
    classes: dict[Any, int] = {}
    levels: list[int] = []
    members: list[list[int]] = []
    of: dict[int, int] = {}
    for n in range(len(numbers.functions)):
        if n not in needed:
            continue
        function, stage = numbers.functions[n], numbers.stages[n]
        operands = [of[i] for i in numbers.operands[n]]
        found = classes.setdefault((function, stage, *operands), len(levels))
        if found == len(levels):
            levels.append(1 + max([levels[c] for c in operands], default=-1))
            members.append([])
        of[n] = found
        members[found].append(n)
    made: dict[Any, Group] = {}
    for (function, stage, *operands), c in classes.items():
        if function is CONSTANT or function is OUTSIDE:
            continue
        small = len(members[c]) < SMALL
        key: Any = c
        if small:
            terms = len(operands) if function is SUM else 0
            key = function, stage, levels[c], (terms - 1).bit_length()
        if key in made:
            made[key].nodes += members[c]
        else:
            made[key] = Group(function, list(members[c]), stage, levels[c], numbers.notes[members[c][0]])
    for group in made.values():
        group.nodes.sort()
    return sorted(made.values(), key=lambda g: (g.stage, g.level, g.nodes[0]))


def _needed(numbers: Numbers) -> set[int]:
    needed = set(numbers.exported)
    for n in range(len(numbers.functions) - 1, -1, -1):
        if n in needed:
            needed.update(numbers.operands[n])
    return needed


def _summed(numbers: Numbers, needed: set[int]) -> None:
    """Make chains of additions sums: nodes of as many terms, in the order in which they are added."""
    functions, operands = numbers.functions, numbers.operands
    uses = [0] * len(functions)
    for n in needed:
        for i in operands[n]:
            uses[i] += 1
    for n in numbers.exported:
        uses[n] += 1
    for n in range(len(functions)):
        if functions[n] is not np.add or n not in needed:
            continue
        a, b = operands[n]
        for inner, other in ((a, b), (b, a)):
            if uses[inner] == 1 and functions[inner] in (np.add, SUM) and numbers.stages[inner] == numbers.stages[n]:
                terms = operands[inner]
                operands[inner] = []
                terms.append(other)
                operands[n], functions[n] = terms, SUM
                break
