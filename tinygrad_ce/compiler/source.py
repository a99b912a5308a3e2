"""A planned graph as Python text that needs NumPy alone.

Writer(graph, plan)     the text of a module with one function, `make`, which makes the functions
loaded(text)            what `make` of such a text is
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from .graph import JOINING, Graph, Note, Step
from .literals import literal, said
from .memory import Plan
from .phrases import RESULT, Names, phrase

_SERIAL = count(1).__next__
_COLUMN = 62


class Writer:
    """The text of one graph, in one function or two.

    Parameters
    ----------
    graph : Graph
    plan : Plan
    boundary : int, optional
        The step with which the second function begins.
    late : tuple of int
        Inputs of the second function.
    early : int
        How many of the outputs are the first function's.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        boundary: int | None = None,
        late: tuple[int, ...] = (),
        early: int | None = None,
    ) -> None:
        self.graph, self.plan = graph, plan
        self.boundary, self.late = boundary, late
        self.early = len(graph.outputs) if early is None else early
        self.names = Names()
        self.by = {s.slot: s for s in graph.steps}
        self.called: dict[int, str] = {}
        self.made: list[str] = []  # lines of `make` before the functions
        self.held: dict[str, Any] = {}  # constants that are arrays
        self._said_all: list[list[str]] = []
        self._name()

    def load(self, name: str) -> Any:
        """What makes the functions: `make` of the text, given the constants and the package's own functions."""
        lines = ["import numpy as np", "", *self._make(name)]
        return loaded("\n".join(lines), name, self.names.helpers | self.held | self.given())

    def text(self, name: str, about: str) -> tuple[str, dict[str, Any]]:
        """The text of a module that stands alone, and what has no text in it."""
        from .standalone import texts

        self._functions(name)
        helpers, imports, untold = texts(self.names.helpers)
        constants = []
        for local, x in self.held.items():
            try:
                constants.append(f"    {local} = {literal(x)}")
            except ValueError:
                untold[local] = x
        helpers = [f"# {n} has no text of its own: it has to be given." for n in untold] + helpers
        imports += ["import base64"] if any("base64." in line for line in [*constants, *helpers]) else []
        head = [
            f'"""{about}"""',
            "",
            *sorted(imports),
            "import numpy as np",
            *self.imports,
            "",
            "",
            *self.before(),
            *helpers,
        ]
        return "\n".join([*head, *self._make(name, constants)]) + "\n", untold

    def _make(self, name: str, constants: Sequence[str] = ()) -> list[str]:
        """The lines of `make`."""
        functions = self._functions(name)
        bound = ", ".join(self.called[i] for i in self.graph.bound)
        about = "The function, with buffers of its own: make one for each thread."
        if bound:
            about = f"The function, with buffers of its own; it writes into {bound}."
        lines = [f"def make({bound}):", f'    """{about}"""']
        lines += [f"    {local} = {expression}" for local, expression in sorted(self.names.functions.items())]
        lines += [*constants, *self.made]
        lines += [line for block in functions for line in ["", *block]]
        if self.graph.kept:
            kept = ", ".join(self.called[i] for i in self.graph.kept)
            lines += ["", f"    {name}.kept = ({kept},)"]
        return [*lines, "", f"    return {name}, backward" if self.boundary is not None else f"    return {name}"]

    def _functions(self, name: str) -> list[list[str]]:
        if not self._said_all:
            self._said_all = [self._function(name, 0, self.boundary)]
            if self.boundary is not None:
                self._said_all.append(self._function("backward", self.boundary, None))
        return self._said_all

    imports: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """What the functions speak of beside that."""
        return {}

    def before(self) -> list[str]:
        """Lines that come before everything else."""
        return []

    # -- names -------------------------------------------------------------------------------------------------

    def _name(self) -> None:
        taken = {*dir(np), "np", "arena", "buffer", "make", "base64", "saved"}
        for slot in self.graph.inputs:
            name = wanted = identifier(self.graph.names.get(slot, f"x{slot}"))
            for n in count(2):
                if name not in taken:
                    break
                name = f"{wanted}_{n}"
            taken.add(name)
            self.called[slot] = name
        for slot, x in self.graph.constants.items():
            if isinstance(x, (np.ndarray, np.generic)):
                self.called[slot] = f"c{slot}"
                self.held[f"c{slot}"] = x
            else:
                self.called[slot] = said(x)
        if any(s.sort == "buffer" for s in self.plan.stores.values()):
            self.made += [
                f"    arena = np.empty({self.plan.arena + 64}, np.uint8)",
                f"    arena = arena[-arena.ctypes.data % 64 :][:{self.plan.arena}]",
                "",
                "    def buffer(offset, dtype, shape, axes=None):",
                "        part = np.ndarray(shape, dtype, arena, offset)",
                "        return part if axes is None else part.transpose(axes)",
                "",
            ]
        numbers = count(1)
        spots: dict[tuple[Any, ...], str] = {}
        for step in self.graph.steps:
            slot, kind = step.slot, self.graph.kinds[step.slot]
            store = self.plan.stores.get(slot)
            if store is not None and store.sort in ("given", "bound") and slot not in self.plan.views:
                self.called[slot] = self.called[store.slot]
                continue
            self.called[slot] = f"t{next(numbers)}"
            if not self.plan.static(slot):
                continue
            if slot in self.plan.views:
                args = [self.called[i] for i in step.inputs]
                text, _ = phrase(step, args, self.graph.kinds, None, self.names)
            else:
                assert store is not None
                shape = tuple([kind.shape[i] for i in kind.order])
                back = tuple([int(i) for i in np.argsort(kind.order)])
                axes = "" if back == tuple(sorted(back)) else f", {said(back)}"
                text = f"buffer({store.position}, {said(kind.dtype)}, {said(shape)}{axes})"
                spot = (store.position, kind.dtype, shape, axes)
                if spot in spots:
                    self.called[slot] = spots[spot]
                    continue
                spots[spot] = self.called[slot]
            self.made.append(f"    {self.called[slot]} = {text}")

    # -- functions ---------------------------------------------------------------------------------------------

    def _function(self, name: str, start: int, end: int | None) -> list[str]:
        steps = self.graph.steps[start:end]
        second = start > 0 or (self.boundary is not None and name == "backward")
        inputs = (
            self.late if second else [s for s in self.graph.inputs if s not in self.late and s not in self.graph.bound]
        )
        arguments = [self.called[s] for s in inputs]
        saved = self._saved() if self.boundary is not None else []
        if second:
            arguments = ["saved", *arguments]
        lines = [f"    def {name}({', '.join(arguments)}):"]
        if second and saved:
            lines.append(f"        {', '.join(saved)}{',' * (len(saved) == 1)} = saved")
        lines += self._body(steps)
        outputs = self.graph.outputs[self.early :] if second else self.graph.outputs[: self.early]
        if self.boundary is None:
            lines += [f"        np.copyto({self.called[old]}, {self.called[new]})" for new, old in self._unwritten()]
        results = self._results(outputs)
        if self.boundary is not None and not second:
            results.append(f"({', '.join(saved)}{',' * (len(saved) == 1)})")
        lines.append(f"        return ({', '.join(results)}{',' * (len(results) == 1)})")
        return lines

    def _body(self, steps: Sequence[Step]) -> list[str]:
        return [self._commented(line, step.note) for step in steps for line in self._said(step)]

    def _unwritten(self) -> list[tuple[int, int]]:
        return [
            (new, old)
            for new, old in self.graph.updates.items()
            if self.graph.kinds[old].sort == "array"
            and (self.plan.stores.get(new) is not self.plan.stores[old] or new in self.plan.views)
        ]

    def _saved(self) -> list[str]:
        """Local variables of the first function that the second one needs."""
        assert self.boundary is not None
        before = {s.slot for s in self.graph.steps[: self.boundary]} | {
            s for s in self.graph.inputs if s not in self.late
        }
        needed = [i for s in self.graph.steps[self.boundary :] for slot in s.inputs for i in self._read(slot)]
        needed += self.graph.outputs[self.early :]
        return list(dict.fromkeys(self.called[i] for i in needed if i in before and not self.plan.static(i)))

    def _read(self, slot: int) -> tuple[int, ...]:
        """What a step reads that takes this value."""
        return (slot,)

    def _said(self, step: Step) -> list[str]:
        slot = step.slot
        if slot in self.plan.views and self.plan.static(slot):
            return []
        name = self.called[slot]
        args = [self.called[i] for i in step.inputs]
        store = self.plan.stores.get(slot)
        into = store is not None and store.sort in ("buffer", "bound") and slot not in self.plan.views
        if into and step.op in JOINING and any(i in self.plan.placed for i in step.inputs):
            return self._pieces(step)
        text, value = phrase(step, args, self.graph.kinds, name if into else None, self.names)
        if not value:
            return text.replace(RESULT, name).split("; ")
        return [f"{name}[...] = {text}" if into else f"{name} = {text}"]

    def _pieces(self, step: Step) -> list[str]:
        lines, at, flat = [], 0, len(self.graph.kinds[step.slot].shape) == 1
        for i in step.inputs:
            kind = self.graph.kinds[i]
            n = kind.size if flat else kind.shape[0]
            if i not in self.plan.placed:
                lines.append(f"{self.called[step.slot]}[{at}:{at + n}] = {self.called[i]}{'.ravel()' * flat}")
            at += n
        return lines

    def _commented(self, line: str, about: Note) -> str:
        note = str(about)
        for part in note.split("  "):
            if ":" in part:
                note = note.replace(part, shortened(part))
        return f"        {line}".ljust(_COLUMN) + f"  # {note}" if note else f"        {line}"

    def _results(self, outputs: Sequence[int]) -> list[str]:
        """What is returned, none of it in memory that a later call writes into."""
        seen: set[Any] = set()
        results = []
        for slot in outputs:
            store, kind = self.plan.stores.get(slot), self.graph.kinds[slot]
            alone = store is not None and store.sort == "fresh" and id(store) not in seen
            alone = alone and (slot not in self.by or self.by[slot].op is not np.broadcast_to)
            seen.add(id(store))
            text = self.called[slot]
            results.append(text if kind.sort != "array" or alone else f"{text}.copy()")
        return results


def shortened(place: str) -> str:
    """A place with the file's name alone."""
    path, _, rest = place.partition(":")
    return f"{Path(path).name}:{rest}"


def identifier(text: str) -> str:
    made = "".join(c if c.isalnum() or c == "_" else "_" for c in text).strip("_") or "x"
    return made if not made[0].isdigit() else f"x{made}"


def loaded(text: str, name: str, injected: Mapping[str, Any] | None = None) -> Any:
    """`make` of a text, with lines that tracebacks can show."""
    filename = f"<compiled {name} {_SERIAL()}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace: dict[str, Any] = {"__name__": f"compiled_{name}", **(injected or {})}
    exec(compile(text, filename, "exec", dont_inherit=True), namespace)
    return namespace["make"]


__all__ = ["Writer", "identifier", "literal", "loaded"]
