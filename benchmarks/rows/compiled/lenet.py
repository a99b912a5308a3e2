"""A training step of LeNet: two convolutions with relu and max pooling, three linear layers."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from ...model import Aim, Competitor, Row, Run
from ..by_hand_lenet import LeNet
from ..common import BY_HAND, WITH_NUMBA, ours, prepared, warm
from ..peers import lenet as peers
from ..peers.common import JAX

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


def lenet_ours(form: str) -> Run:
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

    run, (x, y) = prepared(step, form), batch()
    return lambda: run(x, y).data


ROWS = (
    Row(
        name=f"compiled step, LeNet, batch {BATCH}",
        what="Two convolutions with relu and max pooling, three linear layers, softmax cross-entropy, SGD, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            *ours(lenet_ours),
            Competitor(BY_HAND, warm(lambda: partial(LeNet(weights(), BATCH).step, *batch()))),
            *peers.of(weights, batch),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.0, who=WITH_NUMBA)),
        answers=5,
        tolerance=1e-8,
    ),
)
