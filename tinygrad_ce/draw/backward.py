"""The backward graph: the reverse sweep drawn as a graph of its own.

    backward_of(graph)      adjoints, the ops that send them, and the sums where several come together
    beside(graph)           the graph and its backward graph in one, each in a frame

Every value that takes part has its adjoint opposite, with the same id after a "b"; every op has the rule that pulls its
result's adjoint back to its inputs.
"""

from __future__ import annotations

from dataclasses import replace

from .graph import AnyNode, Arc, Cluster, Edge, Graph, GroupNode, OpNode, Role, ValueNode
from .summary import Summary

FORWARD, BACKWARD = "forward", "backward"


def backward_of(graph: Graph) -> Graph:
    """The graph of what flows back, from the result to the leaves."""
    return _Backward(graph).graph()


def beside(graph: Graph) -> Graph:
    """Forward and backward in one picture."""
    back = backward_of(graph)
    frames = [Cluster(FORWARD, "part", FORWARD), *(_under(c, FORWARD) for c in graph.clusters)]
    frames += [Cluster(BACKWARD, "part", BACKWARD)]
    nodes = [_framed(n, FORWARD) for n in graph.nodes] + [_framed(n, BACKWARD) for n in back.nodes]
    return replace(graph, nodes=tuple(nodes), edges=(*graph.edges, *back.edges), clusters=tuple(frames), arcs=())


def _under(cluster: Cluster, frame: str) -> Cluster:
    return cluster if cluster.parent else replace(cluster, parent=frame)


def _framed(node: AnyNode, frame: str) -> AnyNode:
    return node if node.cluster else replace(node, cluster=frame)


class _Backward:
    """The adjoints of a graph's values and the rules between them, from the result on."""

    def __init__(self, graph: Graph) -> None:
        self.forward = graph
        self.by_id = {node.id: node for node in graph.nodes}
        self.of = next((node.label for node in graph.values if node.result), "") or "result"
        self.jumps: dict[str, Arc] = {}  # by the op whose rule jumps
        self.made: dict[str, list[str]] = {}  # what each op makes
        self.senders: dict[str, list[Edge]] = {}  # what arrives at each value
        makers: dict[str, str] = {}
        for edge in graph.edges:
            if self._is_value(edge.target):
                makers[edge.target] = edge.source
                self.made.setdefault(edge.source, []).append(edge.target)
        for arc in graph.arcs:
            if arc.taken:
                self.jumps[makers[arc.source]] = arc
                self._sends(makers[arc.source], arc.target, "", arc.cotangent)
        for edge in graph.edges:
            if self._is_value(edge.source) and not self._is_value(edge.target):
                self._sends(edge.target, edge.source, edge.name, edge.cotangent)
        self.active = {edge.source for arriving in self.senders.values() for edge in arriving}

    def _is_value(self, id: str) -> bool:
        return isinstance(self.by_id[id], ValueNode)

    def _sends(self, op: str, value: str, name: str, sent: Summary | None) -> None:
        if sent is not None:
            self.senders.setdefault(value, []).append(Edge(op, value, name, cotangent=sent))

    def graph(self) -> Graph:
        nodes: list[AnyNode] = []
        edges: list[Edge] = []
        for node in reversed(self.forward.nodes):
            if isinstance(node, ValueNode):
                if node.adjoint is not None and node.role != "constant":
                    edges += self._arriving(node, nodes)
                    nodes.append(self._adjoint(node, node.adjoint))
            elif node.id in self.active or isinstance(node, GroupNode):  # a box may hide the leaves that it sends to
                edges += [Edge(f"b{value}", f"b{node.id}") for value in self.made.get(node.id, [])]
                nodes.append(self._rule(node))
        drawn = {node.id for node in nodes}
        kept = [edge for edge in edges if edge.source in drawn and edge.target in drawn]
        return Graph(tuple(nodes), tuple(kept), seed=self.forward.seed, notes=self.forward.notes)

    def _arriving(self, node: ValueNode, nodes: list[AnyNode]) -> list[Edge]:
        """What comes together at a value: by a + where there is more than one."""
        senders = self.senders.get(node.id, [])
        here = f"b{node.id}"
        if len(senders) < 2:
            return [Edge(f"b{e.source}", here, e.name, cotangent=e.cotangent) for e in senders]
        nodes.append(OpNode(f"{here}+", "add", backward=True))
        arriving = [Edge(f"b{e.source}", f"{here}+", e.name, cotangent=e.cotangent) for e in senders]
        return [*arriving, Edge(f"{here}+", here)]

    def _adjoint(self, node: ValueNode, adjoint: Summary) -> ValueNode:
        label = f"∂{self.of}/∂{node.label}" if node.label else ""
        role: Role = "leaf" if node.role == "leaf" else "inner"
        return ValueNode(f"b{node.id}", role, label, adjoint, result=node.result)

    def _rule(self, node: AnyNode) -> AnyNode:
        """What an op, or a box, makes of an adjoint."""
        if not isinstance(node, OpNode):
            return replace(node, id=f"b{node.id}", cluster="")
        jump = self.jumps.get(node.id)
        name, derivation, formula = (node.op, node.derivation, node.formula)
        if jump is not None:
            name, derivation, formula = jump.op, jump.derivation, jump.formula
        return OpNode(f"b{node.id}", name, (), derivation, formula, backward=True)
