"""Linear and MLP: what they compute, how they begin, what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP, Linear


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(0, 3), max_size=2), st.booleans())
def test_linear_is_x_times_the_transpose_plus_the_bias(n, m, lead, bias):
    layer = Linear(n, m, bias, rng=0)
    x = np.random.default_rng(1).normal(size=(*lead, n))
    expected = np.einsum("...i,oi->...o", x, layer.weight.data) + (layer.bias.data if bias else 0.0)
    got = layer(x)
    assert got.shape == (*lead, m)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(layer(tg.Value(x)).data, got.data)


def test_gradients_have_the_parameters_shapes():
    layer = Linear(3, 2, rng=0)
    x = tg.Value(np.random.default_rng(0).normal(size=(5, 3)))
    layer(x).sum().backward()
    assert layer.weight.grad.shape == (2, 3)
    np.testing.assert_allclose(layer.weight.grad, np.tile(x.data.sum(axis=0), (2, 1)))
    assert layer.bias.grad.tolist() == [5.0, 5.0]
    assert x.grad.shape == (5, 3)


def test_an_mlp_is_its_layers():
    model = MLP([4, 5, 3], tg.tanh, rng=0)
    x = np.random.default_rng(0).normal(size=(6, 4))
    (w, b), (v, c) = [(layer.weight.data, layer.bias.data) for layer in model.layers]
    np.testing.assert_allclose(model(x).data, np.tanh(x @ w.T + b) @ v.T + c, rtol=1e-12)
    assert MLP([4, 3], rng=0)(x).shape == (6, 3)
    assert repr(MLP([1, 1], activation=lambda x: x, rng=0)).endswith("activation=<lambda>\n)")


# -- initialisation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "deviation", "bound"),
    [
        ("default", 1 / np.sqrt(3 * 64), 1 / 8),
        ("he", np.sqrt(2 / 64), np.inf),
        ("glorot", np.sqrt(2 / (64 + 400)), np.sqrt(6 / (64 + 400))),
    ],
)
def test_weights_have_the_distribution_promised(init, deviation, bound):
    layer = Linear(64, 400, init=init, rng=np.random.default_rng(3))
    weight = layer.weight.data
    n = weight.size
    assert np.max(np.abs(weight)) <= bound
    assert bound == np.inf or np.max(np.abs(weight)) > 0.999 * bound
    assert abs(weight.mean()) < 4 * deviation / np.sqrt(n)
    assert abs(weight.std() / deviation - 1) < 4 / np.sqrt(n)
    uniform_kurtosis, normal_kurtosis = 1.8, 3.0
    kurtosis = np.mean((weight / weight.std()) ** 4)
    assert abs(kurtosis - (normal_kurtosis if init == "he" else uniform_kurtosis)) < 0.2


def test_biases():
    bias = Linear(64, 10_000, rng=0).bias.data
    assert 0.999 / 8 < np.max(np.abs(bias)) <= 1 / 8
    assert abs(bias.mean()) < 4 / 8 / np.sqrt(3 * 10_000)
    assert not Linear(64, 9, init="he", rng=0).bias.data.any()
    assert not Linear(64, 9, init="glorot", rng=0).bias.data.any()
    assert Linear(64, 9, bias=False, rng=0).bias is None


def test_the_generator_decides():
    same = [MLP([3, 3, 3], rng=np.random.default_rng(5)).state_dict() for _ in range(2)]
    assert all(np.array_equal(same[0][name], same[1][name]) for name in same[0])
    assert not np.array_equal(same[0]["layers.0.weight"], same[0]["layers.1.weight"])
    other = MLP([3, 3, 3], rng=6).state_dict()
    assert not np.array_equal(same[0]["layers.0.weight"], other["layers.0.weight"])
    generator = np.random.default_rng(5)
    a, b = Linear(3, 3, rng=generator), Linear(3, 3, rng=generator)
    assert not np.array_equal(a.weight.data, b.weight.data)


def test_float32_stays_float32():
    model = MLP([3, 4, 2], rng=0, dtype=np.float32)
    out = model(np.ones((5, 3), np.float32))
    assert out.dtype == np.float32
    out.sum().backward()
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ValueError, match="in_features is an integer of at least 1"):
        Linear(size, 2)
    with pytest.raises(ValueError, match=r"sizes\[1\] is an integer of at least 1"):
        MLP([2, size])


@pytest.mark.parametrize("sizes", [[], [3], 3, "64", None])
def test_an_mlp_wants_two_sizes(sizes):
    with pytest.raises(ValueError, match="at least two numbers"):
        MLP(sizes)


def test_other_refusals():
    with pytest.raises(ValueError, match="'default', 'he', 'glorot', not 'xavier'"):
        Linear(2, 2, init="xavier")
    with pytest.raises(ValueError, match="floating dtype, not int64"):
        Linear(2, 2, dtype=np.int64)
    with pytest.raises(ValueError, match="activation is a function"):
        MLP([2, 2], "relu")


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (0,)])
def test_a_wrong_shape_names_the_layer_and_both_shapes(shape):
    model = MLP([5, 7, 2], rng=0)
    with pytest.raises(
        ValueError, match=r"layers\.0: Linear\(5 → 7\) takes inputs of shape \(\.\.\., 5\), not "
    ) as error:
        model(np.zeros(shape))
    assert str(error.value).endswith(str(shape))
    model.layers[1] = Linear(8, 2, rng=0)
    with pytest.raises(ValueError, match=r"Linear\(8 → 2\) takes inputs of shape \(\.\.\., 8\), not \(1, 7\)"):
        model(np.zeros((1, 5)))
