"""A planned graph as Python text in which loops are compiled by numba: what has no loop is NumPy's, as before.

LoopWriter      a Writer whose functions call kernels
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import Graph, Step
from .literals import said
from .loop_kernels import total
from .loops import Kernel, compilable
from .memory import Plan
from .places import ARENA, Places
from .source import Writer
from .standalone import texts

HEAD = ["import numpy as np", "from numba import njit, types", "", ""]


class LoopWriter(Writer):
    """The text of one graph, of which runs of steps are functions that numba compiles."""

    imports = ("from numba import njit, types",)

    def __init__(self, graph: Graph, plan: Plan, *functions: Any) -> None:
        plan.arena = -(-plan.arena // 64) * 64
        self.places = Places(graph, plan)
        self.kernels: list[tuple[Kernel, list[int]]] = []
        self.functions: dict[str, Any] = {}  # compiled
        super().__init__(graph, plan, *functions)

    def _read(self, slot: int) -> tuple[int, ...]:
        """A kernel reads a view where its source lies."""
        root = self.places.root(slot)
        return (slot, root) if self.graph.kinds[slot].sort == "array" else (slot,)

    # -- the functions -----------------------------------------------------------------------------------------

    def _body(self, steps: Sequence[Step]) -> list[str]:
        lines: list[str] = []
        run: list[Step] = []
        for step in steps:
            if compilable(step, self.graph) or (run and step.slot in self.plan.views):
                run.append(step)
                continue
            lines += [*self._run(run), *super()._body([step])]
            run = []
        return [*lines, *self._run(run)]

    def _run(self, run: list[Step]) -> list[str]:
        """The lines of steps that are one kernel; of a few numbers, and of views, as they are."""
        views = [s for s in run if s.slot in self.plan.views]
        done = [s for s in run if s.slot not in self.plan.views]
        if all(self.graph.kinds[i].sort != "array" for s in done for i in (*s.inputs, s.slot)):
            return super()._body(run)
        kernel = Kernel(f"loops_{len(self.kernels) + 1}", self.graph, self.places, self.called)
        for step in done:
            kernel.add(step)
        mine = {s.slot for s in done}
        needed = {i for s in self.graph.steps if s.slot not in mine for i in s.inputs} | {*self.graph.results}
        returned = [s for s in kernel.numbers if s in needed]
        self.kernels.append((kernel, returned))
        lines = []
        for step in done:
            store = self.plan.stores.get(step.slot)
            if store is not None and store.sort == "fresh":
                lines.append(f"        {self.called[step.slot]} = {self._empty(step.slot)}")
        lines += super()._body(views)
        call = f"{kernel.name}({', '.join(self._given(name, slot) for name, (slot, _) in kernel.arguments.items())})"
        names = [self.called[s] for s in returned]
        lines.append(f"        {', '.join(names)} = {call}" if names else f"        {call}")
        for slot in returned:
            if self.graph.kinds[slot].sort == "number":
                function = self.names.numpy(f"np.{self.graph.kinds[slot].dtype.name}")
                lines.append(f"        {self.called[slot]} = {function}({self.called[slot]})")
        return lines

    def _empty(self, slot: int) -> str:
        kind = self.graph.kinds[slot]
        shape = tuple([kind.shape[i] for i in kind.order])
        dtype = "" if kind.dtype == np.float64 else f", {said(kind.dtype)}"
        back = tuple([int(i) for i in np.argsort(kind.order)])
        turned = "" if back == tuple(sorted(back)) else f".transpose({said(back)})"
        return f"{self.names.numpy('np.empty')}({said(shape)}{dtype}){turned}"

    def _given(self, name: str, slot: int) -> str:
        """An argument as a kernel wants it: arrays in C order."""
        if slot == ARENA or self.graph.kinds[slot].sort != "array":
            return name
        kind = self.graph.kinds[slot]
        if not kind.shape:
            return f"{name}.reshape(1)"
        if slot in self.graph.inputs and slot not in self.graph.bound:
            return f"{self.names.helper(whole, 'whole')}({name})"
        if kind.order != tuple(range(len(kind.shape))):
            return f"{name}.transpose({said(kind.order)})"
        return name

    # -- the kernels -------------------------------------------------------------------------------------------

    def before(self) -> list[str]:
        functions = [
            line for k, made in self.kernels for line in [*k.functions(self._told), *k.text(made, self._told), "", ""]
        ]
        return [*self._helpers(), *functions]

    def given(self) -> dict[str, Any]:
        return {kernel.name: self.functions[kernel.name] for kernel, _ in self.kernels}

    def _told(self, line: str, note: Any) -> str:
        indent = len(line) - len(line.lstrip())
        return " " * indent + self._commented(line.lstrip(), note).lstrip()

    def _helpers(self) -> list[str]:
        """What the kernels call, each compiled: into its caller, where it is short."""
        wanted = {name: f for kernel, _ in self.kernels for name, f in kernel.helpers.items()}
        lines = []
        for line in texts(wanted)[0]:
            if line.startswith("def "):
                name = line[4:].partition("(")[0]
                lines.append(f"@njit({'' if name == total.__name__ else 'forceinline=True, '}error_model='numpy')")
            lines.append(line)
        return lines

    def kernel_text(self, name: str) -> str:
        """The kernels alone, without comments on where they come from: what is compiled, and kept."""
        self._functions(name)
        plain = lambda line, note: line
        functions = [line for k, made in self.kernels for line in [*k.functions(plain), *k.text(made), "", ""]]
        return "\n".join([*HEAD, *self._helpers(), *functions])


def whole(x: Any) -> Any:
    """An array in C order."""
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


__all__ = ["LoopWriter"]
