"""One captured form of a function: for arguments of one signature, its graph, its source, and what runs it.

    capture(f, arguments, ...)      a Captured
    Captured.forward(inputs)        results of one call, with what its backward needs
    Captured.backward(...)          gradients

Values that f reaches beside its arguments become inputs, read at each call, and so do an optimiser's numbers; what f
puts in their place is written back after the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..choice import choose
from ..node import Node, next_number, plain, recorded, watched
from ..optim import Optimizer
from ..optim.group import Group
from ..optim.parameters import PYTHON_FLOAT
from ..sweep import reverse
from ..tracer import Kind, NotCaptured, Tracer
from ..trees import Form, flatten
from ..value import Value
from .graph import Graph, Note, Step
from .memory import plan
from .passes import dead_code, optimised
from .random import Draws
from .record import Recorder, sweeping
from .source import Writer, loaded
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
    vector: int | None = None  # None: Python floats
    held: Any = None  # the group

    @property
    def group(self) -> Group:
        return self.optimizer._groups[self.index]

    @property
    def state(self) -> dict[str, Any]:
        return self.group.state

    @property
    def members(self) -> tuple[Any, ...]:
        return tuple(self.group.params)


@dataclass
class Recording:
    """What one run of f on traced values has left."""

    recorder: Recorder
    given: list[Any]  # what f was given, leaf by leaf
    leaves: list[Leaf]
    numbers: list[Numbers]
    draws: Draws
    results: list[Any]
    outward: Form
    split: int  # steps of f itself
    finals: dict[tuple[int, str], Any] = field(default_factory=dict)  # what leaves and groups held afterwards
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
    reached = found(f)
    values = {id(x): x for x in reached.values}
    for _ in range(4):
        watch = Foreign(next_number())
        made = _record(f, leaves, inward, differentiate, reached, list(values.values()), watch, stepping)
        more = {k: v for k, v in watch.values.items() if k not in values}
        if not more:
            if made.gradients and any(x.vector is not None for x in made.numbers):  # it steps nothing
                return record(f, leaves, inward, differentiate, stepping=False)
            return made
        values.update(more)
    raise NotCaptured("the function uses other Values each time it is called")


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
    made = Recording(recorder, [], [], [], Draws(recorder), [], inward, 0)
    drawn = str(np.random.get_state(legacy=False))
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
        made.draws.lift(reached.generators)
        with ExitStack() as inside:
            inside.enter_context(watched(watch))
            inside.enter_context(sweeping(recorder))
            inside.enter_context(np.errstate(all="ignore"))
            args, kwargs = inward.build(made.given)
            out = f(*args, **kwargs)
            made.results, made.outward = flatten(out)
            made.split = len(recorder.steps)
            for leaf in made.leaves:
                made.finals[id(leaf), "data"] = leaf.value._data
                made.finals[id(leaf), "grad"] = leaf.value.grad
            for n, numbers in enumerate(made.numbers):
                made.finals[n, "state"] = dict(numbers.state)
                made.finals[n, "vector"] = _joined(numbers)
            if differentiate and all(plain(x.value).slot == x.data for x in made.leaves):
                _sweep(made)
        if str(np.random.get_state(legacy=False)) != drawn:
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
        for index, group in enumerate(optimizer._groups):
            slots, traced, kinds = {}, {}, {}
            for key, x in group.state.items():
                kinds[key] = type(x)
                entry = made.recorder.input(float(x) if type(x) in (int, bool) else x)
                slots[key], traced[key] = entry.slot, entry
            numbers = Numbers(optimizer, index, slots, kinds, held=group)
            if group.dtype is not PYTHON_FLOAT and not any(id(x) in together for x in group.params):
                vector = made.recorder.input(group.values())
                numbers.vector = vector.slot
                with made.recorder.noting(Note(op="parameters")):
                    for param, (start, end, shape) in zip(group.params, group._cuts, strict=True):
                        together[id(param)] = np.reshape(vector[start:end], shape)
                group._flat = vector
            group.state = traced
            made.numbers.append(numbers)
    return together


def _joined(numbers: Numbers) -> Any:
    """A group's parameters as one vector: what an optimiser has made of them, or what they hold."""
    group = numbers.group
    if numbers.vector is None or all(x._data is y for x, y in zip(group.params, group._given, strict=True)):
        return group._flat
    return np.concatenate([np.reshape(x._data, (-1,)) for x in group.params])


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
        adjoints = reverse(
            root, seed, choose(None), wanted={n: x.value for n, x in wanted.items()}, beside=beside
        )
    for n, leaf in wanted.items():
        if n in adjoints:
            made.gradients.append((leaf, plain(adjoints[n][1])))


# -- from a recording to something that runs ----------------------------------------------------------------------


@dataclass
class Instance:
    """The functions of one set of buffers, and the arrays that they write into."""

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    arrays: list[Any]


class Captured:
    """A function for one signature.

    Attributes
    ----------
    graph, plan : Graph, Plan
    history : list of (name, Graph)
        What each pass made.
    source : str
    """

    def __init__(self, name: str, made: Recording, passes: Mapping[str, Any], in_place: bool = True) -> None:
        self.name, self.made = name, made
        recorder = made.recorder
        slot_of: Callable[[Any], int] = lambda x: recorder.slot_of(plain(x))
        self.outputs = [slot_of(x) for x in made.results]
        self.values = [isinstance(x, Value) for x in made.results]
        self.differentiable = [
            isinstance(x, Value) and x.requires_grad and bool(made.seeds) for x in made.results
        ]
        self._writes(slot_of)
        self.gradients = [slot_of(g) for _, g in made.gradients]
        raw = Graph(
            inputs=tuple([s for s in recorder.kinds if s not in recorder.constants and s not in recorder.notes]),
            constants=dict(recorder.constants),
            steps=tuple([Step(*s) for s in recorder.steps]),
            outputs=tuple([*self.outputs, *self.written_slots, *self.gradients]),
            kinds=recorder.kinds,
            views=recorder.views,
            names=self._names(),
            bound=tuple([slot for _, _, slot in self.bound]),
            updates=self.updates,
            kept=tuple([slot for _, slot in self.kept]),
        )
        raw = dead_code(raw)
        self.raw = raw
        self.graph, self.history = optimised(raw, passes)
        self._split()
        early = len(self.outputs) + len(self.written_slots)
        boundary = self.boundary if made.seeds else None
        self.plan = plan(self.graph, boundary, in_place=in_place)
        self.graph = self._used(self.graph)
        writer = Writer(self.graph, self.plan, boundary, tuple(made.seeds), early)
        self.source = writer.text(_identifier(name), self._about())
        self._make = loaded(self.source, _identifier(name), writer.untold)
        self._idle: list[Instance] = []
        self._op()

    def _writes(self, slot_of: Callable[[Any], int]) -> None:
        """What is written back: each final value that is not what was there before."""
        made = self.made
        self.written: list[tuple[str, Any, Any]] = []  # what, whose, key: of what the functions return
        self.written_slots: list[int] = []
        self.kept: list[tuple[Leaf, int]] = []  # gradients that stay in a buffer
        self.cleared: list[Leaf] = []
        self.updates: dict[int, int] = {}
        self.bound: list[tuple[Numbers, str | None, int]] = []  # whose, which entry of the state, slot
        together = {id(x) for n in made.numbers if n.vector is not None for x in n.members}
        for leaf in made.leaves:
            data, grad = made.finals[id(leaf), "data"], made.finals[id(leaf), "grad"]
            stepped = id(leaf.value) in together
            if leaf.position is None and not stepped and slot_of(data) != leaf.data:
                self._write("data", leaf, None, slot_of(data))
            if grad is None:
                self.cleared.append(leaf)
            elif slot_of(grad) != leaf.grad and stepped:
                self.kept.append((leaf, slot_of(grad)))
            elif slot_of(grad) != leaf.grad:
                self._write("grad", leaf, None, slot_of(grad))
        for n, numbers in enumerate(made.numbers):
            if numbers.vector is not None:
                self.bound.append((numbers, None, numbers.vector))
                if slot_of(made.finals[n, "vector"]) != numbers.vector:
                    self.updates[slot_of(made.finals[n, "vector"])] = numbers.vector
            for key, x in made.finals[n, "state"].items():
                before = numbers.slots.get(key)
                array = before is not None and made.recorder.kinds[before].sort == "array"
                if array and before is not None:
                    self.bound.append((numbers, key, before))
                if slot_of(x) == before:
                    continue
                if array and before is not None:
                    self.updates[slot_of(x)] = before
                else:
                    self._write("state", numbers, key, slot_of(x))

    def _write(self, what: str, whose: Any, key: str | None, slot: int) -> None:
        self.written.append((what, whose, key))
        self.written_slots.append(slot)

    def _names(self) -> dict[int, str]:
        names = {}
        for leaf in self.made.leaves:
            label = leaf.value.label or ("x" if leaf.position is not None else "p")
            names[leaf.data], names[leaf.grad] = label, f"grad_{label}"
        for numbers in self.made.numbers:
            names |= {slot: key for key, slot in numbers.slots.items()}
            if numbers.vector is not None:
                names[numbers.vector] = "parameters"
        return names

    def _split(self) -> None:
        """Steps that the first outputs need come first."""
        early = len(self.outputs) + len(self.written_slots)
        needed, first = {*self.graph.outputs[:early], *self.graph.updates, *self.graph.kept}, []
        for step in reversed(self.graph.steps):
            if step.slot in needed:
                needed.update(step.inputs)
                first.append(step)
        first.reverse()
        chosen = {s.slot for s in first}
        rest = [s for s in self.graph.steps if s.slot not in chosen]
        self.boundary = len(first)
        self.graph = self.graph.with_steps([*first, *rest])

    def _used(self, graph: Graph) -> Graph:
        """Without inputs that nothing needs."""
        used = {*graph.results, *self.made.seeds, *graph.updates.values(), *(i for s in graph.steps for i in s.inputs)}
        kept = tuple([s for s in graph.inputs if s in used])
        bound = tuple([s for s in graph.bound if s in kept])
        self.bound = [b for b in self.bound if b[2] in bound]
        self.inputs = [s for s in kept if s not in self.made.seeds and s not in bound]
        return graph.with_steps(graph.steps, inputs=kept, bound=bound)

    def _about(self) -> str:
        kinds = ", ".join(f"{self.graph.names.get(s, f'x{s}')}: {self.graph.kinds[s]}" for s in self.inputs)
        return f"{self.name}, compiled for {kinds or 'no arguments'}."

    # -- as an op ----------------------------------------------------------------------------------------------

    def _op(self) -> None:
        """Where the inputs of the op go, and where its gradients do."""
        made = self.made
        given = [(i, x) for i, x in enumerate(made.given) if type(x) not in (int, bool)]
        self.static = list(made.given)
        self.positions = [i for i, _ in given]
        self.arguments = len(given)
        hidden = [x for x in made.leaves if x.position is None]
        self.reached = [x.value for x in hidden]
        self.stateful = bool(self.written or self.updates or self.kept or self.cleared)
        self.graded = bool(self.gradients) and not self.stateful
        self.values_given = {x.position: x for x in made.leaves if x.position is not None}
        order = {**{plain(x).slot: k for k, (_, x) in enumerate(given)}}
        order |= {x.data: self.arguments + k for k, x in enumerate(hidden)}
        stepped = {id(x) for n in made.numbers if n.vector is not None for x in n.members}
        self.loose = [x for x in self.reached if id(x) not in stepped]
        self._sources: list[Any] = []  # for each input of the graph: a position among the op's inputs, or a reader
        draws = {slot: (g, m, a, k) for g, m, a, k, slot in made.draws.made}
        grads = {x.grad: x for x in made.leaves}
        states = {slot: (n, key) for n in made.numbers for key, slot in n.slots.items()}
        for slot in self.inputs:
            if slot in order:
                self._sources.append(order[slot])
            elif slot in draws:
                self._sources.append(_drawing(*draws[slot]))
            elif slot in states:
                self._sources.append(_reading(*states[slot]))
            else:
                self._sources.append(_grad_of(grads[slot]))
        self._sorts = [_sort(plain(x)) for x in (*[self.made.recorder.tracers[plain(x).slot].example for _, x in given], *[x.value._data for x in hidden])]
        self._simple = all(type(x) is int for x in self._sources)
        self.targets = [order[leaf.data] for leaf, _ in made.gradients]
        self._pieces = [i for i, d in enumerate(self.differentiable) if d]
        self._shapes = [self.graph.kinds[self.outputs[i]] for i in self._pieces]

    def arranged(self, data: Sequence[Any]) -> tuple[None, list[Any]]:
        """The graph's inputs, from the op's and from what is read or drawn at each call."""
        if self._simple:
            return None, [data[i] for i in self._sources]
        return None, [data[s] if type(s) is int else s() for s in self._sources]

    def collected(self, leaves: Sequence[Any]) -> list[Any]:
        """The graph's inputs, from the leaves of the arguments and from what is read or drawn at each call."""
        found, hidden, n, positions = [], self.reached, self.arguments, self.positions
        for s in self._sources:
            if type(s) is not int:
                found.append(s())
                continue
            x = leaves[positions[s]] if s < n else hidden[s - n]
            found.append(x._data if isinstance(x, Node) else x)
        return found

    def takes(self, data: Sequence[Any]) -> bool:
        """Whether these are of the dtypes that the buffers are made for."""
        return [_sort(x) for x in data] == self._sorts

    def with_seeds(self, given: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
        """The graph's inputs, the cotangents among them."""
        early, late = iter(given), iter(seeds)
        return [next(late) if s in self.made.seeds else next(early) for s in self.graph.inputs]

    def placed(self, found: Sequence[Any], n: int) -> tuple[Any, ...]:
        """A gradient for each of the op's inputs, from the last of the graph's outputs."""
        gradients: list[Any] = [None] * n
        for position, gradient in zip(self.targets, found[len(found) - len(self.targets) :], strict=True):
            gradients[position] = gradient
        return tuple(gradients)

    def regiven(self, inputs: Sequence[Any]) -> list[Any]:
        """What f is to be given, leaf by leaf, from the op's inputs: Values where it was given Values."""
        given = list(self.static)
        for position, x in zip(self.positions, inputs, strict=True):
            leaf = self.values_given.get(position)
            if leaf is None:
                given[position] = plain(x)
            else:
                given[position] = x if isinstance(x, Value) else Value.leaf(x, False)
        return given

    def packed(self, results: Sequence[Any]) -> Any:
        """What has a gradient, in one array."""
        if len(self._pieces) == 1:
            return results[self._pieces[0]]
        return np.concatenate([np.ravel(results[i]) for i in self._pieces])

    def unpacked(self, g: Any) -> list[Any]:
        """A cotangent of `packed`, as those of its pieces."""
        if len(self._pieces) == 1:
            return [g]
        pieces, at = [], 0
        for kind in self._shapes:
            pieces.append(g[at : at + kind.size].reshape(kind.shape))
            at += kind.size
        return pieces

    def split(self, out: Any, results: Sequence[Any]) -> list[Any]:
        """f's results: those with a gradient from the op's node, the others as they are."""
        made = [Value.leaf(x, False) if v else x for x, v in zip(results, self.values, strict=False)]
        if len(self._pieces) == 1:
            made[self._pieces[0]] = out
            return made
        at = 0
        for i, kind in zip(self._pieces, self._shapes, strict=True):
            made[i] = np.reshape(out[at : at + kind.size], kind.shape)
            at += kind.size
        return made

    # -- running -----------------------------------------------------------------------------------------------

    def take(self) -> Instance:
        """Functions that nobody is using, bound to the arrays that parameters and states lie in now."""
        arrays = [_vector(n) if key is None else n.state[key] for n, key, _ in self.bound]
        while self._idle:
            try:
                instance = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if all(x is y for x, y in zip(instance.arrays, arrays, strict=True)):
                return instance
        made = self._make(*arrays)
        return Instance(*made, arrays) if isinstance(made, tuple) else Instance(made, None, arrays)

    def give(self, instance: Instance) -> None:
        self._idle.append(instance)


def _identifier(name: str) -> str:
    from .source import identifier

    return identifier(name.replace("<lambda>", "f"))


def _sort(x: Any) -> Any:
    return x.dtype if type(x) is np.ndarray else type(x)


def _vector(numbers: Numbers) -> Any:
    """The vector of which a group's parameters are parts, as they are now."""
    group = numbers.group
    given = group._given
    if group._flat is None or not all([x._data is y for x, y in zip(group.params, given, strict=False)]) or not given:
        group.assign(group.values())
    return group._flat


def _drawing(generator: Any, method: str, args: Any, kwargs: Any) -> Callable[[], Any]:
    draw = getattr(generator, method)
    return lambda: draw(*args, **kwargs)


def _reading(numbers: Numbers, key: str) -> Callable[[], Any]:
    number = numbers.kinds[key] in (int, bool)
    return lambda: float(numbers.state[key]) if number else numbers.state[key]


def _grad_of(leaf: Leaf) -> Callable[[], Any]:
    """What a sweep inside f adds to: zeros where there is nothing yet."""
    zero = np.zeros_like(leaf.value._data) if type(leaf.value._data) is not float else 0.0
    return lambda: zero if leaf.value.grad is None else plain(leaf.value.grad)


__all__ = ["Captured", "Instance", "Leaf", "Note", "Numbers", "Recording", "Kind", "Node", "record"]
