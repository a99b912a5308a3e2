"""Pictures of computation graphs.

    draw(v)             a Drawing: shown in a notebook as it is, written by .save_picture("graph.svg")
    graph_of(v)         what it shows, as plain data

Graphviz is imported when something is drawn, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..node import Node
from .build import graph_of
from .door import WithPlots
from .graph import Arc, Cluster, Edge, Graph, GroupNode, OpNode, ValueNode

if TYPE_CHECKING:
    from .drawing import Drawing

__all__ = ["Arc", "Cluster", "Edge", "Graph", "GroupNode", "OpNode", "ValueNode", "draw", "graph_of"]

LIMIT = 500
_RANKDIRS = ("LR", "RL", "TB", "BT")


@WithPlots
def draw(v: Node, *, limit: int = LIMIT, rankdir: str = "LR", legend: bool = True) -> Drawing:
    """The computation graph that led to `v`, as a picture.

    Boxes are values: label, shape, dtype where it is not float64, numbers (the range of arrays of more than six
    elements) and, beneath a rule, the gradient. Ellipses are operations, with those options that are not the
    default. What gets no gradient is dashed. Nothing is computed, and no `.grad` is touched.

    Parameters
    ----------
    v : Value
    limit : int
        The largest number of nodes to draw, operations and constants counted too.
    rankdir : "LR", "RL", "TB" or "BT"
        Where the graph grows to: "LR" is from left to right, "TB" from top to bottom.
    legend : bool
        Say beneath the picture what its shapes mean.

    Returns
    -------
    Drawing
        A `graphviz.Digraph`; see `Drawing.save_picture`.

    Raises
    ------
    ValueError
        If there are more than `limit` nodes.
    TypeError
        If `v` is no Value.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    >>> d = draw(a * b + a)
    >>> d
    <drawing of <graph of 6 nodes, 6 edges>>
    >>> d.source.startswith("digraph {")
    True
    """
    if not isinstance(v, Node):
        raise TypeError(f"draw() takes a Value, the last of the graph to be drawn, not {type(v).__name__}")
    if rankdir not in _RANKDIRS:
        raise ValueError(f"rankdir is one of {', '.join(_RANKDIRS)}, not {rankdir!r:.40}")
    graph = graph_of(v, limit=limit)
    from .drawing import Drawing

    return Drawing.of(graph, rankdir=rankdir, legend=legend)
