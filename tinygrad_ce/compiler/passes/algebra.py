"""Algebra: x·1, x−0, −−x, a view of a view, a broadcast that happens by itself. All keep results bit for bit.

x·1 and x−0 go where x's own dtype and shape come out; x+0 may turn −0 into 0, so it is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Graph, Step
from ..record import astype, picked
from .rewriting import Defined, Rule, axes_of, simplified


def tidied(graph: Graph) -> Graph:
    """With the rules below applied, each wherever it can be."""
    return simplified(graph, ALGEBRA)


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


def _plus_negative(step: Step, known: Defined) -> Step | None:
    """a + (−b) is a − b, which is the same number."""
    a, b = step.inputs
    for x, y in ((a, b), (b, a)):
        inner = known.by(y, np.negative)
        if inner is not None and known.kinds[y].dtype == known.kinds[step.slot].dtype:
            return replace(step, op=np.subtract, inputs=(x, inner.inputs[0]))
    return None


def _one_or_less(step: Step, known: Defined) -> Step | None:
    """1 where a mask is, else exp(−|x|): the larger of the two, without a branch for each entry."""
    if len(step.inputs) != 3:
        return None
    mask, one, e = step.inputs
    power = known.by(e, np.exp)
    turned = None if power is None else known.by(power.inputs[0], np.negative)
    size = None if turned is None else known.steps.get(turned.inputs[0])
    if size is None or size.op is not np.absolute or known.number(one) != 1.0 or known.kinds[mask].dtype.kind != "b":
        return None
    if not known.alike(e, step.slot) or known.kinds[mask].shape != known.kinds[e].shape:
        return None
    return Step(np.maximum, (e, mask), {}, step.slot, step.note)


def _swapped(step: Step, known: Defined) -> Step | None:
    """Two axes swapped are axes transposed."""
    n = len(known.kinds[step.slot].shape)
    a, b = [step.params[k] % n for k in ("axis1", "axis2")] if set(step.params) == {"axis1", "axis2"} else (0, 0)
    if a == b or known.kinds[step.inputs[0]].sort != "array":
        return None
    axes = list(range(n))
    axes[a], axes[b] = b, a
    return replace(step, op=np.transpose, params={"axes": tuple(axes)})


def _axes_of_length_one(step: Step, known: Defined) -> Step | None:
    """Axes of length 1 put in or taken out are a reshape."""
    if known.kinds[step.inputs[0]].sort != "array" or len(step.inputs) != 1 or not known.kinds[step.slot].size:
        return None
    return replace(step, op=np.reshape, params={"shape": known.kinds[step.slot].shape})


def _transposed_twice(step: Step, known: Defined) -> int | Step | None:
    inner = known.by(step.inputs[0], np.transpose)
    if inner is None:
        return _identity_axes(step, known)
    first, then = axes_of(inner, known.kinds[inner.slot]), axes_of(step, known.kinds[step.slot])
    axes = tuple([first[i] for i in then])
    if axes == tuple(range(len(axes))):
        return inner.inputs[0]
    return replace(step, inputs=inner.inputs, params={"axes": axes})


def _identity_axes(step: Step, known: Defined) -> int | None:
    axes = axes_of(step, known.kinds[step.slot])
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
    np.swapaxes: (_swapped,),
    np.where: (_one_or_less,),
    np.reshape: (_reshaped_twice,),
    np.broadcast_to: (_cast_to_own,),
    np.squeeze: (_cast_to_own, _axes_of_length_one),
    np.expand_dims: (_axes_of_length_one,),
    astype: (_cast_to_own,),
    np.concatenate: (_rejoined,),
}
