"""A product with the Hessian of an MLP's loss."""

from __future__ import annotations

from functools import partial
from time import process_time
from typing import Any

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand import Hinge
from .common import BY_HAND, EAGER, Sizes, batch_of, joined, warm, weights_of

_SECOND: Sizes = (64, 128, 64, 10)


def hvp_ours(sizes: Sizes, n: int, compiled: bool) -> Run:
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
    run = tg.compile(product) if compiled else product
    return lambda: joined(run(weights, weights))


def hvp_jax(sizes: Sizes, n: int) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    weights = [jnp.asarray(w) for w in weights_of(sizes)]
    x, y = [jnp.asarray(a) for a in batch_of(sizes, n)]

    def loss(weights: Any) -> Any:
        h = x
        for i in range(0, len(weights), 2):
            h = h @ weights[i].T + weights[i + 1]
            h = jnp.maximum(h, 0.0) if i < len(weights) - 2 else h
        return (jax.nn.logsumexp(h, axis=1) - h[jnp.arange(n), y]).mean()

    product = jax.jit(lambda w, v: jax.jvp(jax.grad(loss), (w,), (v,))[1])
    return lambda: joined(product(weights, weights))


ROWS = (
    Row(
        name="compiled Hessian-vector product",
        what="Of the second network's loss in all its weights.",
        unit="call",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(hvp_ours, _SECOND, 64, True))),
            Competitor(BY_HAND, warm(lambda: Hinge(weights_of(_SECOND), 64).run(*batch_of(_SECOND, 64)))),
            Competitor(EAGER, warm(partial(hvp_ours, _SECOND, 64, False))),
            Competitor("jax.jit", warm(partial(hvp_jax, _SECOND, 64)), needs="jax"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
    ),
)
