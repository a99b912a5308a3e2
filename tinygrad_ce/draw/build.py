"""A Graph of a Value.

    graph_of(v)     everything that led to v
    numbered(v)     the same, with the id of each Value by its creation number

Nothing here recurses along the graph: a chain of a million nodes is a graph like any other. Only ops that are opened
are built inside each other, as they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

import numpy as np

from ..choice import Request, choose
from ..mutation import MutationError
from ..node import Node
from ..op import Op
from ..registry import registry
from .builder import Builder, Level, ancestry, constants
from .flow import Flow, flow, seed_of
from .graph import Graph
from .grouping import Grouping
from .options import whole
from .summary import summarise

Expand = bool | str | Op | Collection["str | Op"]
KEEP = 12  # of a graph that is digested, so many ops are drawn one by one


def graph_of(
    v: Node,
    *,
    limit: int | None = None,
    summary: bool = False,
    expand: Expand = False,
    depth: int | None = None,
    collapse: bool = False,
    modules: bool = True,
    cotangents: bool | None = None,
    derivation: Request = None,
    gradient: Any = None,
) -> Graph:
    """The graph that led to `v`.

    Parameters
    ----------
    v : Value
    limit : int, optional
        The largest number of nodes, ops and constants counted too.
    summary : bool
        What to do with more: draw parts of them as one box, or raise.
    expand : bool, str, Op, or several
        Composite ops to open, by name or themselves; True for all.
    depth : int, optional
        How many frames may stand inside each other: modules below are closed, ops below are not opened.
    collapse : bool
        Of what comes three times or more in a row, draw the first, and one box for the rest.
    modules : bool
        Put frames around what modules made.
    cotangents : bool, optional
        Whether to sweep, so that adjoints and what flows along the edges are known; by default where `backward` has
        been run. The sweep touches no `.grad`.
    derivation : str or mapping of ops to names, optional
        As of `backward`.
    gradient : array, optional
        The cotangent to start from; by default what `backward` left on `v` if that retains it, or else 1.

    Raises
    ------
    ValueError
        If there are more than `limit` nodes and no summary is wanted; if `gradient` is of another shape; if no node
        has the derivation named, or no op of the graph is one to be expanded.
    """
    return numbered(
        v,
        limit=limit,
        summary=summary,
        expand=expand,
        depth=depth,
        collapse=collapse,
        modules=modules,
        cotangents=cotangents,
        derivation=derivation,
        gradient=gradient,
    )[0]


def numbered(
    v: Node,
    *,
    limit: int | None = None,
    summary: bool = False,
    expand: Expand = False,
    depth: int | None = None,
    collapse: bool = False,
    modules: bool = True,
    cotangents: bool | None = None,
    derivation: Request = None,
    gradient: Any = None,
) -> tuple[Graph, dict[int, str]]:
    """As `graph_of`, with the id of each Value that is drawn by its creation number."""
    limit = None if limit is None else whole("limit", limit, 1)
    depth = None if depth is None else whole("depth", depth, 0)
    order = ancestry(v)
    if limit is not None and not summary:
        _hold_to(limit, order)
    if derivation is not None:
        choose(derivation, v)  # a name that no node has is an error, swept or not
    notes: list[str] = []
    seed, opened = None, _opened(order, expand)
    if _wanted(order, cotangents, gradient):
        seed = seed_of(v, gradient)
        if seed is None:
            notes.append(f"no cotangents: the result has shape {np.shape(v.data)}; give gradient=")
    primary = None if seed is None else _swept(v, seed, derivation, (), notes)
    walked = primary if primary is None or not opened else _swept(v, seed, derivation, opened, notes)
    grouping = Grouping.of(order, modules)
    if depth is not None:
        grouping.closed(depth)
    count = _count(order) if limit is not None and summary else 0
    if collapse or count > (limit or 0):
        grouping.repeated()
    if limit is not None and count > limit:
        _fit(grouping, limit, count, walked, notes)
    builder = Builder(v, derivation, primary, opened, depth)
    Level(builder, order, walked, grouping).draw()
    if limit is not None and builder.opened_here and len(builder.nodes) > limit:
        raise ValueError(
            f"opened, this graph has {len(builder.nodes):,} nodes, more than limit={limit:,}; open fewer ops "
            f"(expand='softmax'), fewer levels (depth=1), or draw it with limit={len(builder.nodes)}"
        )
    graph = Graph(
        tuple(builder.nodes),
        tuple(builder.edges),
        tuple(builder.arcs),
        tuple(builder.clusters),
        None if primary is None else summarise(seed),
        tuple(notes),
    )
    return graph, {node.number: id for node in order if (id := builder.ids.get(("value", node.number)))}


# -- what is asked for -----------------------------------------------------------------------------------------


def _hold_to(limit: int, nodes: list[Node]) -> None:
    count = _count(nodes)
    if count > limit:
        raise ValueError(
            f"this graph has {count:,} nodes, more than limit={limit:,} that one picture shows well; show a part of "
            f"it (an earlier Value), all of it with limit={count}, or a summary with tg.draw(v, summary=True)"
        )


def _count(nodes: Sequence[Node]) -> int:
    made = [node for node in nodes if node.op is not None]
    return len(nodes) + len(made) + len({key for node in made for key, _ in constants(node)})


def _fit(grouping: Grouping, limit: int, count: int, walked: Flow | None, notes: list[str]) -> None:
    """Put into boxes what is too much: modules from the inside out, then all but a few ops."""
    notes.append(f"{count:,} nodes, drawn in summary; draw(v, limit={count}) draws them all")
    for depth in sorted({scope.level for scope in grouping.scopes}, reverse=True):
        if grouping.size() <= limit:
            return
        grouping.closed(depth)
    if grouping.size() > limit:
        norms = {} if walked is None else {n: _norm(g) for n, g in walked.adjoints.items()}
        keep = max(2, min(KEEP, limit // 8))
        grouping.digest(norms, keep)
        how = "with the largest gradients" if norms else "that were made last"
        notes.append(f"the {keep} operations {how} are drawn one by one")


def _norm(g: Any) -> float:
    if type(g) is float:
        return abs(g)
    try:
        return float(np.linalg.norm(np.ravel(g)))
    except Exception:  # an array of another library
        return 0.0


def _wanted(order: Sequence[Node], cotangents: bool | None, gradient: Any) -> bool:
    if cotangents is not None:
        return cotangents
    return gradient is not None or any(node.grad is not None for node in order)


def _swept(v: Node, seed: Any, derivation: Request, opened: Container[Op], notes: list[str]) -> Flow | None:
    if not v.requires_grad:
        return None
    try:
        return flow(v, seed, derivation, opened)
    except MutationError as error:
        if not notes:
            notes.append(f"no cotangents: {str(error).partition(';')[0]}")
        return None


class _Composites(Container[Op]):
    """Every op that can be opened."""

    def __contains__(self, op: object) -> bool:
        return isinstance(op, Op) and op.decomposition is not None


def _opened(order: Sequence[Node], expand: Expand) -> Container[Op]:
    """The ops that are to be opened, those inside others too."""
    if isinstance(expand, bool):
        return _Composites() if expand else ()
    there = dict.fromkeys(node.op for node in order if node.op is not None)
    if not isinstance(expand, str | Op | Collection):
        raise ValueError(f"expand= is True, False, an op or its name, or several of them, not {expand!r:.40}")
    asked = [expand] if isinstance(expand, (str, Op)) else list(expand)
    found: dict[Op, None] = {}
    for one in asked:
        ops = [op for op in (*there, *registry.ops.values()) if one is op or one == op.name]
        if not ops:
            raise ValueError(f"expand= takes names of ops; there is no {one!r:.40}")
        if not any(op in _Composites() for op in ops):
            raise ValueError(f"{ops[0].name} is a primitive: there is nothing in it to expand")
        found.update(dict.fromkeys(ops))
    if asked and not any(op in found for op in there):
        names = sorted({op.name for op in there if op in _Composites()})
        raise ValueError(f"nothing to expand: the composite ops of this graph are {', '.join(names) or 'none'}")
    return found
