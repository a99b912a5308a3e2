"""What the compiler has done with a function, in numbers: steps, buffers, bytes and FLOPs, pass by pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Graph, Step
from .memory import Plan, plan
from .passes import INEXACT
from .program import Part

if TYPE_CHECKING:
    from .backends import Form
    from .captured import Captured


@dataclass(frozen=True)
class Stage:
    """A graph after a pass.

    Attributes
    ----------
    name : str
    steps, buffers, arena, flops : int
        Steps; buffers and what they take together once those never alive at the same time share bytes; arithmetic.
    """

    name: str
    steps: int
    buffers: int
    arena: int
    flops: int


@dataclass(frozen=True)
class Line:
    """A step of the program: what its result is called in the source, and how it lies.

    Attributes
    ----------
    name, function, kind : str
    lies : "buffer", "in place", "view", "new" or "number"
    where : str
        The same in words: which buffer, into which parameters.
    origin : str
        The op, the derivation and the line of the user's code that it comes from.
    """

    name: str
    function: str
    kind: str
    lies: str
    where: str
    origin: str

    @property
    def cells(self) -> tuple[str, ...]:
        return self.name, self.function, self.kind, self.where, self.origin


_WIDTHS = (12, 26, 24, 26, 40)  # of the columns at most
_STAGES = ("after", "steps", "buffers", "bytes", "FLOPs")
_LINES = ("result", "function", "dtype and shape", "lies in", "comes from")


@dataclass(frozen=True)
class Explanation:
    """The stages of one compilation, how exact it is, and its steps.

    `once` is how many views are made once, which no call makes again.
    """

    name: str
    stages: tuple[Stage, ...]
    inexact: tuple[str, ...]
    lines: tuple[Line, ...]
    once: int = 0
    backend: str = "numpy"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        passes = [
            {"pass": s.name, "steps": s.steps, "buffers": s.buffers, "bytes": s.arena, "flops": s.flops}
            for s in self.stages
        ]
        last = self.stages[-1]
        return {
            "name": self.name,
            "backend": self.backend,
            "passes": passes,
            "arena": last.arena,
            "inexact": list(self.inexact),
        }

    def _rows(self) -> list[tuple[str, ...]]:
        return [(s.name, f"{s.steps:,}", f"{s.buffers:,}", f"{s.arena:,}", f"{s.flops:,}") for s in self.stages]

    @property
    def functions(self) -> str:
        """What numba's loops add to that."""
        if not self.backend.startswith("numba"):
            return ""
        return (
            "In loops exp, expm1, log, log1p, tanh, sin and cos are the compiler's own, within 1.2 units in the last "
            "place of the truth; small products are BLAS's as numba finds it. Nothing is contracted or reordered."
        )

    @property
    def exactness(self) -> str:
        if not self.inexact:
            return "Results are eager code's, bit for bit."
        return (
            f"Results are eager code's bit for bit but for {' and '.join(self.inexact)}: a few units in the last place."
        )

    @property
    def summary(self) -> str:
        """How many steps a call makes."""
        once = f", and {self.once} view{'s' * (self.once != 1)} made once" if self.once else ""
        return f"{len(self.lines)} step{'s' * (len(self.lines) != 1)} a call{once}:"

    def __repr__(self) -> str:
        stages = _table([_STAGES, *self._rows()], right=range(1, 5))
        lines = _table([_LINES, *[tuple(map(clipped, line.cells, _WIDTHS)) for line in self.lines]])
        head = [f"compiled {self.name}, run by {self.backend}", *stages, self.exactness, self.functions]
        return "\n".join([*filter(None, head), "", self.summary, *lines])

    def _repr_html_(self) -> str:
        stages = _html([_STAGES, *self._rows()], right=range(1, 5))
        lines = _html([_LINES, *[line.cells for line in self.lines]])
        steps = f"<details><summary>{escape(self.summary)}</summary>{lines}</details>"
        return f"<b>compiled {escape(self.name)}</b>{stages}<p>{escape(self.exactness)}</p>{steps}"


def clipped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _html(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        sides = ["right" if i in right else "left" for i in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align:{side}">{escape(c)}</{tag}>' for side, c in zip(sides, cells, strict=True)
        )

    head, *body = rows
    told = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in body)
    return f"<table><tr>{row(head, 'th')}</tr>{told}</table>"


def explained(captured: Captured) -> Explanation:
    """An Explanation of one captured form."""
    history = [("captured", captured.raw), *captured.history]
    stages, names = [], set()
    for name, graph in history:
        if name not in names:  # passes are made again and again; what they do the first time says it
            names.add(name)
            stages.append(_stage(name, graph))
    stages.append(_stage("all", captured.graph, captured.form.plan.arena))
    changed = {name for (_, before), (name, after) in pairwise(history) if before.steps != after.steps}
    parts = [step.op for step in captured.graph.steps if isinstance(step.op, Part)]
    if all(part.program.layout.exact for part in parts):
        changed.discard("levels")
    inexact = tuple(sorted(changed & INEXACT))
    form, lines = captured.form, described(captured.form)
    return Explanation(
        captured.name,
        tuple(stages),
        inexact,
        tuple(lines.values()),
        len(form.graph.steps) - len(lines),
        _backend(captured),
    )


def _backend(captured: Captured) -> str:
    form, watch = captured.form, captured.watch
    what = f"numba: {form.kernels} kernel{'s' * (form.kernels != 1)}" if form.backend == "numba" else "numpy"
    return f"{what} ({watch.told})" if watch is not None and watch.told != "numpy" else what


def _stage(name: str, graph: Graph, arena: int | None = None) -> Stage:
    made = plan(graph)
    buffers = {id(s) for s in made.stores.values() if s.sort == "buffer" and s.inside is None}
    flops = sum(flops_of(step, graph) for step in graph.steps)
    return Stage(name, len(graph.steps), len(buffers), made.arena if arena is None else arena, flops)


def flops_of(step: Step, graph: Graph) -> int:
    """Additions and multiplications of a step; each function of a number counts as one."""
    kinds = graph.kinds
    out = kinds[step.slot]
    if step.op is np.matmul:
        return 2 * out.size * (kinds[step.inputs[0]].shape or (1,))[-1]
    if isinstance(step.op, np.ufunc):
        return out.size
    if step.slot in graph.views or not step.inputs:
        return 0
    return max(kinds[i].size for i in step.inputs)


def described(form: Form) -> dict[int, Line]:
    """The steps that a call makes, by slot: those that are made once are left out."""
    graph, made, called = form.graph, form.plan, form.names
    numbers: dict[int, int] = {}  # of buffers, by identity
    lines = {}
    for step in graph.steps:
        if step.slot in made.views and made.static(step.slot):
            continue
        note = step.note
        op = f"∂{note.op}, {note.derivation}" if note.derivation else note.op if note.op != step.name else ""
        origin = "  ".join(part for part in (op, located(note.place)) if part)
        lies, where = _lies(step, made, called, numbers)
        lines[step.slot] = Line(called.get(step.slot, ""), step.name, str(graph.kinds[step.slot]), lies, where, origin)
    return lines


def _lies(step: Step, made: Plan, called: Mapping[int, str], numbers: dict[int, int]) -> tuple[str, str]:
    """How a result lies: in which manner, and in words."""
    store = made.stores.get(step.slot)
    if step.slot in made.views:
        return "view", f"view of {called.get(made.views[step.slot], '')}"
    if store is None:
        return "number", "a number"
    if store.sort == "bound":
        return "in place", f"written into {called.get(store.slot, 'a parameter')}"
    if store.sort != "buffer":
        return "new", "made anew at each call"
    if store.inside is not None:
        return "buffer", f"part of {called.get(store.inside.slot, 'another')}"
    n = numbers.setdefault(id(store), len(numbers) + 1)
    over = any(made.stores.get(i) is store for i in step.inputs)
    return ("in place", f"in place, buffer {n}") if over else ("buffer", f"buffer {n}")


def located(place: str) -> str:
    """A place with the file's name alone, and without the function's."""
    path, _, rest = place.partition(":")
    return f"{Path(path).name}:{rest.partition(',')[0]}" if rest else ""
