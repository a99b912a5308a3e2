"""What a graph says of derivatives, cotangents, closed forms, modules and groups, against numbers from elsewhere."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.draw import Edge, Graph, GroupNode, ValueNode, draw, graph_of
from tinygrad_ce.draw.grouping import runs

from .graphs import GRAPHS, PICTURES, classifier, modules, scalar


def value(graph: Graph, label: str) -> ValueNode:
    (node,) = [n for n in graph.values if n.label == label]
    return node


def entering(graph: Graph, op: str) -> list[Edge]:
    """The edges into the ops of that name."""
    ids = {node.id for node in graph.ops if node.op == op}
    return [edge for edge in graph.edges if edge.target in ids]


# -- cotangents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scalar", "classifier", "modules"])
def test_adjoints_are_sums_of_what_arrives(name: str) -> None:
    graph = graph_of(GRAPHS[name]())
    for node in graph.values:
        arrived = [e.cotangent for e in graph.edges if e.source == node.id and e.cotangent is not None]
        arrived += [arc.cotangent for arc in graph.arcs if arc.target == node.id and arc.cotangent is not None]
        sums = [s for s in arrived if s.values is not None]
        if node.adjoint is not None and sums and node.adjoint.values is not None and len(sums) == len(arrived):
            assert np.sum([s.values for s in sums], axis=0) == pytest.approx(node.adjoint.values, abs=1e-15)
        if node.grad is not None:
            assert node.adjoint == node.grad


def test_adjoints_of_inner_nodes_are_their_gradients() -> None:
    x = tg.Value(0.7, label="x")
    a = x.exp()
    b = a * x
    out = (b + a).tanh()
    out.backward()
    graph = graph_of(out)
    before = {node.data.values: node.adjoint.values for node in graph.values if node.adjoint is not None}
    for node in (a, b):
        node.retain_grad()
    x.zero_grad()
    out.backward()
    assert before[a.data,] == (a.grad,)
    assert before[b.data,] == (b.grad,)


def test_no_cotangents_before_backward_and_none_at_all_if_not_wanted() -> None:
    v = tg.Value(2.0) * 3.0
    graph = graph_of(v)
    assert graph.seed is None
    assert all(e.cotangent is None for e in graph.edges)
    assert graph_of(v, cotangents=True).seed is not None
    v.backward()
    assert graph_of(v).seed is not None
    assert graph_of(v, cotangents=False).seed is None


def test_a_result_of_several_elements_needs_a_cotangent() -> None:
    x = tg.Value([1.0, 2.0], label="x")
    v = x * 3.0
    graph = graph_of(v, cotangents=True)
    assert graph.seed is None
    assert "give gradient=" in graph.notes[0]
    swept = graph_of(v, gradient=[1.0, 10.0])
    assert value(swept, "x").adjoint.values == (3.0, 30.0)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"gradient= has shape \(3,\), the Value \(2,\)"):
        graph_of(v, gradient=np.ones(3))
    v.retain_grad().backward([2.0, 2.0])
    assert graph_of(v).seed.values == (2.0, 2.0)  # type: ignore[union-attr]


def test_sweeping_for_a_picture_touches_no_gradient() -> None:
    loss = classifier()
    z = loss.parents[0].parents[0]
    before = z.grad
    copy = before.copy()
    graph_of(loss, expand=True, derivation="autodiff", cotangents=True)
    assert z.grad is before
    assert np.array_equal(before, copy)


def test_data_that_has_changed_gives_a_note_and_no_error() -> None:
    x = tg.Value([1.0, 2.0], label="x")
    loss = np.sum(x * x)
    loss.backward()
    x.data = x.data - 1.0
    graph = graph_of(loss)
    assert graph.seed is None
    assert "no cotangents: the data of the Value 'x'" in graph.notes[0]
    assert draw(loss).source


def test_the_derivation_that_was_asked_for() -> None:
    loss = classifier()
    by_name = {name: graph_of(loss, derivation=name) for name in ("analytic", "autodiff", "jacobian")}
    assert by_name["analytic"].arcs[0].formula == "ŷ − y"
    assert by_name["autodiff"].arcs == by_name["jacobian"].arcs == ()
    assert [n.derivation for n in by_name["autodiff"].ops] == ["autodiff", "autodiff"]
    assert len({tuple(n.id for n in graph.nodes) for graph in by_name.values()}) == 1
    with pytest.raises(ValueError, match="no node of this graph has a derivation 'magic'"):
        graph_of(loss, derivation="magic")


# -- local derivatives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x.exp(), 0.3),
        (lambda x: x**3, -2.0),
        (lambda x: 1.0 / x, 0.25),
        (lambda x: x.tanh(), np.array([0.1, -0.4, 2.0])),
        (lambda x: np.sum(x * 2.0), np.array([1.0, 2.0, 3.0])),
        (lambda x: tg.softmax(x), np.array([0.3, 1.0])),
        (lambda x: x[::-1] @ np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])),
        (lambda x: np.maximum(x, 0.5), np.array([[0.1, 0.9]])),
    ],
)
def test_local_derivatives_against_differences(f: Any, x: Any) -> None:
    leaf = tg.Value(x)
    made = f(leaf)
    graph = graph_of(made)
    op_edges = [edge for edge in graph.edges if edge.derivative is not None]
    # The product along the only way, by matrices.
    total = np.eye(np.size(x))
    for edge in op_edges:
        s = edge.derivative.data  # type: ignore[union-attr]
        assert s is not None and s.values is not None
        kind = edge.derivative.kind  # type: ignore[union-attr]
        numbers = np.array(s.values)
        total = (np.diag(numbers) if kind == "elementwise" else numbers.reshape(-1, total.shape[0])) @ total
    h = 1e-6
    for i in range(np.size(x)):
        step = np.zeros(np.size(x))
        step[i] = h
        step = step.reshape(np.shape(x))
        slope = (np.asarray(f(tg.Value(x + step)).data) - np.asarray(f(tg.Value(x - step)).data)) / (2 * h)
        assert total[:, i] == pytest.approx(np.ravel(slope), abs=1e-7)


def test_symbols_and_large_arrays() -> None:
    a, b = tg.Value(np.ones((9, 9))), tg.Value(np.ones((9, 9)))
    graph = graph_of((a @ b) * b)
    kinds = [(e.derivative.kind, e.derivative.symbol) for e in graph.edges if e.derivative is not None]
    assert kinds == [
        ("formula", "g ↦ g yᵀ"),
        ("formula", "g ↦ xᵀ g"),
        ("elementwise", "y"),
        ("elementwise", "x"),
    ]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("x", [0.0, -8.0])
def test_slopes_where_python_s_floats_give_up(x: float) -> None:
    graph = graph_of(tg.Value(x) ** (1 / 3))
    assert len([e for e in graph.edges if e.derivative is not None]) == 1
    json.dumps(graph.to_dict(), allow_nan=False)


# -- opening ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expand", [True, "softmax", ["softmax", "cross_entropy"], tg.softmax])
def test_an_opened_op_sends_what_the_closed_one_does(expand: Any) -> None:
    loss = classifier()
    graph = graph_of(loss, expand=expand)
    z = value(graph, "z")
    assert z.adjoint is not None and z.grad is not None
    assert z.adjoint.values == pytest.approx(z.grad.values, abs=1e-15)
    (frame,) = [c for c in graph.clusters if c.name == "softmax"]
    assert frame.box is not None and frame.box.id == frame.id == "n1"
    inside = [n for n in graph.nodes if n.cluster == frame.id]
    assert all(n.id.startswith("n1.") for n in inside)
    assert [e.source for e in frame.edges] == ["n0"]


def test_the_closed_form_is_an_arc_over_what_is_opened() -> None:
    (arc,) = graph_of(classifier(), expand=["softmax", "cross_entropy"], derivation="analytic").arcs
    assert (arc.source, arc.target, arc.formula, arc.taken) == ("n5", "n0", "ŷ − y", False)
    assert arc.over == ("n4", "n2", "n1")
    grad = classifier().parents[0].parents[0].grad
    assert arc.cotangent is not None
    assert arc.cotangent.values == pytest.approx(np.ravel(grad))
    s = tg.Value([1.0, 2.0, 3.0], label="s")
    graph = graph_of(tg.logsumexp(s), expand=True, cotangents=True)
    closed = [(a.op, a.derivation, a.formula) for a in graph.arcs]
    assert closed == [("logsumexp", "analytic", "g ŷ")]


def test_ids_do_not_depend_on_what_is_opened() -> None:
    loss = classifier()
    closed, opened = graph_of(loss), graph_of(loss, expand=True)
    names = {n.id: n.to_dict().get("op", n.to_dict().get("label")) for n in closed.nodes}
    for node in (*opened.nodes, *opened.clusters):
        if "." not in node.id:
            told = node.to_dict()
            assert names[node.id] == told.get("op", told.get("label", told.get("name")))


def test_opening_by_depth_and_what_cannot_be_opened() -> None:
    loss = tg.softmax_cross_entropy(tg.Value([[1.0, 2.0]]), [0])
    deep = graph_of(loss, expand=True)
    flat = graph_of(loss, expand=True, depth=1)
    assert [c.name for c in flat.clusters] == ["softmax_cross_entropy"]
    assert len(deep.clusters) > 1
    assert graph_of(loss, expand=True, depth=0).clusters == ()
    with pytest.raises(ValueError, match="exp is a primitive: there is nothing in it to expand"):
        graph_of(loss, expand="exp")
    with pytest.raises(ValueError, match="there is no 'sofmax'"):
        graph_of(loss, expand="sofmax")
    with pytest.raises(ValueError, match="the composite ops of this graph are softmax_cross_entropy"):
        graph_of(loss, expand="softmax")


# -- modules and groups ----------------------------------------------------------------------------------------


def test_modules_are_frames() -> None:
    graph = graph_of(modules())
    assert [(c.id, c.name, c.parent) for c in graph.clusters] == [
        ("m0", "MLP", ""),
        ("m1", "Linear 'layers.0'", "m0"),
        ("m2", "Linear 'layers.1'", "m0"),
    ]
    assert value(graph, "layers.1.weight").cluster == "m2"
    assert [n.cluster for n in graph.ops] == ["m1", "m1", "m1", "m0", "m2", "m2", "m2", "", ""]
    assert graph_of(modules(), modules=False).clusters == ()


def test_a_module_that_is_gone_keeps_its_frame() -> None:
    x = tg.Value(np.ones(2), label="x")
    out = nn.Linear(2, 1, rng=0)(x)
    graph = graph_of(out)
    assert [c.name for c in graph.clusters] == ["Linear"]
    assert value(graph, "x").cluster == ""


def test_one_module_called_twice_has_two_frames() -> None:
    layer = nn.Linear(2, 2, rng=0)
    graph = graph_of(layer(layer(tg.Value(np.ones(2), label="x"))))
    assert [c.name for c in graph.clusters] == ["Linear", "Linear"]
    assert value(graph, "weight").cluster == ""


def test_a_closed_module_sends_what_its_nodes_do() -> None:
    x = tg.Value(np.array([1.0, -2.0, 0.5]), label="x")
    model = nn.MLP([3, 4, 4, 1], rng=np.random.default_rng(0))
    out = np.sum(model(x))
    out.backward()
    graph = graph_of(out, depth=0)
    (box,) = [n for n in graph.nodes if isinstance(n, GroupNode)]
    assert (box.what, box.name, box.parameters) == ("module", "MLP", sum(p.size for p in model.parameters()))
    (edge,) = [e for e in graph.edges if e.target == box.id]
    assert edge.source == value(graph, "x").id
    assert edge.cotangent is not None
    assert edge.cotangent.values == pytest.approx(x.grad)


def test_repeated_layers_are_drawn_once() -> None:
    graph = graph_of(modules(6), collapse=True)
    (box,) = [n for n in graph.nodes if isinstance(n, GroupNode)]
    assert (box.what, box.name, box.count) == ("repeated", "relu, Linear", 4)
    whole = graph_of(modules(6))
    assert [n.data for n in graph.values if n.result] == [n.data for n in whole.values if n.result]
    (closed,) = [n for n in graph_of(modules(6), collapse=True, depth=1).nodes if getattr(n, "what", "") == "repeated"]
    assert closed.count == 4  # type: ignore[union-attr]


class Tower(nn.Module):
    def __init__(self, height: int) -> None:
        self.floors = [nn.Linear(2, 2, rng=i) for i in range(height)]

    def forward(self, x: Any) -> Any:
        for floor in self.floors:
            x = floor(x)
        return x


def test_equal_modules_in_a_row_are_one_with_a_number() -> None:
    out = np.sum(Tower(5)(tg.Value(np.ones(2))))
    graph = graph_of(out, collapse=True)
    assert [(c.name, c.count) for c in graph.clusters] == [("Tower", 1), ("Linear 'floors.0'", 5)]
    assert "× 5" in draw(out, collapse=True).source
    graph = graph_of(out, collapse=True, depth=1)
    assert [(n.name, n.count) for n in graph.nodes if isinstance(n, GroupNode)] == [("Linear 'floors.0'", 5)]


def test_runs_of_patterns() -> None:
    assert runs("") == runs("ab") == runs("abab") == []
    assert runs("aaaa") == [(0, 1, 4)]
    assert runs("xabcabcabcabc") == [(1, 3, 4)]
    assert runs("abababab" + "cccc") == [(0, 2, 4), (8, 1, 4)]


# -- large graphs ----------------------------------------------------------------------------------------------


def is_sound(graph: Graph) -> None:
    """Every end is a node, there is no cycle, and everything leads to the result."""
    known: dict[str, int] = {node.id: i for i, node in enumerate(graph.nodes)}
    leads = {next(n.id for n in graph.values if n.result)}
    for edge in sorted(graph.edges, key=lambda e: -known[e.target]):
        assert known[edge.source] < known[edge.target]
        if edge.target in leads:
            leads.add(edge.source)
    assert leads == set(known)


def tangle(length: int, seed: int = 0) -> tg.Value:
    """A graph without a pattern."""
    rng = np.random.default_rng(seed)
    values = [tg.Value(float(i), label=f"x{i}") for i in range(5)]
    for _ in range(length):
        a, b = values[-rng.integers(1, 30) :][0], values[-1]
        values.append([lambda a=a, b=b: a + b, lambda a=a, b=b: a * b * 0.1, lambda b=b: b.tanh()][rng.integers(3)]())
    return values[-1]


@pytest.mark.parametrize("cotangents", [False, True])
def test_a_large_graph_without_a_pattern_is_digested(cotangents: bool) -> None:
    v = tangle(3000)
    graph = graph_of(v, limit=500, summary=True, cotangents=cotangents)
    assert len(graph.nodes) < 120
    assert "drawn in summary; draw(v, limit=" in graph.notes[0]
    is_sound(graph)
    inside = sum(sum(count for _, count in n.ops) for n in graph.nodes if isinstance(n, GroupNode))
    made = inside + sum(1 for _ in graph.ops)
    assert made == sum(1 for _ in graph_of(v).ops)


@pytest.mark.parametrize("limit", [10, 40, 100, 500])
def test_networks_of_any_size_fit(limit: int) -> None:
    for hidden in (2, 12, 40):
        graph = graph_of(modules(hidden), limit=limit, summary=True)
        assert len(graph.nodes) <= max(limit, 60)
        is_sound(graph)


def test_a_long_chain_in_summary(request: pytest.FixtureRequest) -> None:
    v = tg.Value(0.0, label="start")
    for _ in range(10**6 if request.config.getoption("--full") else 3 * 10**4):
        v = v + 1.0
    v.backward()
    drawing = draw(v)
    is_sound(drawing.graph)
    assert len(drawing.graph.nodes) < 20
    assert "more" in drawing.source
    assert drawing.graph.notes


# -- elsewhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_graphs_are_json_without_nan(name: str) -> None:
    make, options = PICTURES[name]
    json.dumps(draw(make(), **options).graph.to_dict(), allow_nan=False)


def test_numbers_that_are_no_json() -> None:
    x = tg.Value(np.array([np.nan, np.inf, -np.inf]))
    z = tg.Value(np.array([1 + 2j, 3.0]))
    told = [n.to_dict()["data"]["values"] for n in graph_of(np.stack([x, x])).values][:1]
    assert told == [["nan", "inf", "-inf"]]
    assert json.loads(json.dumps(graph_of(z * 2).to_dict(), allow_nan=False))["nodes"][0]["data"]["values"][0] == [1, 2]
    large = tg.Value(np.full((8, 8), 1j) * np.arange(8))
    assert graph_of(large).nodes[0].data.high == 7.0  # type: ignore[union-attr]
    assert draw(np.sum(np.abs(large * z[0]))).source


def test_as_a_networkx_graph() -> None:
    networkx = pytest.importorskip("networkx")
    g = graph_of(classifier()).to_networkx()
    assert networkx.is_directed_acyclic_graph(g.edge_subgraph([e for e in g.edges if g.edges[e]["kind"] == "edge"]))
    assert g.nodes["n1"]["op"] == "softmax"
    assert [kind for _, _, kind in g.edges(data="kind")].count("arc") == 1
    assert networkx.descendants(g, "n3") >= {"n4", "n5"}


def test_backward_is_the_graph_turned_round() -> None:
    graph = draw(scalar(), direction="backward").graph
    is_backward = {n.id for n in graph.nodes}
    assert {"bn0", "bn1", "bn0+", "bn1+"} <= is_backward
    leaf = graph["bn1"]
    assert isinstance(leaf, ValueNode)
    assert (leaf.label, leaf.data.values) == ("∂e/∂b", (pytest.approx(-0.6),))
    sums = [e.cotangent.values[0] for e in graph.edges if e.target == "bn1+"]  # type: ignore[union-attr,index]
    assert sum(sums) == pytest.approx(-0.6)
    assert len(sums) == 3


def test_backward_needs_a_sweep() -> None:
    with pytest.raises(ValueError, match="there is no backward graph to draw: no cotangents: the result has shape"):
        draw(tg.Value([1.0, 2.0]) * 2, direction="backward")
    with pytest.raises(ValueError, match="direction is one of forward, backward, not 'sideways'"):
        draw(tg.Value(1.0), direction="sideways")
    with pytest.raises(ValueError, match="theme is one of light, dark, not 'pink'"):
        draw(tg.Value(1.0), theme="pink")


def test_lines_are_known_under_trace() -> None:
    x = tg.Value(1.0)
    with tg.trace():
        y = x * 2
    graph = graph_of(y)
    assert [n.place.rpartition(", in ")[2] for n in graph.ops] == ["test_lines_are_known_under_trace"]


def test_what_is_opened_keeps_to_the_limit() -> None:
    with pytest.raises(ValueError, match=r"opened, this graph has \d+ nodes, more than limit=10; open fewer ops"):
        draw(classifier(), expand=True, limit=10)


@pytest.mark.parametrize("options", [{"direction": "backward"}, {"both": True}])
def test_summaries_have_a_backward_graph_too(options: dict[str, Any]) -> None:
    v = tangle(1000)
    drawing = draw(v, limit=100, gradient=1.0, **options)
    assert any(node.id.startswith("bg") for node in drawing.graph.nodes)
    assert drawing.pipe("svg")
