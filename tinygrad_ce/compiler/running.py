"""What a call of a compiled function does beside the arithmetic: read what f reaches, write back what f sets.

    Runner      runs one captured form
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..node import changed, plain
from ..trees import Form
from ..value import Value
from .captured import Captured, Leaf

if TYPE_CHECKING:
    from .compiled import Compiled


class Runner:
    """Runs one captured form of a function."""

    def __init__(self, function: Compiled, captured: Captured, form: Form) -> None:
        self.function, self.captured, self.form = function, captured, form
        self.reached = [(x, x._data) for x in captured.reached]

    def fits(self) -> bool:
        """Whether what f reaches is still of the shapes and dtypes that were captured."""
        for value, before in self.reached:
            data = value._data
            if data is not before and not _alike(data, before):
                return False
        return all(len(n.optimizer._groups) > n.index and n.slots.keys() == n.state.keys() for n in self.captured.made.numbers)

    def inputs(self, leaves: list[Any]) -> tuple[Any, ...]:
        """The inputs of the op: arrays and Values among the arguments, then what f reaches."""
        return (*[leaves[i] for i in self.captured.positions], *self.captured.reached)

    def __call__(self, leaves: list[Any], form: Form) -> Any:
        captured = self.captured
        if captured.graded:
            from .compiled import Call

            call = Call(captured, form)
            out = self.function.apply(self.inputs(leaves), {"call": call})
            results = captured.split(out, call.extras)
        else:
            data = captured.arranged([plain(x) for x in self.inputs(leaves)])[1]
            instance = captured.take()
            try:
                made = instance.forward(*data)
            finally:
                captured.give(instance)
            n = len(captured.outputs)
            self._write(made[n:], leaves)
            results = [Value.leaf(x, False) if v else x for x, v in zip(made[:n], captured.values, strict=True)]
        return captured.made.outward.build(results)

    def _write(self, made: Any, leaves: list[Any]) -> None:
        """Put what f set where f would have put it."""
        rest = iter(made)
        for what, whose, key in self.captured.written:
            if what == "data":
                whose.value._data = next(rest)
                changed(whose.value)
                whose.value.notes = None
            elif what == "state":
                x = next(rest)
                kind = whose.kinds.get(key)
                group = whose.optimizer._groups[whose.index]
                group.state = {**group.state, key: kind(x) if kind in (int, float) else x}
            else:
                leaf = _value(whose, leaves)
                leaf.grad = next(rest) if what == "grad" else None


def _value(leaf: Leaf, leaves: list[Any]) -> Any:
    return leaf.value if leaf.position is None else leaves[leaf.position]


def _alike(x: Any, y: Any) -> bool:
    return type(x) is type(y) and getattr(x, "dtype", None) == getattr(y, "dtype", None) and np.shape(x) == np.shape(y)


Reader = Callable[[], Any]
