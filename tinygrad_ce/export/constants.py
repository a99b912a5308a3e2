"""What a model brings along: parameters under their names, and arrays that are as long as the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dims import Dim, Irregular, unified
from .graph import Graph, Operand


class Constants:
    """Constants as operands; one comes into the file when it is used."""

    def __init__(self, graph: Graph, state: Mapping[str, Any], rows: Sequence[int]) -> None:
        self.graph, self.rows = graph, rows
        self.parameters: dict[Any, str] = {}
        for name, array in state.items():
            array = np.asarray(array)
            if array.ndim > 1:
                self.parameters.setdefault(_key(array.T), f"{name}.T")
            self.parameters[_key(array)] = name

    def operand(self, found: Sequence[Any]) -> Operand:
        """What was found in a slot at each batch size."""
        datas = [np.asarray(x) for x in found]
        first = datas[0]
        if first.dtype == object:
            return Operand("", (), first.dtype, found[0])
        shape = unified([x.shape for x in datas], self.rows)
        follows = [axis for axis, size in enumerate(shape) if isinstance(size, Dim)]
        if not follows:
            if not all(np.array_equal(x, first, equal_nan=first.dtype.kind in "fc") for x in datas):
                raise Irregular(f"a constant of the model, {found[0]!r:.60}, is another at other batch sizes")
            return Operand("", shape, first.dtype, found[0])
        if first.ndim == 1 and first.dtype.kind in "iu" and all(np.array_equal(x, np.arange(len(x))) for x in datas):
            return Operand(self._range(shape[0]), shape, first.dtype)
        core = first[tuple([slice(0, 1) if axis in follows else slice(None) for axis in range(first.ndim)])]
        if not all(np.array_equal(x, np.broadcast_to(core, x.shape)) for x in datas):
            raise Irregular("a constant of the model has its own number for each row of the batch")
        name = self.graph.add("Expand", self.graph.constant(core), self.graph.integers(shape))
        return Operand(name, shape, first.dtype)

    def name(self, x: Operand, like: np.dtype[Any] | None = None) -> str:
        """An operand's name in the graph; a constant is written there now, as another dtype if asked."""
        if x.name:
            return x.name
        if x.data is None or x.dtype == object:
            raise Irregular(f"an input is {x.data!r}")
        array = np.asarray(x.data)
        return self.graph.constant(array, self.parameters.get(_key(array), ""), like)

    def _range(self, size: Any) -> str:
        zero, one = (self.graph.constant(np.array(i, np.int64)) for i in (0, 1))
        end = self.graph.add("Squeeze", self.graph.integers([size]))
        return self.graph.add("Range", zero, end, one)


def _key(array: Any) -> Any:
    # An array of few numbers may equal a parameter by accident: names are for tensors worth finding.
    return (array.shape, array.dtype.str, array.tobytes()) if array.size > 1 else object()
