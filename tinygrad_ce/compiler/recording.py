"""One run of a function on traced values: its steps, and what it has put where.

    record(f, leaves, ...)      a Recording; everything is put back as it was

Values that f reaches beside its arguments become inputs, and so do an optimiser's numbers and the vector of its
parameters: what they are is read at each call, and what f puts in their place is written back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import numpy as np

from ..choice import choose
from ..node import next_number, plain, recorded, watched
from ..optim import Optimizer
from ..optim.group import Group
from ..optim.parameters import PYTHON_FLOAT
from ..sweep import reverse
from ..tracer import NotCaptured, Tracer
from ..trees import Form, carried, flatten
from ..value import Value
from .graph import Note
from .random import Draws
from .record import Recorder, sweeping
from .state import Foreign, Surroundings, found


@dataclass
class Leaf:
    """A Value whose data is an input: an argument, or one that the function reaches.

    Attributes
    ----------
    value : Value
        As f sees it.
    data, grad : int
        Slots of what it held before the call.
    position : int or None
        Of an argument, among the leaves of the arguments; None: reached, and read at each call.
    """

    value: Value
    data: int
    grad: int
    position: int | None = None
    before: tuple[Any, Any, Any] = (None, None, None)


@dataclass
class Numbers:
    """A group of an optimiser's parameters: the slots of its state before the call, and of its vector.

    Parameters that one optimiser steps are parts of one vector, which a call writes into; so are the arrays of its
    state.
    """

    optimizer: Optimizer
    index: int
    slots: dict[str, int]
    kinds: dict[str, type]
    group: Group
    vector: int | None = None  # None: Python floats

    @property
    def state(self) -> dict[str, Any]:
        return self.group.state

    @property
    def members(self) -> tuple[Any, ...]:
        return tuple(self.group.params)

    def current(self) -> Any:
        """The vector of which the parameters are parts, as they are now."""
        group = self.group
        given, held = group._given, group._flat is not None
        if not held or not given or any(x._data is not y for x, y in zip(self.members, given, strict=True)):
            group.assign(group.values())
        return group._flat


@dataclass
class Buffer:
    """A buffer of a module: the slot of what it was before the call, which reads it and may put another there."""

    holder: dict[str, Any]
    name: str
    slot: int

    def read(self) -> Any:
        return np.asarray(self.holder[self.name])


@dataclass
class Recording:
    """What one run of f on traced values has left."""

    recorder: Recorder
    given: list[Any]  # what f was given, leaf by leaf
    leaves: list[Leaf]
    numbers: list[Numbers]
    buffers: list[Buffer]
    draws: Draws
    results: list[Any]
    outward: Form
    finals: dict[tuple[int, str], Any] = field(default_factory=dict)  # what leaves, groups, buffers held afterwards
    seeds: list[int] = field(default_factory=list)
    gradients: list[tuple[Leaf, Any]] = field(default_factory=list)


def record(
    f: Callable[..., Any], leaves: Sequence[Any], inward: Form, differentiate: bool, stepping: bool = True
) -> Recording:
    """Run f once on traced values, and put everything back.

    `stepping`: parameters of optimisers that f reaches are parts of vectors, which f may update.

    Raises
    ------
    NotCaptured
        If f does what a list of instructions cannot say.
    """
    values: dict[int, Value] = {}
    for _ in range(8):
        reached, watch = found(roots_of(f, inward)), Foreign(next_number())
        values = {id(x): x for x in reached.values} | values
        try:
            made = _record(f, leaves, inward, differentiate, reached, list(values.values()), watch, stepping)
        except Regrouping as asked:
            asked.optimizer._set_apart(asked.apart)
            continue
        more = {k: v for k, v in watch.values.items() if k not in values}
        if not more:
            if made.gradients and any(x.vector is not None for x in made.numbers):  # it steps nothing
                return record(f, leaves, inward, differentiate, stepping=False)
            return made
        values.update(more)
    raise NotCaptured("the function uses other Values each time it is called")


def roots_of(f: Callable[..., Any], inward: Form) -> list[Any]:
    """A function, and what it is given beside arrays and numbers."""
    return [f, *[x for x in carried(inward) if not isinstance(x, np.random.Generator)]]


def _record(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    inward: Form,
    differentiate: bool,
    reached: Surroundings,
    values: list[Value],
    watch: Foreign,
    stepping: bool,
) -> Recording:
    recorder = Recorder()
    made = Recording(recorder, [], [], [], [], Draws(recorder), [], inward)
    drawn = _drawn()
    try:
        for i, x in enumerate(leaves):
            made.given.append(_given(x, i, made))
        together = _lift(reached.optimizers if stepping else [], made)
        for value in values:
            data = together.get(id(value))
            data = recorder.input(value._data) if data is None else data
            grad = recorder.input(np.zeros_like(value._data) if type(value._data) is not float else 0.0)
            made.leaves.append(Leaf(value, data.slot, grad.slot, None, (value._data, value.grad, value.notes)))
            value._data, value.grad, value.notes = data, grad, None
        for numbers in made.numbers:
            numbers.group._given = [x._data for x in numbers.members]
        for holder, name in reached.buffers():
            traced = recorder.input(np.asarray(holder[name]))
            made.buffers.append(Buffer(holder, name, traced.slot))
            holder[name] = traced
        made.draws.lift(reached.generators)
        with ExitStack() as inside:
            inside.enter_context(watched(watch))
            inside.enter_context(sweeping(recorder))
            inside.enter_context(np.errstate(all="ignore"))
            args, kwargs = inward.build(made.given)
            out = f(*[made.draws.traced(x) for x in args], **{k: made.draws.traced(x) for k, x in kwargs.items()})
            made.results, made.outward = flatten(out)
            for leaf in made.leaves:
                made.finals[id(leaf), "data"] = leaf.value._data
                made.finals[id(leaf), "grad"] = leaf.value.grad
            for n, numbers in enumerate(made.numbers):
                made.finals[n, "state"] = dict(numbers.state)
                made.finals[n, "vector"] = _joined(numbers)
            for n, buffer in enumerate(made.buffers):
                made.finals[n, "buffer"] = plain(buffer.holder[buffer.name])
            if differentiate and all(_untouched(x) for x in made.leaves):
                _sweep(made)
        if _drawn() != drawn:
            raise NotCaptured(
                "np.random's global generator was used, whose numbers would be the same at each call: draw from an "
                "explicit one, rng = np.random.default_rng(seed)"
            )
    except (TypeError, ValueError) as error:
        if isinstance(error.__cause__, NotCaptured):
            raise error.__cause__ from None
        raise
    finally:
        recorder.close()
        made.draws.restore()
        changed = reached.restore()
        for leaf in made.leaves:
            if leaf.position is None:
                leaf.value._data, leaf.value.grad, leaf.value.notes = leaf.before
    if changed:
        raise NotCaptured(
            f"the function sets {', '.join(changed)}, which a call of the compiled one would not do again: return it "
            f"from the function; only parameters and optimisers are written to"
        )
    return made


def _drawn() -> tuple[Any, ...]:
    """How far NumPy's global generator is."""
    state: Any = np.random.get_state(legacy=True)
    return state[0], state[1].tobytes(), *state[2:]


class Regrouping(Exception):
    """An optimiser has found parameters with a gradient beside others without: it groups them anew, outside."""

    def __init__(self, optimizer: Optimizer, apart: list[bool]) -> None:
        self.optimizer, self.apart = optimizer, apart


def _set_apart(optimizer: Optimizer, apart: list[bool]) -> NoReturn:
    raise Regrouping(optimizer, apart)


def _given(x: Any, position: int, made: Recording) -> Any:
    """A leaf of the arguments as f sees it: traced, and a Value where it was one."""
    if type(x) in (int, bool):
        return x
    traced = made.recorder.input(plain(x))
    if not isinstance(x, Value):
        made.draws.inputs.append((position, traced.slot))
        return traced
    value = Value.leaf(traced, x.requires_grad)
    value.label = x.label
    data = plain(x)
    grad = made.recorder.input(np.zeros_like(data) if type(data) is not float else 0.0)
    value.grad = grad
    made.leaves.append(Leaf(value, traced.slot, grad.slot, position))
    return value


def _lift(optimizers: Sequence[Optimizer], made: Recording) -> dict[int, Any]:
    """An optimiser's numbers and arrays become inputs, and so does the vector of its parameters; these, by identity."""
    together: dict[int, Any] = {}
    for optimizer in optimizers:
        groups, own = optimizer._groups, vars(optimizer)
        own["_set_apart"] = partial(_set_apart, optimizer)
        for index, group in enumerate(groups):
            slots, traced, kinds = {}, {}, {}
            for key, x in group.state.items():
                kinds[key] = type(x)
                entry = made.recorder.input(float(x) if type(x) in (int, bool) else x)
                slots[key], traced[key] = entry.slot, entry
            numbers = Numbers(optimizer, index, slots, kinds, group)
            if group.dtype is PYTHON_FLOAT:
                _of_floats(group)
            elif not any(id(x) in together for x in group.params):
                vector = made.recorder.input(group.values())
                numbers.vector = vector.slot
                with made.recorder.noting(Note(op="parameters")):
                    for param, (start, end, shape) in zip(group.params, group._cuts, strict=True):
                        together[id(param)] = np.reshape(vector[start:end], shape)
                group._flat = vector
            group.state = traced
            made.numbers.append(numbers)
    return together


def _of_floats(group: Group) -> None:
    """Let a group of Python floats work on traced ones, until it is restored."""

    def assign(flat: Any) -> None:
        group._flat, group._given = flat, [flat[i] for i in range(len(group.params))]
        for param, number in zip(group.params, group._given, strict=True):
            param.data = number

    own: Any = vars(group)
    own.update(assign=assign, _flattened=np.stack, _check_data=lambda *_: None)


def _joined(numbers: Numbers) -> Any:
    """A group's parameters as one vector: what an optimiser has made of them, or what they hold."""
    group, members = numbers.group, numbers.members
    if numbers.vector is None or all(x._data is y for x, y in zip(members, group._given, strict=True)):
        return group._flat
    return np.concatenate([np.reshape(x._data, (-1,)) for x in members])


def _untouched(leaf: Leaf) -> bool:
    """Whether f has left a Value's data and gradient alone; else what f returns has no graph."""
    return (getattr(leaf.value._data, "slot", -1), getattr(leaf.value.grad, "slot", -1)) == (leaf.data, leaf.grad)


def _sweep(made: Recording) -> None:
    """The gradients of what f returned, in what it was given and what it reached."""
    roots = [x for x in made.results if isinstance(x, Value) and x.requires_grad]
    wanted = {x.value.number: x for x in made.leaves if x.value.requires_grad}
    if not roots or not wanted:
        return
    seeds = []
    for root in roots:
        seed = made.recorder.input(root._data.example if isinstance(root._data, Tracer) else root._data)
        made.seeds.append(seed.slot)
        seeds.append((root, seed))
    (root, seed), *beside = seeds
    with recorded(True):
        adjoints = reverse(root, seed, choose(None), wanted={n: x.value for n, x in wanted.items()}, beside=beside)
    for n, leaf in wanted.items():
        if n in adjoints:
            made.gradients.append((leaf, plain(adjoints[n][1])))
