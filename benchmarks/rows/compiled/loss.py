"""Softmax cross-entropy of a batch of logits and its gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...model import Aim, Competitor, Row, Run
from ..by_hand import Loss
from ..common import BY_HAND, WITH_NUMBA, ours, prepared, warm
from ..peers import loss as peers
from ..peers.common import JAX


def _loss_data(shape: tuple[int, int]) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=shape) * 2.0, rng.integers(0, shape[1], size=shape[0])


def loss_ours(shape: tuple[int, int], form: str) -> Run:
    import tinygrad_ce as tg

    z, y = _loss_data(shape)
    both = tg.value_and_grad(lambda z, y: tg.softmax_cross_entropy(z, y))
    run = prepared(both, form)
    return lambda: run(z, y)


def _loss_row(shape: tuple[int, int]) -> Row:
    return Row(
        name=f"compiled loss, {shape[0]} × {shape[1]:,}",
        what="Softmax cross-entropy of a batch of logits and its gradient.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            *ours(partial(loss_ours, shape)),
            Competitor(BY_HAND, warm(lambda: partial(Loss(shape).both, *_loss_data(shape)))),
            *peers.of(partial(_loss_data, shape)),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.0, who=WITH_NUMBA)),
    )


ROWS = (_loss_row((32, 50_000)), _loss_row((64, 10)))
