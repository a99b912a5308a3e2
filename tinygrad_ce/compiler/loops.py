"""Steps as loops: the lines of a function that numba compiles.

    compilable(step, graph)     whether there is a loop for a step
    Kernel                      one function: what it is given, its lines, the numbers that it returns

Values lie where the plan says; a loop speaks of an entry as of a place in flat memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import expressions, loop_kernels, vector_math
from .expressions import FUNCTIONS, TYPES, WAVES, expression, said_in_loop
from .fused import Fused, Nest
from .graph import Graph, Note, Step
from .kernels import softmax_gradient, softmax_loss_and_gradient, softmax_parts
from .literals import said
from .places import ARENA, Layouts, Place, Places

SMALL = 1 << 15  # products of a matmul that is done within a kernel; larger ones are NumPy's own
_SUMS = {np.sum: "total", np.mean: "total", np.max: "largest", np.min: "smallest"}
_PAIRS = {np.sum: "{0} + {1}", np.mean: "{0} + {1}", np.max: "maximum({0}, {1})", np.min: "minimum({0}, {1})"}
_F8, _F4 = np.dtype(np.float64), np.dtype(np.float32)
_NAMES = {"f8": "np.float64", "f4": "np.float32", "b1": "np.bool_", "i8": "np.int64"}
_NUMBA = {"f8": "types.float64", "f4": "types.float32", "b1": "types.boolean", "i8": "types.int64"}


# -- which -------------------------------------------------------------------------------------------------------


def compilable(step: Step, graph: Graph) -> bool:
    """Whether there is a loop for a step."""
    if isinstance(step.op, Fused):
        return all(flat(i, graph) for i in step.inputs)
    if not step.op.__hash__ or step.slot in graph.views:
        return False
    kinds = graph.kinds
    if step.op in (softmax_loss_and_gradient, softmax_parts, softmax_gradient):
        return all(flat(i, graph) for i in step.inputs) and _class_indices(step, graph)
    arrays = [i for i in step.inputs if kinds[i].sort == "array"]
    if not all(flat(i, graph) and kinds[i].dtype in TYPES and kinds[i].size for i in arrays):
        return False
    if step.op is np.matmul:
        return _small_product(step, graph)
    if step.op is np.concatenate:
        whole = _layouts(graph).whole
        return len(kinds[step.slot].shape) == 1 and all(whole(i) and kinds[i].dtype == _F8 for i in arrays)
    if step.op in _SUMS:
        return len(arrays) == 1 and _reduction(step, graph) is not None
    made = kinds[step.slot]
    return made.sort == "number" and made.dtype == _F8 and said_in_loop(step, kinds) and not arrays


def flat(slot: int, graph: Graph) -> bool:
    """Whether a value's memory may be spoken of: a caller's array only in C order."""
    layouts = _layouts(graph)
    root = layouts.root(slot)
    kind = graph.kinds[root]
    if root in layouts.by and root in graph.views:
        return False  # of something that is no array
    given = root in graph.inputs and root not in graph.bound
    return not given or kind.sort != "array" or kind.order == tuple(range(len(kind.shape)))


_latest: dict[str, Layouts] = {}


def _layouts(graph: Graph) -> Layouts:
    """The layouts of a graph, made once for the many questions about it."""
    latest = _latest.get("layouts")
    if latest is None or latest.graph is not graph:
        latest = _latest["layouts"] = Layouts(graph)
    return latest  # not what lies there: another thread may have a graph of its own


def forget() -> None:
    """Let go of the layouts of the latest graph."""
    _latest.clear()


def _class_indices(step: Step, graph: Graph) -> bool:
    y, whole = graph.kinds[step.inputs[1]], _layouts(graph).whole
    if not all(whole(i) for i in step.inputs if graph.kinds[i].sort == "array"):
        return False
    scale = [graph.kinds[i] for i in step.inputs[2:]]
    return y.dtype == np.int64 and y.sort == "array" and all(k.dtype == _F8 for k in scale)


@cache
def _has_blas() -> bool:
    return find_spec("scipy") is not None  # where numba finds BLAS


def _small_product(step: Step, graph: Graph) -> bool:
    a, b, out = [graph.kinds[i] for i in (*step.inputs, step.slot)]
    if step.params or not _has_blas() or (len(a.shape), len(b.shape), out.order) != (2, 2, (0, 1)):
        return False
    if not all(_layouts(graph).whole(i) or _layouts(graph).array(i).flags.f_contiguous for i in step.inputs):
        return False
    return a.dtype == b.dtype == out.dtype and a.dtype in (_F8, _F4) and a.size * b.shape[1] <= SMALL


def _reduction(step: Step, graph: Graph) -> str | None:
    """How a sum is taken: of "all" there is, of "rows", which lie together, or of "columns", which do not."""
    kind, made = graph.kinds[step.inputs[0]], graph.kinds[step.slot]
    if kind.dtype not in (_F8, _F4) or made.dtype != kind.dtype or set(step.params) - {"axis", "keepdims"}:
        return None
    if step.slot in graph.views or made.sort not in ("array", "number") or kind.sort != "array":
        return None
    if made.order != tuple(range(len(made.shape))):
        return None
    axis = step.params.get("axis")
    n = len(kind.shape)
    axes = set(range(n)) if axis is None else {i % n for i in (axis if isinstance(axis, (tuple, list)) else (axis,))}
    wide = [i for i in range(n) if kind.shape[i] > 1]
    reduced = [i for i in wide if i in axes]
    if not _layouts(graph).whole(step.inputs[0]):
        return "all" if len(reduced) == len(wide) and step.inputs[0] not in graph.views else None
    if len(reduced) == len(wide):
        return "all"
    if reduced and reduced == wide[-len(reduced) :]:
        return "rows"
    return "columns" if reduced and reduced == wide[: len(reduced)] else None


# -- one function ------------------------------------------------------------------------------------------------


class Kernel:
    """One function that numba compiles.

    Parameters
    ----------
    name : str
    graph : Graph
    places : Places
    called : mapping of int to str
        What arrays and numbers are called outside.
    """

    def __init__(self, name: str, graph: Graph, places: Places, called: Mapping[int, str]) -> None:
        self.name, self.graph, self.places, self.called = name, graph, places, called
        self.kinds = graph.kinds
        self.lines: list[tuple[str | int, Note | None]] = []  # a number: a nest
        self.arguments: dict[str, tuple[int, str]] = {}  # name → slot, type
        self.views: dict[str, str] = {}  # names of flat memory, and what they are
        self.numbers: dict[int, str] = {}  # made here
        self.helpers: dict[str, Any] = {}
        self.written: set[str] = set()
        self.nests: list[Repeated] = []
        self._seen: set[int] = set()

    def add(self, step: Step) -> None:
        op = step.op
        if isinstance(op, Fused):
            if id(op.nest) not in self._seen:
                self._seen.add(id(op.nest))
                self._nest(op.nest)
        elif op in _SUMS:
            self._sum(step)
        elif op is np.matmul:
            self._product(step)
        elif op is np.concatenate:
            self._joined(step)
        elif op in (softmax_loss_and_gradient, softmax_parts, softmax_gradient):
            self._softmax(step)
        else:
            text = expression(step, self.kinds, [self._number(i) for i in step.inputs])
            self._say(0, f"{self._local(step.slot)} = {text}", step.note)
            self._use([step])

    # -- what it speaks of -------------------------------------------------------------------------------------

    def _say(self, depth: int, line: str, note: Note | None = None) -> None:
        self.lines.append((f"{'    ' * (depth + 1)}{line}", note))

    def _local(self, slot: int) -> str:
        self.numbers[slot] = f"n{slot}"
        return self.numbers[slot]

    def _number(self, slot: int) -> tuple[str, str]:
        """A number's text, and its type."""
        kind = self.kinds[slot]
        weak = kind.sort in ("float", "other")
        if slot in self.numbers:
            return self.numbers[slot], "weak" if weak else TYPES[kind.dtype]
        if slot in self.graph.constants:
            x = self.graph.constants[slot]
            text = said(x.item() if isinstance(x, np.generic) else x)
            text = f"np.{text[7:-2]}" if text.startswith("float('") else text
            text = text.replace("np.-", "-np.")
            if isinstance(x, np.generic) and kind.dtype == _F4:
                text = f"np.float32({text})"
            return text, "weak" if weak else TYPES[kind.dtype]
        name = self.called[slot]
        self.arguments[name] = slot, "types.float64" if weak else _NUMBA[TYPES[kind.dtype]]
        return name, "weak" if weak else TYPES[kind.dtype]

    def memory(self, place: Place, writing: bool = False) -> str:
        """The name of the flat array that a place is in."""
        if place.base == ARENA:
            self.arguments["arena"] = ARENA, "types.Array(types.uint8, 1, 'C')"
            kind = TYPES[place.dtype]
            self.views[kind] = f"arena.view({_NAMES[kind]})"
            return kind
        name = self.called[place.base]
        base = self.kinds[place.base]
        if writing:
            self.written.add(name)
        dimensions = max(len(base.shape), 1)
        readonly = "" if name in self.written else ", readonly=True"
        self.arguments[name] = place.base, f"types.Array({_NUMBA[TYPES[base.dtype]]}, {dimensions}, 'C'{readonly})"
        if dimensions == 1:
            return name
        self.views[f"{name}_flat"] = f"{name}.reshape({base.size})"
        return f"{name}_flat"

    def _use(self, steps: Sequence[Step], careful: bool = False) -> None:
        """Note which functions these steps call."""
        for step in steps:
            name = FUNCTIONS.get(step.op) or WAVES.get(step.op)
            if name:
                self.helpers[name] = getattr(vector_math, name)
            if step.op in (np.maximum, np.minimum, np.sign):
                name = step.op.__name__
                self.helpers[name] = getattr(expressions, name)

    # -- nests -------------------------------------------------------------------------------------------------

    def _nest(self, nest: Nest) -> None:
        arrays = [i for i in nest.inputs if self.kinds[i].sort == "array"]
        sizes, strides = self._loops(nest, [*arrays, *nest.outputs])
        made = Repeated()
        if nest.careful:
            self.helpers["far"] = vector_math.far
            made.say(0, "huge = False")
        self._written(made, nest, arrays, sizes, strides, nest.careful, 0)
        if nest.careful:
            made.say(0, "if huge:  # sin and cos of numbers beyond 1e6: libm's")
            self._written(made, nest, arrays, sizes, strides, False, 1)
        self._use(nest.steps)
        self.lines.append((len(self.nests), None))
        self.nests.append(made)

    def _loops(self, nest: Nest, slots: Sequence[int]) -> tuple[list[int], dict[int, list[int]]]:
        """Loops, the outermost first, and the steps of each of these values along them."""
        order = [i for i in self.kinds[nest.outputs[0]].order if nest.shape[i] > 1]
        along = {}
        for slot in slots:
            shape, steps = self.kinds[slot].shape, self.places.of(slot).strides
            missing = len(nest.shape) - len(shape)
            wide = [0] * missing + [s if n > 1 else 0 for s, n in zip(steps, shape, strict=True)]
            along[slot] = [wide[i] for i in order]
        sizes = [nest.shape[i] for i in order]
        at = len(sizes) - 2
        while at >= 0:
            if all(s[at] == s[at + 1] * sizes[at + 1] for s in along.values()):
                sizes[at : at + 2] = [sizes[at] * sizes[at + 1]]
                for s in along.values():
                    del s[at]
            at -= 1
        return sizes, along

    def _written(
        self,
        made: Repeated,
        nest: Nest,
        arrays: list[int],
        sizes: list[int],
        strides: dict[int, list[int]],
        check: bool,
        base: int,
    ) -> None:
        names = {i: self._number(i) for s in nest.steps for i in s.inputs if self.kinds[i].sort != "array"}
        for i, (name, _) in names.items():
            if i not in self.graph.constants:
                made.numbers.setdefault(name)
        called: dict[int, str] = {}
        local: Callable[[int], str] = lambda slot: called.setdefault(slot, f"v{len(called)}")
        depth = len(sizes)
        loads: list[list[str]] = [[] for _ in range(depth + 1)]
        for slot in arrays:
            steps = strides[slot]
            level = max((d + 1 for d, s in enumerate(steps) if s), default=0)
            loads[level].append(f"{local(slot)} = {self._entry(made, slot, steps)}")
            names[slot] = local(slot), TYPES[self.kinds[slot].dtype]
        for d in range(depth + 1):
            for line in loads[d]:
                made.say(base + d, line)
            if d < depth:
                made.say(base + d, f"for i{d} in range({sizes[d]}):")
        for step in nest.steps:
            args = [names[i] for i in step.inputs]
            text = expression(step, self.kinds, args)
            if step.op in WAVES:
                if check:
                    made.say(base + depth, f"huge |= far({args[0][0]})")
                elif nest.careful:
                    text = text.replace(f"{WAVES[step.op]}(", f"np.{WAVES[step.op]}(", 1)
            made.say(base + depth, f"{local(step.slot)} = {text}", step.note)
            names[step.slot] = local(step.slot), TYPES[self.kinds[step.slot].dtype]
        for slot in nest.outputs:
            made.say(base + depth, f"{self._entry(made, slot, strides[slot], writing=True)} = {local(slot)}")

    def _entry(self, made: Repeated, slot: int, strides: Sequence[int], writing: bool = False) -> str:
        place = self.places.of(slot)
        terms = [f"i{d}" if s == 1 else f"{s} * i{d}" for d, s in enumerate(strides) if s]
        return made.entry(self.memory(place, writing), place.offset, " + ".join(terms).replace("+ -", "- "))

    # -- sums --------------------------------------------------------------------------------------------------

    def _sum(self, step: Step) -> None:
        source = step.inputs[0]
        kind, made = self.kinds[source], self.kinds[step.slot]
        how, place = _reduction(step, self.graph), self.places.of(source)
        a, at, count = self.memory(place), place.offset, kind.size // made.size
        function = _SUMS[step.op]
        if how != "columns":
            self.helpers[function] = getattr(loop_kernels, function)
        divided = f" / {count}" if step.op is np.mean else ""
        narrow = "np.float32({})" if kind.dtype == _F4 else "{}"
        if made.sort == "number":
            text = narrow.format(f"{function}({self._slice(source)}){divided}")
            self._say(0, f"{self._local(step.slot)} = {text}", step.note)
            return
        to = self.places.of(step.slot)
        out = self.memory(to, writing=True)
        if how != "columns":
            self._say(0, f"for i in range({made.size}):")
            text = narrow.format(f"{function}({a}[{at} + {count} * i : {at + count} + {count} * i]){divided}")
            self._say(1, f"{out}[{to.offset} + i] = {text}", step.note)
            return
        if step.op in (np.max, np.min):
            name = "maximum" if step.op is np.max else "minimum"
            self.helpers[name] = getattr(expressions, name)
        n = made.size
        self._say(0, f"for j in range({n}):")
        self._say(1, f"{out}[{to.offset} + j] = {a}[{at} + j]", step.note)
        self._say(0, f"for i in range(1, {count}):")
        self._say(1, f"for j in range({n}):")
        more = _PAIRS[step.op].format(f"{out}[{to.offset} + j]", f"{a}[{at} + {n} * i + j]")
        self._say(2, f"{out}[{to.offset} + j] = {more}")
        if divided:
            self._say(0, f"for j in range({n}):")
            self._say(1, f"{out}[{to.offset} + j] = {narrow.format(f'{out}[{to.offset} + j]{divided}')}")

    # -- the rest ----------------------------------------------------------------------------------------------

    def _product(self, step: Step) -> None:
        a, b = [self._matrix(i) for i in step.inputs]
        self._say(0, f"np.dot({a}, {b}, {self._matrix(step.slot, writing=True)})", step.note)

    def _joined(self, step: Step) -> None:
        """Pieces that do not lie where they belong are copied there."""
        to = self.places.of(step.slot)
        at = to.offset
        for slot in step.inputs:
            n = self.kinds[slot].size
            if slot not in self.places.plan.placed:
                out = self.memory(to, writing=True)
                self._say(0, f"{out}[{at}:{at + n}] = {self._slice(slot)}", step.note)
            at += n

    def _slice(self, slot: int, writing: bool = False) -> str:
        """A value whose entries lie together, as a vector."""
        place = self.places.of(slot)
        return f"{self.memory(place, writing)}[{place.offset}:{place.offset + self.kinds[slot].size}]"

    def _matrix(self, slot: int, writing: bool = False) -> str:
        place, (m, n) = self.places.of(slot), self.kinds[slot].shape
        text = self._slice(slot, writing)
        if (place.strides[0] in (n, 0) or m == 1) and (place.strides[1] in (1, 0) or n == 1):
            return f"{text}.reshape(({m}, {n}))"
        return f"{text}.reshape(({n}, {m})).T"

    def _softmax(self, step: Step) -> None:
        name = step.op.__name__
        self.helpers[name] = getattr(loop_kernels, name)
        texts = [self._slice(i) for i in step.inputs[:2]]
        if step.op is softmax_gradient:
            slot = step.inputs[2]
            array = self.kinds[slot].sort == "array"
            texts.append(self._slice(slot) if array else f"np.array([{self._number(slot)[0]}])")
        else:
            self.helpers["outside"] = loop_kernels.outside
            classes = self.kinds[step.inputs[0]].shape[1]
            self._say(0, f"if outside({texts[1]}, {classes}):")
            self._say(1, f"raise IndexError('a class index lies outside 0 … {classes - 1}')")
        texts.append(self._slice(step.slot, writing=True))
        if step.op is softmax_loss_and_gradient:
            texts.append(said(step.params["scale"]))
        self._say(0, f"{name}({', '.join(texts)})", step.note)

    # -- its text ----------------------------------------------------------------------------------------------

    def functions(self, told: Told) -> list[str]:
        """Nests that come again and again, as functions of where their values lie."""
        lines: list[str] = []
        for n, (key, (first, *_)) in enumerate(self._alike().items(), 1):
            assert key is not None
            lines += [
                f"{UNDECORATED}def {self.name}_{n}({', '.join(first.parameters)}):",
                *first.function(told),
                "",
                "",
            ]
        return lines

    def _alike(self) -> dict[Any, list[Repeated]]:
        found: dict[Any, list[Repeated]] = {}
        for nest in self.nests:
            found.setdefault(nest.key, []).append(nest)
        return {key: nests for key, nests in found.items() if len(nests) >= OFTEN and not nests[0].backwards}

    def text(self, returned: Sequence[int], told: Told = lambda line, note: line) -> list[str]:
        """The function, decorated."""
        made = [_NUMBA[TYPES[self.kinds[s].dtype]] for s in returned]
        result = "types.void" if not made else made[0] if len(made) == 1 else f"types.Tuple(({', '.join(made)}))"
        given = ", ".join(t for _, t in self.arguments.values())
        lines = [
            f"@njit({result}({given}), nogil=True, error_model='numpy', cache=True)",
            f"def {self.name}({', '.join(self.arguments)}):",
            *[f"    {name} = {text}" for name, text in self.views.items()],
        ]
        alike = {key: f"{self.name}_{n}" for n, key in enumerate(self._alike(), 1)}
        waiting: list[Repeated] = []
        for line, note in [*self.lines, ("", None)]:
            nest = self.nests[line] if isinstance(line, int) else None
            if waiting and (nest is None or nest.key != waiting[0].key):
                lines += called(alike[waiting[0].key], waiting)
                waiting = []
            if nest is not None and nest.key in alike:
                waiting.append(nest)
            elif nest is not None:
                lines += nest.lines(f"v{line}_", told)
            elif line:
                lines.append(told(str(line), note) if note else str(line))
        if returned:
            lines.append(f"    return {', '.join(self.numbers[s] for s in returned)}")
        return lines


OFTEN = 3
UNDECORATED = "@njit(error_model='numpy')\n"
Told = Callable[[str, Note], str]  # a line with a comment
_ENTRY = re.compile(r"§(\d+)\[(.*?)\]")
_LOCAL = re.compile(r"\bv(\d+)\b")


class Repeated:
    """A nest's lines, in which entries are spoken of by number, so that it may be seen to be another one over again."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str, Note | None]] = []
        self.entries: list[tuple[str, int]] = []  # memory, and where in it
        self.numbers: dict[str, None] = {}

    def say(self, depth: int, line: str, note: Note | None = None) -> None:
        self.said.append((depth, line, note))

    def entry(self, memory: str, offset: int, index: str) -> str:
        if (memory, offset) not in self.entries:
            self.entries.append((memory, offset))
        return f"§{self.entries.index((memory, offset))}[{index}]"

    @property
    def key(self) -> Any:
        lines = tuple([(depth, line) for depth, line, _ in self.said])
        return lines, tuple([m for m, _ in self.entries]), tuple(self.numbers)

    @property
    def backwards(self) -> bool:
        return any("-" in index for _, line, _ in self.said for _, index in _ENTRY.findall(line))

    def lines(self, prefix: str, told: Told) -> list[str]:
        """In place; local variables by a name of their own."""

        def spelt(found: re.Match[str]) -> str:
            memory, offset = self.entries[int(found[1])]
            index = " + ".join([str(offset)] * bool(offset) + [found[2]] * bool(found[2]))
            return f"{memory}[{index or 0}]".replace("+ -", "- ")

        return self._told(lambda line: _LOCAL.sub(rf"{prefix}\1", _ENTRY.sub(spelt, line)), told)

    @property
    def parameters(self) -> list[str]:
        return [*dict.fromkeys(m for m, _ in self.entries), *self.numbers, *[f"o{k}" for k in range(len(self.entries))]]

    def function(self, told: Told) -> list[str]:
        """As the body of a function of offsets."""
        cut = [f"    a{k} = {m}[o{k}:]" for k, (m, _) in enumerate(self.entries)]
        spelt = lambda found: f"a{found[1]}[{found[2] or 0}]"
        return [*cut, *self._told(lambda line: _ENTRY.sub(spelt, line), told)]

    def _told(self, spelt: Callable[[str], str], told: Told) -> list[str]:
        lines = [(f"{'    ' * (depth + 1)}{spelt(line)}", note) for depth, line, note in self.said]
        return [told(line, note) if note else line for line, note in lines]


def called(name: str, nests: Sequence[Repeated]) -> list[str]:
    """Calls of one function, by a table if there are many."""
    given = [*dict.fromkeys(m for m, _ in nests[0].entries), *nests[0].numbers]
    offsets = [[offset for _, offset in nest.entries] for nest in nests]
    if len(nests) < OFTEN:
        return [f"    {name}({', '.join([*given, *map(str, row)])})" for row in offsets]
    places = ", ".join(f"o[{k}]" for k in range(len(offsets[0])))
    return [
        f"    for o in {said(tuple(map(tuple, offsets)))}:",
        f"        {name}({', '.join([*given, places])})",
    ]


__all__ = ["SMALL", "Kernel", "compilable", "flat", "forget"]
