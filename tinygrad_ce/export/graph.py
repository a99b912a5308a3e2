"""The ONNX graph being written: nodes, initialisers, and vectors of sizes that follow the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .dims import Dim

OPSET = 20

Size = int | Dim


@dataclass(frozen=True)
class Operand:
    """A value of the graph: its name there, its shape and dtype here, and its data where it is a constant."""

    name: str
    shape: tuple[Size, ...]
    dtype: np.dtype[Any]
    data: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Graph:
    """Nodes and initialisers in order; `dtype` is the float type that the file computes in."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, NDArray[Any]] = {}
        self._known: dict[Any, str] = {}
        self.batch_source = ""  # the input whose first axis is the batch

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Write a node with one result; its name."""
        return self.several(kind, inputs, 1, **attributes)[0]

    def several(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """Write a node with several results."""
        names = [f"{kind.lower()}_{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(results)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def constant(self, data: Any, name: str = "", like: np.dtype[Any] | None = None) -> str:
        """An initialiser: floats in the file's dtype, unless `like` says another; equal small ones are shared."""
        array = np.asarray(data)
        array = array.astype(like or (self.dtype if array.dtype.kind == "f" else array.dtype))
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name or f"constant_{len(self.initialisers)}"
            self.initialisers[self._known[key]] = np.ascontiguousarray(array).reshape(array.shape)
        return self._known[key]

    def integers(self, values: Sequence[Size]) -> str:
        """An int64 vector, computed where a size follows the batch."""
        if not any(isinstance(v, Dim) for v in values):
            return self.constant(np.array([int(v) for v in values if not isinstance(v, Dim)], np.int64))
        return self.add("Concat", *[self._integer(v) for v in values], axis=0)

    def _integer(self, value: Size) -> str:
        if not isinstance(value, Dim):
            return self.constant(np.array([value], np.int64))
        name = self._known.get(value)
        if name is None:
            name = self.add("Shape", self.batch_source, start=0, end=1)
            if value.slope != 1:
                name = self.add("Mul", name, self.constant(np.array([value.slope], np.int64)))
            if value.offset:
                name = self.add("Add", name, self.constant(np.array([value.offset], np.int64)))
            self._known[value] = name
        return name

    def proto(self, name: str, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> onnx.ModelProto:
        """The whole as a model."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [self._described(x) for x in inputs],
            [self._described(x) for x in outputs],
            [numpy_helper.from_array(array, key) for key, array in self.initialisers.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="tinygrad_ce")
        made.ir_version = 9  # what runtimes of opset 20 read
        return made

    def element(self, dtype: np.dtype[Any]) -> int:
        """ONNX's number for a dtype; every float is the file's."""
        return int(helper.np_dtype_to_tensor_dtype(self.dtype if dtype.kind == "f" else dtype))

    def _described(self, x: Operand) -> onnx.ValueInfoProto:
        shape = [_label(size) for size in x.shape]
        return helper.make_tensor_value_info(x.name, self.element(x.dtype), shape)


def _label(size: Size) -> int | str:
    if not isinstance(size, Dim):
        return size
    return "batch" if size == Dim(1, 0) else f"{size.slope}*batch+{size.offset}"
