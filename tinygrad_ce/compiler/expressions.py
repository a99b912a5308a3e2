"""Elementwise steps as expressions of numbers: what stands in a loop that numba compiles.

    said_in_loop(step, kinds)   whether there is one for a step
    expression(step, ...)       its text

Every operation is the one that NumPy does, in the type in which NumPy does it: float32 stays float32, and nothing is
contracted. What takes a function of libm comes from vector_math.py, for float64; float32 is computed in float64 and
rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tracer import Kind
from .graph import Step
from .record import astype

TYPES = {np.dtype(np.float64): "f8", np.dtype(np.float32): "f4", np.dtype(np.bool): "b1", np.dtype(np.int64): "i8"}
_NUMBA = {"f8": "np.float64", "f4": "np.float32", "b1": "bool", "i8": "np.int64"}
FUNCTIONS = {np.exp: "exp", np.expm1: "expm1", np.log: "log", np.log1p: "log1p", np.tanh: "tanh"}
WAVES = {np.sin: "sin", np.cos: "cos"}  # not for huge arguments
_ARITHMETIC: dict[Any, str] = {
    np.add: "{0} + {1}",
    np.subtract: "{0} - {1}",
    np.multiply: "{0} * {1}",
    np.divide: "{0} / {1}",
    np.negative: "-{0}",
    np.positive: "{0}",
    np.absolute: "abs({0})",
    np.square: "{0} * {0}",
    np.reciprocal: "1 / {0}",
    np.sqrt: "np.sqrt({0})",
    np.sign: "sign({0})",
    np.maximum: "maximum({0}, {1})",
    np.minimum: "minimum({0}, {1})",
    np.copysign: "np.copysign({0}, {1})",
}
_LOGIC: dict[Any, str] = {
    np.greater: "{0} > {1}",
    np.greater_equal: "{0} >= {1}",
    np.less: "{0} < {1}",
    np.less_equal: "{0} <= {1}",
    np.equal: "{0} == {1}",
    np.not_equal: "{0} != {1}",
    np.isnan: "{0} != {0}",
    np.isinf: "abs({0}) == np.inf",
    np.isfinite: "abs({0}) < np.inf",
}
_BITS: dict[Any, str] = {
    np.logical_not: "not {0}",
    np.logical_and: "{0} and {1}",
    np.logical_or: "{0} or {1}",
    np.bitwise_and: "{0} and {1}",
    np.bitwise_or: "{0} or {1}",
    np.invert: "not {0}",
}
_MOVES = (np.copy, astype)


def loop_types(step: Step, kinds: Mapping[int, Kind]) -> tuple[list[np.dtype[Any]], np.dtype[Any]] | None:
    """The dtypes in which NumPy does a step, of its operands and of its result; None where there is no loop for it."""
    made = kinds[step.slot].dtype
    operands = [kinds[i] for i in step.inputs]
    if step.op is np.where and len(operands) == 3:
        return ([np.dtype(np.bool), made, made], made) if operands[0].dtype == np.bool else None
    if step.op in _MOVES:
        return [made], made
    if not isinstance(step.op, np.ufunc):
        return None
    given: list[Any] = [_weak(k) for k in operands]
    try:
        *of, out = step.op.resolve_dtypes((*given, None))
    except (TypeError, ValueError):
        return None
    return (list(of), out) if out == made else None


def _weak(kind: Kind) -> Any:
    """A dtype, or the Python type of a number, which takes the dtype of what it meets."""
    if kind.sort == "float":
        return float
    return {"f": float, "i": int, "b": bool}.get(kind.dtype.kind, kind.dtype) if kind.sort == "other" else kind.dtype


def said_in_loop(step: Step, kinds: Mapping[int, Kind]) -> bool:
    """Whether a step is done entry by entry, by an operation that is known here."""
    if not step.op.__hash__ or kinds[step.slot].dtype not in TYPES or _template(step, kinds) is None:
        return False
    if step.params and step.op is not astype:
        return False
    found = loop_types(step, kinds)
    return found is not None and all(d in TYPES for d in (*found[0], found[1]))


def _template(step: Step, kinds: Mapping[int, Kind]) -> str | None:
    op, of = step.op, [kinds[i].dtype for i in step.inputs]
    floats = all(d.kind == "f" for d in (loop_types(step, kinds) or ([], None))[0])
    if op is np.where:
        return "{1} if {0} else {2}"
    if op in _MOVES:
        return "{0}" if of[0] in TYPES and not (of[0].kind == "f" and kinds[step.slot].dtype.kind in "i") else None
    if op in _BITS:
        return _BITS[op] if all(d.kind == "b" for d in of) else None
    if op in _LOGIC:
        return _LOGIC[op]
    if op in _ARITHMETIC:
        whole = op in (np.add, np.subtract, np.multiply) and kinds[step.slot].dtype.kind == "i"
        return _ARITHMETIC[op] if floats or whole else None
    name = FUNCTIONS.get(op) or WAVES.get(op)
    return f"{name}({{0}})" if name and floats else None


Value = Callable[[int], tuple[str, str]]  # of a slot: its text, and its type: one of TYPES, or "weak"


def expression(step: Step, kinds: Mapping[int, Kind], args: Sequence[tuple[str, str]]) -> str:
    """The text of a step's result, from the texts of its operands and their types."""
    types = loop_types(step, kinds)
    template = _template(step, kinds)
    assert types is not None and template is not None
    wide = step.op in FUNCTIONS or step.op in WAVES
    given = [converted(text, kind, "f8" if wide else TYPES[d]) for (text, kind), d in zip(args, types[0], strict=True)]
    made = TYPES[types[1]]
    text = template.format(*given)
    if made == "f4" and step.op not in _LOGIC:
        return f"np.float32({text})"
    return f"np.int64({text})" if made == "i8" else text


def converted(text: str, kind: str, to: str) -> str:
    """A text as of another type."""
    if kind == to or (kind == "weak" and to == "f8"):
        return text
    if to == "b1":
        return f"({text} != 0)"
    return f"{_NUMBA[to]}({text})"


def sign(x: Any) -> Any:
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else (0.0 if x == 0.0 else x))


def maximum(x: Any, y: Any) -> Any:
    """The larger one; nan if one is."""
    z = x if x >= y else y
    return z if x == x else x


def minimum(x: Any, y: Any) -> Any:
    """The smaller one; nan if one is."""
    z = x if x <= y else y
    return z if x == x else x
