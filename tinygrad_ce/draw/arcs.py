"""Closed forms as arcs: over an op that is opened, or over the two ops of a shortcut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..choice import Choice
from ..derivation import AUTODIFF, Derivation
from ..node import Node, plain
from ..op import Op
from ..sweep import pull
from .graph import Arc
from .summary import summarise

if TYPE_CHECKING:
    from .builder import Level

_PLAIN = Choice()


def shortcut_arc(level: Level, node: Node) -> Iterator[Arc]:
    """The shortcut from a node over the one that it stands on: taken by the sweep, or barred by ops being opened."""
    found = level.builder.choice.shortcut(node, {})
    opened = level.builder.opened
    if found is None or ("op", node.number) not in level.ids:
        return
    shortcut, inner = found
    walked = None if level.walked is None else level.walked.sent_by.get(node.number)
    taken = walked is not None and walked.derivation is shortcut.derivation
    if not taken and not (node.op in opened or inner.op in opened):
        return
    if ("op", inner.number) not in level.ids:
        return
    adjoint = level.walked.adjoints.get(node.number) if level.walked is not None else None
    over = [level.ids["op", node.number], level.ids["value", inner.number], level.ids["op", inner.number]]
    inputs = (*inner.inputs, *node.inputs[1:])
    name = f"{inner.op.name} → {node.op.name}"
    for i, gradient in _pulled(node, inputs, shortcut.derivation, adjoint, range(len(inner.inputs))):
        yield _arc(level, node, inputs[i], name, shortcut.derivation, over, taken, gradient)


def closed_forms(level: Level, node: Node, op: Op) -> Iterator[Arc]:
    """The closed form of an op that is opened, unless a shortcut's arc leads over it."""
    if any(_covers(level, other, node) for other in level.order if other.op is not None and other.op.shortcuts):
        return
    derivation = _closed(level, op)
    if derivation is None:
        return
    adjoint = level.walked.adjoints.get(node.number) if level.walked is not None else None
    over = [level.ids["op", node.number]]
    for i, gradient in _pulled(node, node.inputs, derivation, adjoint, range(len(node.inputs))):
        if i not in op.constants:
            yield _arc(level, node, node.inputs[i], op.name, derivation, over, False, gradient)


def _covers(level: Level, outer: Node, node: Node) -> bool:
    found = level.builder.choice.shortcut(outer, {})
    return found is not None and (node is outer or node is found[1])


def _closed(level: Level, op: Op) -> Derivation | None:
    """The derivation of an op that stands against its decomposition."""
    chosen = level.builder.choice.of(op)
    others = [chosen, op.derivations[op.default], *op.derivations.values()]
    return next((d for d in others if d.name != AUTODIFF and (d is chosen or not d.assumes)), None)


def _pulled(
    node: Node, inputs: Sequence[Any], derivation: Derivation, adjoint: Any, positions: range
) -> Iterator[tuple[int, Any]]:
    needed = [i for i in positions if isinstance(inputs[i], Node) and inputs[i].requires_grad]
    if adjoint is None:
        yield from ((i, None) for i in needed)
        return
    with np.errstate(all="ignore"):
        gradients = pull(node, node.op, tuple(inputs), derivation, adjoint, needed, _PLAIN, False, False)
    yield from ((i, plain(gradients[i])) for i in needed if gradients[i] is not None)


def _arc(
    level: Level,
    node: Node,
    x: Node,
    name: str,
    derivation: Derivation,
    over: Sequence[str],
    taken: bool,
    gradient: Any,
) -> Arc:
    ids = level.ids
    source = ids["value", node.number]
    cotangent = None if gradient is None else summarise(gradient)
    return Arc(source, ids["value", x.number], name, derivation.name, derivation.formula, tuple(over), taken, cotangent)
