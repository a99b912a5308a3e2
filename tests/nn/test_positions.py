"""Positions: what they add, what turning keeps, and a block that a later place cannot disturb."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import LearnedPositions, MultiHeadAttention, SinusoidalPositions, TransformerBlock, rotary

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [4, 5])
def test_sinusoids_are_the_papers(size):
    x = RNG.normal(size=(2, 7, size)).astype("float32")
    found = SinusoidalPositions(size)(x)
    assert found.dtype == np.float32
    for t in range(7):
        for i in range(size):
            angle = t / 10000 ** ((i - i % 2) / size)
            expected = x[:, t, i] + (np.cos(angle) if i % 2 else np.sin(angle))
            np.testing.assert_allclose(found[:, t, i], expected, rtol=1e-6, atol=1e-6)


def test_learned_positions_learn_where_they_were_used():
    layer = LearnedPositions(6, 3, rng=0)
    layer(np.zeros((2, 4, 3))).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0] * 3] * 4 + [[0.0] * 3] * 2
    assert list(layer.state_dict()) == ["weight"] and layer.weight.shape == (6, 3)


def test_a_turned_product_knows_the_distance_alone():
    q, k = RNG.normal(size=6), RNG.normal(size=6)
    turned_q, turned_k = rotary(np.tile(q, (9, 1))), rotary(np.tile(k, (9, 1)))
    products = turned_q @ turned_k.T
    for apart in range(-4, 5):
        np.testing.assert_allclose(np.diag(products, apart), products.diagonal(apart)[0], rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned_q, axis=1), np.linalg.norm(q))
    report = tg.gradcheck(rotary, RNG.normal(size=(2, 3, 4)), families=False)
    assert report, report


def test_rotary_attention_sees_order_and_no_origin():
    layer = MultiHeadAttention(8, 2, batch_first=True, rotary=True, rng=0)
    x = RNG.normal(size=(1, 6, 8))
    turned_round = layer(x[:, ::-1])[0].data[:, ::-1]
    assert np.max(np.abs(layer(x)[0].data - turned_round)) > 1e-3
    plain = MultiHeadAttention(8, 2, batch_first=True, rng=0)
    np.testing.assert_allclose(plain(x[:, ::-1])[0].data[:, ::-1], plain(x)[0].data, atol=1e-12)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("options", [{"causal": True}, {"causal": True, "rotary": True}])
def test_a_causal_block_does_not_see_what_comes_later(norm_first, options):
    block = TransformerBlock(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=norm_first, rng=0, **options)
    x = RNG.normal(size=(2, 5, 8))
    leaf = tg.Value(x)
    (block(leaf)[:, 2] * RNG.normal(size=8)).sum().backward()
    assert np.all(leaf.grad[:, 3:] == 0) and np.all(leaf.grad[:, :3] != 0)


def test_a_block_in_training_drops_and_in_evaluation_does_not():
    block = TransformerBlock(8, 2, 16, 0.3, batch_first=True, rng=0)
    x = RNG.normal(size=(2, 5, 8))
    assert np.any(block(x).data != block(x).data)
    block.eval()
    np.testing.assert_array_equal(block(x).data, block(x).data)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SinusoidalPositions(4, 3)(np.zeros((1, 4, 4))), r"\(..., up to 3, 4\), not \(1, 4, 4\)"),
        (lambda: LearnedPositions(3, 4)(np.zeros((1, 2, 5))), r"\(..., up to 3, 4\), not \(1, 2, 5\)"),
        (lambda: LearnedPositions(0, 4), "max_length is an integer of at least 1, not 0"),
        (lambda: rotary(np.zeros((2, 3))), r"vectors of an even size, .* not \(2, 3\)"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
