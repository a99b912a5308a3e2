"""A chain of small arrays."""

from __future__ import annotations

from functools import partial
from time import process_time
from typing import Any

import numpy as np

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand import Chain
from .common import BY_HAND, EAGER, warm

TURNS, SIZE = 333, 64


def _chain_data() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    a, b, x = rng.uniform(0.5, 1.5, size=(3, SIZE))
    return x, a, b - 1.0


def chain_ours(compiled: bool) -> Run:
    import tinygrad_ce as tg

    def chain(x: Any, a: Any, b: Any) -> Any:
        for _ in range(TURNS):
            x = np.sin(x * a + b)
        return x.sum()

    gradient = tg.grad(chain)
    run = tg.compile(lambda x, a, b: gradient(x, a, b)) if compiled else gradient
    data = _chain_data()
    return lambda: run(*data)


def chain_torch() -> Run:
    import torch

    x, a, b = [torch.from_numpy(v) for v in _chain_data()]
    x.requires_grad_()

    def run() -> Any:
        x.grad = None
        y = x
        for _ in range(TURNS):
            y = torch.sin(y * a + b)
        y.sum().backward()
        return x.grad

    return run


def chain_jax() -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def chain(x: Any, a: Any, b: Any) -> Any:
        for _ in range(TURNS):
            x = jnp.sin(x * a + b)
        return x.sum()

    gradient, data = jax.jit(jax.grad(chain)), [jnp.asarray(v) for v in _chain_data()]
    return lambda: np.asarray(gradient(*data))


ROWS = (
    Row(
        name=f"compiled chain of {3 * TURNS}",
        what=f"x ← sin(a x + b), {TURNS} times on {SIZE} numbers, and its gradient in x.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(chain_ours, True))),
            Competitor(BY_HAND, warm(lambda: partial(Chain(TURNS, SIZE).gradient, *_chain_data()))),
            Competitor(EAGER, warm(partial(chain_ours, False))),
            Competitor("jax.jit", warm(chain_jax), needs="jax"),
            Competitor("torch", warm(chain_torch), needs="torch"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
    ),
)
