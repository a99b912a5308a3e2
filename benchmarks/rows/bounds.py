"""What the engine's own services may cost: a product with the Hessian, and looking for mutated parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..model import OURS, Aim, Competitor, Row, Run
from .training import batches_of, first_weights, ours

GRADIENT = "the gradient alone"
UNWATCHED = "without fingerprints"


def _hvp(size: int, second: bool) -> Run:
    """A Hessian-vector product of the demo's network in all its weights, or the gradient alone."""
    import tinygrad_ce as tg

    weights = first_weights()
    x, y = batches_of(size)[0]

    def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        return tg.softmax_cross_entropy(tg.relu(x @ w1.T + b1) @ w2.T + b2, y)

    if second:
        return lambda: tg.hvp(loss, weights, weights)
    gradient = tg.grad(loss, range(len(weights)))
    return lambda: gradient(*weights)


def _unwatched(size: int) -> Run:
    import tinygrad_ce as tg

    step = ours(size)

    def run() -> Any:
        with tg.detect_mutation(False):
            return step()

    return run


def _hvp_row(size: int) -> Row:
    return Row(
        name=f"Hessian-vector product, batch {size}",
        what="tg.hvp of the MLP 64-64-10 in all its weights, and tg.grad of it.",
        unit="call",
        baseline=GRADIENT,
        competitors=(
            Competitor(OURS, partial(_hvp, size, True)),
            Competitor(GRADIENT, partial(_hvp, size, False)),
        ),
        aim=Aim(against=GRADIENT, at_most=4.0),
        answers=None,
    )


def _watched_row(size: int) -> Row:
    return Row(
        name=f"fingerprints, batch {size}",
        what="The training step above, with and without a look at every parameter for writes since its use.",
        unit="step",
        baseline=UNWATCHED,
        competitors=(Competitor(OURS, partial(ours, size)), Competitor(UNWATCHED, partial(_unwatched, size))),
        aim=Aim(against=UNWATCHED, at_most=1.03),
        answers=5,
    )


ROWS = (_hvp_row(32), _hvp_row(64), _watched_row(32), _watched_row(64))
