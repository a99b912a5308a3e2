"""A chain of small arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...model import Aim, Competitor, Row, Run
from ..by_hand import Chain
from ..common import BY_HAND, WITH_NUMBA, ours, prepared, warm
from ..peers import chain as peers
from ..peers.common import JAX

TURNS, SIZE = 333, 64


def _chain_data() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    a, b, x = rng.uniform(0.5, 1.5, size=(3, SIZE))
    return x, a, b - 1.0


def chain_ours(form: str) -> Run:
    import tinygrad_ce as tg

    def chain(x: Any, a: Any, b: Any) -> Any:
        for _ in range(TURNS):
            x = np.sin(x * a + b)
        return x.sum()

    gradient = tg.grad(chain)
    run = prepared(gradient, form)
    data = _chain_data()
    return lambda: run(*data)


ROWS = (
    Row(
        name=f"compiled chain of {3 * TURNS}",
        what=f"x ← sin(a x + b), {TURNS} times on {SIZE} numbers, and its gradient in x.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            *ours(chain_ours),
            Competitor(BY_HAND, warm(lambda: partial(Chain(TURNS, SIZE).gradient, *_chain_data()))),
            *peers.of(TURNS, _chain_data()),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.0, who=WITH_NUMBA)),
    ),
)
