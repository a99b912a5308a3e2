"""Python's operators on Values: a short way for floats and arrays, the op itself for everything else.

    binary(op)              an operator and its reflection
    unary(op)
    comparison(compare)     on the data, plain

A scalar graph has millions of nodes, so the short way sets only what a node must have, and on Python floats it
touches no array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import NUMERIC
from .node import Node, next_number, plain, recording
from .op import Op

_new = object.__new__
Binary = Callable[[Any, Any], Any]


def binary(op: Op) -> tuple[Binary, Binary]:
    """An operator and its reflection."""
    scalar, kernel = op.scalar, op.kernel

    def operate(self: Any, other: Any) -> Any:
        a = self.data
        kind = type(other)
        value = type(self)
        if kind is value:
            b = other.data
            requires = self.requires_grad or other.requires_grad
        elif kind is float or (kind is np.ndarray and other.dtype.kind in NUMERIC):
            b = other
            requires = self.requires_grad
        elif kind is int:
            b = other = float(other)
            requires = self.requires_grad
        else:
            return op(self, other) if _operand(other) else NotImplemented
        if type(a) is float and type(b) is float and scalar is not None:
            data = scalar(a, b)
        else:
            try:
                data = kernel(a, b)
            except (ValueError, TypeError):
                return op(self, other)  # which says what is wrong
        if not (requires and recording()):
            return value.leaf(data, False)
        node = _new(value)
        node.data = data
        node.op = op
        node.inputs = (self, other)
        node.number = next_number()
        node.requires_grad = True
        return node

    def reflected(self: Any, other: Any) -> Any:
        return op(other, self) if _operand(other) else NotImplemented

    return operate, reflected


def unary(op: Op) -> Callable[[Any], Any]:
    """An operator of one operand."""
    scalar, kernel = op.scalar, op.kernel

    def operate(self: Any) -> Any:
        a = self.data
        value = type(self)
        if type(a) is np.ndarray:
            data = kernel(a)
        else:
            data = scalar(a) if type(a) is float and scalar is not None else op.evaluate((a,), op.defaults)
        if not (self.requires_grad and recording()):
            return value.leaf(data, False)
        node = _new(value)
        node.data = data
        node.op = op
        node.inputs = (self,)
        node.number = next_number()
        node.requires_grad = True
        return node

    return operate


def comparison(compare: Binary) -> Binary:
    """A comparison of the data: a bool, or an array of them."""
    return lambda self, other: compare(self.data, plain(other))


def _operand(x: Any) -> bool:
    """Whether an op can say something about x; else Python may ask the other operand."""
    return isinstance(x, Node) or not isinstance(x, (str, bytes, dict, set, type(None)))
