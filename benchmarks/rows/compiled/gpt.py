"""A training step of a GPT of one layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...model import Aim, Competitor, Row, Run
from ..by_hand_gpt import GPT
from ..common import BY_HAND, WITH_NUMBA, ours, prepared, warm
from ..peers import gpt as peers
from ..peers.common import JAX

BATCH, LENGTH, WIDTH, HEADS, VOCABULARY = 16, 64, 64, 4, 65
_MIDDLE = 4 * WIDTH
_SHAPES = (
    *((VOCABULARY, WIDTH), (LENGTH, WIDTH)),
    *((3 * WIDTH, WIDTH), (3 * WIDTH,), (WIDTH, WIDTH), (WIDTH,)),
    *((_MIDDLE, WIDTH), (_MIDDLE,), (WIDTH, _MIDDLE), (WIDTH,)),
    *((WIDTH,), (WIDTH,)) * 3,
    (VOCABULARY, WIDTH),
)


def weights() -> list[Any]:
    rng = np.random.default_rng(0)
    made = [rng.normal(size=shape) * shape[-1] ** -0.5 for shape in _SHAPES]
    made[10:16:2] = [1.0 + 0.1 * rng.normal(size=WIDTH) for _ in range(3)]  # of norms
    return made


def batch() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return tuple(rng.integers(0, VOCABULARY, size=(2, BATCH, LENGTH)))


def gpt_step() -> tuple[Callable[..., Any], tuple[Any, Any]]:
    """A training step, and what it is called with."""
    import tinygrad_ce as tg
    from tinygrad_ce.nn import functional as F
    from tinygrad_ce.programs import models

    model = models.GPT(VOCABULARY, LENGTH, WIDTH, 1, HEADS, dtype=np.float64)
    model.blocks[0].activation = partial(F.gelu, approximate="tanh")
    for p, w in zip(model.parameters(), weights(), strict=True):
        p.data = w
    optimizer = tg.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, batch()


def gpt_ours(form: str) -> Run:
    step, given = gpt_step()
    run = prepared(step, form)
    return lambda: run(*given).data


ROWS = (
    Row(
        name=f"compiled step, GPT of one layer, {BATCH} × {LENGTH} × {WIDTH}, Adam",
        what=f"Embeddings, layer norms, causal attention of {HEADS} heads, a gelu network, softmax cross-entropy, "
        "Adam, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            *ours(gpt_ours),
            Competitor(BY_HAND, warm(lambda: partial(GPT(weights(), BATCH, LENGTH, HEADS).step, *batch()))),
            *peers.of(weights, batch, HEADS),
        ),
        aim=(Aim(BY_HAND, 1.1), Aim(JAX, 1.0, who=WITH_NUMBA)),
        answers=5,
        tolerance=1e-8,
    ),
)
