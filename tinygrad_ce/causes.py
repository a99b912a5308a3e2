"""Why an op made nan or inf, and the standard remedy: what the anomaly detector says after it has said where.

To add a cause, write a function of the Scene that returns a sentence, or None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .node import Node, plain


@dataclass(frozen=True)
class Scene:
    """An op at the entry where it went wrong.

    Attributes
    ----------
    op : str
    inputs : sequence
    out : array
        Its result.
    at : tuple of int
        The entry.
    g : array, optional
        The cotangent (or tangent), where it went wrong in a sweep.
    argument : int
        The input whose gradient it was.
    """

    op: str
    inputs: Sequence[Any]
    out: Any
    at: tuple[int, ...]
    g: Any = None
    argument: int = 0

    @cached_property
    def values(self) -> list[Any]:
        """The inputs at that entry; None for those that have no such entry."""
        return [self._value(x) for x in self.inputs]

    @property
    def x(self) -> Any:
        return self.values[0] if self.values else None

    @property
    def y(self) -> Any:
        return self.values[1] if len(self.values) > 1 else None

    @cached_property
    def result(self) -> Any:
        return self._value(self.out)

    @cached_property
    def cotangent(self) -> Any:
        return self._value(self.g)

    @property
    def sweeping(self) -> bool:
        return self.g is not None

    def _value(self, x: Any) -> Any:
        if x is None:
            return None
        try:
            array = np.asarray(plain(x))
            shape = np.broadcast_shapes(array.shape, (1,) * len(self.at))
            if len(shape) > len(self.at) or array.dtype.kind not in "fciub":
                return None
            index = tuple([i if n > 1 else 0 for i, n in zip(self.at, shape, strict=True)])
            return array.reshape(shape)[index].item() if len(shape) else array.item()
        except (ValueError, IndexError, TypeError):
            return None

    def __str__(self) -> str:
        parts = [f"input {i}: {x}" for i, x in enumerate(self.values) if x is not None]
        parts += [f"result: {self.result}"] * (self.result is not None)
        parts += [f"cotangent: {self.cotangent}"] * (self.cotangent is not None)
        return ", ".join(parts)


def cause(scene: Scene) -> str:
    """The likely cause and what to do, as a sentence."""
    for explain in _CAUSES:
        found = explain(scene)
        if found is not None:
            return found
    if scene.result is not None and np.isinf(scene.result):
        return "The result is too large for its dtype (overflow): scale the inputs down, or compute its logarithm"
    return "No usual cause is recognised: look at the inputs at that entry"


_LOGS = ("log", "log2", "log10")
_ROOTS = ("sqrt", "cbrt", "power", "float_power")
_WITHIN = (
    "mask the argument as well: np.where(ok, np.{op}(np.where(ok, x, 1.0)), 0.0); a mask on the result alone leaves "
    "the slope at the masked entry, and 0 · inf is nan"
)


def _untaken_branch(s: Scene) -> str | None:
    if s.sweeping and s.cotangent == 0 and s.op in (*_LOGS, *_ROOTS, "divide", "reciprocal", "arcsin", "arccos"):
        return (
            f"The cotangent is 0 and the slope of {s.op} infinite, as in the branch of an np.where that is not taken: "
            + _WITHIN.format(op=s.op)
        )
    return None


def _norm_at_zero(s: Scene) -> str | None:
    if s.op in ("sqrt", "power") and s.sweeping and s.result == 0 and _is_square(s.inputs[0]):
        return (
            "This is a norm at 0, where it has no slope: write np.linalg.norm(x), whose gradient is 0 there, "
            "or np.sqrt(np.sum(x * x) + eps)"
        )
    return None


def _is_square(x: Any) -> bool:
    """Whether a Value was made as x·x, as a square, or by adding up such."""
    if not isinstance(x, Node) or x.op is None:
        return False
    name, inputs = x.op.name, x.inputs
    if name in ("multiply", "dot", "vdot", "inner", "matmul"):
        return plain(inputs[0]) is plain(inputs[1])
    if name in ("sum", "mean"):
        return _is_square(inputs[0])
    if name == "add":
        return _is_square(inputs[0]) and _is_square(inputs[1])
    return name == "square" or (name == "power" and plain(inputs[1]) == 2)


def _root_at_zero(s: Scene) -> str | None:
    if s.op not in _ROOTS or not s.sweeping or s.x != 0:
        return None
    return (
        f"The slope of a root is infinite at 0: keep the argument away from it, np.{s.op}(x + eps), or, where 0 is "
        f"legitimate, " + _WITHIN.format(op=s.op)
    )


def _log_at_zero(s: Scene) -> str | None:
    if s.op not in _LOGS or s.x is None or np.iscomplexobj(s.x):
        return None
    if s.x < 0:
        return f"The logarithm of a negative number: {s.op}({s.x}); check what is taken the logarithm of"
    if s.x == 0:
        return (
            "The logarithm of 0: for probabilities take tg.log_softmax, or a loss on logits "
            "(tg.softmax_cross_entropy); for x log x and the like, where 0 is legitimate, " + _WITHIN.format(op=s.op)
        )
    return None


def _outside_domain(s: Scene) -> str | None:
    if s.x is None or np.iscomplexobj(s.x) or s.sweeping:
        return None
    if s.op == "sqrt" and s.x < 0:
        return "The square root of a negative number: rounding may have made it so; np.maximum(x, 0.0) mends that"
    if s.op in ("arcsin", "arccos", "arctanh") and abs(s.x) >= 1:
        return f"{s.op} is defined between -1 and 1: np.clip the argument"
    if s.op == "log1p" and s.x <= -1:
        return "log1p is defined above -1"
    if s.op in ("power", "float_power") and s.y is not None:
        if s.x == 0 and s.y < 0:
            return "0 to a negative power: keep the base away from 0"
        if s.x < 0:
            return "A negative number to a fractional power: take np.abs of the base, or the sign apart"
    return None


def _division_by_zero(s: Scene) -> str | None:
    divisor = s.y if s.op in ("divide", "floor_divide", "remainder", "fmod") else s.x if s.op == "reciprocal" else None
    if divisor != 0 or divisor is None:
        return None
    return (
        "A division by 0: keep the divisor away from it, or mask it as well: "
        "np.where(y != 0, x / np.where(y != 0, y, 1.0), 0.0)"
    )


def _zero_times_infinity(s: Scene) -> str | None:
    pair = [s.x, s.y] if not s.sweeping else [s.cotangent, *s.values]
    numbers = [v for v in pair if v is not None]
    if s.op in ("multiply", "dot", "matmul", "einsum") and _some(numbers, 0.0) and _some(numbers, np.inf):
        return "0 · inf: a mask that multiplies keeps no infinity out; take np.where(mask, x, 0.0) instead"
    if s.op in ("multiply", "dot", "matmul", "inner", "einsum", "tensordot") and np.isnan(_number(s.result)):
        arrays = [np.asarray(plain(x)) for x in s.inputs]
        if any(np.isinf(a).any() for a in arrays) and any((a == 0).any() for a in arrays):
            return "0 · inf, most likely: a mask that multiplies keeps no infinity out; take np.where instead"
    return None


def _infinity_less_infinity(s: Scene) -> str | None:
    if s.op in ("add", "subtract") and not s.sweeping and all(v is not None and np.isinf(v) for v in (s.x, s.y)):
        return "inf − inf: for logarithms of sums take tg.logsumexp, which subtracts the largest first"
    return None


def _overflow(s: Scene) -> str | None:
    if s.op in ("exp", "exp2", "expm1", "cosh", "sinh") and not s.sweeping:
        return (
            f"{s.op} overflows: subtract the largest first (tg.softmax and tg.logsumexp do), or stay with the logarithm"
        )
    return None


def _some(numbers: Sequence[Any], like: float) -> bool:
    return any(abs(v) == like for v in numbers)


def _number(x: Any) -> Any:
    return 0.0 if x is None else x


_CAUSES: tuple[Callable[[Scene], str | None], ...] = (
    _norm_at_zero,
    _untaken_branch,
    _root_at_zero,
    _log_at_zero,
    _outside_domain,
    _division_by_zero,
    _zero_times_infinity,
    _infinity_less_infinity,
    _overflow,
)
