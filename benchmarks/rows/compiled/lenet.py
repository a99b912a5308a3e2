"""A training step of LeNet: two convolutions with relu and max pooling, three linear layers."""

from __future__ import annotations

from functools import partial
from math import prod
from time import process_time
from typing import Any

import numpy as np

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand_lenet import LeNet
from .common import BY_HAND, EAGER, warm

BATCH = 32
_SHAPES = (
    *((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,)),
    *((120, 256), (120,), (84, 120), (84,), (10, 84), (10,)),
)


def weights() -> list[Any]:
    """As torch draws them: a weight's bound, and its bias's, is 1 / √(what an output sees)."""
    rng = np.random.default_rng(0)
    fans = [prod(shape[1:]) for shape in _SHAPES[::2] for _ in range(2)]
    return [rng.uniform(-(fan**-0.5), fan**-0.5, size=shape) for fan, shape in zip(fans, _SHAPES, strict=True)]


def batch() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(BATCH, 1, 28, 28)), rng.integers(0, 10, size=BATCH)


def ours(compiled: bool) -> Run:
    import tinygrad_ce as tg
    from tinygrad_ce import nn

    features = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*features, nn.Flatten(), nn.MLP((256, 120, 84, 10)))
    for p, w in zip(model.parameters(), weights(), strict=True):
        p.data = w
    optimizer = tg.optim.SGD(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run, (x, y) = tg.compile(step) if compiled else step, batch()
    return lambda: run(x, y).data


def theirs(compiled: bool) -> Run:
    import torch
    from torch import nn

    dense = [nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    features = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*features, nn.Flatten(), *dense).double()
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights(), strict=True):
            p.copy_(torch.from_numpy(w))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = [torch.from_numpy(a) for a in batch()]
    called = torch.compile(model) if compiled else model

    def run() -> Any:
        loss = nn.functional.cross_entropy(called(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def of_jax() -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp, lax = jax.numpy, jax.lax

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        h = x
        for w, b in ((p[0], p[1]), (p[2], p[3])):
            h = jnp.maximum(lax.conv(h, w, (1, 1), "VALID") + b[:, None, None], 0.0)
            h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        h = h.reshape(BATCH, -1)
        for i in range(4, len(p), 2):
            h = h @ p[i].T + p[i + 1]
            h = jnp.maximum(h, 0.0) if i < len(p) - 2 else h
        return (jax.nn.logsumexp(h, axis=1) - h[jnp.arange(BATCH), y]).mean()

    @jax.jit
    def step(p: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        return loss, [a - 0.05 * b for a, b in zip(p, g, strict=True)]

    held = [[jnp.asarray(w) for w in weights()]]
    x, y = [jnp.asarray(a) for a in batch()]

    def run() -> Any:
        loss, held[0] = step(held[0], x, y)
        return np.asarray(loss)

    return run


ROWS = (
    Row(
        name=f"compiled step, LeNet, batch {BATCH}",
        what="Two convolutions with relu and max pooling, three linear layers, softmax cross-entropy, SGD, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(ours, True))),
            Competitor(BY_HAND, warm(lambda: partial(LeNet(weights(), BATCH).step, *batch()))),
            Competitor(EAGER, warm(partial(ours, False))),
            Competitor("jax.jit", warm(of_jax), needs="jax"),
            Competitor("torch", warm(partial(theirs, False)), needs="torch"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
        answers=5,
        tolerance=1e-8,
    ),
)
