"""Pictures of compiled functions: every step once, where its result lies, and the user's line."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.draw import GroupNode, StepNode
from tinygrad_ce.optim import Adam


def training_step():
    model = nn.MLP([3, 8, 4])
    optimizer = Adam(model.parameters(), lr=0.01)

    def step(x, y):
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    return tg.compile(step), (rng.normal(size=(5, 3)), rng.integers(0, 4, size=5))


def test_a_training_step_in_three_frames():
    fast, data = training_step()
    with pytest.raises(ValueError, match="call it once"):
        tg.draw(fast)
    fast(*data)
    graph = tg.draw(fast).graph
    assert [c.name for c in graph.clusters] == ["forward", "backward", "update"]
    steps = [n for n in graph.nodes if isinstance(n, StepNode)]
    assert {n.cluster for n in steps} == {"forward", "backward", "update"}
    assert all("test_program.py:" in n.place for n in steps)
    assert any(n.where == "written into parameters" and n.lies == "in place" for n in steps)
    labels = {v.label for v in graph.values}
    assert {"x", "y", "result", "lr", "step", "layers.0.weight", "grad of layers.1.bias"} <= labels
    for node in steps:  # they are called as in the source
        assert node.name in fast.source
    ids = [n.id for n in graph.nodes]
    assert len(ids) == len(set(ids))
    assert {end for e in graph.edges for end in (e.source, e.target)} <= set(ids)
    assert graph.to_dict()["nodes"][0]["kind"] in ("value", "step")


def test_what_is_drawn_is_what_is_run():
    x = np.arange(6.0).reshape(2, 3)
    fast = tg.compile(lambda x: np.tanh(x.T @ x + 1.0))
    graph = tg.draw(fast, x).graph  # captured, and not run
    told = [(n.op, n.lies) for n in graph.nodes if isinstance(n, StepNode)]
    assert told[0] == ("transpose", "view")
    assert [op for op, _ in told] == ["transpose", "matmul", "add", "tanh"]
    assert "with 1" in tg.draw(fast).source
    assert tg.draw(fast, np.ones((4, 4))).graph.nodes[0].data.shape == (4, 4)


def test_gradients_of_a_loss_are_results():
    w = tg.Value(np.ones(3), label="w")
    fast = tg.compile(lambda x: (np.sin(w * x) ** 2).sum())
    fast(np.ones(3))
    graph = tg.draw(fast).graph
    assert [c.name for c in graph.clusters] == ["forward", "backward"]
    assert "grad of w" in {v.label for v in graph.values}


def test_large_programs_are_drawn_in_summary():
    fast, data = training_step()
    fast(*data)
    whole = tg.draw(fast).graph
    few = tg.draw(fast, limit=20)
    assert len(few.graph.nodes) <= 20
    boxes = [n for n in few.graph.nodes if isinstance(n, GroupNode)]
    assert boxes and all(b.what == "steps" and "test_program.py:" in b.name for b in boxes)
    assert f"{len(whole.nodes)} nodes, drawn in summary" in few.source
    with pytest.raises(ValueError, match="more than limit=20"):
        tg.draw(fast, limit=20, summary=False)

    def chain(x):
        for _ in range(400):
            x = np.sin(x) + 1.0
        return x

    deep = tg.compile(chain)
    deep(np.ones(3))
    assert len(tg.draw(deep).graph.nodes) <= 500


def test_other_arguments_are_refused():
    with pytest.raises(TypeError, match="compiled function"):
        tg.draw(np.sin)
    with pytest.raises(TypeError, match="further arguments"):
        tg.draw(tg.Value(1.0), 2.0)
    fast, _ = training_step()
    with pytest.raises(ValueError, match="theme is one of"):
        tg.draw(fast, theme="pink")


def test_many_single_numbers_are_drawn_as_one_array():
    ws = [tg.Value(0.1 * i) for i in range(40)]

    def step():
        loss = sum(w * w for w in ws)
        for w in ws:
            w.grad = 0.0
        loss.backward()
        for w in ws:
            w.data -= 0.1 * w.grad
        return loss

    fast = tg.compile(step)
    fast()
    labels = {v.label for v in tg.draw(fast).graph.values}
    assert {"data of 40 Values", "grad of 40 Values"} <= labels
    total = tg.compile(lambda: sum(w * w for w in ws))
    total().backward()
    assert "grad of 40 Values" in {v.label for v in tg.draw(total).graph.values}
