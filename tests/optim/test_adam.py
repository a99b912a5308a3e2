"""Adam and AdamW against the textbook, entry by entry."""

from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce.optim import Adam, AdamW

OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"betas": (0.5, 0.9), "eps": 1e-3},
    {"betas": (0.0, 0.0)},
    {"betas": (0.0, 0.99), "weight_decay": 0.2},
]


def textbook(p, gradient, steps, lr, decoupled, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """One number, one loop."""
    m = v = 0.0
    for t in range(1, steps + 1):
        g = gradient(p, t)
        if decoupled:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p -= lr * (m / (1 - betas[0] ** t)) / (sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def slope(p, t):
    """Of a convex bowl that wanders: rounding errors are damped, so a hundred steps can be compared."""
    return p - np.sin(t)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("make", [Adam, AdamW])
def test_a_hundred_steps_of_the_textbook(make, options):
    start = np.linspace(-2, 2, 6).reshape(2, 3)
    w = SimpleNamespace(data=start, grad=None)
    optimiser = make([w], lr=0.02, **options)
    for t in range(1, 101):
        w.grad = slope(w.data, t)
        optimiser.step()
    known = {"weight_decay": optimiser.weight_decay, **options}
    expected = [[textbook(float(p), slope, 100, 0.02, make is AdamW, **known) for p in row] for row in start]
    np.testing.assert_allclose(w.data, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("make", "decay"), [(Adam, 0.0), (AdamW, 0.01)])
def test_defaults_and_the_order_of_arguments_are_torchs(make, decay):
    w = SimpleNamespace(data=1.0, grad=None)
    plain = make([w])
    assert (plain.lr, plain.betas, plain.eps, plain.weight_decay) == (1e-3, (0.9, 0.999), 1e-8, decay)
    told = make([w], 0.1, (0.8, 0.9), 1e-4, 0.5)
    assert (told.lr, told.betas, told.eps, told.weight_decay) == (0.1, (0.8, 0.9), 1e-4, 0.5)


@pytest.mark.parametrize("make", [Adam, AdamW])
@pytest.mark.parametrize(
    "options",
    [
        {"lr": -1e-3},
        {"lr": float("nan")},
        {"betas": (1.0, 0.999)},
        {"betas": (0.9, 1.0)},
        {"betas": (-0.1, 0.9)},
        {"betas": (0.9, float("nan"))},
        {"betas": (0.9,)},
        {"eps": -1e-8},
        {"eps": float("nan")},
        {"weight_decay": -0.1},
    ],
)
def test_options_out_of_range(make, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make([SimpleNamespace(data=1.0, grad=None)], **options)


def test_the_first_step_has_length_lr_whatever_the_gradient():
    w = SimpleNamespace(data=np.zeros(3), grad=np.array([1e-3, -1.0, 1e6]))
    Adam([w], lr=0.1, eps=0.0).step()
    np.testing.assert_allclose(w.data, [-0.1, 0.1, -0.1], rtol=1e-12)
