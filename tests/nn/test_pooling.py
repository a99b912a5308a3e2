"""MaxPool2d, AvgPool2d, AdaptiveAvgPool2d: PyTorch's numbers, ties, gradients, and users' mistakes."""

import itertools

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from tinygrad_ce.ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from tinygrad_ce.ops.runs import run_sums

RNG = np.random.default_rng(0)


def tied(shape, dtype="float64"):
    """Few different numbers, so that windows have several largest entries."""
    return np.round(RNG.normal(size=shape) * 1.5).astype(dtype)


def pair(n):
    return n if isinstance(n, tuple) else (n, n)


def fits(size, kernel, padding, dilation=1):
    """Whether a whole window does; PyTorch writes where it should not if ceil_mode finds room for a part of one."""
    sides = zip(size, pair(kernel), pair(padding), pair(dilation), strict=True)
    return all(d * (k - 1) + 1 <= n + 2 * p for n, k, p, d in sides)


def compare(ours, theirs, x):
    """Outputs and gradients, along both derivations; the number of windows."""
    torch = pytest.importorskip("torch")
    mine, its = tg.Value(x), torch.tensor(x, requires_grad=True)
    try:
        expected = theirs(its)
    except RuntimeError:
        with pytest.raises(ValueError):
            ours(mine)
        return 0
    y = ours(mine)
    assert y.shape == tuple(expected.shape) and y.dtype == x.dtype
    tolerance = 1e-13 if x.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    g = RNG.normal(size=y.shape).astype(x.dtype)
    expected.backward(torch.tensor(g))
    for derivation in ("analytic", "autodiff"):
        mine.grad = None
        y.backward(g, derivation=derivation)
        np.testing.assert_allclose(mine.grad, its.grad.numpy(), rtol=tolerance, atol=tolerance)
    return y.size


PLACES = list(itertools.product((1, 2, (3, 2)), (None, 1, (2, 3)), (0, 1, (0, 1)), (False, True)))


@pytest.mark.parametrize("size", [(6, 7), (3, 5)])
def test_torchs_numbers_max(size):
    torch = pytest.importorskip("torch")
    windows = 0
    for (kernel, stride, padding, ceil_mode), dilation in itertools.product(PLACES, (1, (2, 1))):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        if not fits(size, kernel, padding, dilation):
            continue
        theirs = lambda x, k=kernel, o=options: torch.nn.functional.max_pool2d(x, k, **o)
        windows += compare(lambda x, k=kernel, o=options: MaxPool2d(k, **o)(x), theirs, tied((2, 2, *size)))
    assert windows


@pytest.mark.parametrize("size", [(6, 7), (3, 5)])
def test_torchs_numbers_mean(size):
    torch = pytest.importorskip("torch")
    windows = 0
    for options in itertools.product(PLACES[::2], (True, False), (None, 3)):
        (kernel, stride, padding, ceil_mode), *rest = options
        o = (kernel, stride, padding, ceil_mode, *rest)
        if not fits(size, kernel, padding):
            continue
        x = RNG.normal(size=(2, 2, *size))
        windows += compare(lambda x, o=o: AvgPool2d(*o)(x), lambda x, o=o: torch.nn.functional.avg_pool2d(x, *o), x)
    assert windows


@pytest.mark.parametrize("output_size", [1, 2, 5, (3, 2), (9, 11), (None, 3)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_torchs_numbers_adaptive(output_size, dtype):
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(2, 3, 6, 7)).astype(dtype)
    assert compare(AdaptiveAvgPool2d(output_size), torch.nn.AdaptiveAvgPool2d(output_size), x)


@pytest.mark.parametrize("layer", [MaxPool2d(2), AvgPool2d(2, 1, 1, count_include_pad=False), AdaptiveAvgPool2d(2)])
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (3, 5, 4), (1, 1, 2, 2)])
def test_float32_empty_batches_and_single_images(layer, shape):
    torch = pytest.importorskip("torch")
    theirs = {
        MaxPool2d: lambda: torch.nn.MaxPool2d(2),
        AvgPool2d: lambda: torch.nn.AvgPool2d(2, 1, 1, count_include_pad=False),
        AdaptiveAvgPool2d: lambda: torch.nn.AdaptiveAvgPool2d(2),
    }[type(layer)]()
    compare(layer, theirs, tied(shape, "float32"))


def test_a_window_that_is_larger_than_the_image():
    x = np.array([[1.0, 3.0]])
    assert max_pool2d(x, kernel_size=2, ceil_mode=True).tolist() == [[3.0]]
    assert avg_pool2d(x, kernel_size=2, ceil_mode=True).tolist() == [[2.0]]
    with pytest.raises(ValueError, match=r"a kernel of \(3, 2\) does not fit"):
        max_pool2d(x, kernel_size=(3, 2), stride=1, ceil_mode=True)


def test_of_equals_the_first_has_the_gradient():
    x = tg.Value(np.zeros((4, 4)))
    max_pool2d(x, kernel_size=2).sum().backward()
    assert np.flatnonzero(x.grad).tolist() == [0, 2, 8, 10]
    x.grad = None
    max_pool2d(x, kernel_size=3, stride=1, padding=1).sum().backward()  # windows overlap, and share their first
    assert x.grad[0, 0] == 4.0 and x.grad.sum() == 16.0


@pytest.mark.parametrize("derivation", ["analytic", "autodiff"])
def test_nan_and_infinities(derivation):
    x = tg.Value(np.array([[np.nan, 1.0, np.inf, np.inf], [np.nan, 2.0, 1.0, -np.inf]]))
    y = max_pool2d(x, kernel_size=2)
    assert np.isnan(y.data[0, 0]) and y.data[0, 1] == np.inf
    y.backward(np.array([[3.0, 5.0]]), derivation=derivation)
    assert x.grad.tolist() == [[3.0, 0.0, 5.0, 0.0], [0.0] * 4]
    x = tg.Value(np.full((2, 2), -np.inf))
    y = max_pool2d(x, kernel_size=2, padding=1)
    y.sum().backward(derivation=derivation)
    assert y.data.tolist() == x.data.tolist()


def test_what_is_not_finite_stays_where_it_is():
    x = np.array([[np.inf, 1.0, 2.0, 3.0]] * 2)
    assert avg_pool2d(x, kernel_size=2).tolist() == [[np.inf, 2.5]]
    assert adaptive_avg_pool2d(x, output_size=(1, 3)).tolist() == [[np.inf, 1.5, 2.5]]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: max_pool2d(x, kernel_size=(2, 3), stride=1, padding=1),
        lambda x: max_pool2d(x, kernel_size=2, dilation=2, stride=2, ceil_mode=True),
        lambda x: avg_pool2d(x, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda x: avg_pool2d(x, kernel_size=2, divisor_override=-3),
        lambda x: adaptive_avg_pool2d(x, output_size=(3, 7)),
        lambda x: run_sums(x, runs=((-2, 1), (0, 3), (2, 3), (3, 9)), axis=-2),
    ],
)
def test_gradcheck(f, pytestconfig):
    report = tg.gradcheck(f, RNG.normal(size=(2, 5, 6)), families=pytestconfig.getoption("--full"))
    assert report, report


def test_runs_are_their_own_transposes():
    from tinygrad_ce.ops.runs import transposed

    for runs in (((0, 2), (1, 4), (3, 5)), ((-1, 1), (2, 2), (3, 9)), ((0, 5),), ((0, 1), (0, 1), (1, 2))):
        matrix = run_sums(np.eye(5), runs=runs)
        back = run_sums(np.eye(len(runs)), runs=transposed(runs, 5))
        np.testing.assert_array_equal(matrix, back.T)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2d(0), "MaxPool2d: kernel_size is an integer of at least 1, or 2 of them, not 0"),
        (lambda: MaxPool2d(2, stride=(1, 2, 3)), r"stride is .* not \(1, 2, 3\)"),
        (lambda: MaxPool2d((2, 4), padding=2), r"padding \(2, 2\) is more than half of the kernel's extent \(2, 4\)"),
        (lambda: AvgPool2d(2, padding=-1), "padding is an integer of at least 0"),
        (lambda: AvgPool2d(2, divisor_override=0), "divisor_override is what sums are divided by"),
        (lambda: AdaptiveAvgPool2d((2, 0)), r"output_size is an integer of at least 1, .* not \(2, 0\)"),
        (
            lambda: MaxPool2d(3)(np.zeros((1, 2, 2, 5))),
            r"MaxPool2d\(kernel_size=3\): .* does not fit",
        ),
        (lambda: AvgPool2d(2)(np.zeros((4, 4))), r"AvgPool2d.*\(batch, channels, height, width\), not \(4, 4\)"),
        (lambda: AdaptiveAvgPool2d(1)(np.zeros((2, 3, 0, 4))), r"entries to average, not \(2, 3, 0, 4\)"),
        (lambda: max_pool2d(np.zeros(4), kernel_size=2), r"max_pool2d: an input has shape .* not \(4,\)"),
        (lambda: max_pool2d(np.zeros((3, 1)), kernel_size=2), r"a kernel of \(2, 2\) does not fit .* \(3, 1\)"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()
