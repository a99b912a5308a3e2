"""Each pass does what it says, and leaves results as they are: with it, without it, and in eager code."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.compiler import compile
from tinygrad_ce.compiler.blocks import masked_softmax, score_gradient
from tinygrad_ce.compiler.images import largest_gradient
from tinygrad_ce.compiler.passes import INEXACT, PASSES
from tinygrad_ce.nn import functional as F
from tinygrad_ce.optim import SGD, Adam

RNG = np.random.default_rng(0)


def gradients(f, leaves, g=None):
    for x in leaves:
        x.grad = None
    out = f(*leaves)
    out.backward(np.ones(out.shape) if g is None else g)
    return out.data, [x.grad for x in leaves]


def compiled(f, data, without=(), g=None):
    """A compiled function's steps by name, its result and gradients; these are held to eager code's."""
    fast = compile(f, without=without)
    leaves = [tg.Value(x) for x in data]
    expected = gradients(f, leaves, g)
    for _ in range(2):
        found = gradients(fast, leaves, g)
        for a, b in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            few = 40 * np.finfo(b.dtype).eps
            np.testing.assert_allclose(a, b, rtol=few, atol=few * np.max(np.abs(b), initial=0.0))
    return [s.name for s in fast.latest.graph.steps]


def names_with_and_without(name, f, *data, g=None):
    return compiled(f, data, g=g), compiled(f, data, [name], g=g)


# -- ops in steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("mask", [None, "numbers", "booleans"])
def test_attention_computes_its_weights_once(mask, dtype):
    q, k, v = RNG.normal(size=(3, 2, 5, 4)).astype(dtype)
    masks = {"numbers": RNG.normal(size=(5, 5)).astype(dtype), "booleans": RNG.random((5, 5)) > 0.3, None: None}
    f = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, masks[mask], is_causal=mask is None)
    on, off = names_with_and_without("opened ops", f, q, k, v, g=RNG.normal(size=q.shape).astype(dtype))
    assert on.count("masked_softmax") == 1 and on.count("score_gradient") == 1
    assert "scaled_dot_product_attention" in off and "masked_softmax" not in off


def test_attention_with_scores_of_any_size():
    for size in (1.0, 100.0, 1e4):
        scores = RNG.normal(size=(3, 6, 6)) * size
        scores[0, 2] = -np.inf
        expected = np.where(np.tri(6, dtype=bool), scores, -np.inf)
        top = np.maximum(expected.max(axis=-1, keepdims=True), -1e308)
        e = np.exp(expected - top)
        expected = e / np.maximum(e.sum(axis=-1, keepdims=True), 1e-300)
        found = masked_softmax(scores, causal=True)
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)
        assert not found[0, 2].any()
    p, g = np.array([[1.0, 1e-30]]), np.array([[3.0, 2.0]])  # ŷ of one key alone: nothing cancels
    np.testing.assert_allclose(score_gradient(p, g), [[1e-30, -1e-30]], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("norm", "bias"), [(F.layer_norm, True), (F.layer_norm, False), (F.rms_norm, False)])
def test_norms_compute_their_statistics_once(norm, bias, dtype):
    x, w, b = [RNG.normal(size=s).astype(dtype) for s in ((3, 4, 6), (6,), (6,))]
    f = (lambda x, w, b: norm(x, (6,), w, b)) if bias else (lambda x, w, b: norm(x, (6,), w) + b)
    on, off = names_with_and_without("opened ops", f, x, w, b, g=RNG.normal(size=x.shape).astype(dtype))
    assert on.count("norm_parts") == 1 and on.count("norm_gradient") == 1
    assert "norm_parts" not in off


def test_a_norm_of_equal_entries_is_nothing():
    x = np.full((2, 3), 1e9)
    fast = compile(lambda x: F.layer_norm(x, (3,)))
    np.testing.assert_array_equal(fast(x), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 3, 7, 6), (4, 3, 3, 2), {}),
        ((2, 4, 7, 6), (4, 2, 3, 2), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}),
        ((3, 6, 5), (2, 3, 3, 3), {"padding": "same"}),
        ((2, 2, 3, 6, 5), (2, 3, 2, 2), {"stride": 3}),
    ],
)
def test_convolutions_lay_windows_out_once(x, w, options):
    if len(x) == 3:
        x = (2, 3, *x[1:])
    x, w, b = RNG.normal(size=x), RNG.normal(size=w), RNG.normal(size=w[:1])
    f = lambda x, w, b: np.sin(F.conv2d(x, w, b, **options))
    on, off = names_with_and_without("opened ops", f, x, w, b)
    assert on.count("sliding_window_view") == 1 and "conv2d" not in on
    assert "conv2d" in off


def test_what_one_layer_leaves_the_next_finds_as_it_lies():
    def f(x, v, w):
        h = F.max_pool2d(tg.relu(F.conv2d(x, v)), 2)
        return tg.relu(F.conv2d(h, w)).reshape(3, -1).sum(axis=1)

    data = [RNG.normal(size=s) for s in ((3, 1, 10, 10), (4, 1, 3, 3), (5, 4, 2, 2))]
    steps = compiled(f, data)
    assert steps.count("copy") == 1  # the images, turned


def test_pooling_gives_to_the_first_of_equals_and_of_nan():
    x = np.array([[[[1.0, 1.0, 0.0, np.nan], [1.0, 0.0, np.nan, 2.0]]]])
    for f in (lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2, stride=1)):
        eager, fast = tg.Value(x), tg.Value(x)
        f(eager).sum().backward()
        compile(f)(fast).sum().backward()
        np.testing.assert_array_equal(fast.grad, eager.grad)
    g, top = np.ones((1, 1)), np.ones((1, 1))
    options = {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 1), "counts": (1, 1)}
    assert largest_gradient(g, top, np.ones((2, 2)), **options).tolist() == [[1.0, 0.0], [0.0, 0.0]]


# -- products and pieces -------------------------------------------------------------------------------------------


def test_products_summed_over_a_batch_are_one_product():
    f = lambda a, b: np.sin(np.matmul(np.swapaxes(a, -1, -2), b).sum(axis=(0, 1)))
    on, off = names_with_and_without("flat products", f, RNG.normal(size=(2, 3, 5, 4)), RNG.normal(size=(2, 3, 5, 6)))
    assert "sum" not in on and "sum" in off


def test_a_batch_times_a_matrix_is_one_product():
    fast = compile(lambda a, b: np.matmul(a, b))
    a, b = RNG.normal(size=(2, 3, 5, 4)), RNG.normal(size=(4, 6))
    np.testing.assert_allclose(fast(a, b), np.matmul(a, b), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(fast(a[:, :, ::-1], b), np.matmul(a[:, :, ::-1], b), rtol=1e-14, atol=1e-14)
    made = next(s for s in fast.latest.graph.steps if s.name == "matmul")
    assert fast.latest.graph.kinds[made.slot].shape == (30, 6)


def test_pieces_of_a_weight_are_joined():
    def f(x, w):
        q, k, v = [x @ w[4 * i : 4 * i + 4].T for i in range(3)]
        return (np.sin(q) * k + v).sum(axis=0)

    on, off = names_with_and_without("joined pieces", f, RNG.normal(size=(5, 4)), RNG.normal(size=(12, 4)))
    assert "scatter_add" not in on and "concatenate" in on
    assert "scatter_add" in off


def test_pieces_that_leave_gaps_or_overlap_are_added_up():
    for parts in ([slice(0, 4), slice(5, 8)], [slice(0, 5), slice(4, 8)], [slice(0, 8, 2), slice(1, 8, 2)]):
        f = lambda w, parts=parts: sum((np.sin(w[p]) * (i + 2.0)).sum() for i, p in enumerate(parts))
        assert "concatenate" not in compiled(f, [RNG.normal(size=(8, 2))])


def test_a_mask_of_exponentials_is_bit_for_bit_the_sigmoid():
    x = np.array([-800.0, -30.0, -1.0, -0.0, 0.0, 2.0, 800.0, np.nan, np.inf, -np.inf])
    fast = compile(lambda x: F.gelu(x, approximate="tanh"), without=INEXACT)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(fast(x), F.gelu(x, approximate="tanh"))


# -- losses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_sequences_are_fused(reduction):
    z, y = RNG.normal(size=(2, 3, 5)), RNG.integers(0, 5, size=(2, 3))
    f = lambda z: tg.softmax_cross_entropy(z, y, reduction=reduction)
    g = RNG.normal(size=(2, 3)) if reduction == "none" else np.array(0.7)
    on, off = names_with_and_without("fused losses", f, z, g=g)
    assert "softmax_parts" in on and "softmax_cross_entropy" in off
    both = compile(lambda z: tg.value_and_grad(lambda z: f(z).sum())(z))
    np.testing.assert_allclose(both(z)[1], tg.grad(lambda z: f(z).sum())(z), rtol=1e-14)


@pytest.mark.parametrize("size", [1.0, 30.0, 150.0, 500.0, 1e5])
def test_the_fused_loss_has_its_digits_at_any_size(size):
    z, y = RNG.normal(size=(7, 6)) * size, RNG.integers(0, 6, size=7)
    f = tg.value_and_grad(lambda z, y: tg.softmax_cross_entropy(z, y))
    for a, b in zip(compile(lambda z, y: f(z, y))(z, y), f(z, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=0)


# -- what stays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("without", [(), sorted(PASSES)])
def test_a_network_of_images_trains_compiled(without):
    found = []
    for fast in (False, True):
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4))
        for i, p in enumerate(model.parameters()):
            p.data = np.random.default_rng(i).normal(size=p.shape) * 0.3
        optimizer = Adam(model.parameters(), lr=0.01)

        def step(x, y, model=model, optimizer=optimizer):
            loss = tg.softmax_cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = tg.compile(step, without=without) if fast else step
        rng = np.random.default_rng(9)
        losses = [run(rng.normal(size=(5, 1, 8, 8)), rng.integers(0, 4, size=5)).item() for _ in range(4)]
        found.append((losses, [p.grad.copy() for p in model.parameters()]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-11)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_a_gradient_that_is_the_caller_s_array_or_returned_stays_what_it_was():
    w = tg.Value(np.zeros(3))
    optimizer = SGD([w], lr=1.0)

    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        return w.grad

    fast = tg.compile(step)
    x = np.array([1.0, 2.0, 3.0])
    first = fast(x)
    x[:] = 9.0
    assert w.grad.tolist() == [1.0, 2.0, 3.0] and np.asarray(tg.value.plain(first)).tolist() == [1.0, 2.0, 3.0]
    fast(x)
    assert w.data.tolist() == [-10.0, -11.0, -12.0]
    assert np.asarray(tg.value.plain(first)).tolist() == [1.0, 2.0, 3.0]
