"""The first nan or inf: which op made it of finite numbers, at which entry, and what to do about it.

    look_at_forward(...)        an op's result
    look_at_gradients(...)      what a node sends back
    look_at_tangent(...)        what a node sends forth

A number is blamed on an op if it is not finite where all that it was made of is. Of an elementwise op that is asked
entry by entry, so that a masked entry (-inf) excuses no other; of any other op of all its inputs together. A nan made
of infinities and no nan is blamed on the op as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .causes import Scene, cause
from .derivation import Derivation
from .node import Node, plain
from .op import Op
from .tracing import place

_ARRAYS = (np.ndarray, np.generic, float)
_UNTRACED = "made where nothing was traced: put the forward under tg.detect_anomaly(), too, for its file and line"


class AnomalyError(FloatingPointError):
    """An op made a non-finite number of finite ones."""


def look_at_forward(op: Op, inputs: Sequence[Any], out: Any, where: str) -> None:
    """Raise AnomalyError if a result is not finite where the inputs are."""
    data = [plain(x) for x in inputs]
    at = _made(out, data, op)
    if at is None:
        return
    scene = Scene(op.name, inputs, out, at)
    arguments = ", ".join(
        f"argument {i} '{op.input_name(i)}' is {x}" for i, x in enumerate(scene.values) if x is not None
    )
    raise AnomalyError(
        f"the forward of {op.name} made {_entry(out, at)} of finite numbers ({arguments}); {where}. {cause(scene)}"
    )


def look_at_gradients(
    node: Node, inputs: Sequence[Any], derivation: Derivation, g: Any, gradients: Sequence[Any], needed: Sequence[int]
) -> None:
    """Raise AnomalyError if a gradient is not finite where cotangent, inputs and result are."""
    op = node.op
    sources = [plain(g), *[plain(x) for x in inputs], node._data]
    for i in needed:
        found = plain(gradients[i])
        at = None if found is None else _made(found, sources, op)
        if at is not None:
            scene = Scene(op.name, inputs, node._data, at, g, i)
            raise AnomalyError(
                f"derivation '{derivation.name}' of {op.name} made {_entry(found, at)} of finite numbers, in the "
                f"gradient of argument {i} '{_name(node, inputs, i)}' ({scene}); {place(node) or _UNTRACED}. "
                f"{cause(scene)}"
            )


def look_at_tangent(
    node: Node, inputs: Sequence[Any], derivation: Derivation, tangents: Sequence[Any], tangent: Any
) -> None:
    """Raise AnomalyError if a tangent is not finite where tangents, inputs and result are."""
    op, found = node.op, plain(tangent)
    moving = [i for i, t in enumerate(tangents) if t is not None]
    sources = [*[plain(tangents[i]) for i in moving], *[plain(x) for x in inputs], node._data]
    at = None if found is None else _made(found, sources, op)
    if at is not None:
        scene = Scene(op.name, inputs, node._data, at, tangents[moving[0]], moving[0])
        raise AnomalyError(
            f"derivation '{derivation.name}' of {op.name}, in forward mode, made {_entry(found, at)} of finite "
            f"numbers, in the tangent along argument {moving[0]} '{_name(node, inputs, moving[0])}' ({scene}); "
            f"{place(node) or _UNTRACED}. {cause(scene)}"
        )


def _name(node: Node, inputs: Sequence[Any], i: int) -> str:
    """The name of an input, which a shortcut takes from the inner op."""
    if inputs[0] is node.inputs[0]:
        return str(node.op.input_name(i))
    inner = node.inputs[0]
    beyond = i - len(inner.inputs)
    return f"{inner.op.input_name(i)} of {inner.op.name}" if beyond < 0 else str(node.op.input_name(beyond + 1))


def _made(out: Any, sources: Sequence[Any], op: Op) -> tuple[int, ...] | None:
    """The first entry of `out` that is not finite, though what it was made of is."""
    if not isinstance(out, _ARRAYS):
        return None
    out = np.asarray(out)
    bad = ~np.isfinite(out)
    if not bad.any():
        return None
    known = [np.asarray(x) for x in sources if isinstance(x, _ARRAYS)]
    known = [x for x in known if x.dtype.kind in "fc"]
    finite: Any = [np.isfinite(x) for x in known]
    numbers: Any = [~np.isnan(x) for x in known]
    if op.partials is None or not all(_stretches(x.shape, out.shape) for x in known):
        finite, numbers = [x.all() for x in finite], [x.all() for x in numbers]
    blamed = (bad & _all(finite)) | (np.isnan(out) & _all(numbers))
    return tuple(int(i) for i in np.argwhere(blamed)[0]) if blamed.any() else None


def _all(conditions: Sequence[Any]) -> Any:
    held: Any = True
    for condition in conditions:
        held = held & condition
    return held


def _stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _entry(out: Any, at: tuple[int, ...]) -> str:
    return f"{np.asarray(out)[at]}" + (f" at entry {at}" if at else "")
