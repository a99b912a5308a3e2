"""Module: which parameters it finds, what they are called, and taking states over whole or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP, BatchNorm1d, Linear, Module


class Parts(Module):
    """Parameters in every place where one may put them."""

    def __init__(self):
        self.scale = tg.Value(1.5)
        self.rows = [tg.Value([1.0]), (tg.Value([2.0]), {"deep": tg.Value([3.0])})]
        self.named = {"a": Linear(2, 3, rng=0), "b": tg.Value(np.float32([4.0]))}
        self.count = 7
        self.nothing = None
        self._cache = tg.Value([9.0])
        self.result = self.scale * 2.0
        self.indices = tg.Value([1, 2], requires_grad=False)


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_parameters_are_found_everywhere_and_in_order():
    assert names(Parts()) == [
        "scale",
        "rows.0",
        "rows.1.0",
        "rows.1.1.deep",
        "named.a.weight",
        "named.a.bias",
        "named.b",
    ]


def test_a_shared_parameter_counts_once_under_its_first_name():
    model = MLP([3, 3, 3], rng=0)
    model.layers[1].weight = model.layers[0].weight
    assert names(model) == ["layers.0.weight", "layers.0.bias", "layers.1.bias"]
    assert list(model.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


def test_the_state_of_a_shared_parameter_has_all_its_names_and_one_is_enough():
    def tied(seed):
        model = MLP([3, 3, 3], rng=seed)
        model.layers[1].weight = model.layers[0].weight
        model.norm = model.again = BatchNorm1d(3)
        return model

    model, other = tied(0), tied(1)
    state = model.state_dict()
    assert {"again.running_mean", "norm.running_mean", "layers.1.weight"} <= state.keys()
    for lacking in ("layers.0.weight", "layers.1.weight", "again.running_var"):
        other = tied(1)
        other.load_state_dict({name: array for name, array in state.items() if name != lacking})
        assert np.array_equal(other.layers[0].weight.data, state["layers.0.weight"])
        assert other.layers[1].weight is other.layers[0].weight
    state["layers.1.weight"] = state["layers.1.weight"] + 1
    with pytest.raises(ValueError, match=r"'layers\.0\.weight' and 'layers\.1\.weight' are one there, and differ"):
        other.load_state_dict(state)
    without = {name: array for name, array in state.items() if not name.endswith("1.weight") and "0.w" not in name}
    with pytest.raises(ValueError, match="is missing"):
        other.load_state_dict(without)


def test_modules_may_hold_each_other():
    parent, child = Module(), Linear(2, 2, rng=0)
    parent.child, child.parent = child, parent
    assert names(parent) == ["child.weight", "child.bias"]
    parent.list = [parent]
    parent.list.append(parent.list)
    assert names(parent) == ["child.weight", "child.bias"]


def test_two_parameters_of_one_name_are_refused():
    module = Module()
    module.table = {1: tg.Value(1.0), "1": tg.Value(2.0)}
    with pytest.raises(ValueError, match=r"table\.1"):
        module.parameters()


def test_labels_are_the_full_names_from_the_first_call():
    model = MLP([2, 3, 1], rng=0)
    assert model.layers[0].weight.label == ""
    model(np.ones(2))
    assert [p.label for p in model.parameters()] == names(model)
    layer = Linear(2, 2, rng=0)
    layer(np.ones(2))
    assert layer.weight.label == "weight"
    holder = Module()
    holder.first = layer
    assert names(holder) == ["first.weight", "first.bias"]
    assert layer.weight.label == "first.weight"


def test_a_label_of_the_users_own_stays():
    layer = Linear(2, 2, rng=0)
    layer.weight.label = "W"
    list(layer.named_parameters())
    assert layer.weight.label == "W"


def test_calls_go_to_forward_with_all_arguments():
    class Sum(Module):
        def forward(self, x, *, times=1):
            return x * times

    assert Sum()(3, times=2) == 6
    with pytest.raises(NotImplementedError, match="Bare defines no forward"):
        type("Bare", (Module,), {})()(1)


def test_zero_grad():
    model = MLP([2, 1], rng=0)
    model(np.ones(2)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_the_repr_is_nested():
    outer = Module()
    outer.net, outer.shift = MLP([2, 3, 1], rng=0), tg.Value([1.0, 2.0])
    assert repr(outer) == (
        "Module(\n"
        "  net: MLP(\n    layers.0: Linear(2 → 3)\n    layers.1: Linear(3 → 1)\n    activation=relu\n  )\n"
        "  shift: (2,)\n"
        ")"
    )
    assert repr(Module()) == "Module()"
    assert repr(Linear(2, 3, bias=False, rng=0)) == "Linear(2 → 3, no bias)"


# -- states --------------------------------------------------------------------------------------------------------


def test_a_state_is_a_copy():
    module = Parts()
    state = module.state_dict()
    state["rows.0"][:] = 77.0
    assert module.rows[0].data[0] == 1.0
    assert {name: type(array) for name, array in state.items()} == dict.fromkeys(names(module), np.ndarray)


def test_what_was_loaded_is_a_copy_of_the_parameters_dtype():
    module, state = Parts(), Parts().state_dict()
    state = {name: array.astype(np.float64) + 1 for name, array in state.items()}
    module.load_state_dict(state)
    state["rows.0"][:] = 77.0
    assert module.rows[0].data[0] == 2.0
    assert module.named["b"].dtype == np.float32
    assert type(module.scale.data) is float
    assert module.scale.data == 2.5


def test_values_and_lists_are_states_too():
    layer = Linear(2, 1, rng=0)
    layer.load_state_dict({"weight": [[1, 2]], "bias": tg.Value([3.0])})
    assert layer(np.array([1.0, 1.0])).data.tolist() == [6.0]


def test_training_goes_on_after_a_load():
    from tinygrad_ce.optim import Adam

    model = MLP([2, 1], rng=0)
    optimiser = Adam(model.parameters(), lr=0.5)
    model(np.ones(2)).sum().backward()
    optimiser.step()
    model.load_state_dict({"layers.0.weight": [[10.0, 10.0]], "layers.0.bias": [10.0]})
    optimiser.step()
    assert np.all(model.layers[0].weight.data > 9)
    assert np.all(model.layers[0].weight.data < 10)


BAD = {
    "missing": lambda s: s.pop("layers.1.bias"),
    "unknown": lambda s: s.update(extra=np.zeros(1)),
    "shape": lambda s: s.update({"layers.0.weight": np.zeros((3, 2)).T}),
    "nan": lambda s: s.update({"layers.1.bias": np.array([np.nan])}),
    "text": lambda s: s.update({"layers.1.bias": np.array(["x"])}),
    "complex": lambda s: s.update({"layers.1.bias": np.array([1j])}),
    "object": lambda s: s.update({"layers.1.bias": np.array([None])}),
    "bool": lambda s: s.update({"layers.1.bias": np.array([True])}),
    "ragged": lambda s: s.update({"layers.0.weight": [[1.0], [1.0, 2.0]]}),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_state_changes_nothing(fault):
    model = MLP([2, 3, 1], rng=0)
    before = {name: (value.data, np.array(value.data)) for name, value in model.named_parameters()}
    state = MLP([2, 3, 1], rng=1).state_dict()
    BAD[fault](state)
    if fault == "shape":
        state["layers.0.weight"] = np.zeros((2, 3))
    with pytest.raises(ValueError, match="this is not a state of MLP\\(2 → 3 → 1\\)") as error:
        model.load_state_dict(state)
    assert "\n" not in str(error.value)
    for name, value in model.named_parameters():
        assert value.data is before[name][0]
        assert np.array_equal(value.data, before[name][1])


def test_numbers_too_large_for_the_dtype_are_refused():
    layer = Linear(1, 1, rng=0, dtype=np.float32)
    with pytest.raises(ValueError, match="too large for float32"):
        layer.load_state_dict({"weight": [[1e300]], "bias": [0.0]})
    layer.load_state_dict({"weight": [[np.inf]], "bias": [0.0]})


def test_all_faults_are_in_one_message():
    with pytest.raises(ValueError, match="'bias' is missing; 'b' is unknown; 'weight' has shape"):
        Linear(2, 2, rng=0).load_state_dict({"weight": [1.0], "b": 0.0})
    with pytest.raises(ValueError, match="faults more"):
        MLP([2] * 9, rng=0).load_state_dict({})


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 99))
def test_a_state_makes_two_models_one(sizes, seed):
    a, b = MLP(sizes, rng=seed), MLP(sizes, rng=seed + 1)
    b.load_state_dict(a.state_dict())
    x = np.random.default_rng(seed).normal(size=(3, sizes[0]))
    assert np.array_equal(a(x).data, b(x).data)
