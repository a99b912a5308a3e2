"""SGD against the textbook, entry by entry."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce.optim import SGD

OPTIONS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dampening": 0.4},
    {"weight_decay": 0.1},
    {"momentum": 0.5, "dampening": 0.2, "weight_decay": 0.1},
    {"momentum": 0.5, "weight_decay": 0.1, "nesterov": True},
]


def textbook(p, gradient, steps, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    """One number, one loop."""
    velocity = None
    for step in range(steps):
        g = gradient(p, step) + weight_decay * p
        velocity = g if velocity is None else momentum * velocity + (1 - dampening) * g
        p = p - lr * (g + momentum * velocity if nesterov else velocity if momentum else g)
    return p


def slope(p, step):
    """Of a convex bowl that wanders: rounding errors are damped, so a hundred steps can be compared."""
    return p - np.sin(step)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_hundred_steps_of_the_textbook(options):
    start = np.linspace(-2, 2, 6).reshape(2, 3)
    w = SimpleNamespace(data=start, grad=None)
    optimiser = SGD([w], lr=0.05, **options)
    for step in range(100):
        w.grad = slope(w.data, step)
        optimiser.step()
    expected = [[textbook(p, slope, 100, 0.05, **options) for p in row] for row in start]
    np.testing.assert_allclose(w.data, expected, rtol=1e-10, atol=1e-12)


def test_the_order_of_arguments_is_torchs():
    w = SimpleNamespace(data=1.0, grad=None)
    optimiser = SGD([w], 0.1, 0.9, 0.0, 0.3, True)
    assert (optimiser.momentum, optimiser.dampening, optimiser.weight_decay, optimiser.nesterov) == (
        0.9,
        0.0,
        0.3,
        True,
    )
    assert SGD([w]).lr == 1e-3


@pytest.mark.parametrize(
    "options",
    [
        {"lr": -0.1},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"momentum": -0.1},
        {"momentum": float("nan")},
        {"dampening": float("nan")},
        {"weight_decay": -1.0},
        {"weight_decay": float("nan")},
        {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SGD([SimpleNamespace(data=1.0, grad=None)], **options)


def test_without_momentum_there_is_no_velocity():
    w = SimpleNamespace(data=np.ones(2), grad=np.ones(2))
    optimiser = SGD([w], lr=0.25)
    optimiser.step()
    assert [key for key in optimiser.state_dict() if key[0] == "0"] == ["0.step"]
