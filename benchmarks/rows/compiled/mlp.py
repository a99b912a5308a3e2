"""A training step of linear layers with relu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...model import Aim, Competitor, Row, Run
from ..by_hand import MLP
from ..common import BY_HAND, EAGER, WITH_NUMBA, Sizes, batch_of, ours, prepared, warm, weights_of
from ..peers import mlp as peers
from ..peers.common import JAX, NAIVE


def mlp_step(sizes: Sizes, n: int, adam: bool) -> tuple[Callable[..., Any], tuple[Any, Any]]:
    """A training step, and what it is called with."""
    import tinygrad_ce as tg

    model = tg.nn.MLP(sizes)
    for p, w in zip(model.parameters(), weights_of(sizes), strict=True):
        p.data = w
    optimizer = tg.optim.Adam(model.parameters(), lr=1e-3) if adam else tg.optim.SGD(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        out = model(x)
        loss = tg.relu(1.0 - y * out).mean() if sizes[-1] == 1 else tg.softmax_cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, batch_of(sizes, n)


def mlp_ours(sizes: Sizes, n: int, adam: bool, form: str) -> Run:
    step, given = mlp_step(sizes, n, adam)
    run = prepared(step, form)
    return lambda: run(*given).data


def mlp_by_hand(sizes: Sizes, n: int, adam: bool) -> Run:
    made = MLP(weights_of(sizes), n, adam)
    return partial(made.step, *batch_of(sizes, n))


def _mlp_row(sizes: Sizes, n: int, adam: bool, *more: Aim) -> Row:
    given = (sizes, n, adam)
    return Row(
        name=f"compiled step, MLP {'-'.join(map(str, sizes))}, batch {n}{', Adam' if adam else ''}",
        what=f"Forward, {'hinge loss' if sizes[-1] == 1 else 'softmax cross-entropy'}, backward, "
        f"{'Adam' if adam else 'SGD'}, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            *ours(partial(mlp_ours, *given)),
            Competitor(BY_HAND, warm(partial(mlp_by_hand, *given))),
            *peers.of(*given),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.0, who=WITH_NUMBA), *more),
        answers=5,
        tolerance=1e-8,
    )


ROWS = (
    _mlp_row((2, 16, 16, 1), 100, False, Aim(NAIVE, 1.6, who=EAGER), Aim(BY_HAND, 0.5, who=WITH_NUMBA)),
    _mlp_row((64, 128, 64, 10), 64, True, Aim(NAIVE, 1.6, who=EAGER), Aim(BY_HAND, 0.65, who=WITH_NUMBA)),
    _mlp_row((784, 256, 128, 10), 128, False),
)
