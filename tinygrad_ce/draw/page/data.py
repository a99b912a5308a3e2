"""What the page is told, as plain data.

The graph is told once, with every composite op opened; the page closes what is not to be seen. Each derivation then has
its own layer of numbers: which rule each op took, what it sent, what came together. Arrays are summarised, and equal
summaries told once: where derivations agree to the last bit, a second one costs next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from ...choice import choose, names_available, reachable
from ...derivation import AUTODIFF, AssumptionError
from ...forms import RULE
from ...value import Value
from ..build import graph_of, numbered
from ..flow import seed_of
from ..graph import Edge, Graph, OpNode, ValueNode
from .agreement import Gradients, agreement, gradients_of

MOST_OPENED = 4  # so many times the limit, with everything opened; beyond, ops stay closed
MODULES_OPEN = 150  # nodes; in a larger graph modules are closed at first
_SUMMARIES = ("data", "grad", "adjoint", "cotangent")


def data_of(
    v: Value, *, derivations: Iterable[str] | None, gradient: Any, title: str | None, limit: int
) -> dict[str, Any]:
    """Everything that the page shows of a graph."""
    told = _Told()
    seed = seed_of(v, gradient) if v.requires_grad else None
    asked = _asked(v, derivations)
    notes: list[str] = []
    layers: list[dict[str, Any]] = []
    if seed is not None:
        layers, notes = _layers(v, asked, gradient, limit, told)
    graph = _opened(v, AUTODIFF if seed is not None else None, gradient, limit, notes)
    notes += [note for note in graph.notes if note not in notes]
    edges = [told.edge(edge) for edge in graph.edges]
    clusters = [told.packed(cluster.to_dict()) for cluster in graph.clusters]
    ops = sum(1 for _ in graph.ops)
    return {
        "title": title if title is not None else (v.label or "Computation graph"),
        "nodes": [told.packed(node.to_dict()) for node in graph.nodes],
        "edges": edges,
        "clusters": clusters,
        "open": [c.id for c in graph.clusters if c.what == "module"] if len(graph.nodes) + ops <= MODULES_OPEN else [],
        "sweeps": layers,
        "seed": None if graph.seed is None else told.index(graph.seed.to_dict()),
        "notes": notes,
        "summaries": told.summaries,
    }


def _asked(v: Value, derivations: Iterable[str] | None) -> list[str | None]:
    """The requests to sweep with: None is each op's default."""
    if not v.requires_grad:
        return []
    if derivations is not None:
        asked = [derivations] if isinstance(derivations, str) else list(derivations)
        for name in asked:
            choose(name, v)
        return [*asked]
    ops = {node.op for node in reachable(v).values() if node.op is not None}
    names = names_available(ops) - {AUTODIFF, RULE}
    composite = any(op.decomposition is not None for op in ops)
    return [None, AUTODIFF, *sorted(names)] if names or composite else [None]


def _opened(v: Value, derivation: str | None, gradient: Any, limit: int, notes: list[str]) -> Graph:
    closed = graph_of(v, limit=limit, cotangents=derivation is not None, derivation=derivation, gradient=gradient)
    if not any(op.composite for op in closed.ops):
        return closed
    opened = graph_of(v, expand=True, cotangents=derivation is not None, derivation=derivation, gradient=gradient)
    if len(opened.nodes) <= MOST_OPENED * limit:
        return opened
    notes.append(f"opened, its operations would be {len(opened.nodes):,} nodes: they stay closed here")
    return closed


# -- one derivation after the other ------------------------------------------------------------------------------


def _layers(
    v: Value, asked: list[str | None], gradient: Any, limit: int, told: _Told
) -> tuple[list[dict[str, Any]], list[str]]:
    layers: dict[str | None, dict[str, Any]] = {}
    notes: list[str] = []
    gradients: dict[str | None, Gradients] = {}
    seed = seed_of(v, gradient)
    ids: Mapping[int, str] = {}
    for name in asked:
        try:
            graph, ids = numbered(v, limit=limit, cotangents=True, derivation=name, gradient=gradient)
            gradients[name] = gradients_of(v, seed, name, len(ids))
        except AssumptionError as error:
            notes.append(f"{name} is left out: {error}")
            continue
        layers[name] = _layer(v, name, graph, gradient, told)
    for name, layer in layers.items():
        other = _beside(name, list(layers))
        if other != name:
            layer["reference"] = other or "default"
            layer["agreement"] = agreement(gradients[name], gradients[other], ids)
    return [*layers.values()], notes


def _beside(name: str | None, names: list[str | None]) -> str | None:
    """What a derivation is compared with: autodiff, and that itself with the default."""
    if name != AUTODIFF and AUTODIFF in names:
        return AUTODIFF
    return next((other for other in names if other != name), name)


def _layer(v: Value, name: str | None, graph: Graph, gradient: Any, told: _Told) -> dict[str, Any]:
    """The numbers of one sweep."""
    layer: dict[str, Any] = {"name": name or "", "title": name or "default", "note": ""}
    layer |= {"ops": {}, "adjoints": {}, "cotangents": {}, "arcs": [], "inside": False}
    _add(layer, graph, told, inside=False)
    made = {edge.target: edge.source for edge in graph.edges}
    for arc in graph.arcs:
        if arc.taken and arc.cotangent is not None:
            layer["arcs"].append({**told.packed(arc.to_dict()), "by": made[arc.source]})
    if any(op.composite and op.derivation == AUTODIFF for op in graph.ops):
        # What is inside of the ops that the sweep itself opens.
        opened = graph_of(v, expand=True, cotangents=True, derivation=name, gradient=gradient)
        _add(layer, opened, told, inside=True)
        layer["inside"] = True
    return layer


def _add(layer: dict[str, Any], graph: Graph, told: _Told, *, inside: bool) -> None:
    boxes = [cluster for cluster in graph.clusters if cluster.box is not None]
    ops: list[OpNode] = [*graph.ops, *(cluster.box for cluster in boxes if cluster.box is not None)]
    edges: list[Edge] = [*graph.edges, *(edge for cluster in boxes for edge in cluster.edges)]
    for op in ops:
        if ("." in op.id) == inside and op.derivation:
            layer["ops"][op.id] = [op.derivation, op.formula]
    for node in graph.nodes:
        if isinstance(node, ValueNode) and ("." in node.id) == inside and node.adjoint is not None:
            layer["adjoints"][node.id] = told.index(node.adjoint.to_dict())
    values = {node.id for node in graph.values}
    for edge in edges:
        if edge.target not in values and ("." in edge.target) == inside and edge.cotangent is not None:
            layer["cotangents"][_key(edge)] = told.index(edge.cotangent.to_dict())


def _key(edge: Edge) -> str:
    return f"{edge.source}>{edge.target}#{edge.name}"


class _Told:
    """Summaries, each told once, and things that refer to them by number."""

    def __init__(self) -> None:
        self.summaries: list[dict[str, Any]] = []
        self._index: dict[str, int] = {}

    def index(self, summary: dict[str, Any]) -> int:
        short = _short(summary)
        text = json.dumps(short)
        if text not in self._index:
            self._index[text] = len(self.summaries)
            self.summaries.append(short)
        return self._index[text]

    def edge(self, edge: Edge) -> dict[str, Any]:
        return self.packed(edge.to_dict())

    def packed(self, thing: dict[str, Any]) -> dict[str, Any]:
        """The same, with numbers in the place of summaries."""
        packed: dict[str, Any] = {}
        for key, value in thing.items():
            if key in _SUMMARIES and isinstance(value, dict):
                packed[key] = self.index(value)
            elif isinstance(value, dict) and key in ("derivative", "box"):
                packed[key] = self.packed(value)
            elif key == "edges":
                packed[key] = [self.packed(edge) for edge in value]
            else:
                packed[key] = value
        return packed


def _short(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary in as many digits as are shown."""
    kept = dict(summary)
    for key in ("low", "mean", "high", "norm"):
        kept[key] = _rounded(summary[key], 6) if key in summary else None
    if "grid" in summary:
        kept["grid"] = [[_rounded(x, 3) for x in row] for row in summary["grid"]]
    return kept


def _rounded(x: Any, digits: int) -> Any:
    return float(f"{x:.{digits}g}") if isinstance(x, float) and isfinite(x) else x
