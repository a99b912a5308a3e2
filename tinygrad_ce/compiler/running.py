"""What a call of a compiled function does beside the arithmetic: read what f reaches, write back what f sets.

Runner      runs one captured form
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..node import changed
from ..optim import Optimizer
from ..trees import LEAF, Container, Form
from ..value import Value
from .again import Point
from .captured import Call, Captured, Instance
from .checks import Checks, Settings
from .recording import Leaf, Numbers

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
        points: Sequence[Point],
        modules: Sequence[tuple[Any, bool]] = (),
    ) -> None:
        self.function, self.captured, self.form, self.on = function, captured, form, on
        arguments = form.parts[0] if isinstance(form, Container) else form
        flat = arguments.parts if isinstance(arguments, Container) else ()
        plain_arrays = len(flat) == len(leaves) and all(type(x) is np.ndarray for x in leaves)
        settings = [Settings(o, captured.made.numbers) for o in _once(captured.made.numbers)]
        checks = Checks(captured.reached, captured.loose, captured.made.buffers, modules, settings, points)
        self.why = checks.changed  # what has changed of what f closes over
        # Whether what f reaches is as it was; and whether arguments are arrays like those captured, too.
        self.fits, self.takes = checks.functions(leaves if plain_arrays else None)
        self._one = captured.made.outward is LEAF
        self._count = len(captured.outputs)

    def inputs(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The inputs of the op: arrays and Values among the arguments, then what f reaches."""
        return (*[leaves[i] for i in self.captured.positions], *self.captured.reached)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """The results of one call, whose arguments have these leaves."""
        captured, n = self.captured, self._count
        if captured.graded:
            call = Call(captured, self.form)
            out = self.function.apply(self.inputs(leaves), {"call": call})
            results = captured.split(out, call.extras)
            if captured.written:
                self._write(call.extras[n:], leaves)
        else:
            data = captured.collected(leaves)
            instance = captured.take()
            try:
                made = instance.forward(*data)
                if captured.stateful:
                    self._set(instance, leaves)
            finally:
                captured.give(instance)
            if captured.written:
                self._write(made[n:], leaves)
            results = [Value.leaf(x, False) if v else x for x, v in zip(made, captured.values, strict=False)]
        return results[0] if self._one else captured.made.outward.build(results)

    def _set(self, instance: Instance, leaves: Sequence[Any]) -> None:
        """Put gradients where f would have put them."""
        for leaf in self.captured.cleared:
            _value(leaf, leaves).grad = None
        for value, x in instance.kept:
            value.grad = x

    def _write(self, made: Any, leaves: Sequence[Any]) -> None:
        """Put what f set where f would have put it."""
        for (what, whose, key), x in zip(self.captured.written, made, strict=False):
            if what == "state":
                whose.group.state[key] = int(x) if whose.kinds.get(key) is int else x
            elif what == "grad":
                _value(whose, leaves).grad = x
            elif what == "buffer":
                whose.holder[whose.name] = x
            else:
                whose.value._data = float(x) if type(whose.before[0]) is float else x
                changed(whose.value)
                whose.value.notes = None


def _once(numbers: Sequence[Numbers]) -> list[Optimizer]:
    return list({id(x.optimizer): x.optimizer for x in numbers}.values())


def _value(leaf: Leaf, leaves: Sequence[Any]) -> Any:
    return leaf.value if leaf.position is None else leaves[leaf.position]
