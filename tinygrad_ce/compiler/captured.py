"""One captured form of a function: for arguments of one signature, its graph, its source, and what runs it.

Captured        made of a Recording; takes the inputs of a call to where the graph wants them, and results back
Instance        the functions of one set of buffers
Call            one call, whose backward may come later
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..identities import cast
from ..node import plain
from ..tracer import Kind, Tracer
from ..trees import Form
from ..value import Value
from .automatic import Watch
from .backends import Form as Ran
from .backends import Layout, formed
from .graph import Graph, Note, Step
from .jit import installed
from .memory import settled
from .packs import MANY, Pack, joined, packed
from .passes import dead_code, optimised
from .recording import Leaf, Numbers, Recording
from .source import identifier
from .stowed import Stowed

LARGE = 10_000  # steps that are put away once they have been compiled


@dataclass(slots=True)
class Instance:
    """The functions of one set of buffers, and the arrays that they write into.

    Attributes
    ----------
    forward, backward : callable
    parts : list of (Value, data)
        Parameters, with the parts of vectors that they held when this was made.
    states : list of (Group, key, array)
    kept : list of (Value, array)
        Gradients, and where they lie.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    parts: list[tuple[Value, Any]]
    states: list[tuple[Any, str, Any]]
    kept: list[tuple[Value, Any]]
    form: Ran

    def fits(self) -> bool:
        """Whether parameters and states still lie there."""
        for value, data in self.parts:
            if value._data is not data:
                return False
        for group, key, array in self.states:  # noqa: SIM110 (quicker so)
            if group.state.get(key) is not array:
                return False
        return True


class Call:
    """One call of a compiled function: the form that was run, and the buffers in which its backward finds its data."""

    __slots__ = ("captured", "data", "extras", "instance", "inward", "saved")

    def __init__(self, captured: Captured, inward: Form) -> None:
        self.captured, self.inward = captured, inward
        self.instance: Instance | None = None
        self.data: tuple[Any, ...] = ()
        self.saved: Any = None
        self.extras: list[Any] = []

    def __del__(self) -> None:
        if self.instance is not None:
            self.captured.give(self.instance)

    def __repr__(self) -> str:
        return f"<call of {self.captured.name}>"


class Captured:
    """A function for one signature.

    Attributes
    ----------
    graph : Graph
    history : list of (name, Graph)
        What each pass made.
    layout : Layout
        How the graph is cut into functions.
    form : Form
        What runs it.
    """

    def __init__(
        self,
        name: str,
        made: Recording,
        passes: Mapping[str, Any],
        in_place: bool = True,
        arguments: Sequence[str] = (),  # names of the leaves of what f is given
        backend: str | None = "numpy",
    ) -> None:
        self.name, self.made, self.argument_names = name, made, arguments
        self.function_name = identifier(name.replace("<lambda>", "f"))
        recorder = made.recorder
        slot_of: Callable[[Any], int] = lambda x: recorder.slot_of(plain(x))
        self.outputs = [slot_of(x) for x in made.results]
        self.values = [isinstance(x, Value) for x in made.results]
        self.differentiable = [isinstance(x, Value) and x.requires_grad and bool(made.seeds) for x in made.results]
        self._writes(slot_of)
        self.gradients = [slot_of(g) for _, g in made.gradients]
        self._pack_written()
        raw = Graph(
            inputs=tuple([s for s in recorder.kinds if s not in recorder.constants and s not in recorder.notes]),
            constants=dict(recorder.constants),
            steps=(*(Step(*s) for s in recorder.steps), *self._joins),
            outputs=(*self.outputs, *self.written_slots, *self.gradients),
            kinds=recorder.kinds,
            views=recorder.views,
            names=self._names(),
            bound=tuple([slot for _, _, slot in self.bound]),
            updates=self.updates,
            kept=tuple([slot for _, slot in self.kept]),
            late=tuple(made.seeds),
        )
        raw = dead_code(raw)
        raw = self._pack_read(raw)
        examples = {slot: x.example for slot, x in recorder.tracers.items()}
        self.graph, history = optimised(replace(raw, examples=examples), passes)
        self.history = [(name, replace(graph, examples={})) for name, graph in history]
        self.graph = settled(replace(self.graph, examples={}))
        self._split()
        early = len(self.outputs) + len(self.written_slots)
        self.graph = self._used(self.graph)
        boundary = self.boundary if made.seeds else None
        self.layout = Layout(
            self.function_name, self._about(), self.graph, boundary, tuple(made.seeds), early, in_place
        )
        self.form = formed(backend or "numpy", self.layout)
        self.watch = Watch() if backend is None and installed() else None
        self._idle: list[Instance] = []
        self._op()
        self._raw = Stowed(raw) if len(raw.steps) > LARGE else raw
        self._forget()

    @property
    def raw(self) -> Graph:
        """What was captured, before any pass."""
        return self._raw.graph() if isinstance(self._raw, Stowed) else self._raw

    def _forget(self) -> None:
        """Let go of what the recording has left, which holds every traced value."""
        made, recorder = self.made, self.made.recorder
        made.results.clear()
        made.finals.clear()
        recorder.notes.clear()
        recorder.steps.clear()
        recorder.tracers.clear()
        if self.graph.kinds is not recorder.kinds and isinstance(self._raw, Stowed):
            recorder.kinds.clear()

    @property
    def source(self) -> str:
        """The text of a module that stands alone, if `untold` is empty."""
        return self.form.source

    @cached_property
    def numpy(self) -> Ran:
        """The form of NumPy's calls alone, whatever runs: what pictures show."""
        return self.form if self.form.backend == "numpy" else formed("numpy", self.layout)

    @property
    def untold(self) -> tuple[str, ...]:
        """What has no text: functions of the user's without a source."""
        return self.form.untold

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
        for n, buffer in enumerate(made.buffers):
            after = slot_of(made.finals[n, "buffer"])
            if after != buffer.slot:
                self._write("buffer", buffer, None, after)

    def _pack_written(self) -> None:
        """Very many single numbers that are written, and gradients that are, go out in one array."""
        self._joins: list[Step] = []
        kinds, notes = self.made.recorder.kinds, self.made.recorder.notes

        def new(kind: Kind) -> int:
            slot = len(kinds)
            kinds[slot], notes[slot] = kind, Note()
            return slot

        for what in ("data", "grad"):
            chosen = [
                i
                for i, (w, leaf, _) in enumerate(self.written)
                if w == what
                and leaf.position is None
                and type(leaf.before[0]) is float
                and kinds[self.written_slots[i]].sort == "float"
            ]
            if len(chosen) >= MANY:
                slots = [self.written_slots[i] for i in chosen]
                step = joined(slots, new, what)
                pack = Pack(what, [self.written[i][1].value for i in chosen], slots, step.slot)
                rest = [i for i in range(len(self.written)) if i not in {*chosen}]
                self.written = [*[self.written[i] for i in rest], ("pack", pack, None)]
                self.written_slots = [*[self.written_slots[i] for i in rest], step.slot]
                self._joins.append(step)
        self.gradients_packed = len(self.gradients) >= MANY and all(kinds[s].sort == "float" for s in self.gradients)
        if self.gradients_packed:
            step = joined(self.gradients, new, "gradients")
            self._joins.append(step)
            self.gradients = [step.slot]

    def _pack_read(self, graph: Graph) -> Graph:
        """Very many single numbers of Values that f reaches come in one array."""
        reached = [x for x in self.made.leaves if x.position is None]
        graph, data = packed(graph, "data", [(x.value, x.data) for x in reached])
        graph, grad = packed(graph, "grad", [(x.value, x.grad) for x in reached])
        self.packs = {pack.slot: pack for pack in (data, grad) if pack is not None}
        return graph

    def _write(self, what: str, whose: Any, key: str | None, slot: int) -> None:
        self.written.append((what, whose, key))
        self.written_slots.append(slot)

    def _names(self) -> dict[int, str]:
        given = dict(enumerate(self.argument_names))
        names = {plain(x).slot: given[i] for i, x in enumerate(self.made.given) if i in given and _traced(x)}
        for leaf in self.made.leaves:
            label = leaf.value.label or ("p" if leaf.position is None else given.get(leaf.position, "x"))
            names[leaf.data], names[leaf.grad] = label, f"grad_{label}"
        for numbers in self.made.numbers:
            names |= {slot: key for key, slot in numbers.slots.items()}
            if numbers.vector is not None:
                names[numbers.vector] = "parameters"
        names |= {x.slot: x.name for x in self.made.buffers}
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
        learns = any(what != "buffer" for what, _, _ in self.written)
        self.stateful = bool(learns or self.updates or self.kept or self.cleared)
        self.graded = bool(self.gradients) and not self.stateful
        self.values_given = {x.position: x for x in made.leaves if x.position is not None}
        order = {**{plain(x).slot: k for k, (_, x) in enumerate(given)}}
        order |= {x.data: self.arguments + k for k, x in enumerate(hidden)}
        stepped = {id(x) for n in made.numbers if n.vector is not None for x in n.members}
        self.loose = [x for x in self.reached if id(x) not in stepped]
        self.sources: list[Any] = []  # for each input of the graph: a position among the op's inputs, or a reader
        draws = {slot: (g, m, a, k) for g, m, a, k, slot in made.draws.made}
        grads = {x.grad: x for x in made.leaves}
        states = {slot: (n, key) for n in made.numbers for key, slot in n.slots.items()}
        buffers = {x.slot: x for x in made.buffers}
        for slot in self.inputs:
            if slot in self.packs:
                pack = self.packs[slot]
                self.sources.append([order[i] for i in pack.members] if pack.what == "data" else pack.read)
            elif slot in order:
                self.sources.append(order[slot])
            elif slot in draws:
                self.sources.append(_drawing(*draws[slot]))
            elif slot in states:
                self.sources.append(_reading(*states[slot]))
            elif slot in buffers:
                self.sources.append(buffers[slot].read)
            else:
                self.sources.append(_grad_of(grads[slot]))
        examples = [made.recorder.tracers[plain(x).slot].example for _, x in given]
        self._sorts = [_sort(x) for x in (*examples, *[x.value._data for x in hidden])]
        self.targets = [order[leaf.data] for leaf, _ in made.gradients]
        self._pieces = [i for i, d in enumerate(self.differentiable) if d]
        self._shapes = [self.graph.kinds[self.outputs[i]] for i in self._pieces]

    def arranged(self, data: Sequence[Any]) -> list[Any]:
        """The graph's inputs, from the op's and from what is read or drawn at each call."""
        return [
            data[s] if type(s) is int else np.array([data[i] for i in s]) if type(s) is list else s()
            for s in self.sources
        ]

    def takes(self, data: Sequence[Any]) -> bool:
        """Whether these are of the dtypes that the buffers are made for."""
        for x, sort in zip(data, self._sorts, strict=True):
            if (x.dtype if type(x) is np.ndarray else type(x)) is not sort and _sort(x) != sort:
                return False
        return True

    def with_seeds(self, given: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
        """The graph's inputs, the cotangents among them."""
        early, late = iter(given), iter(seeds)
        return [next(late) if s in self.made.seeds else next(early) for s in self.graph.inputs]

    def placed(self, found: Sequence[Any], n: int) -> tuple[Any, ...]:
        """A gradient for each of the op's inputs, from the last of the graph's outputs."""
        gradients: list[Any] = [None] * n
        made = found[-1].tolist() if self.gradients_packed else found[len(found) - len(self.targets) :]
        for position, gradient in zip(self.targets, made, strict=True):
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
            if kind.sort == "float":
                made[i] = cast(out[at], dtype=float)
            else:
                made[i] = np.reshape(out[at : at + kind.size], kind.shape)
            at += kind.size
        return made

    # -- running -----------------------------------------------------------------------------------------------

    def take(self) -> Instance:
        """Functions that nobody is using, bound to the arrays that parameters and states lie in now."""
        try:
            while True:
                instance = self._idle.pop()
                if instance.form is self.form and instance.fits():
                    return instance
        except IndexError:  # all are in use, or bound to what is no more
            return self.instance_of(self.form, self.bound_arrays())

    def bound_arrays(self) -> list[Any]:
        """The arrays that parameters and states lie in now."""
        return [n.current() if key is None else n.state[key] for n, key, _ in self.bound]

    def instance_of(self, form: Ran, arrays: list[Any]) -> Instance:
        """Functions with buffers of their own, bound to these arrays."""
        made = form.make(*arrays)
        forward, backward = made if isinstance(made, tuple) else (made, None)
        parts = [(x, x._data) for n, key, _ in self.bound if key is None for x in n.members]
        states = [(n.group, key, x) for (n, key, _), x in zip(self.bound, arrays, strict=True) if key is not None]
        kept = [(leaf.value, x) for (leaf, _), x in zip(self.kept, getattr(forward, "kept", ()), strict=True)]
        return Instance(forward, backward, parts, states, kept, form)

    def ones(self) -> list[Any]:
        """Cotangents of the results that have them, to try the backward with."""
        kinds = [self.graph.kinds[s] for s in self.made.seeds]
        return [1.0 if k.sort == "float" else np.ones(k.shape, k.dtype)[()] for k in kinds]

    def give(self, instance: Instance) -> None:
        if instance.form is self.form:
            self._idle.append(instance)

    def use(self, form: Ran) -> None:
        """Be run by another form from now on; calls in progress end as they began."""
        self.form = form
        self._idle.clear()


def _traced(x: Any) -> bool:
    return isinstance(plain(x), Tracer)


def _drawing(generator: Any, method: str, args: Any, kwargs: Any) -> Callable[[], Any]:
    draw = getattr(generator, method)
    return lambda: draw(*args, **kwargs)


def _reading(numbers: Numbers, key: str) -> Callable[[], Any]:
    group = numbers.group
    if numbers.kinds[key] in (int, bool):
        return lambda: float(group.state[key])
    return lambda: group.state[key]


def _grad_of(leaf: Leaf) -> Callable[[], Any]:
    """What a sweep inside f adds to: zeros where there is nothing yet."""
    zero = np.zeros_like(leaf.value._data) if type(leaf.value._data) is not float else 0.0
    return lambda: zero if leaf.value.grad is None else plain(leaf.value.grad)


def _sort(x: Any) -> Any:
    return x.dtype if type(x) is np.ndarray else type(x)
