"""The work of a Layout as a program: its text, and what runs it.

Program     makes the functions of its parts, with a vector of their own
Part        one of these, as the op of a step: of the vector as it is so far, and of numbers from elsewhere
exported    a number of the vector as a NumPy number or array
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .graph import Note
from .layout import COPY, Layout, View, Work, contiguous
from .literals import literal
from .scalars import SUM

Naming = Callable[[Any, str], str]  # what a function is called in the text


@dataclass(eq=False)
class Program:
    """The parts of a Layout, one for each stage in which there is something to do."""

    layout: Layout
    stages: tuple[int, ...]

    def __call__(self) -> Any:
        """The vector, and the functions of the parts, which fill it."""
        given: dict[str, Any] = {"np": np}

        def naming(function: Any, wanted: str) -> str:
            if getattr(np, wanted, None) is function:
                return f"np.{wanted}"
            name = f"{wanted}_{len(given)}"
            given[name] = function
            return name

        exec("\n".join(["import base64", "import zlib", *self.definition("levelled", naming)]), given)
        return given["levelled"]()

    def definition(self, name: str, naming: Naming) -> list[str]:
        """The text of a function that makes the vector and the functions of the parts."""
        layout, functions = self.layout, dict[str, str]()
        head = [
            f"def {name}():",
            '    """Single numbers, all in one vector, and functions that fill it: many in one operation."""',
            f"    v, t = np.empty({layout.size}), np.empty({layout.scratch})",
            "",
            "    def at(offset, shape, strides):",
            "        return np.ndarray(shape, float, v, 8 * offset, [8 * s for s in strides])",
            "",
        ]
        head += [f"    v[{a}:{a + len(x)}] = {literal(x)}" for a, x in layout.constants]
        made: list[str] = []
        names = _Names(naming, functions, made)
        blocks = [list(self._part(k, stage, names)) for k, stage in enumerate(self.stages)]
        head += [f"    {local} = {text}" for local, text in sorted(functions.items())]
        parts = ", ".join(f"part_{k}" for k in range(len(self.stages)))
        return [*head, *made, *[line for b in blocks for line in ["", *b]], "", f"    return v, {parts}", "", ""]

    def _part(self, k: int, stage: int, names: _Names) -> Iterator[str]:
        loads = [load for load in self.layout.loads if load[0] == stage]
        arguments = dict.fromkeys(f"x{slot}" for _, slot, _, _ in loads)
        yield '    @np.errstate(all="ignore")'
        yield f"    def part_{k}({', '.join(arguments)}):"
        for _, slot, positions, offset in loads:
            yield f"        {_load(f'x{slot}', positions, offset, names)}"
        for at, work in self.layout.work:
            if at == stage:
                for line in _said(work, names):
                    yield f"        {line}".ljust(46) + f"  # {_about(work)}"
        yield "        return v"


@dataclass(eq=False)
class Part:
    """One part of a program as a step's op."""

    program: Program
    index: int

    @property
    def name(self) -> str:
        return f"level_{self.index}"

    @property
    def position(self) -> int:
        """Among what the program makes, the vector first."""
        return self.index + 1

    @property
    def follows(self) -> int:
        """1 where the first of its inputs is the vector as the part before has left it."""
        return int(self.index > 0)

    def __call__(self, *inputs: Any) -> Any:
        v, *parts = self.program()
        if self.follows:
            v[...] = inputs[0]
        return parts[self.index](*inputs[self.follows :])


def exported(v: Any, *, at: int, sort: str, dtype: Any) -> Any:
    """A number of the vector, as a NumPy number or an array without axes."""
    x = v[at].astype(dtype)
    return np.array(x) if sort == "array" else x


class _Names:
    """What the text of a program calls things: functions, and views that it makes once."""

    def __init__(self, naming: Naming, functions: dict[str, str], made: list[str]) -> None:
        self.naming, self.functions, self.made = naming, functions, made
        self._views: dict[View, str] = {}

    def function(self, function: Any) -> str:
        wanted = getattr(function, "__name__", "function").strip("_<>")
        wanted = wanted if wanted.isidentifier() and wanted != "lambda" else "function"
        text = self.naming(function, wanted)
        local = text.rpartition(".")[2] if text.startswith("np.") else text
        if local != text:
            self.functions[local] = text
        return local

    def view(self, view: View) -> str:
        if view not in self._views:
            self._views[view] = f"a{len(self._views)}"
            self.made.append(f"    {self._views[view]} = {_place(view)}")
        return self._views[view]

    def array(self, x: Any) -> str:
        name = f"i{len(self.made)}"
        self.made.append(f"    {name} = {literal(x)}")
        return name

    def operand(self, x: Any) -> str:
        if isinstance(x, View):
            return self.view(x)
        return repr(x) if x == x and abs(x) != float("inf") else f"float('{x}')"


def _place(view: View) -> str:
    vector, n = "t" if view.scratch else "v", int(np.prod(view.shape))
    if view.strides != contiguous(view.shape) and n > 1:
        return f"at({view.offset}, {view.shape}, {view.strides})"
    text = f"{vector}[{view.offset}:{view.offset + n}]"
    return text if len(view.shape) == 1 else f"{text}.reshape({view.shape})"


def _load(x: str, positions: Any, offset: int, names: _Names) -> str:
    if positions is None:
        return f"v[{offset}] = {x}"
    n, first = len(positions), int(positions[0])
    if (np.diff(positions) == 1).all():
        return f"v[{offset}:{offset + n}] = {x}.reshape(-1)[{first}:{first + n}]"
    return f"v[{offset}:{offset + n}] = {x}.reshape(-1)[{names.array(positions)}]"


def _said(work: Work, names: _Names) -> Iterator[str]:
    for places, into in work.gathers:
        yield f"{names.function(np.take)}(v, {names.array(places)}, 0, {names.view(into)}, 'clip')"
    operands = [names.operand(x) for x in work.operands]
    out = names.view(work.out)
    if work.function is SUM:
        yield from _sum(work, operands[0], out, names)
    elif work.function is COPY:
        yield f"{names.function(np.copyto)}({out}, {operands[0]})"
    elif isinstance(work.function, np.ufunc):
        yield f"{names.function(work.function)}({', '.join(operands)}, out={out})"
    else:
        yield f"{out}[...] = {names.function(work.function)}({', '.join(operands)})"


def _sum(work: Work, terms: str, out: str, names: _Names) -> Iterator[str]:
    """Rows are added up one after another by `reduce`; but a single column in pairs, which `accumulate` does not."""
    view = work.operands[0]
    if view.shape[1] > 1:
        names.functions["add_up"] = "np.add.reduce"
        yield f"add_up({terms}, 0, None, {out}, False, -0.0)"
    else:
        column = names.view(View(view.offset, view.shape[:1], view.strides[:1]))
        names.functions["add_in_turn"] = "np.add.accumulate"
        yield f"{out}[0] = add_in_turn({column})[-1]"


def _about(work: Work) -> str:
    n = int(np.prod(work.out.shape))
    what = f"{work.operands[0].shape[0]} terms" if work.function is SUM else ""
    note: Note = work.note
    place = note.place
    if ":" in place:
        path, _, rest = place.partition(":")
        place = f"{Path(path).name}:{rest}"
    op = f"∂{note.op}" if note.derivation else note.op
    return ", ".join(part for part in (f"{n}×{f' {what}' if what else ''}", op, place) if part)
