"""A compiled function's program as a Graph: its steps, and where each result lies.

    program_of(captured)    forward, backward and update in frames; inputs, parameters and results as values

What is made once (a view of a buffer, of the parameters' vector) is no step of a call, so it is not drawn as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.explain import described, located
from .graph import AnyNode, Cluster, Edge, Graph, GroupNode, StepNode, ValueNode
from .summary import Summary, summarise
from .text import number

if TYPE_CHECKING:
    from ..compiler.captured import Captured
    from ..compiler.graph import Step

PARTS = ("forward", "backward", "update")


def program_of(captured: Captured, *, limit: int | None = None, summary: bool = True) -> Graph:
    """The program of one form of a compiled function.

    Raises
    ------
    ValueError
        If there are more than `limit` steps and values, and no summary is wanted.
    """
    made = _Program(captured)
    made.build(by=None)
    size = len(made.nodes)
    if limit is None or size <= limit:
        return made.graph(())
    if not summary:
        raise ValueError(
            f"this program has {size:,} nodes, more than limit={limit:,} that one picture shows well; show all of it "
            f"with limit={size}, or a summary with tg.draw(f, summary=True)"
        )
    note = f"{size:,} nodes, drawn in summary; draw(f, limit={size}) draws them all"
    for by in (lambda s: (s.note.place, s.note.op), lambda s: s.note.place, lambda s: ""):
        made = _Program(captured)
        made.build(by)
        if len(made.nodes) <= limit:
            break
    return made.graph((note, "a double border: the steps of one line of the code, or of one part"))


class _Program:
    def __init__(self, captured: Captured) -> None:
        form = captured.numpy
        self.captured, self.program, self.plan = captured, form.graph, form.plan
        self.called = form.names
        self.nodes: list[AnyNode] = []
        self.edges: dict[tuple[str, str], Edge] = {}
        self.brief = False
        self.ids: dict[int, str] = {}  # of what makes or holds a slot
        self.held: list[Any] = []
        self.parts = self._parts()
        self.lines = described(form)

    def graph(self, notes: Sequence[str]) -> Graph:
        there = {node.cluster for node in self.nodes}
        frames = [Cluster(name, "part", name) for name in PARTS if name in there]
        return Graph(tuple(self.nodes), tuple(self.edges.values()), (), tuple(frames), None, tuple(notes))

    def build(self, by: Any) -> None:
        """Draw everything; with `by`, steps of one part for which it gives the same are one box."""
        boxes = self._boxes(by) if by is not None else {}
        self.brief = by is not None  # parameters as one value, and their gradients too
        for step in self.program.steps:
            if step.slot not in self.lines:
                self._made_once(step)
                continue
            group = boxes.get(step.slot)
            if group is not None:
                self._boxed(step, group)
            else:
                self._step(step)
        for slot, label in self._results():
            self._result(slot, label)

    # -- parts -------------------------------------------------------------------------------------------------

    def _parts(self) -> dict[int, str]:
        """Backward is what derivations make, and their sums; update what is made of that; forward is the rest."""
        only, parts = self._for_updates(), dict[int, str]()
        for step in self.program.steps:
            above = {parts.get(i, "forward") for i in step.inputs}
            if step.note.derivation or (step.op is np.add and above == {"backward"} and step.slot not in only):
                parts[step.slot] = "backward"
            elif step.slot in only or above & {"backward", "update"}:
                parts[step.slot] = "update"
            else:
                parts[step.slot] = "forward"
        return parts

    def _for_updates(self) -> set[int]:
        """Steps that nothing needs but what is written back."""
        needed = {*self.program.outputs[: len(self.captured.outputs)], *self.program.kept}
        for step in reversed(self.program.steps):
            if step.slot in needed or step.note.derivation:
                needed.update((step.slot, *step.inputs))
        return {s.slot for s in self.program.steps} - needed

    def _boxes(self, by: Any) -> dict[int, GroupNode]:
        """Boxes of steps in a row that belong together."""
        found: dict[int, GroupNode] = {}
        runs: list[tuple[Any, list[Step]]] = []
        for step in self.program.steps:
            key = self.parts[step.slot], by(step)
            if not runs or runs[-1][0] != key:
                runs.append((key, []))
            runs[-1][1].append(step)
        for n, ((part, _), steps) in enumerate(runs):
            if len(steps) > 2:
                ops = Counter(s.name for s in steps).most_common()
                name = located(steps[0].note.place) or steps[0].note.op
                box = GroupNode(f"g{n}", "steps", name, 1, len(steps), 0, tuple(ops), part)
                found |= {s.slot: box for s in steps}
        return found

    # -- nodes -------------------------------------------------------------------------------------------------

    def _made_once(self, step: Step) -> None:
        """A view that is made once: of parameters, a value of its own; of anything else, what it is a view of."""
        source = step.inputs[self.program.views[step.slot]]
        if step.slot in self.program.names and not self.brief:
            self._value(step.slot, "leaf")
        elif source in self.ids or source in self.program.inputs or source in self.program.constants:
            self.ids[step.slot] = self._source(source)
        else:
            self.ids[step.slot] = self.ids[self._source_step(source)]

    def _source_step(self, slot: int) -> int:
        while slot not in self.ids:
            slot = self.plan.views[slot]
        return slot

    def _source(self, slot: int) -> str:
        if slot not in self.ids:
            bound = slot in self.program.bound
            self._value(slot, "leaf" if bound and self.program.names.get(slot) == "parameters" else "constant")
        return self.ids[slot]

    def _value(self, slot: int, role: Any) -> None:
        self.ids[slot] = here = f"n{len(self.ids)}"
        constant = self.program.constants.get(slot)
        kind = self.program.kinds[slot]
        data = Summary(kind.shape, str(kind.dtype)) if constant is None else summarise(constant)
        self.nodes.append(ValueNode(here, role, self.program.names.get(slot, ""), data))

    def _step(self, step: Step) -> None:
        sources = [self._source(i) for i in step.inputs if not self._inline(i)]
        self.ids[step.slot] = here = f"n{len(self.ids)}"
        kind = self.program.kinds[step.slot]
        self.nodes.append(
            StepNode(
                here,
                step.name,
                self.called.get(step.slot, ""),
                Summary(kind.shape, str(kind.dtype)),
                self._options(step),
                self.lines[step.slot].lies,
                self.lines[step.slot].where,
                f"∂{step.note.op}, {step.note.derivation}" if step.note.derivation else step.note.op,
                located(step.note.place),
                self.parts[step.slot],
            )
        )
        for source in sources:
            self.edges[source, here] = Edge(source, here)

    def _boxed(self, step: Step, group: GroupNode) -> None:
        sources = [self._source(i) for i in step.inputs if not self._inline(i)]
        if group not in self.held:
            self.held.append(group)
            self.nodes.append(group)
        self.ids[step.slot] = group.id
        for source in sources:
            if source != group.id:
                self.edges[source, group.id] = Edge(source, group.id)

    def _inline(self, slot: int) -> bool:
        """Whether an input is a number, or None, that is said in the step itself."""
        x = self.program.constants.get(slot, self)
        return x is not self and (x is None or np.ndim(x) == 0)

    def _options(self, step: Step) -> tuple[str, ...]:
        params = {k: v for k, v in step.params.items() if v is not None and (k, v) != ("keepdims", False)}
        told = [f"{k}={getattr(v, '__name__', v)}" for k, v in params.items() if k != "dtype"]
        numbers = [self.program.constants[i] for i in step.inputs if self._inline(i)]
        return (*told, *[f"with {number(x.item() if hasattr(x, 'item') else x)}" for x in numbers if x is not None])

    # -- results -----------------------------------------------------------------------------------------------

    def _results(self) -> list[tuple[int, str]]:
        captured, outputs = self.captured, self.program.outputs
        first = len(captured.outputs)
        named = [(slot, "result") for slot in outputs[:first]]
        for (what, whose, key), slot in zip(captured.written, outputs[first:], strict=False):
            if what == "pack":
                named.append((slot, f"{whose.what} of {len(whose.values)} Values"))
                continue
            named.append((slot, key or (whose.name if what == "buffer" else f"{what} of {whose.value.label or 'x'}")))
        gradients, of = outputs[first + len(captured.written) :], captured.made.gradients
        if captured.gradients_packed:
            named += [(s, f"grad of {len(of)} Values") for s in gradients]
        else:
            named += [(s, f"grad of {x.value.label or 'x'}") for s, (x, _) in zip(gradients, of, strict=True)]
        return named + [
            (s, f"grad of {x.value.label or 'p'}") for s, (x, _) in zip(self.program.kept, captured.kept, strict=True)
        ]

    def _result(self, slot: int, label: str) -> None:
        source = self._source(slot)
        if self.brief and slot in self.program.kept:
            if "grads" not in self.held:
                self.held.append("grads")
                told = f"gradients of {len(self.program.kept)} parameters"
                size = sum(self.program.kinds[s].size for s in self.program.kept)
                self.nodes.append(ValueNode("grads", "inner", told, Summary((size,), "float64")))
            self.edges[source, "grads"] = Edge(source, "grads")
            return
        here = f"r{len(self.nodes)}"
        kind = self.program.kinds[slot]
        data = Summary(kind.shape, str(kind.dtype))
        self.nodes.append(ValueNode(here, "inner", label, data, result=label == "result"))
        self.edges[source, here] = Edge(source, here)
