"""A graph of very many steps, put away: a few arrays, which Python's collector of garbage does not go through.

A function of single numbers has some hundred thousand steps, of which nothing is wanted but an account of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from .graph import Graph, Step


class Column:
    """A sequence in which few different things stand again and again."""

    def __init__(self, things: Sequence[Any]) -> None:
        self.different = {id(x): x for x in things}
        known = {k: n for n, k in enumerate(self.different)}
        self.which = np.fromiter([known[id(x)] for x in things], np.int32, len(things))

    def __iter__(self) -> Any:
        different = list(self.different.values())
        return (different[i] for i in self.which.tolist())


class Stowed:
    """A graph put away; `graph()` is one equal to it."""

    def __init__(self, graph: Graph) -> None:
        steps = graph.steps
        self._rest = replace(graph, steps=(), kinds={})
        self._ops, self._notes = Column([s.op for s in steps]), Column([s.note for s in steps])
        self._params, self._kinds = Column([s.params for s in steps]), Column(list(graph.kinds.values()))
        self._slots, self._named = np.array([s.slot for s in steps]), np.array(list(graph.kinds))
        self._lengths = np.array([len(s.inputs) for s in steps])
        self._inputs = np.fromiter(chain.from_iterable([s.inputs for s in steps]), np.int64)

    def graph(self) -> Graph:
        inputs = iter(self._inputs.tolist())
        given = [tuple([next(inputs) for _ in range(n)]) for n in self._lengths.tolist()]
        columns = self._ops, given, self._params, self._slots.tolist(), self._notes
        steps = tuple([Step(*row) for row in zip(*columns, strict=True)])
        return replace(self._rest, steps=steps, kinds=dict(zip(self._named.tolist(), self._kinds, strict=True)))
