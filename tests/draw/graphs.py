"""Small graphs that the tests draw. Whole numbers where there are many, so that no platform rounds otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn


def scalar() -> tg.Value:
    """micrograd's kind of graph: Python floats, reuse, numbers, after backward."""
    a, b = tg.Value(-4.0, label="a"), tg.Value(2.0, label="b")
    c = a + b
    d = a * b + b**3
    c += c + 1
    e = (c - d) / 10.0
    e.label = "e"
    e.backward()
    return e


def classifier() -> tg.Value:
    """cross_entropy(softmax(z), y), after backward."""
    z = tg.Value([[2.0, 1.0, 0.1], [0.5, -1.2, 3.3]], label="z")
    loss = tg.cross_entropy(tg.softmax(z), np.array([0, 1]))
    loss.label = "loss"
    loss.backward()
    return loss


def network() -> tg.Value:
    """Two layers, larger arrays, an option, before backward."""
    x = np.arange(32.0).reshape(4, 8) - 16
    w1 = tg.Value(np.arange(40.0).reshape(8, 5) / 8 - 2, label="W1")
    b1 = tg.Value(np.zeros(5), label="b1")
    w2 = tg.Value(np.arange(15.0).reshape(5, 3) / 4 - 2, label="W2")
    hidden = tg.relu(x @ w1 + b1).retain_grad()
    hidden.label = "hidden"
    return np.sum(hidden @ w2, axis=1)


def corners() -> tg.Value:
    """What is rarer: float32, an index, a constant Value, one array used twice, an empty array."""
    x = tg.Value(np.array([1, 2, 3], dtype=np.float32), label="x")
    mask = np.array([True, False, True])
    fixed = tg.Value(2.0, requires_grad=False, label="fixed")
    kept = np.where(mask, x, fixed)[mask][1:]
    return np.concatenate([kept, x[3:]]) * np.float32(3)


def modules(hidden: int = 1) -> tg.Value:
    """An MLP of modules whose weights are whole, after backward."""
    model = nn.MLP([2, *([3] * hidden), 2], rng=0)
    for p in model.parameters():
        p.data = np.arange(p.size, dtype=float).reshape(p.shape) % 3 - 1
    loss = np.sum(model(np.array([[1.0, 2.0], [0.0, -1.0]])) ** 2)
    loss.label = "loss"
    loss.backward()
    return loss


GRAPHS: dict[str, Callable[[], tg.Value]] = {
    "scalar": scalar,
    "classifier": classifier,
    "network": network,
    "corners": corners,
    "modules": modules,
}

# What is drawn of them: the graph, and draw's options.
PICTURES: dict[str, tuple[Callable[[], tg.Value], dict[str, Any]]] = {
    **{name: (make, {}) for name, make in GRAPHS.items()},
    "opened": (classifier, {"expand": ["softmax", "cross_entropy"], "derivation": "analytic"}),
    "closed": (modules, {"depth": 0}),
    "repeated": (lambda: modules(5), {"collapse": True, "theme": "dark"}),
    "backward": (scalar, {"direction": "backward"}),
    "both": (classifier, {"both": True}),
    "digest": (lambda: modules(3), {"limit": 10}),
}
