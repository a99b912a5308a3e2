"""What runs a graph: its text for a backend, and the functions that the text makes.

formed(backend, layout)     a Form: of NumPy's calls, or with loops that numba compiles
Layout                      what both are made of
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import jit
from .fused import layered, nested
from .graph import Graph
from .memory import Plan, plan
from .source import Writer, loaded

BACKENDS = ("numpy", "numba")


@dataclass(frozen=True)
class Layout:
    """A graph, and how it is cut into functions: see Writer."""

    name: str
    about: str
    graph: Graph
    boundary: int | None
    late: tuple[int, ...]
    early: int
    in_place: bool


@dataclass(frozen=True)
class Form:
    """What runs a graph.

    Attributes
    ----------
    backend : str
    graph, plan : Graph, Plan
        As they are run: with nests, if loops are compiled.
    source : str
        A text that stands alone.
    make : callable
        Takes the arrays that are bound; returns the functions, with buffers of their own.
    untold : tuple
        Names in the text of what has none.
    kernels : int
        How many functions numba compiles.
    """

    backend: str
    graph: Graph
    plan: Plan
    source: str
    make: Callable[..., Any]
    untold: tuple[str, ...]
    kernels: int = 0


def formed(backend: str, of: Layout) -> Form:
    """The form of a graph for a backend."""
    return Draft(of).form() if backend == "numba" else _numpy(of)


def _numpy(of: Layout) -> Form:
    made = plan(of.graph, of.boundary, in_place=of.in_place)
    writer = Writer(of.graph, made, of.boundary, of.late, of.early)
    source = writer.text(of.name, of.about)
    return Form("numpy", of.graph, made, source, loaded(source, of.name, writer.untold), tuple(writer.untold))


class Draft:
    """A graph with loops, as text: nothing is compiled yet, and numba is not imported."""

    def __init__(self, of: Layout) -> None:
        from .loop_source import LoopWriter
        from .loops import compilable, flat

        self.of = of
        graph, boundary = nested(of.graph, of.boundary, flat)
        cut = len(graph.steps) if boundary is None else boundary
        parts = [
            layered(steps, lambda s: compilable(s, graph), lambda s: s.slot in graph.views)
            for steps in (graph.steps[:cut], graph.steps[cut:])
        ]
        self.graph = graph.with_steps([s for part in parts for s in part])
        self.plan = plan(self.graph, boundary, in_place=of.in_place)
        self.writer = LoopWriter(self.graph, self.plan, boundary, of.late, of.early)
        self.source = self.writer.text(of.name, of.about)
        self.kernels = self.writer.kernel_text()

    @property
    def worthwhile(self) -> bool:
        """Whether there is a loop at all."""
        return bool(self.writer.kernels)

    def form(self) -> Form:
        functions = jit.functions(self.kernels) if self.worthwhile else {}
        names = [kernel.name for kernel, _ in self.writer.kernels]
        given = {**self.writer.untold, **{name: functions[name] for name in names}}
        make = loaded(self.writer.without_kernels(self.source), self.of.name, given)
        return Form("numba", self.graph, self.plan, self.source, make, tuple(self.writer.untold), len(names))
