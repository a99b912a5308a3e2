"""What a call of a compiled function does beside the arithmetic: read what f reaches, write back what f sets.

Runner      runs one captured form
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..node import changed, plain
from ..optim import Optimizer
from ..trees import LEAF, Container, Form
from ..value import Value
from .again import Point
from .captured import Call, Captured
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
        sources = captured.sources
        self._straight = plain_arrays and sources[: len(leaves)] == list(range(len(leaves)))
        self._readers = [_reader(x, captured) for x in (sources[len(leaves) :] if self._straight else sources)]
        self._writers = [_writer(*x) for x in captured.written]
        self._one = captured.made.outward is LEAF
        self._count = len(captured.outputs)

    def inputs(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The inputs of the op: arrays and Values among the arguments, then what f reaches."""
        return (*[leaves[i] for i in self.captured.positions], *self.captured.reached)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """The results of one call, whose arguments have these leaves."""
        captured = self.captured
        if captured.graded:
            call = Call(captured, self.form)
            out = self.function.apply(self.inputs(leaves), {"call": call})
            results: list[Any] = captured.split(out, call.extras)
            written: Sequence[Any] = call.extras[self._count :]
        else:
            results, written = self._run(leaves)
        for write, x in zip(self._writers, written, strict=True):
            write(leaves, x)
        return results[0] if self._one else captured.made.outward.build(results)

    def _run(self, leaves: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
        """What f returns, without a graph, and what is to be written."""
        captured = self.captured
        data = [*(leaves if self._straight else ()), *[read(leaves) for read in self._readers]]
        if captured.watch is not None:
            captured.watch.called(captured, data)
        instance = captured.take()
        try:
            made = instance.forward(*data)
            for leaf in captured.cleared:
                _value(leaf, leaves).grad = None
            for value, x in instance.kept:
                value.grad = x
        finally:
            captured.give(instance)
        n, made_leaf = self._count, Value.leaf
        return [made_leaf(x, False) if v else x for x, v in zip(made, captured.values, strict=False)], made[n:]


_data = attrgetter("_data")
Reader = Callable[[Sequence[Any]], Any]  # of the leaves of the arguments
Writer = Callable[[Sequence[Any], Any], None]


def _reader(source: Any, captured: Captured) -> Reader:
    """What gives one of the graph's inputs at a call."""
    if type(source) is list:  # single numbers of very many Values
        return _together([captured.reached[i - captured.arguments] for i in source])
    if type(source) is not int:
        return lambda leaves: source()
    if source < captured.arguments:
        position = captured.positions[source]
        return lambda leaves: plain(leaves[position])
    value = captured.reached[source - captured.arguments]
    return lambda leaves: value._data


def _together(values: Sequence[Value]) -> Reader:
    return lambda leaves: np.array(list(map(_data, values)))


def _writer(what: str, whose: Any, key: Any) -> Writer:
    """What puts a result where f would have put it."""
    if what == "pack":
        return lambda leaves, x: whose.write(x)
    if what == "grad":
        return lambda leaves, x: setattr(_value(whose, leaves), "grad", x)
    if what == "buffer":
        return lambda leaves, x: whose.holder.__setitem__(whose.name, x)
    if what == "state":
        group, whole = whose.group, whose.kinds.get(key) is int
        return lambda leaves, x: group.state.__setitem__(key, int(x) if whole else x)
    number = type(whose.before[0]) is float

    def write(leaves: Sequence[Any], x: Any) -> None:
        whose.value._data = float(x) if number else x
        changed(whose.value)
        whose.value.notes = None

    return write


def _once(numbers: Sequence[Numbers]) -> list[Optimizer]:
    return list({id(x.optimizer): x.optimizer for x in numbers}.values())


def _value(leaf: Leaf, leaves: Sequence[Any]) -> Any:
    return leaf.value if leaf.position is None else leaves[leaf.position]
