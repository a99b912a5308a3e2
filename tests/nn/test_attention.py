"""Attention: PyTorch's numbers with every mask, gradients, dropout, rows that see nothing, and users' mistakes."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import MultiHeadAttention, TransformerBlock
from tinygrad_ce.nn import functional as F
from tinygrad_ce.ops.attention import attention_weights, scaled_dot_product_attention

RNG = np.random.default_rng(0)
MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "boolean": {"attn_mask": np.triu(np.ones((4, 4), bool), 2)},
    "additive": {"attn_mask": np.where(np.triu(np.ones((4, 4), bool), 1), -np.inf, RNG.normal(size=(4, 4)))},
    "a head": {"attn_mask": RNG.random((6, 4, 4)) > 0.8},
    "padding": {"key_padding_mask": np.array([[False] * 4, [False, False, True, True], [False, True, False, True]])},
    "padding, additive": {"key_padding_mask": np.where(np.arange(12).reshape(3, 4) == 7, -np.inf, 0.5)},
    "both": {
        "attn_mask": np.triu(np.ones((4, 4), bool), 1),
        "key_padding_mask": np.array([[False] * 4, [False, True, True, False], [False] * 4]),
    },
}
MASKS["a head"]["attn_mask"][:, :, 0] = False  # every query sees something


def close(found, expected, dtype="float64"):
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale * (1e-12 if dtype == "float64" else 5e-6))


def both(ours, theirs, inputs, dtype, call_ours, call_theirs):
    """Outputs and all gradients of a layer and PyTorch's, with one set of weights."""
    import torch

    theirs.load_state_dict({name: torch.tensor(data) for name, data in ours.state_dict().items()})
    mine = [tg.Value(x) for x in inputs]
    its = [torch.tensor(x, requires_grad=True) for x in inputs]
    outs, expected = call_ours(*mine), call_theirs(*its)
    for y, t in zip(outs, expected, strict=True):
        assert y.dtype == dtype
        close(y.data, t.detach().numpy(), dtype)
    cotangents = [RNG.normal(size=y.shape).astype(dtype) for y in outs]
    sum((y * g).sum() for y, g in zip(outs, cotangents, strict=True)).backward()
    sum((t * torch.tensor(g)).sum() for t, g in zip(expected, cotangents, strict=True)).backward()
    for a, b in zip(mine, its, strict=True):
        close(a.grad, b.grad.numpy(), dtype)
    gradients = {name: p.grad for name, p in ours.named_parameters()}
    for name, p in theirs.named_parameters():
        close(gradients[name], p.grad.numpy(), dtype)


def in_torch(torch, masks, dtype):
    """Masks as PyTorch wants them: is_causal with the mask that it means, numbers in the layer's dtype."""
    masks = dict(masks)
    if masks.get("is_causal"):
        masks["attn_mask"] = np.triu(np.ones((4, 4), bool), 1)
    return {
        k: torch.tensor(m if m.dtype == bool else m.astype(dtype)) if isinstance(m, np.ndarray) else m
        for k, m in masks.items()
    }


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_torchs_numbers(mask, batch_first, need_weights, dtype):
    torch = pytest.importorskip("torch")
    ours = MultiHeadAttention(6, 2, batch_first=batch_first, rng=0, dtype=dtype)
    ours.in_proj_bias.data = RNG.normal(size=18).astype(dtype)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=batch_first, dtype=getattr(torch, dtype))
    x = RNG.normal(size=(3, 4, 6) if batch_first else (4, 3, 6)).astype(dtype)
    masks = {k: m.astype(dtype) if isinstance(m, np.ndarray) and m.dtype != bool else m for k, m in MASKS[mask].items()}
    options = {"need_weights": need_weights, "average_attn_weights": mask != "both"}
    kept = slice(None) if need_weights else slice(1)
    both(
        ours,
        theirs,
        [x],
        dtype,
        lambda x: ours(x, **masks, **options)[kept],
        lambda x: theirs(x, x, x, **in_torch(torch, MASKS[mask], dtype), **options)[kept],
    )


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5, "vdim": 3}, {"vdim": 4, "bias": False}])
@pytest.mark.parametrize("batch", [2, None])
def test_torchs_numbers_of_other_keys_and_values(sizes, batch):
    torch = pytest.importorskip("torch")
    ours = MultiHeadAttention(6, 3, **sizes, batch_first=True, rng=0)
    theirs = torch.nn.MultiheadAttention(6, 3, **sizes, batch_first=True, dtype=torch.float64)
    lead = () if batch is None else (batch,)
    inputs = [RNG.normal(size=(*lead, *s)) for s in ((3, 6), (5, sizes.get("kdim", 6)), (5, sizes.get("vdim", 6)))]
    both(ours, theirs, inputs, "float64", ours, theirs)


def test_weights_begin_as_torchs():
    torch = pytest.importorskip("torch")
    ours, theirs = MultiHeadAttention(64, 4, rng=0), torch.nn.MultiheadAttention(64, 4)
    for name, parameter in theirs.named_parameters():
        a, b = ours.state_dict()[name], parameter.detach().numpy()
        assert a.shape == b.shape
        np.testing.assert_allclose(a.std(), b.std(), rtol=0.05)
        np.testing.assert_allclose(np.max(np.abs(a), initial=0), np.max(np.abs(b), initial=0), rtol=0.05)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("options", [{"batch_first": True}, {"bias": False, "layer_norm_eps": 1e-3}])
def test_a_block_is_torchs(norm_first, activation, options):
    torch = pytest.importorskip("torch")
    sizes = (6, 2, 10, 0.0, activation)
    ours = TransformerBlock(*sizes, norm_first=norm_first, **options, rng=0)
    theirs = torch.nn.TransformerEncoderLayer(*sizes, norm_first=norm_first, **options, dtype=torch.float64)
    x = RNG.normal(size=(4, 4, 6))
    later = torch.tensor(np.triu(np.ones((4, 4), bool), 1))
    both(
        ours,
        theirs,
        [x],
        "float64",
        lambda x: [ours(x, is_causal=True)],
        lambda x: [theirs(x, src_mask=later)],
    )


# -- the functions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1.0, 300.0])
@pytest.mark.parametrize("mask", ["none", "causal", "boolean", "additive"])
def test_the_function_is_torchs(mask, size, dtype):
    torch = pytest.importorskip("torch")
    q, k, v = [RNG.normal(size=(2, 3, 5, 4)).astype(dtype) for _ in range(3)]
    q = (q * size).astype(dtype)
    given = {
        "none": {},
        "causal": {"is_causal": True},
        "boolean": {"attn_mask": np.tri(5, dtype=bool)[:, ::-1] | np.eye(5, dtype=bool)},
        "additive": {"attn_mask": RNG.normal(size=(2, 1, 5, 5)).astype(dtype)},
    }[mask]
    mine, its = [tg.Value(x) for x in (q, k, v)], [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    y = F.scaled_dot_product_attention(*mine, **given, scale=0.7)
    theirs = {n: torch.tensor(m.copy()) if isinstance(m, np.ndarray) else m for n, m in given.items()}
    t = torch.nn.functional.scaled_dot_product_attention(*its, **theirs, scale=0.7)
    tolerance = dict(rtol=1e-9, atol=1e-10 * size) if dtype == "float64" else dict(rtol=1e-2, atol=1e-4 * size)
    np.testing.assert_allclose(y.data, t.detach().numpy(), **tolerance)
    g = RNG.normal(size=y.shape).astype(dtype)
    y.backward(g)
    t.backward(torch.tensor(g))
    for a, b in zip(mine, its, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), **tolerance)


@pytest.mark.parametrize(
    ("shapes", "mask", "options"),
    [
        (((3, 2), (3, 2), (3, 1)), RNG.normal(size=(2, 3, 3)), {"is_causal": True}),
        (((2, 2), (2, 3, 2), (1, 3, 2)), np.array([[True, True, False], [False] * 3]), {"scale": 1.5}),
    ],
)
def test_gradcheck(shapes, mask, options, pytestconfig):
    q, k, v = [RNG.normal(size=s) for s in shapes]
    keep = RNG.random((shapes[0][-2], shapes[1][-2])) > 0.3
    f = lambda q, k, v: scaled_dot_product_attention(q, k, v, mask, keep, dropout_p=0.3, **options)
    report = tg.gradcheck(f, q, k, v, families=pytestconfig.getoption("--full"))
    assert report, report


@pytest.mark.parametrize("derivation", ["analytic", "autodiff"])
def test_a_query_that_sees_nothing_gets_zero_and_sends_nothing(derivation):
    q, k, v = [tg.Value(RNG.normal(size=(3, 2))) for _ in range(3)]
    for mask in (np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]], bool), np.array([[0.0] * 3, [-np.inf] * 3, [0.0] * 3])):
        y = scaled_dot_product_attention(q, k, v, mask)
        assert y.data[1].tolist() == [0.0, 0.0]
        y.sum().backward(derivation=derivation)
        assert q.grad[1].tolist() == [0.0, 0.0] and np.all(np.isfinite(k.grad)) and np.all(np.isfinite(v.grad))
    layer = MultiHeadAttention(4, 2, batch_first=True, rng=0)
    y, weights = layer(RNG.normal(size=(2, 3, 4)), key_padding_mask=np.array([[True] * 3, [False] * 3]))
    assert np.all(weights.data[0] == 0) and np.all(y.data[0] == layer.out_proj.bias.data)


def test_scores_of_any_size():
    """Beyond the reach of exp, and with every digit where one key takes all."""
    q, k = np.array([[1e4]]), np.array([[1.0], [0.999], [-1e6]])
    p = attention_weights(q, k, scale=1.0)
    np.testing.assert_allclose(p, [[1 / (1 + np.exp(-10)), 1 / (1 + np.exp(10)), 0.0]], rtol=1e-9)
    leaf = tg.Value(np.array([[40.0]]))
    keys, values = np.array([[1.0], [0.0]]), np.array([[1.0], [0.0]])
    scaled_dot_product_attention(leaf, keys, values, scale=1.0).sum().backward()
    np.testing.assert_allclose(leaf.grad, [[np.exp(-40) / (1 + np.exp(-40)) ** 2]], rtol=1e-12)


def test_a_mask_hides_what_is_not_a_number():
    q, k = np.ones((2, 1)), np.array([[1.0], [np.nan]])
    assert attention_weights(q, k, np.array([True, False])).tolist() == [[1.0, 0.0]] * 2
    assert attention_weights(q, k, is_causal=True)[0].tolist() == [1.0, 0.0]


# -- dropout ---------------------------------------------------------------------------------------------------


def test_dropout_is_an_input_and_of_training_alone():
    layer = MultiHeadAttention(8, 2, dropout=0.5, batch_first=True, rng=0)
    x = RNG.normal(size=(3, 50, 8))
    y, weights = layer(x, average_attn_weights=False)
    assert 0.45 < np.mean(weights.data == 0) < 0.55
    assert np.any(layer(x)[0].data != layer(x)[0].data)
    again = MultiHeadAttention(8, 2, dropout=0.5, batch_first=True, rng=0)
    np.testing.assert_array_equal(again(x, average_attn_weights=False)[0].data, y.data)
    one, two = [MultiHeadAttention(8, 2, dropout=0.5, batch_first=True, rng=0) for _ in range(2)]
    close(one(x)[0].data, two(x, need_weights=False)[0].data)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)
    assert np.all(layer(x)[1].data > 0)
    assert [name for name, _ in layer.named_generators()] == ["generator"]


def test_dropped_weights_in_the_function():
    q, k, v = np.zeros((1, 2)), np.zeros((4, 2)), np.eye(4)
    keep = np.array([[True, False, True, False]])
    assert scaled_dot_product_attention(q, k, v, None, keep, dropout_p=0.5).tolist() == [[0.5, 0.0, 0.5, 0.0]]
    assert scaled_dot_product_attention(q, k, v, None, keep & False, dropout_p=1.0).tolist() == [[0.0] * 4]
    some = F.scaled_dot_product_attention(q, k, v, dropout_p=0.25, rng=0)
    assert set(some.ravel().tolist()) <= {0.0, 0.25 / 0.75}


# -- mistakes --------------------------------------------------------------------------------------------------

LAYER = MultiHeadAttention(6, 2, batch_first=True, rng=0)
X = np.zeros((3, 4, 6))
NO = np.zeros((4, 4), bool)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MultiHeadAttention(7, 2), ValueError, "embed_dim=7 is not divisible by num_heads=2"),
        (lambda: MultiHeadAttention(6, 2, dropout=1.5), ValueError, "dropout is a probability"),
        (lambda: MultiHeadAttention(6, 2, rotary=True), ValueError, "rotary turns pairs: a head's size 3 is odd"),
        (
            lambda: LAYER(X[..., :5]),
            ValueError,
            r"\(6, 2 heads\) takes a query of .*\(batch, length, 6\), ",
        ),
        (lambda: LAYER(X, X[:2]), ValueError, r"query \(3, 4, 6\), key \(2, 4, 6\) .* not of one batch"),
        (lambda: LAYER(X, X, X[:, :3]), ValueError, r"a value for each key, .*\(3, 4, 6\) .*\(3, 3, 6\)"),
        (lambda: LAYER(X, attn_mask=NO[:3]), ValueError, r"attn_mask has shape \(3, 4\), not \(4, 4\)"),
        (lambda: LAYER(X, attn_mask=np.stack([NO] * 3)), ValueError, r"has shape \(3, 4, 4\), not \(6, 4, 4\)"),
        (lambda: LAYER(X, attn_mask=NO.astype(int)), TypeError, "not of int64: write mask.astype"),
        (lambda: LAYER(X, key_padding_mask=NO), ValueError, r"key_padding_mask .*\(4, 4\), not \(3, 4\)"),
        (lambda: LAYER(X, key_padding_mask=NO[0]), ValueError, r"key_padding_mask .*\(4,\), not \(3, 4\)"),
        (lambda: attention_weights(NO[:2, :3] * 1.0, X[0]), ValueError, r"of one size E, not \(2, 3\) and \(4, 6\)"),
        (lambda: attention_weights(X, X[:2]), ValueError, "differ in their leading axes"),
        (lambda: attention_weights(X, X, NO[:, :3]), ValueError, r"attn_mask .*\(4, 3\), which does not broadcast"),
        (lambda: scaled_dot_product_attention(X, X, X[:, :2]), ValueError, r"each of the 4 keys, not \(3, 2, 6\)"),
        (lambda: scaled_dot_product_attention(X, X, X, None, NO * 1.0), TypeError, "keep is of booleans"),
        (lambda: TransformerBlock(6, 2, activation="tanh"), ValueError, "activation is 'relu', 'gelu' or a function"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_mask_may_bring_axes_of_its_own():
    x, mask = RNG.normal(size=(4, 6)), RNG.random((5, 4, 4)) > 0.3
    found = attention_weights(x, x, mask)
    np.testing.assert_array_equal(found, [attention_weights(x, x, m) for m in mask])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_that_are_kept_and_those_computed_again(monkeypatch, dtype):
    found = []
    for few in (0, 1 << 21):
        monkeypatch.setattr("tinygrad_ce.nn.attention._FEW", few)
        layer = MultiHeadAttention(6, 2, dropout=0.3, batch_first=True, rng=0, dtype=dtype)
        x = tg.Value(np.random.default_rng(1).normal(size=(3, 5, 6)).astype(dtype))
        y, weights = layer(x, need_weights=False, is_causal=True)
        (y * y).sum().backward()
        assert weights is None
        found.append([y.data, x.grad, *[p.grad for p in layer.parameters()]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-6 if dtype is np.float32 else 1e-13) * np.max(np.abs(a)))
