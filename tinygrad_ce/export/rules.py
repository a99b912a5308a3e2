"""The door for rules: how an op of ours is written in ONNX operators.

@rule("exp", "log")
def _(step): return step.add(...)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dims import Irregular, known
from .graph import Graph, Operand


class NoRule(ValueError):
    """ONNX has no way to say it."""


@dataclass(frozen=True)
class Step:
    """One instruction to be written: an op, its inputs and options, and what its result is like."""

    graph: Graph
    op: str
    inputs: tuple[Operand, ...]
    params: dict[str, Any]
    out: Operand
    name: Callable[..., str]

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.graph.add(kind, *inputs, **attributes)

    def names(self) -> list[str]:
        """The inputs' names, arrays all."""
        return [self.name(x) for x in self.inputs]

    def promoted(self) -> list[str]:
        """The inputs' names, all of one dtype, as ONNX wants them."""
        dtype = np.result_type(*[x.dtype for x in self.inputs])
        return [self.as_dtype(x, dtype) for x in self.inputs]

    def as_dtype(self, x: Operand, dtype: np.dtype[Any]) -> str:
        """An operand's name, cast if it is of another dtype; all floats are the file's."""
        dtype = self.graph.dtype if dtype.kind == "f" else dtype
        if not x.name:
            return self.name(x, dtype)
        if x.dtype == dtype or x.dtype.kind == dtype.kind == "f":
            return x.name
        return self.add("Cast", x.name, to=self.graph.element(dtype))

    def number(self, value: Any) -> str:
        """A number, or an array of numbers, in the file's float dtype."""
        return self.graph.constant(np.array(value, self.graph.dtype))

    def fixed(self, *names: str) -> tuple[Any, ...]:
        """Options that may not follow the batch."""
        for name in names:
            if not known(self.params[name]):
                raise Irregular(f"its {name} follows the batch size")
        return tuple([self.params[name] for name in names])


Rule = Callable[[Step], str]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register how these ops are written; NumPy functions that are no ops go by their name."""

    def declare(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return declare
