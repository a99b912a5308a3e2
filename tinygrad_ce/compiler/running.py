"""What a call of a compiled function does beside the arithmetic: read what f reaches, write back what f sets.

Runner      runs one captured form
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from ..node import changed
from ..trees import Container, Form
from ..value import Value
from .captured import Captured, Instance
from .recording import Leaf

if TYPE_CHECKING:
    from .compiled import Compiled


class Runner:
    """Runs one captured form of a function."""

    def __init__(
        self,
        function: Compiled,
        captured: Captured,
        form: Form,
        leaves: list[Any],
        on: bool,
        modes: Sequence[tuple[ref[Any], bool]] = (),
    ) -> None:
        self.function, self.captured, self.form, self.on = function, captured, form, on
        arguments = form.parts[0] if isinstance(form, Container) else form
        flat = arguments.parts if isinstance(arguments, Container) else ()
        plain_arrays = len(flat) == len(leaves) and all(type(x) is np.ndarray for x in leaves)
        self._checks = [(x.dtype, x.shape) for x in leaves] if plain_arrays else None
        self.reached = [(x, x._data) for x in captured.loose]
        self.modes = modes  # modules that were called, and whether they were in training

    def fits(self) -> bool:
        """Whether what f reaches is still of the shapes and dtypes that were captured, and modules in their modes."""
        for module, training in self.modes:
            if (found := module()) is not None and found.training is not training:
                return False
        for value, before in self.reached:
            data = value._data
            if data is not before and not _alike(data, before):
                return False
        for numbers in self.captured.made.numbers:
            groups = numbers.optimizer._groups
            if len(groups) <= numbers.index or groups[numbers.index] is not numbers.held:
                return False
        return True

    def takes(self, args: tuple[Any, ...]) -> bool:
        """Whether these are arrays like those that were captured: the quick way to know."""
        checks = self._checks
        if checks is None or len(args) != len(checks):
            return False
        for x, (dtype, shape) in zip(args, checks, strict=True):
            if type(x) is not np.ndarray or x.dtype is not dtype or x.shape != shape:
                return False
        return self.fits()

    def inputs(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The inputs of the op: arrays and Values among the arguments, then what f reaches."""
        return (*[leaves[i] for i in self.captured.positions], *self.captured.reached)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """The results of one call, whose arguments have these leaves."""
        captured = self.captured
        if captured.graded:
            from .compiled import Call

            call = Call(captured, self.form)
            out = self.function.apply(self.inputs(leaves), {"call": call})
            results = captured.split(out, call.extras)
        else:
            data = captured.collected(leaves)
            if captured.watch is not None:
                captured.watch.called(captured, data)
            instance = captured.take()
            try:
                made = instance.forward(*data)
                n = len(captured.outputs)
                if captured.stateful:
                    self._write(made[n:], leaves, instance)
            finally:
                captured.give(instance)
            results = [Value.leaf(x, False) if v else x for x, v in zip(made[:n], captured.values, strict=True)]
        return captured.made.outward.build(results)

    def _write(self, made: Any, leaves: Sequence[Any], instance: Instance) -> None:
        """Put what f set where f would have put it."""
        captured = self.captured
        for (what, whose, key), x in zip(captured.written, made, strict=True):
            if what == "data":
                whose.value._data = float(x) if type(whose.before[0]) is float else x
                changed(whose.value)
                whose.value.notes = None
            elif what == "state":
                whose.state[key] = int(x) if whose.kinds.get(key) is int else x
            else:
                _value(whose, leaves).grad = x
        for leaf in captured.cleared:
            _value(leaf, leaves).grad = None
        if captured.kept:
            for (leaf, _), x in zip(captured.kept, instance.forward.kept, strict=True):  # type: ignore[attr-defined]
                leaf.value.grad = x


def _value(leaf: Leaf, leaves: Sequence[Any]) -> Any:
    return leaf.value if leaf.position is None else leaves[leaf.position]


def _alike(x: Any, y: Any) -> bool:
    return type(x) is type(y) and getattr(x, "dtype", None) == getattr(y, "dtype", None) and np.shape(x) == np.shape(y)
