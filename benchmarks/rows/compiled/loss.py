"""Softmax cross-entropy of a batch of logits and its gradient."""

from __future__ import annotations

from functools import partial
from time import process_time
from typing import Any

import numpy as np

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand import Loss
from .common import BY_HAND, EAGER, warm


def _loss_data(shape: tuple[int, int]) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=shape) * 2.0, rng.integers(0, shape[1], size=shape[0])


def loss_ours(shape: tuple[int, int], compiled: bool) -> Run:
    import tinygrad_ce as tg

    z, y = _loss_data(shape)
    both = tg.value_and_grad(lambda z, y: tg.softmax_cross_entropy(z, y))
    run = tg.compile(lambda z, y: both(z, y)) if compiled else both
    return lambda: run(z, y)


def loss_torch(shape: tuple[int, int]) -> Run:
    import torch

    z, y = [torch.from_numpy(a) for a in _loss_data(shape)]
    z.requires_grad_()

    def run() -> Any:
        z.grad = None
        loss = torch.nn.functional.cross_entropy(z, y)
        loss.backward()
        return loss.detach(), z.grad

    return run


def loss_jax(shape: tuple[int, int]) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    rows = jnp.arange(shape[0])

    @jax.jit
    def both(z: Any, y: Any) -> Any:
        return jax.value_and_grad(lambda z: (jax.nn.logsumexp(z, axis=1) - z[rows, y]).mean())(z)

    z, y = [jnp.asarray(a) for a in _loss_data(shape)]

    def run() -> Any:
        loss, g = both(z, y)
        return np.asarray(loss), np.asarray(g)

    return run


def _loss_row(shape: tuple[int, int]) -> Row:
    return Row(
        name=f"compiled loss, {shape[0]} × {shape[1]:,}",
        what="Softmax cross-entropy of a batch of logits and its gradient.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(loss_ours, shape, True))),
            Competitor(BY_HAND, warm(lambda: partial(Loss(shape).both, *_loss_data(shape)))),
            Competitor(EAGER, warm(partial(loss_ours, shape, False))),
            Competitor("jax.jit", warm(partial(loss_jax, shape)), needs="jax"),
            Competitor("torch", warm(partial(loss_torch, shape)), needs="torch"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
    )


ROWS = (_loss_row((32, 50_000)), _loss_row((64, 10)))
