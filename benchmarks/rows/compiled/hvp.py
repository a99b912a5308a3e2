"""A product with the Hessian of an MLP's loss."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...model import Aim, Competitor, Row, Run
from ..by_hand import Hinge
from ..common import BY_HAND, Sizes, batch_of, joined, ours, prepared, warm, weights_of
from ..peers import hvp as peers
from ..peers.common import JAX

_SECOND: Sizes = (64, 128, 64, 10)


def hvp_ours(sizes: Sizes, n: int, form: str) -> Run:
    import tinygrad_ce as tg

    weights = weights_of(sizes)
    x, y = batch_of(sizes, n)

    def loss(*weights: Any) -> Any:
        h: Any = x
        for i in range(0, len(weights), 2):
            h = h @ weights[i].T + weights[i + 1]
            h = tg.relu(h) if i < len(weights) - 2 else h
        return tg.softmax_cross_entropy(h, y)

    product = lambda weights, vectors: tg.hvp(loss, weights, vectors)
    run = prepared(product, form)
    return lambda: joined(run(weights, weights))


ROWS = (
    Row(
        name="compiled Hessian-vector product",
        what="Of the second network's loss in all its weights.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            *ours(partial(hvp_ours, _SECOND, 64)),
            Competitor(BY_HAND, warm(lambda: Hinge(weights_of(_SECOND), 64).run(*batch_of(_SECOND, 64)))),
            *peers.of(_SECOND, 64),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.5)),
    ),
)
