"""The reverse sweep, over anything with op, inputs, data.

    reverse(root, seed, ...)    adjoints, by creation number: the gradient of <seed, root>
    leading_to                  which nodes a gradient with respect to some of them passes through
    route, pull                 one node of it: which derivation, and what it sends

Nodes are visited in decreasing creation number, which is a topological order because every node is younger
than its inputs. For d = a·b + b, with a, b leaves:

    number   node        adjoint when visited      sends
    4        d = c + b   1                         1 to c, 1 to b
    3        c = a·b     1                         b to a, a to b
    2        b           1 + a                     (a leaf: this is its gradient)
    1        a           b

The adjoints live in a dictionary of the sweep's own (in quick.py, which `backward` prefers, on the nodes). Nothing here
recurses along the graph, so that a chain of a million nodes is swept like a chain of ten; only an op's decomposition,
a graph of its own, is swept inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .choice import Choice, reachable
from .conform import conform, fits, on_plain
from .derivation import AUTODIFF, Derivation
from .identities import cast_like, less_one, spent
from .mutation import require_intact, require_unwritten
from .node import Clock, Node, Watch, next_number, plain, recorded, recording, retained, unwatched, watched
from .op import Op
from .tracing import place

_NOTHING: Mapping[int, Any] = {}


def reverse(
    root: Node,
    seed: Any,
    choice: Choice,
    *,
    wanted: Mapping[int, Node] | None = None,
    create_graph: bool = False,
    again: bool | None = None,
    floor: int = 0,
    nodes: Mapping[int, Node] | None = None,
    useful: set[int] | None = None,
    beside: Sequence[tuple[Node, Any]] = (),
) -> dict[int, tuple[Node, Any]]:
    """Nodes and adjoints of what is wanted (by default: leaves, and what retains its gradient) by number.

    Parameters
    ----------
    root, seed
        Where the sweep starts, and with what cotangent: a Node where `create_graph`.
    wanted : mapping of number to node, optional
    create_graph : bool
        Call rules with Values, so that the adjoints are Values that can be differentiated.
    again : bool, optional
        Whether they will be, so that derivations of order 1 are passed over: `create_graph` by default.
    floor : int
        Nodes numbered at or below it are boundaries: their adjoints are formed, and not passed on.
    nodes : mapping, optional
        `reachable(root, floor)`, where the caller has it.
    useful : set, optional
        `leading_to(nodes, wanted)`, where the caller has it.
    beside : sequence of (node, cotangent)
        Further roots: the gradient is of the sum of all <seed, root>.
    """
    again = create_graph if again is None else again
    if wanted is not None and useful is None:
        useful = leading_to(reachable(root, floor, [x for x, _ in beside]) if nodes is None else nodes, wanted)
    held = wanted or {}
    adjoints: dict[int, Any] = {root.number: seed}
    owned: set[int] = set()  # adjoints that are arrays of the sweep's own, safe to add to in place
    results: dict[int, tuple[Node, Any]] = {}
    found: dict[int, Node] = {}  # nodes with an adjoint that are still to be visited
    leaves: dict[int, Node] = {}  # which send nothing, so that theirs may wait for the end
    (leaves if root.op is None else found)[root.number] = root
    limits: dict[int, int] = {}  # how often adjoints that came through a `spent` node may be differentiated
    stale = Clock.last  # older nodes are looked at more closely: something changed, or was watched, since
    watch = recording().sweeping() if isinstance(recording(), Watch) else None
    short = choice.short() if watch is None and not again else None
    for x, gx in beside:
        if x.number in adjoints:
            _accumulate(adjoints, owned, x.number, gx)
        else:
            adjoints[x.number] = gx
            (leaves if x.op is None else found)[x.number] = x

    number = max(found, default=0) + 1
    while found:
        number = youngest(found, number)
        node = found.pop(number)
        g = adjoints.pop(number)
        op = node.op
        limit = limits.pop(number, None) if limits else None
        if number in (retained if wanted is None else wanted):
            result = g if number in owned or wanted is not None else own(g)
            results[number] = (node, result if limit is None else spent(result, left=limit))
        if number <= floor:
            continue
        if again and op is spent:
            left = less_one(node.params["left"])
            limit = left if limit is None else min(left, limit)
        if number < stale:
            require_intact(node)
        gradients = short(node, g, useful) if short is not None else None
        if gradients is None:
            gradients = sent(node, op, g, choice, create_graph, again, useful, held, watch)
        for x, gx in gradients:
            k = x.number
            if limit is not None:
                limits[k] = min(limit, limits.get(k, limit))
            if k in adjoints:
                _accumulate(adjoints, owned, k, gx)
            else:
                adjoints[k] = gx
                (leaves if x.op is None else found)[k] = x

    for number, node in leaves.items():
        if wanted is not None and number not in wanted:
            continue
        g = adjoints[number]
        if wanted is None:
            g = g if number in owned else own(g)
            require_unwritten(node, root)
        results[number] = (node, spent(g, left=limits[number]) if number in limits else g)
    return results


def _accumulate(adjoints: dict[int, Any], owned: set[int], k: int, gx: Any) -> None:
    """Add a contribution; in place where the sum so far is an array of the sweep's own."""
    total = adjoints[k]
    if type(total) is not np.ndarray:
        adjoints[k] = total + gx
    elif k in owned:
        total += gx
    else:
        adjoints[k] = total + gx
        owned.add(k)


def youngest(found: Mapping[int, Any], number: int) -> int:
    """The largest key of `found`, where all lie below `number`.

    Creation numbers are nearly dense in most graphs, so counting down soon comes to it. Where it does not within as
    many steps as there are keys, to look at all of them costs no more than the counting did.
    """
    for candidate in range(number - 1, number - 2 - len(found), -1):
        if candidate in found:
            return candidate
    return max(found)


def own(g: Any) -> Any:
    # A rule may return g itself, or a view of it: what becomes .grad must share memory with nothing.
    return g.copy() if isinstance(g, np.ndarray) else g


def leading_to(nodes: Mapping[int, Node], wanted: Mapping[int, Any]) -> set[int]:
    """Numbers of those nodes that are wanted, or depend on one that is."""
    useful: set[int] = set()
    for number in sorted(nodes):
        if number in wanted or any(isinstance(x, Node) and x.number in useful for x in nodes[number].inputs):
            useful.add(number)
    return useful


def sent(
    node: Node,
    op: Op,
    g: Any,
    choice: Choice,
    create_graph: bool = False,
    again: bool = False,
    useful: set[int] | None = None,
    held: Mapping[int, Any] = _NOTHING,
    watch: Watch | None = None,
) -> list[tuple[Node, Any]]:
    """What a node sends to its inputs: (input, gradient) for each that wants one."""
    inputs, derivation = route(node, op, choice, held, again)
    needed = [
        i
        for i, x in enumerate(inputs)
        if isinstance(x, Node) and x.requires_grad and (useful is None or x.number in useful)
    ]
    if watch is None:
        gradients = pull(node, op, inputs, derivation, g, needed, choice, create_graph, again)
    else:
        with watched(watch):
            gradients = pull(node, op, inputs, derivation, g, needed, choice, create_graph, again)
        watch.sent(node, inputs, derivation, g, gradients, needed)
    return [(inputs[i], gradients[i]) for i in needed if gradients[i] is not None]


def route(
    node: Node, op: Op, choice: Choice, held: Mapping[int, Any], again: bool
) -> tuple[tuple[Any, ...], Derivation]:
    """The derivation of a node, and the inputs it sends to: a shortcut's lie beyond the inner node.

    `again`: the gradients are to be differentiated in turn, so the derivation has to be one that can be.
    """
    if op.shortcuts:
        jump = choice.shortcut(node, held)
        if jump is not None:
            shortcut, inner = jump
            if not again or shortcut.derivation.order is None or shortcut.derivation.order > 1:
                if inner.number < Clock.last:
                    require_intact(inner)
                return (*inner.inputs, *node.inputs[1:]), shortcut.derivation
    derivation = choice.of(op)
    if again and derivation.order is not None and derivation.order < 2:
        derivation = _of_higher_order(op, derivation)
    return node.inputs, derivation


def pull(
    node: Node,
    op: Op,
    inputs: tuple[Any, ...],
    derivation: Derivation,
    g: Any,
    needed: Sequence[int],
    choice: Choice,
    create_graph: bool,
    again: bool,
) -> Sequence[Any]:
    """A gradient for each needed input, of that input's shape and dtype; None where there is none."""
    if derivation.assumes and choice.name(op) == derivation.name:
        derivation.require(op.name, inputs, node.params)
    try:
        if derivation.name == AUTODIFF:
            raw = _through_decomposition(op, node, g, needed, choice, create_graph, again)
        elif create_graph:
            raw = derivation.rule(g, node, inputs, node.params, needed)
        else:
            data = tuple([x._data if isinstance(x, Node) else x for x in inputs])
            raw = on_plain(derivation, g, node._data, data, node.params, needed)
    except Exception as error:
        label = f", of '{node.label}'" if node.label else ""
        what = f"in derivation '{derivation.name}' of {op.name}{label} ({op.describe(inputs, node.params)})"
        error.add_note(f"{what}, {place(node) or 'made where tg.trace() around the forward would say'}")
        raise
    gradients: list[Any] = [None] * len(inputs)
    for i in needed:
        gx = raw[i]
        if gx is not None:
            if create_graph or not fits(gx, inputs[i]._data):
                gx = conform(gx, inputs[i], op, derivation, i, create_graph)
            gradients[i] = spent(gx, left=derivation.order - 1) if again and derivation.order is not None else gx
    return gradients


def _of_higher_order(op: Op, derivation: Derivation) -> Derivation:
    """A derivation that can be differentiated, in place of one that declares it cannot."""
    for name in (op.default, AUTODIFF, *op.derivations):
        other = op.derivations.get(name)
        if other is not None and (other.order is None or other.order >= 2) and not other.assumes:
            return other
    raise ValueError(
        f"derivation '{derivation.name}' of {op.name} is declared for order {derivation.order}, and no other one "
        f"of that op can be differentiated again; declare one of a higher order"
    )


def _through_decomposition(
    op: Op, node: Node, g: Any, needed: Sequence[int], choice: Choice, create_graph: bool, again: bool
) -> Sequence[Any]:
    """The "autodiff" derivation: run the decomposition with recording on, and sweep it with the same choice."""
    leaves = list(node.inputs) if create_graph else [plain(x) for x in node.inputs]
    if not create_graph:
        for i in needed:
            leaves[i] = type(node).leaf(leaves[i])
    floor = next_number()  # older: the leaves; younger: what the decomposition makes of them
    with recorded(True) if create_graph else unwatched():
        out = op.decomposition(*leaves, **node.params)
    if np.shape(plain(out)) != np.shape(node._data):
        raise ValueError(
            f"the forward of {op.name} returns shape {np.shape(node._data)}, "
            f"its decomposition shape {np.shape(plain(out))}"
        )
    gradients: list[Any] = [None] * len(leaves)
    if not isinstance(out, Node) or not out.requires_grad:
        return gradients
    nodes = reachable(out, floor)
    given = {x.number for x in leaves if isinstance(x, Node)}
    for number, x in nodes.items():
        if number <= floor and number not in given:
            raise ValueError(
                f"the decomposition of {op.name} uses a Value that is not among its inputs ({x!r:.80}); "
                f"every array that an op uses is an input"
            )
    wanted = {leaves[i].number: leaves[i] for i in needed}
    adjoints = reverse(
        out,
        cast_like(g, out),
        choice,
        wanted=wanted,
        create_graph=create_graph,
        again=again,
        floor=floor,
        nodes=nodes,
    )
    for i in needed:  # an input given twice has one adjoint, sent once
        gradients[i] = adjoints.pop(leaves[i].number, (None, None))[1]
    return gradients
