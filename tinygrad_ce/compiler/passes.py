"""Passes: each a small pure function from a Graph to an equal one.

    dead_code       steps that nothing needs
    folded          steps of constants alone are done once, here
    shared          a step that was done before is not done again
    simplified      x·1, x+0, −−x, a view of a view, a transpose into matmul, a copy of what is whole

All keep results bit for bit (x·1 and x+0 where x's own dtype and shape come out; x+0 may turn −0 into 0, so it is left
alone unless x cannot be −0). `expanded` (kernels.py) opens losses into steps; it says itself what it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..op import Op
from ..tracer import Kind
from .graph import Graph, Note, Pull, Step, perform
from .kernels import fused_losses
from .record import astype, picked

# -- dead code ---------------------------------------------------------------------------------------------------


def dead_code(graph: Graph) -> Graph:
    """Without the steps that lead to no output."""
    needed, kept = {*graph.results}, []
    for step in reversed(graph.steps):
        if step.slot in needed:
            kept.append(step)
            needed.update(step.inputs)
    constants = {s: x for s, x in graph.constants.items() if s in needed}
    return graph.with_steps(reversed(kept), constants=constants)


# -- constants ---------------------------------------------------------------------------------------------------

_LARGEST = 1 << 16  # bytes of a folded constant that is no larger than what it is made of


def folded(graph: Graph) -> Graph:
    """With steps of constants alone done now."""
    constants, kept = dict(graph.constants), []
    for step in graph.steps:
        if step.inputs and all(i in constants for i in step.inputs) and graph.kinds[step.slot].nbytes <= _LARGEST:
            with np.errstate(all="ignore"):
                constants[step.slot] = perform(step.op, [constants[i] for i in step.inputs], step.params)
        else:
            kept.append(step)
    return graph.with_steps(kept, constants=constants)


# -- common subexpressions ---------------------------------------------------------------------------------------


def shared(graph: Graph) -> Graph:
    """With equal steps done once, and equal constants kept once."""
    becomes: dict[int, int] = {}
    known: dict[Any, int] = {}
    for slot, x in graph.constants.items():
        key: Any = (type(x), repr(x)) if type(x) in (float, int, bool) else None
        if isinstance(x, np.ndarray) and x.nbytes <= _LARGEST and x.dtype != object:
            key = (x.dtype.str, x.shape, x.strides, x.tobytes())
        if key is not None:
            becomes[slot] = known.setdefault(key, slot)
    kept = []
    for step in graph.steps:
        inputs = tuple([becomes.get(i, i) for i in step.inputs])
        op = step.op if isinstance(step.op, Pull) else id(step.op) if not hasattr(step.op, "__self__") else step.op
        key = (op, inputs, repr(sorted(step.params.items())))
        if key in known:
            becomes[step.slot] = known[key]
        else:
            known[key] = step.slot
            kept.append(step)
    return graph.renamed(becomes, kept)


# -- algebra -----------------------------------------------------------------------------------------------------


class Defined:
    """What each slot is made by, so far."""

    def __init__(self, graph: Graph) -> None:
        self.kinds: dict[int, Kind] = dict(graph.kinds)
        self._next = max(self.kinds, default=0)
        self.constants = dict(graph.constants)
        self.steps: dict[int, Step] = {}
        self.views = dict(graph.views)
        self.uses = graph.uses()
        self.clipped: dict[int, int] = {}
        self.added: list[Step] = []

    def new(self, kind: Kind) -> int:
        """A slot for a step that is put in."""
        self._next += 1
        self.kinds[self._next] = kind
        return self._next

    def add(self, step: Step) -> None:
        """Put a step in before the present one."""
        self.steps[step.slot] = step
        self.added.append(step)

    def constant(self, x: Any) -> int:
        slot = self.new(Kind.of(x))
        self.constants[slot] = x
        return slot

    def by(self, slot: int, op: Any) -> Step | None:
        """The step that made a slot, if it is of that op."""
        step = self.steps.get(slot)
        return step if step is not None and step.op is op else None

    def number(self, slot: int) -> float | None:
        """The number that a slot holds everywhere, where it is a constant."""
        x: Any = self.constants.get(slot)
        if type(x) in (float, int):
            return float(x)
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fiu" and x.size:
            first = np.ravel(x)[0]
            return float(first) if x.size == 1 or (x == first).all() else None
        return None

    def alike(self, a: int, b: int) -> bool:
        """Whether one may stand for the other: the same sort, dtype and shape."""
        x, y = self.kinds[a], self.kinds[b]
        return (x.sort, x.dtype, x.shape) == (y.sort, y.dtype, y.shape)


Rule = Callable[[Step, Defined], "Step | int | None"]  # another step, a slot that is the same, or nothing


def simplified(graph: Graph, rules: Mapping[Any, tuple[Rule, ...]] | None = None) -> Graph:
    """With the rules of algebra below applied, each wherever it can be."""
    table = ALGEBRA if rules is None else rules
    known, kept = Defined(graph), []
    becomes: dict[int, int] = {}
    for step in graph.steps:
        step = step.renamed(becomes)
        key = step.op if step.op.__hash__ else None
        for rule in table.get(key, ()):
            found = rule(step, known)
            if isinstance(found, int):
                becomes[step.slot] = found
                break
            if found is not None:
                step = found
                if step.op is not key:
                    break
        if step.slot not in becomes:
            known.steps[step.slot] = step
            kept += [*known.added, step]
            known.added.clear()
    graph = replace(graph, kinds=known.kinds, constants=known.constants, views=known.views)
    return graph.renamed(becomes, kept)


def _times_one(step: Step, known: Defined) -> int | None:
    a, b = step.inputs
    if known.number(b) == 1.0 and known.alike(a, step.slot):
        return a
    return b if step.op is np.multiply and known.number(a) == 1.0 and known.alike(b, step.slot) else None


def _minus_zero(step: Step, known: Defined) -> int | None:
    """x − 0 is x, −0 included."""
    a, b = step.inputs
    x = known.number(b)
    return a if x == 0.0 and not np.signbit(x) and known.alike(a, step.slot) else None


def _negated_twice(step: Step, known: Defined) -> int | None:
    inner = known.by(step.inputs[0], np.negative)
    return inner.inputs[0] if inner is not None and known.alike(inner.inputs[0], step.slot) else None


def _negative_product(step: Step, known: Defined) -> Step | None:
    """−(c x) is (−c) x."""
    inner = known.by(step.inputs[0], np.multiply)
    if inner is None:
        return None
    for k, slot in enumerate(inner.inputs):
        if type(known.constants.get(slot)) is float:
            inputs = list(inner.inputs)
            inputs[k] = known.constant(-known.constants[slot])
            return replace(step, op=np.multiply, inputs=tuple(inputs))
    return None


def _uniform(step: Step, known: Defined) -> Step | None:
    """A constant array of equal entries is a number, where the others have the result's shape and dtype without it."""
    inputs, made = list(step.inputs), known.kinds[step.slot]
    if made.sort != "array" or made.dtype != np.float64:
        return None
    for k, slot in enumerate(inputs):
        x = known.constants.get(slot)
        others = [known.kinds[i] for j, i in enumerate(inputs) if j != k]
        if not isinstance(x, np.ndarray) or x.dtype != made.dtype or any(o.sort != "array" for o in others):
            continue
        number = known.number(slot)
        same = np.broadcast_shapes(*[o.shape for o in others]) == made.shape
        if number is not None and same and np.result_type(*[o.dtype for o in others], 1.0) == made.dtype:
            inputs[k] = known.constant(float(number))
            return replace(step, inputs=tuple(inputs))
    return None


def _is_positive_or_nan(step: Step, known: Defined) -> Step | None:
    """(x > 0) | (x ≠ x) is not (x ≤ 0); where max(x, 0) is there, it is that this is not 0."""
    a, b = [known.steps.get(i) for i in step.inputs]
    if a is None or b is None or a.op is not np.greater or b.op is not np.not_equal:
        return None
    x = a.inputs[0]
    if b.inputs != (x, x) or known.number(a.inputs[1]) != 0.0:
        return None
    if x in known.clipped:
        return replace(step, op=np.not_equal, inputs=(known.clipped[x], a.inputs[1]))
    made = known.new(known.kinds[step.slot])
    known.add(Step(np.less_equal, (x, a.inputs[1]), {}, made, step.note))
    return replace(step, op=np.logical_not, inputs=(made,))


def _noted(step: Step, known: Defined) -> None:
    """max(x, 0) is ≤ 0, and nan, where x is: masks may be made of it, so that x need not be kept."""
    x, y = step.inputs
    if known.number(y) == 0.0 and known.alike(x, step.slot):
        known.clipped[x] = step.slot


def _turned(step: Step, known: Defined) -> Step | None:
    """(A B)ᵀ is Bᵀ Aᵀ: the same products, perhaps added up in another order."""
    inner = known.by(step.inputs[0], np.matmul)
    kind = known.kinds[step.slot]
    if inner is None or len(kind.shape) != 2 or known.uses.get(inner.slot) != 1 or kind.sort != "array":
        return None
    if _axes(step, kind) != (1, 0) or any(len(known.kinds[i].shape) != 2 for i in inner.inputs):
        return None
    turned = []
    for slot in reversed(inner.inputs):
        before = known.steps.get(slot)
        if (
            before is not None
            and before.op in (np.transpose, np.swapaxes)
            and len(known.kinds[before.inputs[0]].shape) == 2
        ):
            turned.append(before.inputs[0])
            continue
        source = known.kinds[slot]
        made = known.new(replace(source, shape=source.shape[::-1], order=tuple([1 - i for i in source.order])))
        known.add(Step(np.transpose, (slot,), {"axes": None}, made, step.note))
        known.views[made] = 0
        turned.append(made)
    known.views.pop(step.slot, None)
    known.kinds[step.slot] = replace(kind, order=(0, 1))
    return replace(step, op=np.matmul, inputs=tuple(turned), params={})


def _plus_negative(step: Step, known: Defined) -> Step | None:
    """a + (−b) is a − b, which is the same number."""
    a, b = step.inputs
    for x, y in ((a, b), (b, a)):
        inner = known.by(y, np.negative)
        if inner is not None and known.kinds[y].dtype == known.kinds[step.slot].dtype:
            return replace(step, op=np.subtract, inputs=(x, inner.inputs[0]))
    return None


def _axes(step: Step, kind: Kind) -> tuple[int, ...]:
    axes = step.params.get("axes")
    n = len(kind.shape)
    return tuple(reversed(range(n))) if axes is None else tuple([i % n for i in axes])


def _transposed_twice(step: Step, known: Defined) -> int | Step | None:
    inner = known.by(step.inputs[0], np.transpose)
    if inner is None:
        return _identity_axes(step, known)
    first, then = _axes(inner, known.kinds[inner.slot]), _axes(step, known.kinds[step.slot])
    axes = tuple([first[i] for i in then])
    if axes == tuple(range(len(axes))):
        return inner.inputs[0]
    return replace(step, inputs=inner.inputs, params={"axes": axes})


def _identity_axes(step: Step, known: Defined) -> int | None:
    axes = _axes(step, known.kinds[step.slot])
    return step.inputs[0] if axes == tuple(range(len(axes))) else None


def _reshaped_twice(step: Step, known: Defined) -> int | Step | None:
    x = step.inputs[0]
    if known.alike(x, step.slot) and step.params.get("order", "C") == "C":
        return x
    inner = known.by(x, np.reshape)
    if (
        inner is None
        or x not in known.views
        or step.params.get("order", "C") != "C"
        or inner.params.get("order", "C") != "C"
    ):
        return None
    return replace(step, inputs=inner.inputs, params={"shape": known.kinds[step.slot].shape})


def _cast_to_own(step: Step, known: Defined) -> int | None:
    return step.inputs[0] if known.alike(step.inputs[0], step.slot) else None


def _broadcast_away(step: Step, known: Defined) -> Step | None:
    """An elementwise step broadcasts by itself."""
    inputs = list(step.inputs)
    for k, slot in enumerate(inputs):
        inner = known.by(slot, np.broadcast_to)
        if inner is None:
            continue
        source = known.kinds[inner.inputs[0]]
        others = [known.kinds[i].shape for j, i in enumerate(inputs) if j != k]
        wide = known.kinds[step.slot].shape
        if source.sort == "array" and np.broadcast_shapes(source.shape, *others) == wide:
            inputs[k] = inner.inputs[0]
    return replace(step, inputs=tuple(inputs)) if tuple(inputs) != step.inputs else None


def _rejoined(step: Step, known: Defined) -> int | None:
    """The pieces of a vector joined in order are the vector."""
    if step.params.get("axis", 0) not in (0, None):
        return None
    at, whole = 0, None
    for slot in step.inputs:
        piece, n = slot, known.kinds[slot].size
        inner = known.by(piece, np.reshape)
        if inner is not None and inner.params.get("order", "C") == "C":
            piece = inner.inputs[0]
        cut = known.by(piece, picked)
        if cut is None or len(known.kinds[cut.inputs[0]].shape) != 1 or whole not in (None, cut.inputs[0]):
            return None
        key = cut.params["key"]
        key = key[0] if isinstance(key, tuple) and len(key) == 1 else key
        if not isinstance(key, slice) or (key.start or 0, key.stop, key.step or 1) != (at, at + n, 1):
            return None
        whole, at = cut.inputs[0], at + n
    return whole if whole is not None and known.alike(whole, step.slot) else None


_BROADCASTING = (
    *(np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.power),
    *(np.greater, np.less, np.greater_equal, np.less_equal),
)

ALGEBRA: dict[Any, tuple[Rule, ...]] = {
    **dict.fromkeys(_BROADCASTING, (_broadcast_away, _uniform)),
    np.multiply: (_broadcast_away, _times_one, _uniform),
    np.divide: (_broadcast_away, _times_one, _uniform),
    np.add: (_broadcast_away, _plus_negative, _uniform),
    np.subtract: (_broadcast_away, _minus_zero, _uniform),
    np.maximum: (_broadcast_away, _noted, _uniform),
    np.bitwise_or: (_is_positive_or_nan,),
    np.negative: (_negated_twice, _negative_product),
    np.transpose: (_transposed_twice,),
    np.reshape: (_reshaped_twice,),
    np.broadcast_to: (_cast_to_own,),
    np.squeeze: (_cast_to_own,),
    astype: (_cast_to_own,),
    np.concatenate: (_rejoined,),
}


def turned(graph: Graph) -> Graph:
    """With transposes of products as products of transposes, so that they can be written where they belong."""
    return simplified(graph, {np.transpose: (_turned,)})


PASSES: dict[str, Callable[[Graph], Graph]] = {
    "fused losses": fused_losses,
    "constants": folded,
    "algebra": simplified,
    "common": shared,
    "transposed products": turned,
    "dead code": dead_code,
}
# Not bit for bit: the same sums in another order; the losses within a few units in the last place.
INEXACT = frozenset({"transposed products", "fused losses"})


def optimised(graph: Graph, passes: Mapping[str, Callable[[Graph], Graph]]) -> tuple[Graph, list[tuple[str, Graph]]]:
    """A graph after these passes, again and again until none shortens it, with what each made of it the first time."""
    history: list[tuple[str, Graph]] = []
    while True:
        size = len(graph.steps)
        for name, one in passes.items():
            graph = one(graph)
            history.append((name, graph))
        if len(graph.steps) == size:
            return graph, history


def owned(graph: Graph) -> Graph:
    """With copies of those kept results that have no memory of their own: inputs, constants, views, and doubles."""
    made = {s.slot: s for s in graph.steps}
    root: dict[int, int] = {}
    for step in graph.steps:
        k = graph.views.get(step.slot)
        if k is not None:
            root[step.slot] = root.get(step.inputs[k], step.inputs[k])
    kinds, added, kept, seen = dict(graph.kinds), [], [], set()
    for slot in graph.kept:
        own = root.get(slot, slot)
        if own not in made or own in seen or kinds[own].sort != "array" or own in graph.updates:
            new = max(kinds) + 1
            kinds[new] = replace(kinds[slot], order=tuple(range(len(kinds[slot].shape))))
            added.append(Step(np.copy, (slot,), {}, new, made[slot].note if slot in made else Note(op="gradient")))
            slot = new
        seen.add(own)
        kept.append(slot)
    return replace(graph, steps=(*graph.steps, *added), kinds=kinds, kept=tuple(kept)) if added else graph


__all__ = ["INEXACT", "PASSES", "Note", "Op", "dead_code", "folded", "optimised", "owned", "shared", "simplified"]
