"""Groups as nodes: what they hide, and the edges that lead into them and out of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..node import Node
from .graph import Edge, GroupNode
from .grouping import Group
from .summary import summarise

if TYPE_CHECKING:
    from .builder import Level


class Boxes:
    """The groups of one level, and what is inside them.

    Attributes
    ----------
    hidden : dict of Group by node number
        Values that are not drawn: used inside one group only, or too many.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self.groups = level.grouping.groups
        self.hidden = level.grouping.hidden()
        self.ids: dict[Group, str] = {}
        self.bundles: dict[tuple[str, str], int] = {}  # where the edge from one end to the other stands, ...
        self.bundled: Counter[int] = Counter()  # ... and how many values it is for

    def draw(self, group: Group) -> str:
        """The id of a group's box, which is drawn when the first of its results is met."""
        if group in self.ids:
            return self.ids[group]
        level = self.level
        frame = level.within(None if level.grouping.flat else group.scope)
        prefix = "m" if group.what == "module" else "g"
        inputs = [x for node in group.members for x in node.inputs if isinstance(x, Node)]
        for x in inputs:
            if x.op is None and x.number not in self.hidden:
                level.node(x)
        arrays = {id(x): x for node in group.members for x in node.inputs if isinstance(x, np.ndarray) and x.size > 1}
        sources = [level.constant(key, x, frame) for key, x in arrays.items() if group.what == "module"]
        self.ids[group] = here = level.builder.next_id(prefix)
        level.nodes.append(self._node(group, here, frame))
        level.edges += [Edge(source, here) for source in sources]
        for x in {x.number: x for x in inputs}.values():
            if self.groups.get(x.number) is group:
                continue
            if x.number in self.hidden:
                self.join(x, here)
            else:
                sent = self._sent(group, x)
                cotangent = None if sent is None else summarise(sent)
                level.edges.append(Edge(level.ids["value", x.number], here, cotangent=cotangent))
        return here

    def join(self, x: Node, target: str) -> None:
        """An edge from the box that hides a value to what takes it: one for all such values."""
        if x.op is None:
            return
        source = self.draw(self.hidden[x.number])
        edges = self.level.edges
        at = self.bundles.setdefault((source, target), len(edges))
        self.bundled[at] += 1
        edge = Edge(source, target, f"{self.bundled[at]:,} values" if self.bundled[at] > 1 else "")
        edges[at : at + 1] = [edge]

    def _sent(self, group: Group, x: Node) -> Any:
        """What a group sends to one of its inputs, all in all."""
        total: Any = None
        for node in group.members:
            for position, given in enumerate(node.inputs):
                if given is x:
                    sent = self.level.sent(node, position)
                    total = sent if total is None else total if sent is None else total + sent
        return total

    def _node(self, group: Group, here: str, frame: str) -> GroupNode:
        ops = Counter(node.op.name for node in group.members)
        inside = [n for n, g in self.hidden.items() if g is group]
        leaves = {
            x.number: int(np.size(x.data))
            for node in group.members
            for x in node.inputs
            if isinstance(x, Node) and x.op is None and self.hidden.get(x.number) is group
        }
        return GroupNode(
            here,
            group.what,
            group.name,
            group.count,
            len(group.members) + len(inside),
            sum(leaves.values()),
            tuple(ops.most_common()),
            frame,
        )
