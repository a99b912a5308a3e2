"""The graph as plain data: what is in it, in which order, and that drawing leaves everything as it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.draw import Graph, OpNode, ValueNode, draw, graph_of

from .graphs import GRAPHS, classifier, network


def values(graph: Graph) -> list[ValueNode]:
    return [n for n in graph.nodes if isinstance(n, ValueNode)]


def ops(graph: Graph) -> list[OpNode]:
    return [n for n in graph.nodes if isinstance(n, OpNode)]


def chain(length: int) -> tg.Value:
    v = tg.Value(0.0)
    for _ in range(length):
        v = v + 1.0
    return v


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_ids_count_up_in_topological_order(make: Callable[[], tg.Value]) -> None:
    graph = graph_of(make())
    assert [n.id for n in graph.nodes] == [f"n{i}" for i in range(len(graph.nodes))]
    assert all(int(e.source[1:]) < int(e.target[1:]) for e in graph.edges)


def test_a_single_leaf() -> None:
    graph = graph_of(tg.Value(1.0, label="x"))
    assert graph.edges == ()
    (node,) = values(graph)
    assert (node.role, node.label, node.result, node.awaits) == ("leaf", "x", True, True)


def test_roles_and_result() -> None:
    graph = graph_of(classifier())
    assert [(n.role, n.label) for n in values(graph)] == [
        ("leaf", "z"),
        ("inner", ""),
        ("constant", ""),
        ("inner", "loss"),
    ]
    assert [n.result for n in values(graph)] == [False, False, False, True]
    assert [n.op for n in ops(graph)] == ["softmax", "cross_entropy"]


def test_an_input_used_twice_has_two_edges() -> None:
    a = tg.Value(3.0)
    graph = graph_of(a * a)
    assert [(e.source, e.target) for e in graph.edges] == [("n0", "n1"), ("n0", "n1"), ("n1", "n2")]


def test_an_array_used_twice_is_one_constant_and_a_number_is_not() -> None:
    x, mask = tg.Value([1.0, 2.0]), np.array([True, False])
    graph = graph_of(np.where(mask, x, 0.5)[mask] * 0.5)
    constants = [n.data.values for n in values(graph) if n.role == "constant"]
    assert constants == [(True, False), (0.5,), (0.5,)]


def test_inputs_that_are_none_are_left_out() -> None:
    loss = classifier()
    assert loss.inputs[2] is None
    assert [e.name for e in graph_of(loss).edges if e.name] == ["z", "probabilities", "targets"]


def test_values_without_gradient_are_constants_with_their_label() -> None:
    v = tg.Value(2.0) * tg.Value(3.0, requires_grad=False, label="fixed")
    assert [(n.role, n.label) for n in values(graph_of(v))] == [("leaf", ""), ("constant", "fixed"), ("inner", "")]


def test_only_options_that_are_not_the_default_are_named() -> None:
    x = tg.Value(np.ones((2, 3)))
    graph = graph_of(tg.softmax(np.sum(x[:, 1:], axis=0, keepdims=True)))
    assert [(n.op, n.params) for n in ops(graph)] == [
        ("getitem", (("key", ":, 1:"),)),
        ("sum", (("axis", "0"), ("keepdims", "True"))),
        ("softmax", ()),
    ]


def test_gradients_are_awaited_where_backward_would_write_them() -> None:
    loss = network()
    awaiting = {n.label for n in values(graph_of(loss)) if n.awaits}
    assert awaiting == {"W1", "b1", "W2", "hidden"}
    np.sum(loss).backward()
    after = values(graph_of(loss))
    assert not any(n.awaits for n in after)
    assert {n.label for n in after if n.grad is not None} == awaiting


def test_a_gradient_that_is_a_value() -> None:
    x = tg.Value(3.0)
    (x * x).backward(create_graph=True)
    (node,) = values(graph_of(x))
    assert node.grad is not None
    assert node.grad.values == (6.0,)


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_is_json(make: Callable[[], tg.Value]) -> None:
    graph = graph_of(make())
    again = json.loads(json.dumps(graph.to_dict()))
    assert [n["id"] for n in again["nodes"]] == [n.id for n in graph.nodes]
    assert len(again["edges"]) == len(graph.edges)


def test_drawing_leaves_everything_as_it_was() -> None:
    loss = network()
    leaf = loss.inputs[0].inputs[0]
    before = {name: getattr(leaf, name) for name in ("data", "grad", "op", "params", "number", "label")}
    inputs = leaf.inputs
    copy = leaf.data.copy()
    draw(loss)
    assert all(getattr(leaf, name) is value for name, value in before.items())
    assert all(x is y for x, y in zip(leaf.inputs, inputs, strict=True))
    assert np.array_equal(leaf.data, copy)
    assert leaf.grad is None
    np.sum(loss).backward()
    grad, copy = leaf.grad, leaf.grad.copy()
    draw(loss)
    assert leaf.grad is grad
    assert np.array_equal(grad, copy)


def test_a_long_chain_is_refused_at_once_and_in_words() -> None:
    v = chain(10**5)
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"this graph has 300,001 nodes, more than limit=500 .*limit=300001"):
        draw(v, summary=False)
    assert time.perf_counter() - started < 5


def test_the_limit_is_exact() -> None:
    v = chain(10)  # a leaf, and an op, a constant and a value for each step
    assert len(draw(v, limit=31).graph.nodes) == 31
    with pytest.raises(ValueError, match="31 nodes, more than limit=30 "):
        draw(v, limit=30, summary=False)


def test_the_graph_of_a_long_chain(request: pytest.FixtureRequest) -> None:
    length = 10**6 if request.config.getoption("--full") else 2 * 10**4
    graph = graph_of(chain(length))
    assert len(graph.nodes) == 3 * length + 1
    assert len(graph.edges) == 3 * length
