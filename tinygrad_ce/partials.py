"""Local derivatives in symbols, read off the rules themselves.

partial_of(op, i)       the partial derivative of an elementwise op, as an expression in the op's names for its inputs
pulled(op, i, ...)      of any other op, what its rule makes of a cotangent, in the words of its formula
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .capture import Program, capture
from .expression import Expr, apply, number, symbol
from .op import Op
from .tracer import NotCaptured


@lru_cache(maxsize=1024)
def partial_of(op: Op, position: int) -> Expr | None:
    """The partial derivative with respect to the input at `position`; None where it cannot be written down.

    >>> import tinygrad_ce as tg
    >>> registry = tg.registry()
    >>> [partial_of(registry["multiply"], i).text() for i in (0, 1)], partial_of(registry["sin"], 0).text()
    (['y', 'x'], 'cos(x)')
    """
    partial = None if op.partials is None else op.partials[position]
    if partial is None:
        return None
    if type(partial) is float:
        return number(partial)
    inputs = [symbol(op.input_name(i)) for i in range(len(op.input_names))]
    try:
        program = capture(partial, 0.5, *([0.5] * len(inputs)))
        found = _run(program, [apply(op.name, *inputs), *inputs])
    except (NotCaptured, TypeError, ValueError, ZeroDivisionError):
        return None
    return found


def _run(program: Program, inputs: list[Expr]) -> Expr | None:
    """A captured program on expressions; None where it holds an array or an option that they cannot say."""
    known = dict(zip(program.inputs, inputs, strict=True))
    for slot, x in program.constants.items():
        if np.ndim(x) or not isinstance(x, (int, float, np.generic)):
            return None
        known[slot] = number(float(x))
    for step in program.instructions:
        known[step.slot] = apply(step.name, *(known[s] for s in step.inputs))
    return known[program.outputs[0]]


def pulled(op: Op, position: int, derivation: str | None = None) -> str:
    """What a rule makes of a cotangent g, as its formula says it: "g yᵀ"; empty where it has none."""
    found: Any = op.derivations.get(derivation or op.default)
    if found is None or not found.formula:
        return ""
    parts = found.formula.split(", ")
    several = len(op.input_names) > 1 and len(parts) == len(op.input_names)
    return str(parts[position] if several and position < len(parts) else found.formula)
