"""Conv1d and Conv2d: PyTorch's numbers, gradients of every derivation, and users' mistakes."""

import warnings

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import Conv1d, Conv2d, Module
from tinygrad_ce.ops.convolution import conv1d, conv2d, convolution_input, convolution_weight

RNG = np.random.default_rng(0)

# (in, out, kernel), options, spatial size
LAYERS_2D = [
    ((1, 6, 5), {}, (12, 12)),
    ((3, 4, 3), {"padding": 1, "stride": 2}, (7, 8)),
    ((4, 6, (3, 2)), {"padding": (2, 1), "stride": (2, 1), "dilation": (1, 2), "groups": 2}, (9, 7)),
    ((4, 4, 3), {"groups": 4, "padding": "same"}, (5, 6)),
    ((2, 4, (2, 3)), {"padding": "same", "dilation": (3, 1)}, (6, 5)),
    ((2, 2, 1), {"stride": 3, "bias": False}, (7, 4)),
    ((2, 3, 3), {"padding": "valid", "dilation": 2}, (5, 8)),
    ((2, 3, (4, 3)), {"padding": "same", "padding_mode": "replicate"}, (6, 5)),
    ((2, 3, 3), {"padding": 2, "padding_mode": "reflect", "stride": 2}, (5, 6)),
    ((2, 4, 3), {"padding": (1, 2), "padding_mode": "circular", "groups": 2}, (5, 6)),
    ((1, 2, 3), {"padding": 4}, (2, 1)),
]
LAYERS_1D = [
    ((1, 4, 3), {}, (9,)),
    ((4, 6, 2), {"stride": 3, "padding": 1, "groups": 2}, (8,)),
    ((2, 2, 4), {"padding": "same", "dilation": 2}, (7,)),
    ((2, 3, 3), {"padding": 2, "padding_mode": "circular", "bias": False}, (6,)),
]
LAYERS = [(Conv2d, *case) for case in LAYERS_2D] + [(Conv1d, *case) for case in LAYERS_1D]


def close(found, expected, dtype):
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=scale * (1e-12 if dtype == "float64" else 2e-5))


def their_gradient(g, what):
    """A gradient of PyTorch's, which has none at all for an empty batch."""
    return np.zeros(what.shape) if g is None else g.numpy()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch", [3, 0, None])
@pytest.mark.parametrize(("layer", "sizes", "options", "size"), LAYERS)
def test_torchs_numbers(layer, sizes, options, size, batch, dtype):
    torch = pytest.importorskip("torch")
    ours = layer(*sizes, **options, rng=0, dtype=dtype)
    theirs = getattr(torch.nn, layer.__name__)(*sizes, **options, dtype=getattr(torch, dtype))
    theirs.load_state_dict({name: torch.tensor(data) for name, data in ours.state_dict().items()})
    x = RNG.normal(size=(sizes[0], *size) if batch is None else (batch, sizes[0], *size)).astype(dtype)
    mine, its = tg.Value(x), torch.tensor(x, requires_grad=True)
    y = ours(mine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "same" with an even kernel copies
        expected = theirs(its)
    assert y.dtype == dtype and y.shape == tuple(expected.shape)
    close(y.data, expected.detach().numpy(), dtype)
    g = RNG.normal(size=y.shape).astype(dtype)
    y.backward(g)
    expected.backward(torch.tensor(g))
    close(mine.grad, their_gradient(its.grad, mine), dtype)
    for name, parameter in theirs.named_parameters():
        close(getattr(ours, name).grad, their_gradient(parameter.grad, parameter), dtype)


def test_weights_begin_as_torchs():
    layer = Conv2d(8, 64, 3, groups=2, rng=0)
    bound = 1 / np.sqrt(4 * 9)
    for parameter in layer.parameters():
        assert 0.9 * bound < np.max(np.abs(parameter.data)) <= bound
        assert abs(np.mean(parameter.data)) < 0.2 * bound


@pytest.mark.parametrize(
    ("f", "shapes", "options"),
    [
        (conv2d, ((2, 2, 4, 4), (2, 1, 2, 3), (2,)), {"stride": (1, 2), "padding": 1, "groups": 2}),
        (conv2d, ((1, 5, 5), (2, 1, 2, 2), (2,)), {"dilation": 2, "padding": "same"}),
        (conv1d, ((2, 2, 6), (3, 2, 3), (3,)), {"stride": 2, "padding": 2}),
        (convolution_input, ((2, 3, 2, 3), (3, 2, 2, 2)), {"size": (4, 4), "stride": (2, 1)}),
        (convolution_weight, ((2, 2, 4, 4), (2, 3, 2, 3)), {"kernel": (2, 2), "stride": (2, 1)}),
    ],
)
def test_gradcheck(f, shapes, options, pytestconfig):
    arrays = [RNG.normal(size=s) for s in shapes]
    report = tg.gradcheck(lambda *xs: f(*xs, **options), *arrays, families=pytestconfig.getoption("--full"))
    assert report, report


def test_a_convolution_moves_with_its_input():
    """Along a ring, a shift of the input is the same shift of the output."""
    layer = Conv2d(2, 3, 3, padding="same", padding_mode="circular", rng=0)
    x = RNG.normal(size=(2, 2, 5, 6))
    np.testing.assert_allclose(layer(np.roll(x, (1, 2), (-2, -1))).data, np.roll(layer(x).data, (1, 2), (-2, -1)))


def test_what_is_not_finite_stays_where_it_is():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 0, 0] = np.inf
    y = conv2d(x, np.ones((1, 1, 2, 2)))
    assert np.isinf(y[0, 0, 0, 0]) and np.all(np.isfinite(np.delete(y.ravel(), 0)))
    g = np.zeros((1, 1, 4, 4))
    g[0, 0, 0, 0] = np.inf
    gx = convolution_input(g, np.ones((1, 1, 2, 2)), size=(5, 5))
    assert np.all(np.isinf(gx[0, 0, :2, :2])) and np.all(gx[0, 0, 2:] == 0)


def test_integers_and_leading_axes():
    assert conv2d(np.arange(9).reshape(1, 3, 3), np.ones((1, 1, 2, 2), dtype=int)).tolist() == [[[8, 12], [20, 24]]]
    x, w = RNG.normal(size=(2, 3, 1, 4, 4)), RNG.normal(size=(2, 1, 2, 2))
    y = conv2d(x, w)
    assert y.shape == (2, 3, 2, 3, 3)
    np.testing.assert_array_equal(y[1, 2], conv2d(x[1, 2], w))


def test_mistakes_name_the_layer_and_the_shapes():
    class Net(Module):
        def __init__(self):
            self.first = Conv2d(1, 6, 5)
            self.second = Conv2d(8, 16, 5)

        def forward(self, x):
            return self.second(self.first(x))

    with pytest.raises(ValueError, match=r"second: Conv2d\(8 → 16, kernel_size=5\) takes .*\(batch, 8, "):
        Net()(np.zeros((2, 1, 28, 28)))
    with pytest.raises(ValueError, match=r"first: Conv2d.*kernel of \(5, 5\) does not fit .* \(4, 28\): use a smaller"):
        Net()(np.zeros((2, 1, 4, 28)))
    with pytest.raises(ValueError, match=r"Conv2d.*\(batch, 1, height, width\), not \(28, 28\)"):
        Conv2d(1, 6, 5)(np.zeros((28, 28)))
    with pytest.raises(ValueError, match=r"Conv1d.*\(batch, 2, length\), not \(4, 3, 9\)"):
        Conv1d(2, 2, 3)(np.zeros((4, 3, 9)))
    with pytest.raises(ValueError, match=r"spreads over \(9, 9\), does not fit .* with its border \(8, 8\)"):
        Conv2d(1, 1, 3, dilation=4, padding=1)(np.zeros((1, 6, 6)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "groups=2 does not divide in_channels=3"),
        ({"stride": 0}, "stride is an integer of at least 1, or 2 of them, not 0"),
        ({"stride": 2, "padding": "same"}, "padding='same' is for stride 1"),
        ({"padding": "full"}, "padding is 'same', 'valid', or a number"),
        ({"padding": -1}, "padding is an integer of at least 0"),
        ({"padding": (1, 2, 3)}, r"not \(1, 2, 3\)"),
        ({"padding_mode": "mirror"}, "padding_mode is one of 'zeros', 'reflect'"),
        ({"dilation": 1.5}, "dilation is an integer"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Conv2d(3, 4, 3, **options)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 3, 5, 5), (4, 2, 3, 3), None), {}, r"conv2d: the weight \(4, 2, 3, 3\) is for 2 input channels.* has 3"),
        (((2, 4, 5, 5), (4, 2, 3, 3), None), {"groups": 3}, "groups=3 does not divide the weight's 4 output"),
        (((2, 2, 5, 5), (4, 2, 3, 3), (3,)), {}, r"the bias has shape \(3,\), not \(4,\)"),
        (((5, 5), (4, 2, 3, 3), None), {}, r"\(batch, channels, H, W\), not \(5, 5\)"),
        (((2, 2, 5, 5), (4, 2, 3), None), {}, r"a weight has shape \(out, in / groups, K, L\), not \(4, 2, 3\)"),
        (((2, 2, 2, 5), (4, 2, 3, 3), None), {}, r"a kernel of \(3, 3\) does not fit"),
    ],
)
def test_functions_say_what_does_not_fit(shapes, options, message):
    x, w, b = [None if s is None else np.zeros(s) for s in shapes]
    with pytest.raises(ValueError, match=message):
        conv2d(x, w, b, **options)
