"""Pictures of computation graphs.

    draw(v)             a Drawing: shown in a notebook as it is, written by .save_picture("graph.svg")
    graph_of(v)         what it shows, as plain data

Importing it imports next to nothing: what draws, Graphviz among it, is imported when something is drawn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..choice import Request
from ..node import Node
from ..op import Op
from .door import WithPlots

if TYPE_CHECKING:
    from .build import Expand, graph_of
    from .drawing import Drawing
    from .graph import Arc, Cluster, Edge, Graph, GroupNode, OpNode, StepNode, ValueNode

__all__ = ["Arc", "Cluster", "Edge", "Graph", "GroupNode", "OpNode", "StepNode", "ValueNode", "draw", "graph_of"]

LIMIT = 500
ROOMY = 100  # with more nodes, what repeats itself is drawn once
LONG = 12  # a longer way from a leaf to the result goes down the page
_LATER = dict.fromkeys(__all__, ".graph") | {"graph_of": ".build"}
_RANKDIRS = ("LR", "RL", "TB", "BT")


def __getattr__(name: str) -> Any:
    if name in _LATER and name != "draw":
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"{__name__} has no attribute '{name}'")


@WithPlots
def draw(
    v: Node | Op,
    *arguments: Any,
    expand: Expand = False,
    depth: int | None = None,
    collapse: bool | None = None,
    direction: str = "forward",
    both: bool = False,
    derivation: Request = None,
    gradient: Any = None,
    limit: int = LIMIT,
    summary: bool = True,
    rankdir: str | None = None,
    legend: bool = True,
    theme: str = "light",
) -> Drawing:
    """The computation graph that led to `v`, as a picture.

    Boxes are values: label, shape, dtype where it is not float64, numbers (of arrays of more than six elements a small
    map and the range) and, beneath a rule, the gradient. Ellipses are operations, with those options that are not the
    default. What gets no gradient is dashed. Frames are modules, and composite ops that are opened. On an edge stand
    the local derivative (∂; of a Jacobian a map) and the cotangent that flows back (◂). No `.grad` is touched.

    Cotangents are there once `backward` has been run (or where `gradient` is given): a sweep of the drawing's own
    starts from 1 at `v`. A thick arc is a closed form by which the gradient jumps over what lies between; over ops that
    are opened it is dashed, as the sweep went through them.

    Parameters
    ----------
    v : Value, or a compiled function
        Of a compiled function the program is drawn: its steps, with where each result lies, and the lines of your code
        that they come from. Of the options, `limit`, `summary`, `rankdir`, `legend` and `theme` concern it.
    *arguments
        Of a compiled function: those whose form is drawn; by default, the form that was compiled last. A form that is
        not there yet is captured, and not run.
    expand : bool, str, Op, or several of them
        Composite ops to open: their decomposition is drawn, with what the "autodiff" derivation sends through it, and
        the closed form as an arc over it. True opens all.
    depth : int, optional
        How many frames may stand inside each other: modules below are one box.
    collapse : bool, optional
        Draw what comes three times or more in a row once, with "× N"; by default in graphs of more than 100 nodes.
    direction : "forward" or "backward"
        "backward" draws the reverse sweep: adjoints, the rules between them, and sums where several come together.
    both : bool
        Draw forward and backward, value opposite adjoint.
    derivation : str or mapping of ops to names, optional
        Which derivations to sweep with, as of `backward`.
    gradient : array, optional
        The cotangent to start from, of v's shape.
    limit : int
        The largest number of nodes to draw, operations and constants counted too.
    summary : bool
        Draw a larger graph in summary: what repeats itself once, modules closed, and if it is still too large, only
        the ops with the largest gradients one by one. False raises instead.
    rankdir : "LR", "RL", "TB" or "BT", optional
        Where the graph grows to: "LR" is from left to right, "TB" from top to bottom, the default for long graphs.
    legend : bool
        Say beneath the picture what its shapes mean.
    theme : "light" or "dark"

    Returns
    -------
    Drawing
        A `graphviz.Digraph`; see `Drawing.save_picture`.

    Raises
    ------
    ValueError
        If there are more than `limit` nodes and `summary` is False; if a compiled function has not been called yet; if
        an option is none of its choices; if no node has the derivation named, or no op of the graph is one to be
        expanded.
    TypeError
        If `v` is no Value and no compiled function.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    >>> d = draw(a * b + a)
    >>> d
    <drawing of <graph of 6 nodes, 6 edges>>
    >>> d.source.startswith("digraph {")
    True
    >>> draw(tg.softmax(tg.Value([1.0, 2.0])), expand="softmax")
    <drawing of <graph of 10 nodes, 10 edges>>
    """
    from .backward import backward_of, beside
    from .build import graph_of
    from .drawing import Drawing
    from .options import whole
    from .style import THEMES

    _one_of("rankdir", rankdir, (None, *_RANKDIRS))
    _one_of("direction", direction, ("forward", "backward"))
    limit = whole("limit", limit, 1)
    _one_of("theme", theme, tuple(THEMES))
    if isinstance(v, Op):
        from ..compiler import Compiled
        from .program import program_of

        if isinstance(v, Compiled):
            program = program_of(v.form(*arguments) if arguments else v.latest, limit=limit, summary=summary)
            return Drawing.of(program, rankdir=rankdir or "TB", legend=legend, theme=THEMES[theme])
    if not isinstance(v, Node) or arguments:
        raise TypeError(
            f"draw() takes a Value, the last of the graph to be drawn, or a compiled function, not {type(v).__name__}"
            + (" and further arguments" if isinstance(v, Node) else "")
        )
    backwards = both or direction == "backward"

    def graph(collapse: bool) -> Graph:
        return graph_of(
            v,
            limit=limit,
            summary=summary,
            expand=expand,
            depth=depth,
            collapse=collapse,
            derivation=derivation,
            gradient=gradient,
            cotangents=True if backwards else None,
        )

    found = graph(bool(collapse))
    if collapse is None and len(found.nodes) > ROOMY:
        found = graph(True)
    if backwards:
        if found.seed is None:
            raise ValueError(f"there is no backward graph to draw: {', '.join(found.notes) or 'v needs no gradient'}")
        found = beside(found) if both else backward_of(found)
    rankdir = rankdir or ("TB" if _length(found) > LONG else "LR")
    return Drawing.of(found, rankdir=rankdir, legend=legend, theme=THEMES[theme])


def _one_of(name: str, given: Any, choices: tuple[Any, ...]) -> None:
    if given not in choices:
        listed = ", ".join(str(choice) for choice in choices if choice is not None)
        raise ValueError(f"{name} is one of {listed}, not {given!r:.40}")


def _length(graph: Graph) -> int:
    """The number of nodes on the longest way through a graph."""
    longest: dict[str, int] = {}
    entering: dict[str, list[str]] = {}
    for edge in graph.edges:
        entering.setdefault(edge.target, []).append(edge.source)
    for node in graph.nodes:
        longest[node.id] = 1 + max((longest.get(source, 0) for source in entering.get(node.id, [])), default=0)
    return max(longest.values())
