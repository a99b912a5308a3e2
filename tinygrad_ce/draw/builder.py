"""Nodes, edges and frames of a graph, made in one walk over its Values in the order of creation.

Builder     what has been made so far
Level       one graph: the user's, or the decomposition of an op that is opened
ancestry    a Value and all that led to it, oldest first
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np

from ..choice import Request, choose
from ..node import Node
from ..op import Op
from ..tracing import place
from .arcs import closed_forms, shortcut_arc
from .boxes import Boxes
from .flow import Flow, decomposed, inside
from .graph import AnyNode, Arc, Cluster, Edge, OpNode, Role, ValueNode
from .grouping import Grouping
from .keys import written
from .local import derivatives
from .modules import Scope
from .summary import Summary, summarise


def ancestry(v: Node) -> list[Node]:
    """`v` and all that led to it, constants too, oldest first."""
    found = {v.number: v}
    stack = [v]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.number not in found:
                found[x.number] = x
                stack.append(x)
    return [found[number] for number in sorted(found)]


def constants(node: Node) -> Iterator[tuple[Any, Any]]:
    """The plain inputs of a node, each with what tells it from others: an array is one wherever it is used."""
    for position, x in enumerate(node.inputs):
        if x is not None and not isinstance(x, Node):
            yield (id(x) if isinstance(x, np.ndarray) else (node.number, position)), x


class Builder:
    """What has been made so far."""

    def __init__(
        self, result: Node, request: Request, primary: Flow | None, opened: Container[Op], depth: int | None
    ) -> None:
        self.result, self.request, self.choice = result, request, choose(request)
        self.primary, self.opened, self.depth = primary, opened, depth
        self.nodes: list[AnyNode] = []
        self.edges: list[Edge] = []
        self.arcs: list[Arc] = []
        self.clusters: list[Cluster] = []
        self.ids: dict[Any, str] = {}  # by what tells a value, an op, a group or a frame
        self.levels: list[Level] = []
        self.opened_here: list[tuple[Level, Node]] = []
        self.opened_into: list[tuple[Node, Node]] = []  # kept: arrays are told by their address, so none may go
        self._counts: Counter[str] = Counter()

    def next_id(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}{self._counts[prefix] - 1}"


class Level:
    """One graph, node after node.

    Parameters
    ----------
    builder : Builder
    order : list of Node
    walked : Flow or None
        What the sweep that is drawn has brought.
    grouping : Grouping
    prefix, frame : str
        What ids begin with, and the frame around it all.
    levels : int
        How many frames that is.
    """

    def __init__(
        self,
        builder: Builder,
        order: Sequence[Node],
        walked: Flow | None,
        grouping: Grouping,
        prefix: str = "n",
        frame: str = "",
        levels: int = 0,
    ) -> None:
        self.builder, self.order, self.walked, self.grouping = builder, order, walked, grouping
        self.prefix, self.frame, self.levels = prefix, frame, levels
        self.ids, self.nodes, self.edges = builder.ids, builder.nodes, builder.edges
        self.boxes = Boxes(self)
        builder.levels.append(self)

    def draw(self) -> None:
        """Draw everything, and the closed forms over it."""
        for node in self.order:
            self.node(node)
        builder = self.builder
        for out, node in builder.opened_into:  # what comes out of a decomposition is the value of the op that it is of
            self.ids["value", out.number] = self.ids["value", node.number]
        for level, node in builder.opened_here:
            builder.arcs += closed_forms(level, node, node.op)
        for level in builder.levels:
            for node in level.order:
                if node.op is not None and node.op.shortcuts:
                    builder.arcs += shortcut_arc(level, node)

    def node(self, node: Node) -> None:
        if ("value", node.number) in self.ids or node.number in self.boxes.hidden:
            return  # an input of the op that is opened; or inside a box
        if node.number in self.grouping.groups:
            maker = self.boxes.draw(self.grouping.groups[node.number])
        else:
            maker = self.op(node, node.op) if node.op is not None else ""
        made = self.value(node)
        if maker:
            self.edges.append(Edge(maker, made, cotangent=self.adjoint(node)))

    def value(self, node: Node) -> str:
        self.ids["value", node.number] = here = self.builder.next_id(self.prefix)
        leaf = node.op is None
        role: Role = "constant" if not node.requires_grad else "leaf" if leaf else "inner"
        grad = None if node.grad is None else summarise(node.grad)
        told = ValueNode(
            here,
            role,
            node.label,
            summarise(node.data),
            grad,
            self.adjoint(node),
            awaits=grad is None and node.requires_grad and (leaf or node.retains) and not self.levels,
            result=node is self.builder.result,
            place=place(node),
            cluster=self.around(node),
        )
        self.nodes.append(told)
        return here

    def adjoint(self, node: Node) -> Summary | None:
        found = None if self.walked is None else self.walked.adjoints.get(node.number)
        return None if found is None else summarise(found)

    # -- ops ---------------------------------------------------------------------------------------------------

    def op(self, node: Node, op: Op) -> str:
        """Draw what makes a node; the id of the op, or of the last op of those that it opens into."""
        frame = self.around(node)
        for key, x in constants(node):
            self.constant(key, x, frame)
        for x in node.inputs:
            if isinstance(x, Node) and x.op is None and x.number not in self.boxes.hidden:
                self.node(x)  # a leaf that is younger than a box it goes into has been drawn already
        self.ids["op", node.number] = here = self.builder.next_id(self.prefix)
        box = self.box(node, op, here, frame)
        edges = self.entering(node, op, here)
        if op in self.builder.opened:
            last = self.opens(node, op, box, edges)
            if last:
                return last
        self.nodes.append(box)
        self.edges += edges
        return here

    def constant(self, key: Any, x: Any, frame: str) -> str:
        if key not in self.ids:
            self.ids[key] = self.builder.next_id(self.prefix)
            self.nodes.append(ValueNode(self.ids[key], "constant", "", summarise(x), cluster=frame))
        return self.ids[key]

    def box(self, node: Node, op: Op, here: str, frame: str) -> OpNode:
        sent = None if self.walked is None else self.walked.sent_by.get(node.number)
        chosen = sent.derivation if sent is not None else self.builder.choice.of(op) if op.derivations else None
        name, formula = ("", "") if chosen is None else (chosen.name, chosen.formula)
        composite = op.decomposition is not None
        return OpNode(here, op.name, written(op, node.params), name, formula, composite, place(node), frame)

    def entering(self, node: Node, op: Op, here: str) -> list[Edge]:
        plains = constants(node)
        slopes = derivatives(node, op)
        found: list[Edge] = []
        for position, x in enumerate(node.inputs):
            if x is None:
                continue
            if isinstance(x, Node) and x.number in self.boxes.hidden:
                self.boxes.join(x, here)
                continue
            source = self.ids["value", x.number] if isinstance(x, Node) else self.ids[next(plains)[0]]
            sent = self.sent(node, position)
            cotangent = None if sent is None else summarise(sent)
            found.append(Edge(source, here, op.input_name(position), slopes[position], cotangent))
        return found

    def sent(self, node: Node, position: int) -> Any:
        """What a node sends to its input at `position`; a shortcut sends nothing to the first."""
        found = None if self.walked is None else self.walked.sent_by.get(node.number)
        if found is None:
            return None
        if found.inputs[0] is node.inputs[0]:
            return found.gradients[position]
        beyond = len(found.inputs) - len(node.inputs)
        return None if position == 0 else found.gradients[position + beyond]

    # -- frames ------------------------------------------------------------------------------------------------

    def around(self, node: Node) -> str:
        return self.within(self.grouping.scope(node))

    def within(self, scope: Scope | None) -> str:
        return self.frame if scope is None else self.module(scope)

    def module(self, scope: Scope) -> str:
        if ("module", scope) not in self.ids:
            parent = self.within(scope.parent)
            self.ids["module", scope] = here = self.builder.next_id("m")
            count = self.grouping.counts.get(scope, 1)
            self.builder.clusters.append(Cluster(here, "module", scope.name, parent, count))
        return self.ids["module", scope]

    def opens(self, node: Node, op: Op, box: OpNode, edges: list[Edge]) -> str:
        """Draw an op's decomposition in its place; the id of its last op, empty where there is nothing in it."""
        builder = self.builder
        scope = self.grouping.scope(node)
        levels = self.levels + 1 + (0 if scope is None else scope.level + 1)
        if builder.depth is not None and levels > builder.depth:
            return ""
        leaves, out = decomposed(op, node)
        if not isinstance(out, Node) or out.op is None:
            return ""
        builder.opened_here.append((self, node))
        builder.opened_into.append((out, node))
        builder.clusters.append(Cluster(box.id, "op", op.name, box.cluster, box=box, edges=tuple(edges)))
        for leaf, x in zip(leaves, node.inputs, strict=True):
            if isinstance(x, Node):
                key = ("value", leaf.number) if isinstance(leaf, Node) else id(leaf)
                self.ids[key] = self.ids["value", x.number]
        order = ancestry(out)
        level = Level(builder, order, self._inside(node, leaves, out), Grouping(order), f"{box.id}.", box.id, levels)
        before = len(builder.edges)
        for inner in order[:-1]:
            level.node(inner)
        last = level.op(out, out.op)
        # What went in as plain data and was not seen again: the result depends on it all the same.
        used = {edge.source for edge in builder.edges[before:]}
        builder.edges += [Edge(e.source, last, e.name) for e in edges if e.source not in used]
        return last

    def _inside(self, node: Node, leaves: list[Any], out: Node) -> Flow | None:
        """The sweep of a decomposition, where the node got an adjoint."""
        adjoint = None if self.walked is None else self.walked.adjoints.get(node.number)
        if adjoint is None or not out.requires_grad:
            return None
        wanted = {x.number: x for x in leaves if isinstance(x, Node)}
        return inside(out, adjoint, wanted, self.builder.request, self.builder.opened)
