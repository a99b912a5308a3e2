"""Buffers, modes, dtypes, generators, and what is found of them in a tree of modules."""

import copy

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.nn import MLP, Linear, Module, load, save


class Counter(Module):
    """A layer with a parameter and buffers of several kinds."""

    def __init__(self):
        self.scale = tg.Value(np.ones(2))
        self.register_buffer("total", np.zeros(2))
        self.register_buffer("steps", np.array(0))
        self.register_buffer("scratch", np.ones(3), persistent=False)
        self.register_buffer("absent", None)

    def forward(self, x):
        if self.training:
            self.total = self.total + np.sum(x, axis=0)
            self.steps = self.steps + 1
        return x * self.scale


class Tree(Module):
    def __init__(self):
        self.first = Counter()
        self.rest = [Counter(), {"deep": Linear(2, 2, rng=0)}]

    def forward(self, x):
        return self.rest[1]["deep"](self.rest[0](self.first(x)))


def test_a_state_has_persistent_buffers_and_no_parameter_is_one():
    tree = Tree()
    assert [name for name, _ in tree.first.named_parameters()] == ["scale"]
    assert list(tree.first.state_dict()) == ["scale", "total", "steps"]
    assert [name for name, _ in tree.named_buffers()] == [
        *("first.total", "first.steps", "first.scratch"),
        *("rest.0.total", "rest.0.steps", "rest.0.scratch"),
    ]
    assert tree.first.absent is None


def test_buffers_travel_with_the_state_and_keep_their_dtypes(tmp_path):
    a, b = Tree(), Tree()
    a(np.arange(6.0).reshape(3, 2))
    save(tmp_path / "tree.npz", a)
    load(tmp_path / "tree.npz", b)
    assert b.first.total.tolist() == [6.0, 9.0] and int(b.rest[0].steps) == 1
    assert b.first.steps.dtype == a.first.steps.dtype and b.first.total is not a.first.total
    state = {**a.state_dict(), "first.steps": np.array(1.5)}
    with pytest.raises(ValueError, match=r"'first.steps' holds numbers that are none of int64"):
        b.load_state_dict(state)


def test_buffers_are_registered_once_and_under_a_name():
    module = Counter()
    module.register_buffer("total", np.ones(2))
    assert module.total.tolist() == [1.0, 1.0]
    for name in ("scale", "forward", "training"):
        with pytest.raises(ValueError, match=f"Counter has an attribute '{name}' already"):
            module.register_buffer(name, np.zeros(1))
    for name in ("", "a.b", 3):
        with pytest.raises(ValueError, match="a buffer's name is that of an attribute"):
            module.register_buffer(name, np.zeros(1))


def test_what_does_not_fit_is_returned_where_it_need_not():
    model = MLP([2, 3, 1], rng=0)
    state = model.state_dict()
    state["new"] = state.pop("layers.1.bias")
    weight = state["layers.0.weight"] + 1
    state["layers.0.weight"] = weight
    found = model.load_state_dict(state, strict=False)
    assert found.missing_keys == ["layers.1.bias"] and found.unexpected_keys == ["new"]
    assert np.array_equal(model.layers[0].weight.data, weight)
    with pytest.raises(ValueError, match=r"'layers\.0\.weight' has shape"):
        model.load_state_dict({"layers.0.weight": np.zeros(7)}, strict=False)
    assert model.load_state_dict(model.state_dict()) == ([], [])


def test_modules_and_children_by_name():
    tree = Tree()
    assert [name for name, _ in tree.named_modules()] == ["", "first", "rest.0", "rest.1.deep"]
    assert [name for name, _ in tree.named_children()] == ["first", "rest.0", "rest.1.deep"]
    assert tree.modules()[0] is tree and tree.children() == tree.modules()[1:]
    tree.again = tree.first
    tree.loop = [tree]
    assert len(tree.modules()) == 4 and len(tree.children()) == 3


def test_apply_reaches_each_once_and_those_within_first():
    outer = Module()
    outer.net, met = MLP([1, 1, 1], rng=0), []
    outer.again = outer.net
    assert outer.apply(lambda m: met.append(m)) is outer
    assert met == [*outer.net.layers, outer.net, outer]


def test_modes():
    tree = Tree()
    x = np.ones((1, 2))
    assert tree.eval() is tree and not any(m.training for m in tree.modules())
    tree(x)
    assert int(tree.first.steps) == 0
    assert tree.train().first.training
    tree(x)
    assert int(tree.first.steps) == 1


def test_frozen_parameters_get_no_gradient_and_stay_where_they_are():
    from tinygrad_ce.optim import SGD

    model = MLP([2, 3, 1], rng=0)
    optimiser = SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = lambda: (model(np.ones((4, 2))).sum().backward(), optimiser.step(), optimiser.zero_grad())
    step()
    model(np.ones((4, 2))).sum().backward()
    assert model.layers[0].freeze() is model.layers[0]
    assert model.layers[0].weight.grad is None
    before = model.state_dict()
    step()
    after = model.state_dict()
    assert np.array_equal(before["layers.0.weight"], after["layers.0.weight"])
    assert not np.array_equal(before["layers.1.weight"], after["layers.1.weight"])
    assert list(before) == list(after)
    model.unfreeze()
    step()
    assert not np.array_equal(after["layers.0.weight"], model.layers[0].weight.data)


def test_to_converts_what_is_floating():
    tree = Tree()
    tree(np.ones((2, 2))).sum().backward()
    assert tree.to(np.float32) is tree
    assert {p.dtype for p in tree.parameters()} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in tree.parameters()} == {np.dtype(np.float32)}
    assert tree.first.total.dtype == np.float32 and tree.first.steps.dtype.kind == "i"
    assert tree(np.ones((1, 2), np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="floating dtype, not int64"):
        tree.to(int)


def test_generators_are_found_once_each():
    shared = np.random.default_rng(0)
    a, b = Module(), Module()
    a.generator, a.inner, b.generator, b.own = shared, [b], shared, np.random.default_rng(1)
    b.twin = np.random.Generator(shared.bit_generator)
    found = dict(a.named_generators())
    assert list(found) == ["generator", "inner.0.own"]
    state = found["generator"].bit_generator.state
    first = shared.random()
    found["generator"].bit_generator.state = state
    assert shared.random() == first
    assert "generator" not in repr(a)


def test_a_copy_is_another_model():
    tree = Tree()
    twin = copy.deepcopy(tree)
    twin(np.ones((1, 2)))
    assert int(tree.first.steps) == 0 and int(twin.first.steps) == 1
    assert twin.first.scale is not tree.first.scale


def test_layers_without_parameters_know_their_place_too():
    class Refusing(Module):
        def forward(self, x):
            raise ValueError(self._name())

    outer = Module()
    outer.parts = [Refusing()]
    outer.forward = lambda x: outer.parts[0](x)
    with pytest.raises(ValueError, match=r"^Refusing\(\)$"):
        outer.parts[0](1)
    with pytest.raises(ValueError, match=r"^parts\.0: Refusing\(\)$"):
        outer(1)


# -- summary -------------------------------------------------------------------------------------------------------


def test_a_summary_counts_each_parameter_once_and_leaves_the_model_alone():
    tree = Tree()
    tree.rest[0].scale = tree.first.scale
    tree.first.eval()
    tree.rest[1]["deep"].freeze()
    before = tree.state_dict()
    found = nn.summary(tree, (5, 2))
    assert (found.parameters, found.trainable, found.bytes) == (8, 2, 64)
    assert [(r.name, r.output, r.parameters) for r in found.rows] == [
        ("", "(5, 2)", 0),
        ("first", "(5, 2)", 2),
        ("rest.0", "(5, 2)", 0),
        ("rest.1.deep", "(5, 2)", 6),
    ]
    assert [m.training for m in tree.modules()] == [True, False, True, True]
    assert all(np.array_equal(before[k], v) for k, v in tree.state_dict().items())
    tree(np.ones((1, 2)))  # and no hook is left
    assert repr(found).endswith("8 parameters, 2 of them trainable, 64 B")
    assert "<td>rest.1.deep</td>" in found._repr_html_()
    assert found.to_dict()["layers"][3]["parameters"] == 6


def test_a_summary_of_a_model_that_fails_leaves_modes_and_hooks():
    model = MLP([3, 2], rng=0)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(\.\.\., 3\), not \(1, 4\)"):
        nn.summary(model, (1, 4))
    assert model.training and model.layers[0].training
    assert not model.layers[0].__dict__["_hooks"].after
