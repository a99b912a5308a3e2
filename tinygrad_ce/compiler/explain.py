"""What the compiler has done with a function, in numbers: steps, buffers, bytes and FLOPs, pass by pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Graph, Step
from .memory import plan
from .passes import INEXACT

if TYPE_CHECKING:
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
class Explanation:
    """The stages of one compilation, and how exact it is."""

    name: str
    stages: tuple[Stage, ...]
    inexact: tuple[str, ...]
    lines: tuple[str, ...]
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

    def _rows(self) -> list[Sequence[str]]:
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

    def __repr__(self) -> str:
        rows = [("after", "steps", "buffers", "bytes", "FLOPs"), *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        table = ["  ".join([row[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]])
                 for row in rows]  # fmt: skip
        head = [f"compiled {self.name}, run by {self.backend}", *table, self.exactness, self.functions]
        return "\n".join([*filter(None, head), "", *self.lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{c}</th>" for c in ("after", "steps", "buffers", "bytes", "FLOPs"))
        body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in self._rows())
        return f"<table><tr>{head}</tr>{body}</table><p>{escape(self.exactness)}</p>"


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
    inexact = tuple(sorted(changed & INEXACT))
    return Explanation(
        captured.name,
        tuple(stages),
        inexact,
        tuple(_line(captured, s) for s in captured.form.graph.steps),
        _backend(captured),
    )


def _backend(captured: Captured) -> str:
    form, watch = captured.form, captured.watch
    what = f"numba: {form.kernels} kernels" if form.backend == "numba" else "numpy"
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


def _line(captured: Captured, step: Step) -> str:
    kind = captured.graph.kinds[step.slot]
    store = captured.form.plan.stores.get(step.slot)
    where = "number" if store is None else "view" if step.slot in captured.form.plan.views else store.sort
    return f"{step.name:<28}  {kind!s:<22}  {where:<8}  {step.note}"
