"""The forward sweep: the same recorded graph, walked the other way.

    order(roots, moving)            the nodes between what moves and the roots, oldest first
    forward(nodes, tangents, ...)   tangents by number: J t, the directional derivative
    push                            one node of it

An elementwise op has its tangent from its partials, a linear op from itself, a composite whose derivation is
"autodiff" from a forward sweep through its decomposition; any other op from the transpose of its vjp, which is
linear in the cotangent. So an op with nothing but a vjp has forward mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .choice import Choice, reachable
from .derivation import AUTODIFF, Derivation
from .identities import cast_like, identity
from .mutation import require_intact
from .node import Clock, Node, Watch, next_number, plain, recorded, recording, unwatched, watched
from .op import Op
from .sweep import leading_to, pull, reverse, route

_DEFAULT = Choice()


def order(roots: Sequence[Node], moving: Mapping[int, Any]) -> list[Node]:
    """The nodes of roots' graphs that depend on a moving one (given by number), in order of creation."""
    if not roots or not moving:
        return []
    nodes = reachable(roots[0], min(moving) - 1, roots[1:])
    return [nodes[number] for number in sorted(leading_to(nodes, moving))]


def forward(
    nodes: Sequence[Node], tangents: Mapping[int, Any], choice: Choice, *, create_graph: bool = False
) -> dict[int, Any]:
    """Tangents of nodes by number, given those of the moving ones; a node without one does not move."""
    found: dict[int, Any] = dict(tangents)
    stale = Clock.last
    watch = recording().sweeping() if isinstance(recording(), Watch) else None
    for node in nodes:
        op = node.op
        if node.number in found or op is None:
            continue
        inputs, derivation = route(node, op, choice, tangents, create_graph)
        moving = [found.get(x.number) if isinstance(x, Node) else None for x in inputs]
        if all(t is None for t in moving):
            continue
        if node.number < stale:
            require_intact(node)
        if watch is None:
            tangent = push(node, op, inputs, derivation, moving, choice, create_graph)
        else:
            with watched(watch):
                tangent = push(node, op, inputs, derivation, moving, choice, create_graph)
            watch.pushed(node, inputs, derivation, moving, tangent)
        if tangent is not None:
            found[node.number] = cast_like(tangent, node)
    return found


def push(
    node: Node,
    op: Op,
    inputs: tuple[Any, ...],
    derivation: Derivation,
    tangents: Sequence[Any],
    choice: Choice,
    create_graph: bool,
) -> Any:
    if op.pushforward is None:
        if derivation.name == AUTODIFF:
            return _through_decomposition(node, op, tangents, choice, create_graph)
        return _transposed(node, op, inputs, derivation, tangents, choice, create_graph)
    if op.partials is not None:
        tangents = [t if p is not None else None for t, p in zip(tangents, op.partials, strict=True)]
        if all(t is None for t in tangents):
            return None
    if create_graph:
        return op.pushforward(tangents, node, inputs, node.params)
    data = tuple([plain(x) for x in inputs])
    try:
        tangent = op.pushforward(tangents, node._data, data, node.params)
        if type(tangent) is not complex:
            return tangent
    except ArithmeticError:
        pass
    # Python's floats refuse 1/0 and turn complex at (-8) ** (1/3); NumPy's follow IEEE.
    wide = tuple([np.float64(x) if type(x) is float else x for x in data])
    return op.pushforward(tangents, np.float64(node._data), wide, node.params)


def _through_decomposition(node: Node, op: Op, tangents: Sequence[Any], choice: Choice, create_graph: bool) -> Any:
    """Run the decomposition with recording on, on nodes of this sweep's own, and sweep it forward."""
    leaves = list(node.inputs) if create_graph else [plain(x) for x in node.inputs]
    moving = {}
    with recorded(True) if create_graph else unwatched():
        for i, t in enumerate(tangents):
            if t is not None:
                leaves[i] = identity(leaves[i]) if create_graph else type(node).leaf(leaves[i])
                moving[leaves[i].number] = t
        out = op.decomposition(*leaves, **node.params)
    if not isinstance(out, Node) or not out.requires_grad:
        return None
    return forward(order([out], moving), moving, choice, create_graph=create_graph).get(out.number)


def _transposed(
    node: Node,
    op: Op,
    inputs: tuple[Any, ...],
    derivation: Derivation,
    tangents: Sequence[Any],
    choice: Choice,
    create_graph: bool,
) -> Any:
    """J t as the transpose of g ↦ Jᵀg, which is linear: the gradient of <t, Jᵀg> in g, at g = 0."""
    moving = [i for i, t in enumerate(tangents) if t is not None]
    floor = next_number()
    g = type(node).leaf(np.zeros_like(node._data) if type(node._data) is not float else 0.0)
    total = None
    with recorded(True) if create_graph else unwatched():
        if create_graph:
            gradients = pull(node, op, inputs, derivation, g, moving, choice, True, again=True)
        else:  # only g moves: the rule sees plain inputs, whatever it does to them
            gradients = derivation.rule(g, node._data, tuple([plain(x) for x in inputs]), node.params, moving)
        for i in moving:
            gx = gradients[i]
            if not isinstance(gx, Node) or not gx.requires_grad:
                continue
            seed = cast_like(tangents[i], gx)
            if create_graph and not isinstance(seed, Node):
                seed = type(node).leaf(seed, False)
            found = reverse(gx, seed, _DEFAULT, wanted={g.number: g}, create_graph=create_graph, floor=floor)
            if g.number in found:
                term = found[g.number][1]
                total = term if total is None else total + term
    return total
