"""Ops that eager code takes whole, opened: their forward and their gradients in steps, which share what they can.

    opened      a graph with the ops of `OPENED` in steps

A rule keeps nothing of the forward, and an op's fast kernel keeps it to itself: attention's weights, the windows of a
convolution, the statistics of a norm. Written down in steps they are common subexpressions. What is traced in the
place of a step are the functions of openings.py; they may lay arrays out otherwise in memory, so every later step is
run once on the data of the capture to see how its result lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...tracer import Kind, NotCaptured, Tracer
from ..graph import Graph, Note, Pull, Step, perform
from ..record import Recorder
from .openings import OPENED


def opened(graph: Graph) -> Graph:
    """With ops and gradients in steps."""
    given = {**graph.constants, **graph.examples}
    if not any(_opening(s.op) for s in graph.steps) or any(i not in given for i in graph.inputs):
        return graph
    walk = _Walk(graph, given)
    for step in graph.steps:
        walk.take(step)
    return replace(graph, kinds=walk.kinds, constants=walk.constants, views=walk.views).renamed(
        walk.becomes, walk.steps
    )


def _opening(op: Any) -> Callable[..., Any] | None:
    if isinstance(op, Pull):
        return OPENED.get((op.of, op.derivation.name, op.position))
    return OPENED.get(op) if op.__hash__ else None


class _Walk:
    """The steps so far, and their results on the data of the capture."""

    def __init__(self, graph: Graph, given: Mapping[int, Any]) -> None:
        self.data = dict(given)
        self.kinds, self.constants = dict(graph.kinds), dict(graph.constants)
        self.views: dict[int, int] = {}
        self.becomes: dict[int, int] = {}
        self.steps: list[Step] = []
        self.next = max(self.kinds, default=0) + 1

    def take(self, step: Step) -> None:
        step = step.renamed(self.becomes)
        opening = _opening(step.op)
        if opening is not None:
            try:
                self._open(step, opening)
                return
            except NotCaptured:  # not for these arguments
                pass
        with np.errstate(all="ignore"):
            self._made(step, perform(step.op, [self.data[i] for i in step.inputs], step.params))

    def _open(self, step: Step, opening: Callable[..., Any]) -> None:
        data = [self.data[i] for i in step.inputs]
        traced, recorder = _traced(opening, data, step.params, step.note)
        slots = {x.slot: i for x, i in zip(traced.inputs, step.inputs, strict=True) if isinstance(x, Tracer)}
        if traced.out in slots:
            self.becomes[step.slot] = slots[traced.out]
            return
        for slot, x in recorder.constants.items():
            slots[slot] = self._new(Kind.of(x))
            self.constants[slots[slot]] = self.data[slots[slot]] = x
        for op, used, params, slot, note in recorder.steps:
            slots[slot] = step.slot if slot == traced.out else self._new(recorder.kinds[slot])
            self._made(Step(op, tuple([slots[i] for i in used]), params, slots[slot], note), traced.results[slot])

    def _new(self, kind: Kind) -> int:
        self.next += 1
        self.kinds[self.next - 1] = kind
        return self.next - 1

    def _made(self, step: Step, out: Any) -> None:
        self.steps.append(step)
        self.data[step.slot], self.kinds[step.slot] = out, Kind.of(out)
        if isinstance(out, np.ndarray):
            for k, i in enumerate(step.inputs):
                if isinstance(self.data[i], np.ndarray) and np.may_share_memory(out, self.data[i]):
                    self.views[step.slot] = k


class _Traced:
    def __init__(self, inputs: Sequence[Any], out: int, results: Mapping[int, Any]) -> None:
        self.inputs, self.out, self.results = inputs, out, results


class _Keeping(Recorder):
    """A Recorder that keeps what its steps have made."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[int, Any] = {}

    def _tracer(self, data: Any) -> Tracer:
        made = super()._tracer(data)
        self.results[made.slot] = data
        return made


def _traced(
    function: Callable[..., Any], data: Sequence[Any], params: Mapping[str, Any], note: Note
) -> tuple[_Traced, Recorder]:
    recorder = _Keeping()
    try:
        inputs = [x if x is None else recorder.input(x) for x in data]
        with recorder.noting(note), np.errstate(all="ignore"):
            out = function(*inputs, **params)
    finally:
        recorder.close()
    if not isinstance(out, Tracer):
        raise NotCaptured("a result that is not traced")
    return _Traced(inputs, out.slot, recorder.results), recorder
