"""The graph behind a picture, as plain data: nodes, edges, arcs and clusters, without a word about how they look.

    ValueNode       a number or an array
    OpNode          an operation, between the values that it takes and the one that it makes
    StepNode        a step of a compiled program
    GroupNode       a part of the graph that is drawn as one box: a module, repeated layers, what was left out
    Edge            from a value to an op that takes it, or from an op to the value that it makes
    Arc             a closed form: the gradient goes from a value straight to one that it depends on
    Cluster         a frame: a module, or a composite op that is opened

`build.py` makes a Graph of a Value. Ids are n0, n1, … in topological order (creation order; a constant stands just
before the first op that takes it), so the same graph has the same ids every time. What lies inside an op that is opened
has ids of its own beneath the op's: n5.0, n5.1, …, and the frame around it is the cluster n5, so that opening one op
changes no other id. Modules are m0, m1, …; other groups g0, g1, ….
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Union

from .summary import Summary

if TYPE_CHECKING:
    import networkx

Role = Literal["leaf", "inner", "constant"]
GroupKind = Literal["module", "repeated", "rest", "steps"]
AnyNode = Union["ValueNode", "OpNode", "GroupNode", "StepNode"]


class _Plain:
    """What can be said as a dictionary, for JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as dictionaries and lists, for JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]


def _plain(x: Any) -> Any:
    if isinstance(x, (_Plain, Summary)):
        return x.to_dict()
    return [_plain(item) for item in x] if isinstance(x, tuple) else x


@dataclass(frozen=True, slots=True)
class ValueNode(_Plain):
    """A number or an array of the graph.

    Attributes
    ----------
    id : str
    role : "leaf" (gets a gradient), "inner" (made by an op) or "constant" (gets none)
    label : str
    data : Summary
    grad : Summary or None
        What `backward` has left in `.grad`.
    adjoint : Summary or None
        The cotangent that the drawing's own sweep brought here: the sum of those of its outgoing edges (and of the
        arcs that end here). None where there was no sweep, or where a shortcut jumped over this value.
    awaits : bool
        Whether `backward` would write a gradient here, and has not.
    result : bool
        Whether this is what the graph was drawn for.
    place : str
        The user's file and line, under `tg.trace()`.
    cluster : str
        The innermost frame around it; empty for none.
    """

    id: str
    role: Role
    label: str
    data: Summary
    grad: Summary | None = None
    adjoint: Summary | None = None
    awaits: bool = False
    result: bool = False
    place: str = ""
    cluster: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        return {"kind": "value", **_Plain.to_dict(self)}


@dataclass(frozen=True, slots=True)
class OpNode(_Plain):
    """An operation.

    Attributes
    ----------
    id, op : str
    params : tuple of (name, value)
        Options that are not the default, as text.
    derivation, formula : str
        The derivation that the sweep takes here, and its formula.
    composite : bool
        Whether it can be opened: it has a decomposition.
    place, cluster : str
        As of a ValueNode.
    backward : bool
        Whether this is not the op itself but its rule, in a backward graph.
    """

    id: str
    op: str
    params: tuple[tuple[str, str], ...] = ()
    derivation: str = ""
    formula: str = ""
    composite: bool = False
    place: str = ""
    cluster: str = ""
    backward: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        return {"kind": "op", **_Plain.to_dict(self), "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class StepNode(_Plain):
    """A step of a compiled program: one NumPy call.

    Attributes
    ----------
    id, op : str
    name : str
        What the result is called in the program's source.
    data : Summary
        Its shape and dtype.
    options : tuple of str
        Parameters, and numbers among its inputs, as text.
    lies : "buffer", "in place", "view", "new" or "number"
    where : str
        The same in words: which buffer, into which parameters.
    of : str
        The op, and the derivation, that the step belongs to.
    place : str
        The user's file and line.
    cluster : str
    """

    id: str
    op: str
    name: str
    data: Summary
    options: tuple[str, ...] = ()
    lies: str = "buffer"
    where: str = ""
    of: str = ""
    place: str = ""
    cluster: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        return {"kind": "step", **_Plain.to_dict(self), "options": list(self.options)}


@dataclass(frozen=True, slots=True)
class GroupNode(_Plain):
    """A part of the graph in one box.

    Attributes
    ----------
    id : str
    what : "module", "repeated" (`count` parts, all like the one before), "rest" (what is not drawn one by one), or
        "steps" (of a compiled program)
    name : str
        Of a module, such as "Linear 'hidden'"; else what is in it.
    count : int
        How many equal parts it stands for.
    nodes : int
        How many values and operations are inside.
    parameters : int
        How many numbers its leaves hold.
    ops : tuple of (name, count)
        The operations inside, the most frequent first.
    cluster : str
    """

    id: str
    what: GroupKind
    name: str
    count: int = 1
    nodes: int = 0
    parameters: int = 0
    ops: tuple[tuple[str, int], ...] = ()
    cluster: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary, for JSON."""
        return {"kind": "group", **_Plain.to_dict(self), "ops": dict(self.ops)}


@dataclass(frozen=True, slots=True)
class Derivative(_Plain):
    """The local derivative of an op with respect to one of its inputs.

    Attributes
    ----------
    kind : "elementwise", "gradient", "jacobian" or "formula"
        Of an elementwise op, `data` has the slope at each entry of the result; of one whose result is one number,
        `data` is the gradient, of the input's shape; of another small one, the matrix, with a row for each entry of the
        result; of a large one there is the formula only.
    data : Summary or None
    symbol : str
        In symbols, with the op's names for its inputs: "cos(x)", "y"; empty where it cannot be said.
    """

    kind: Literal["elementwise", "gradient", "jacobian", "formula"]
    data: Summary | None = None
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Edge(_Plain):
    """From a value to an op that takes it, as the input `name`; or from an op to the value that it makes.

    Attributes
    ----------
    source, target : str
    name : str
    derivative : Derivative or None
        Of the op's result with respect to this input; None where it has none, and from an op to its value.
    cotangent : Summary or None
        What flows back along it: from an op to its value all that has come together there, from a value to an op this
        op's contribution. None where nothing flows.
    """

    source: str
    target: str
    name: str = ""
    derivative: Derivative | None = None
    cotangent: Summary | None = None


@dataclass(frozen=True, slots=True)
class Arc(_Plain):
    """A closed form over several nodes: the gradient goes from `source` straight to `target`.

    Attributes
    ----------
    source, target : str
        Values: the one that the closed form is of, and the input that it is a gradient of.
    op, derivation, formula : str
        Which closed form: "softmax → cross_entropy", "analytic", "ŷ − y".
    over : tuple of str
        The nodes that it makes unnecessary.
    taken : bool
        Whether the sweep went this way. Where it did not, the arc repeats what an opened op's nodes add up to.
    cotangent : Summary or None
        What it sends to `target`.
    """

    source: str
    target: str
    op: str
    derivation: str
    formula: str
    over: tuple[str, ...] = ()
    taken: bool = True
    cotangent: Summary | None = None


@dataclass(frozen=True, slots=True)
class Cluster(_Plain):
    """A frame around nodes, which name it in `cluster`.

    Attributes
    ----------
    id : str
    what : "module", "op" or "part" (forward, backward)
    name : str
        "Linear 'hidden'"; the name of an op.
    parent : str
        The frame around this one; empty for none.
    count : int
        How many equal ones there are, of which this is the first.
    box : OpNode or None
        Of an opened op: the node that it is when closed, of the same id.
    edges : tuple of Edge
        Of an opened op: the edges that the closed one has.
    """

    id: str
    what: Literal["module", "op", "part"]
    name: str
    parent: str = ""
    count: int = 1
    box: OpNode | None = None
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Graph:
    """Nodes in topological order, and edges in the order in which their ends were met.

    Attributes
    ----------
    nodes : tuple of ValueNode, OpNode, StepNode and GroupNode
    edges : tuple of Edge
    arcs : tuple of Arc
    clusters : tuple of Cluster
        Outer ones before those inside them.
    seed : Summary or None
        The cotangent that the sweep started from at the result; None where there was no sweep.
    notes : tuple of str
        What is to be known of the picture: what was left out, and why no cotangents are shown.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> from tinygrad_ce.draw import graph_of
    >>> a = tg.Value(2.0, label="a")
    >>> g = graph_of(a * a)
    >>> g
    <graph of 3 nodes, 3 edges>
    >>> [(e.source, e.target, e.name) for e in g.edges]
    [('n0', 'n1', 'x'), ('n0', 'n1', 'y'), ('n1', 'n2', '')]
    """

    nodes: tuple[AnyNode, ...]
    edges: tuple[Edge, ...]
    arcs: tuple[Arc, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    seed: Summary | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<graph of {len(self.nodes)} nodes, {len(self.edges)} edges>"

    @property
    def values(self) -> Iterator[ValueNode]:
        """The values among the nodes."""
        return (node for node in self.nodes if isinstance(node, ValueNode))

    @property
    def ops(self) -> Iterator[OpNode]:
        """The operations among the nodes."""
        return (node for node in self.nodes if isinstance(node, OpNode))

    def __getitem__(self, id: str) -> AnyNode | Cluster:
        """The node or cluster of this id."""
        for thing in (*self.nodes, *self.clusters):
            if thing.id == id:
                return thing
        raise KeyError(id)

    def to_dict(self) -> dict[str, Any]:
        """The same as dictionaries and lists, for JSON; numbers that are not finite as text."""
        return {
            "nodes": [node.to_dict() for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
            "arcs": [arc.to_dict() for arc in self.arcs],
            "clusters": [cluster.to_dict() for cluster in self.clusters],
            "seed": None if self.seed is None else self.seed.to_dict(),
            "notes": list(self.notes),
        }

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The same as a `networkx.MultiDiGraph`: what `to_dict` says of nodes, edges and arcs is in their attributes.

        Arcs have kind="arc" and point the way in which the gradient flows; edges have kind="edge".

        Raises
        ------
        ImportError
            If networkx is missing: pip install 'tinygrad_ce[networkx]'.
        """
        try:
            import networkx
        except ImportError:
            raise ImportError("to_networkx() needs networkx: pip install 'tinygrad_ce[networkx]'") from None
        told = self.to_dict()
        g = networkx.MultiDiGraph(seed=told["seed"], clusters=told["clusters"], notes=told["notes"])
        for node in told["nodes"]:
            g.add_node(node["id"], **node)
        for kind in ("edge", "arc"):
            for link in told[f"{kind}s"]:
                g.add_edge(link["source"], link["target"], **{"kind": kind, **link})
        return g
