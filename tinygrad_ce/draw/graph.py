"""The graph behind a picture, as plain data: nodes and edges, without a word about how they look.

    graph_of(v)     everything that led to v: a Graph of ValueNodes, OpNodes and Edges
    numbered(v)     the same, with the id of each Value by its creation number

An op is a node of its own, between the values that it takes and the one that it makes. Ids are n0, n1, … in
topological order (creation order; a constant stands just before the first op that takes it), so the same graph
has the same ids every time. Nothing here recurses: a chain of a million nodes is a graph like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..node import Node
from ..op import Op
from .keys import written
from .summary import Summary, summarise

Role = Literal["leaf", "inner", "constant"]


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A number or an array of the graph.

    Attributes
    ----------
    id : str
    role : "leaf" (gets a gradient), "inner" (made by an op) or "constant" (gets none)
    label : str
    data : Summary
    grad : Summary or None
    awaits : bool
        Whether `backward` would write a gradient here, and has not.
    result : bool
        Whether this is what the graph was drawn for.
    """

    id: str
    role: Role
    label: str
    data: Summary
    grad: Summary | None = None
    awaits: bool = False
    result: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        grad = None if self.grad is None else self.grad.to_dict()
        flags = {"grad": grad, "awaits": self.awaits, "result": self.result}
        return {
            "id": self.id,
            "kind": "value",
            "role": self.role,
            "label": self.label,
            "data": self.data.to_dict(),
            **flags,
        }


@dataclass(frozen=True, slots=True)
class OpNode:
    """An operation: its name, and those of its options that are not the default, as text."""

    id: str
    op: str
    params: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        return {"id": self.id, "kind": "op", "op": self.op, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Edge:
    """From a value to an op that takes it, as the input `name`; or from an op to the value that it makes."""

    source: str
    target: str
    name: str = ""

    def to_dict(self) -> dict[str, str]:
        """The same as a dictionary, for JSON."""
        return {"source": self.source, "target": self.target, "name": self.name}


@dataclass(frozen=True, slots=True, repr=False)
class Graph:
    """Nodes in topological order, and edges in the order in which their ends were met.

    >>> import tinygrad_ce as tg
    >>> a = tg.Value(2.0, label="a")
    >>> g = graph_of(a * a)
    >>> g
    <graph of 3 nodes, 3 edges>
    >>> [(e.source, e.target, e.name) for e in g.edges]
    [('n0', 'n1', 'x'), ('n0', 'n1', 'y'), ('n1', 'n2', '')]
    """

    nodes: tuple[ValueNode | OpNode, ...]
    edges: tuple[Edge, ...]

    def __repr__(self) -> str:
        return f"<graph of {len(self.nodes)} nodes, {len(self.edges)} edges>"

    def to_dict(self) -> dict[str, Any]:
        """The same as dictionaries and lists, for JSON."""
        return {"nodes": [n.to_dict() for n in self.nodes], "edges": [e.to_dict() for e in self.edges]}


def graph_of(v: Node, *, limit: int | None = None) -> Graph:
    """The graph that led to `v`.

    Parameters
    ----------
    v : Value
    limit : int, optional
        The largest number of nodes, ops and constants counted too.

    Raises
    ------
    ValueError
        If there are more than `limit`.
    """
    return numbered(v, limit=limit)[0]


def numbered(v: Node, *, limit: int | None = None) -> tuple[Graph, dict[int, str]]:
    """The graph that led to `v`, and the id of each Value in it by creation number."""
    nodes = ancestry(v)
    if limit is not None:
        _hold_to(limit, nodes)
    builder = _Builder(v)
    graph = builder.build(nodes)
    return graph, {node.number: builder.ids["value", node.number] for node in nodes}


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


def _hold_to(limit: int, nodes: list[Node]) -> None:
    made = [node for node in nodes if node.op is not None]
    constants = {key for node in made for key, _ in _constants(node)}
    count = len(nodes) + len(made) + len(constants)
    if count > limit:
        raise ValueError(
            f"this graph has {count:,} nodes, more than limit={limit:,} that one picture shows well; "
            f"draw a part of it (an earlier Value), or all of it with draw(v, limit={count})"
        )


def _constants(node: Node) -> Iterator[tuple[Any, Any]]:
    """The plain inputs of a node, each with what tells it from others: an array is one wherever it is used."""
    for position, x in enumerate(node.inputs):
        if x is not None and not isinstance(x, Node):
            yield (id(x) if isinstance(x, np.ndarray) else (node.number, position)), x


class _Builder:
    def __init__(self, result: Node) -> None:
        self.result = result
        self.nodes: list[ValueNode | OpNode] = []
        self.edges: list[Edge] = []
        self.ids: dict[Any, str] = {}  # by creation number, or by what tells a constant

    def build(self, nodes: list[Node]) -> Graph:
        for node in nodes:
            maker = self._op(node, node.op) if node.op is not None else None
            made = self._value(node)
            if maker is not None:
                self.edges.append(Edge(maker, made))
        return Graph(tuple(self.nodes), tuple(self.edges))

    def _next(self) -> str:
        return f"n{len(self.nodes)}"

    def _value(self, node: Node) -> str:
        self.ids["value", node.number] = here = self._next()
        leaf = node.op is None
        role: Role = "constant" if not node.requires_grad else "leaf" if leaf else "inner"
        grad = None if node.grad is None else summarise(node.grad)
        awaits = grad is None and node.requires_grad and (leaf or node.retains)
        self.nodes.append(ValueNode(here, role, node.label, summarise(node.data), grad, awaits, node is self.result))
        return here

    def _op(self, node: Node, op: Op) -> str:
        for key, x in _constants(node):
            if key not in self.ids:
                self.ids[key] = self._next()
                self.nodes.append(ValueNode(self.ids[key], "constant", "", summarise(x)))
        here = self._next()
        self.nodes.append(OpNode(here, op.name, written(op, node.params)))
        constants = _constants(node)
        for position, x in enumerate(node.inputs):
            if x is not None:
                key = ("value", x.number) if isinstance(x, Node) else next(constants)[0]
                self.edges.append(Edge(self.ids[key], here, op.input_name(position)))
        return here
