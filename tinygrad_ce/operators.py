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

from .arrays import NUMERIC, holds_arrays
from .mutation import used
from .node import Node, Watch, next_number, plain, recording
from .op import Op

_new = object.__new__
ndarray = np.ndarray
Binary = Callable[[Any, Any], Any]


def binary(op: Op) -> tuple[Binary, Binary]:
    """An operator and its reflection."""
    scalar, kernel, params, lean = op.scalar, op.kernel, op.defaults, op.partials is not None

    def operate(self: Any, other: Any) -> Any:
        a = self._data
        kind = type(other)
        value = type(self)
        if kind is value:
            b = other._data
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
            watch = recording()
        else:
            try:
                data = kernel(a, b)
            except (ValueError, TypeError):
                return op(self, other)  # which says what is wrong
            watch = recording()
            if watch:
                if self.op is None and self.requires_grad and type(a) is ndarray:
                    used(self, watch)
                if kind is value and other.op is None and other.requires_grad and type(b) is ndarray:
                    used(other, watch)
        if not (requires and watch):
            return _constant(value, op, (self, other), data, watch)
        node = _new(value)
        node._data = data
        node.op = op
        if lean:
            node.left = self
            node.right = other
        else:
            node.left = (self, other)
        node.params = params
        node.number = next_number()
        node.requires_grad = True
        node.adjoint = node.grad = node.notes = None
        node.label = ""
        if watch is not True:
            watch.made(node)
        return node

    def reflected(self: Any, other: Any) -> Any:
        return op(other, self) if _operand(other) else NotImplemented

    return operate, reflected


def unary(op: Op) -> Callable[[Any], Any]:
    """An operator of one operand."""
    params = op.defaults

    def operate(self: Any) -> Any:
        a = self._data
        value = type(self)
        if op.partials is None or op.partials[0] is None or op.constants or op.shortcuts:
            return value.record(op, (self,), params)
        if type(a) is ndarray:
            try:
                data = op.kernel(a)
            except (ValueError, TypeError, IndexError):
                return value.record(op, (self,), params)  # which says what is wrong
        else:
            data = op.scalar(a) if type(a) is float and op.scalar is not None else op.evaluate((a,), params)
        watch = recording()
        if not (self.requires_grad and watch):
            return _constant(value, op, (self,), data, watch)
        if self.op is None and type(a) is ndarray:
            used(self, watch)
        node = _new(value)
        node._data = data
        node.op = op
        node.left = self
        node.params = params
        node.number = next_number()
        node.requires_grad = True
        node.adjoint = node.grad = node.notes = None
        node.label = ""
        if watch is not True:
            watch.made(node)
        return node

    return operate


def comparison(compare: Binary) -> Binary:
    """A comparison of the data: a bool, or an array of them."""
    return lambda self, other: compare(self._data, plain(other))


def _constant(value: Any, op: Op, inputs: tuple[Any, ...], data: Any, watch: Any) -> Any:
    if isinstance(watch, Watch):
        watch.computed(op, inputs, data)
    return value.leaf(data, False)


def _operand(x: Any) -> bool:
    """Whether an op can say something about x; else Python may ask the other operand."""
    return isinstance(x, Node) or not (isinstance(x, (str, bytes, dict, set, type(None))) or holds_arrays(x))
