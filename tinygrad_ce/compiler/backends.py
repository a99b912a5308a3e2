"""What runs a graph: its text for a backend, and the functions that the text makes.

formed(backend, layout)     a Form: of NumPy's calls, or with loops that numba compiles
Layout                      what both are made of
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import jit
from .fused import layered, nested
from .graph import Graph
from .memory import plan
from .source import Writer

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


class Form:
    """What runs a graph.

    Attributes
    ----------
    backend : str
    graph, plan : Graph, Plan
        As they are run: with nests, if loops are compiled.
    make : callable
        Takes the arrays that are bound; returns the functions, with buffers of their own.
    kernels : int
        How many functions numba compiles.
    """

    def __init__(self, backend: str, of: Layout, writer: Writer, kernels: int = 0) -> None:
        self.backend, self.of, self._writer, self.kernels = backend, of, writer, kernels
        self.graph, self.plan = writer.graph, writer.plan
        self.make: Callable[..., Any] = writer.load(of.name)

    @property
    def names(self) -> dict[int, str]:
        """What each slot is called in the source."""
        return self._writer.called

    @cached_property
    def _text(self) -> tuple[str, dict[str, Any]]:
        return self._writer.text(self.of.name, self.of.about)

    @property
    def source(self) -> str:
        """A text that stands alone."""
        return self._text[0]

    @property
    def untold(self) -> tuple[str, ...]:
        """Names in the text of what has none."""
        return tuple(self._text[1])


def formed(backend: str, of: Layout) -> Form:
    """The form of a graph for a backend; NumPy's, where there is nothing that could be a loop."""
    if backend == "numba":
        draft = Draft(of)
        if draft.worthwhile:
            return draft.form()
    made = plan(of.graph, of.boundary, in_place=of.in_place)
    return Form("numpy", of, Writer(of.graph, made, of.boundary, of.late, of.early))


class Draft:
    """A graph with loops, as text: nothing is compiled yet, and numba is not imported."""

    def __init__(self, of: Layout) -> None:
        from .loop_source import LoopWriter
        from .loops import compilable, flat, forget

        self.of = of
        graph, boundary = nested(of.graph, of.boundary, flat)
        cut = len(graph.steps) if boundary is None else boundary
        parts = [
            layered(steps, lambda s: compilable(s, graph), lambda s: s.slot in graph.views)
            for steps in (graph.steps[:cut], graph.steps[cut:])
        ]
        graph = graph.with_steps([s for part in parts for s in part])
        made = plan(graph, boundary, in_place=of.in_place)
        self.writer = LoopWriter(graph, made, boundary, of.late, of.early)
        self.kernels = self.writer.kernel_text(of.name)
        self.writer.places.forget()
        forget()

    @property
    def worthwhile(self) -> bool:
        """Whether there is a loop at all."""
        return bool(self.writer.kernels)

    def form(self) -> Form:
        self.writer.functions = jit.functions(self.kernels)
        return Form("numba", self.of, self.writer, len(self.writer.kernels))
