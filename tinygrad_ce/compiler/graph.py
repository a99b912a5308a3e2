"""What the compiler works on: a function as a list of steps, each of which is one NumPy call.

    Step        `slot` becomes `op` of the values in the slots `inputs`
    Note        where a step comes from: the user's line, the op, the derivation
    Graph       inputs, constants, steps, outputs; passes map one to another
    Pull        one gradient of an op that is taken whole, by one of its derivations: a step's op
    perform     a step, run as it stands

A step's op is a NumPy function, `picked`, an Op that is taken whole (its kernel looks at data, or has a
form of its own for ndarrays), or a Pull.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..derivation import Derivation
from ..op import Op
from ..tracer import Kind

# Functions whose arrays come in a sequence.
JOINING = frozenset({np.concatenate, np.stack})


@dataclass(frozen=True, slots=True)
class Note:
    """Where a step comes from."""

    place: str = ""  # "file.py:12, in loss"
    op: str = ""
    derivation: str = ""

    def __str__(self) -> str:
        what = f"∂{self.op}, {self.derivation}" if self.derivation else self.op
        return "  ".join(part for part in (what, self.place) if part)


@dataclass(frozen=True, slots=True)
class Step:
    """`slot` becomes `op` of the values in the slots `inputs`."""

    op: Any
    inputs: tuple[int, ...]
    params: Mapping[str, Any]
    slot: int
    note: Note = field(default=Note(), compare=False)

    def renamed(self, becomes: Mapping[int, int]) -> Step:
        """The same of slots that have become others."""
        inputs = tuple([becomes.get(i, i) for i in self.inputs])
        return self if inputs == self.inputs else Step(self.op, inputs, self.params, self.slot, self.note)

    @property
    def name(self) -> str:
        name = getattr(self.op, "name", None) or self.op.__name__
        owner = getattr(self.op, "__self__", None)
        return f"{owner.__name__}.{name}" if isinstance(owner, np.ufunc) else str(name)


@dataclass(frozen=True)
class Graph:
    """A function as a list of steps.

    Attributes
    ----------
    inputs : tuple of int
        Slots of what it is given.
    constants : mapping of int to data
    steps : tuple of Step
    outputs : tuple of int
    kinds : mapping of int to Kind
        Dtype, shape and layout of each slot.
    views : mapping of int to int
        Slots that share memory with an input of their step, and with which of its inputs.
    names : mapping of int to str
        What the user calls a slot.
    bound : tuple of int
        Those inputs that stay the same arrays from call to call: parameters, and an optimiser's state.
    updates : mapping of int to int
        Results, by slot, that are to be written where a bound input lies.
    kept : tuple of int
        Results that stay where they are made until the next call: gradients of parameters.
    """

    inputs: tuple[int, ...]
    constants: Mapping[int, Any]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    kinds: Mapping[int, Kind]
    views: Mapping[int, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    bound: tuple[int, ...] = ()
    updates: Mapping[int, int] = field(default_factory=dict)
    kept: tuple[int, ...] = ()

    @property
    def results(self) -> tuple[int, ...]:
        """Everything that has to be computed."""
        return (*self.outputs, *self.updates, *self.kept)

    def with_steps(self, steps: Iterable[Step], **changes: Any) -> Graph:
        return replace(self, steps=tuple(steps), **changes)

    def renamed(self, becomes: Mapping[int, int], steps: Iterable[Step]) -> Graph:
        """With other steps, in which slots have become others."""
        steps = [s.renamed(becomes) for s in steps]
        outputs, kept = [tuple([becomes.get(i, i) for i in slots]) for slots in (self.outputs, self.kept)]
        updates = {becomes.get(new, new): old for new, old in self.updates.items()}
        return replace(self, steps=tuple(steps), outputs=outputs, updates=updates, kept=kept)

    def uses(self) -> dict[int, int]:
        """How often each slot is used, by steps and as an output."""
        counts: dict[int, int] = {}
        for slot in (*(i for s in self.steps for i in s.inputs), *self.results):
            counts[slot] = counts.get(slot, 0) + 1
        return counts

    def run(self, *data: Any) -> list[Any]:
        """The outputs, step by step in NumPy: what compiled code is to agree with."""
        values = {**self.constants, **dict(zip(self.inputs, data, strict=True))}
        for step in self.steps:
            values[step.slot] = perform(step.op, [values[i] for i in step.inputs], step.params)
        return [values[i] for i in self.outputs]


@dataclass(frozen=True)
class Pull:
    """The gradient of an op in one of its inputs, by a derivation: of (g, out, *inputs)."""

    of: Op
    derivation: Derivation
    position: int

    @property
    def name(self) -> str:
        return f"{self.of.name}_{self.derivation.name}_{self.position}"

    def __call__(self, g: Any, out: Any, *inputs: Any, **params: Any) -> Any:
        return self.derivation.rule(g, out, inputs, params, (self.position,))[self.position]

    def __hash__(self) -> int:
        return hash((id(self.of), self.derivation.name, self.position))


def perform(op: Any, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """One step in NumPy, as eager code runs it; on Values, as an op."""
    if isinstance(op, Op):
        return op.apply(tuple(inputs), dict(params))
    return op(list(inputs), **params) if op in JOINING else op(*inputs, **params)
