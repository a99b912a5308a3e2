"""The chain rule of a graph as numbers and names: what an explanation is written from.

Chain           names, local derivatives, adjoints and paths of one graph
Bare            the choice of derivations by which the plain chain rule goes: every op's default, no shortcuts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..choice import Choice
from ..draw.builder import ancestry
from ..draw.flow import Flow, swept
from ..draw.keys import written as options_of
from ..expression import Expr, apply, number, symbol
from ..node import Node, plain
from ..op import Op, Shortcut
from ..partials import partial_of
from ..sweep import pull

EXACT = 16  # elements: of larger arrays no Jacobian is written out
LONG = 24  # characters of a name


class Bare(Choice):
    """Every op's default derivation, node by node."""

    def shortcut(self, node: Node, held: Mapping[int, Any]) -> tuple[Shortcut, Node] | None:
        return None


class Chain:
    """What there is to be said of a graph.

    Attributes
    ----------
    root : Node
    made : list of Node
        What ops made and a gradient goes through, oldest first.
    leaves : list of Node
        Where gradients end.
    names : dict of str by node number
    """

    def __init__(self, root: Node, seed: Any) -> None:
        self.root, self.seed = root, seed
        self.order = ancestry(root)
        self.made = [x for x in self.order if x.op is not None]
        self.leaves = [x for x in self.order if x.op is None and x.requires_grad]
        self.names = _names(self.order)
        self.arrays: dict[int, str] = {}  # plain arrays, by address
        self.users: dict[int, list[Node]] = {}
        for node in self.made:
            for x in dict.fromkeys(x.number for x in node.inputs if isinstance(x, Node) and x.requires_grad):
                self.users.setdefault(x, []).append(node)
        self.flow: Flow = swept(root, seed, Bare())
        self._jacobians: dict[tuple[int, int], Any] = {}

    @property
    def scalar(self) -> bool:
        """Whether every number on the way is one."""
        return all(np.size(x.data) == 1 for x in self.order)

    def name(self, node: Node) -> str:
        return self.names[node.number]

    def adjoint(self, node: Node) -> Any:
        return self.flow.adjoints.get(node.number)

    def begins(self, node: Node) -> bool:
        """Whether it is the result, and 1 its cotangent, which nobody writes."""
        return node is self.root and bool(np.all(self.seed == 1.0))

    # -- formulas ----------------------------------------------------------------------------------------------

    def input(self, x: Any) -> Expr:
        """A symbol for a Value or an array, a number as it is."""
        if isinstance(x, Node):
            known = x.op is not None or x.requires_grad or x.label or np.size(x.data) != 1
            return symbol(self.name(x)) if known else number(np.asarray(x.data).item())
        if isinstance(x, np.ndarray) and x.size != 1:
            return symbol(self.arrays.setdefault(id(x), f"A{len(self.arrays) + 1}"))
        return symbol(str(x)) if x is None or isinstance(x, (str, bool)) else number(np.asarray(x).item())

    def formula(self, node: Node) -> Expr:
        """What a node is, in the names of its inputs."""
        op: Op = node.op
        options = options_of(op, node.params)
        inputs = [self.input(x) for x in node.inputs if x is not None]
        if op.name == "getitem" and options:
            return symbol(f"{inputs[0].text()}[{options[0][1]}]")
        told = [symbol(f"{name}={value}") for name, value in options if op.name != "transpose"]
        return Expr(op.name, (*inputs, *told))

    def slope(self, node: Node, x: Node) -> Expr | None:
        """The local derivative of a node with respect to one of its inputs, in symbols."""
        total: Expr | None = None
        op: Op = node.op
        for position, given in enumerate(node.inputs):
            if given is x and position not in op.constants:
                found = partial_of(op, position)
                if found is None:
                    return None
                names = {op.input_name(i): self.input(y) for i, y in enumerate(node.inputs) if y is not None}
                found = found.replaced(names)
                total = found if total is None else apply("add", total, found)
        return total

    # -- numbers -----------------------------------------------------------------------------------------------

    def jacobian(self, node: Node, x: Node) -> Any:
        """The local derivative as a matrix, a row for each entry of the node; None where it is large."""
        key = node.number, x.number
        if key not in self._jacobians:
            self._jacobians[key] = self._pulled(node, x)
        return self._jacobians[key]

    def _pulled(self, node: Node, x: Node) -> Any:
        rows, columns = np.size(node.data), np.size(x.data)
        if not 0 < rows <= EXACT or not 0 < columns <= EXACT or np.asarray(node.data).dtype.kind != "f":
            return None
        op: Op = node.op
        positions = [i for i, y in enumerate(node.inputs) if y is x and i not in op.constants]
        choice = Bare()
        matrix = np.zeros((rows, columns))
        for row, unit in enumerate(np.eye(rows, dtype=np.asarray(node.data).dtype)):
            g: Any = 1.0 if type(node.data) is float else unit.reshape(np.shape(node.data))
            with np.errstate(all="ignore"):
                sent = pull(node, op, node.inputs, choice.of(op), g, positions, choice, False, False)
            for i in positions:
                if sent[i] is not None:
                    matrix[row] += np.ravel(np.asarray(plain(sent[i])))
        return matrix

    # -- ways --------------------------------------------------------------------------------------------------

    def count(self) -> dict[int, int]:
        """How many paths there are from the result to each node."""
        ways = Counter({self.root.number: 1})
        for node in reversed(self.order):
            for user in self.users.get(node.number, []):
                ways[node.number] += ways[user.number]
        return ways

    def paths(self, leaf: Node) -> Iterator[list[Node]]:
        """Every way from the result to a leaf."""
        stack: list[list[Node]] = [[leaf]]
        while stack:
            path = stack.pop()
            if path[0] is self.root:
                yield path
                continue
            stack.extend([user, *path] for user in reversed(self.users.get(path[0].number, [])))

    def along(self, path: Sequence[Node]) -> Any:
        """The product of the local derivatives along a path; None where one is not written out."""
        total = np.ravel(np.asarray(self.seed, dtype=float))[None, :]
        for node, x in pairwise(path):
            matrix = self.jacobian(node, x)
            if matrix is None:
                return None
            total = total @ matrix
        return total.reshape(np.shape(path[-1].data))


def _names(order: Sequence[Node]) -> dict[int, str]:
    """Labels where they are short and no other has them; v1, v2, … for what ops made, x1, x2, … for leaves."""
    labels = Counter(node.label for node in order)
    taken, names, counts = set(labels), {}, Counter[str]()
    for node in order:
        label = " ".join(node.label.split())
        if label and labels[node.label] == 1 and len(label) <= LONG:
            names[node.number] = label
            continue
        letter = "x" if node.op is None else "v"
        while True:
            counts[letter] += 1
            name = f"{letter}{counts[letter]}"
            if name not in taken:
                break
        names[node.number] = name
    return names
