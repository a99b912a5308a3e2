"""A training step of linear layers with relu."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand import MLP
from .common import BY_HAND, EAGER, Sizes, batch_of, warm, weights_of


def mlp_ours(sizes: Sizes, n: int, adam: bool, compiled: bool) -> Run:
    import tinygrad_ce as tg

    model = tg.nn.MLP(sizes)
    for p, w in zip(model.parameters(), weights_of(sizes), strict=True):
        p.data = w
    optimizer = tg.optim.Adam(model.parameters(), lr=1e-3) if adam else tg.optim.SGD(model.parameters(), lr=0.05)
    x, y = batch_of(sizes, n)

    def step(x: Any, y: Any) -> Any:
        out = model(x)
        loss = tg.relu(1.0 - y * out).mean() if sizes[-1] == 1 else tg.softmax_cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.compile(step) if compiled else step
    return lambda: run(x, y).data


def mlp_by_hand(sizes: Sizes, n: int, adam: bool) -> Run:
    made = MLP(weights_of(sizes), n, adam)
    return partial(made.step, *batch_of(sizes, n))


def mlp_torch(sizes: Sizes, n: int, adam: bool) -> Run:
    import torch

    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    parts = [part for layer in layers for part in (layer, torch.nn.ReLU())][:-1]
    model = torch.nn.Sequential(*parts)
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights_of(sizes), strict=True):
            p.copy_(torch.from_numpy(w))
    optimizer: Any = (
        torch.optim.Adam(model.parameters(), lr=1e-3) if adam else torch.optim.SGD(model.parameters(), lr=0.05)
    )
    x, y = [torch.from_numpy(a) for a in batch_of(sizes, n)]

    def run() -> Any:
        out = model(x)
        loss = torch.relu(1.0 - y * out).mean() if sizes[-1] == 1 else torch.nn.functional.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def mlp_jax(sizes: Sizes, n: int, adam: bool) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        h = x
        for i in range(0, len(weights), 2):
            h = h @ weights[i].T + weights[i + 1]
            h = jnp.maximum(h, 0.0) if i < len(weights) - 2 else h
        if sizes[-1] == 1:
            return jnp.maximum(1.0 - y * h, 0.0).mean()
        return (jax.nn.logsumexp(h, axis=1) - h[jnp.arange(n), y]).mean()

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        weights, means, squares, t = state
        loss, grads = jax.value_and_grad(loss_of)(weights, x, y)
        if not adam:
            return loss, ([w - 0.05 * g for w, g in zip(weights, grads, strict=True)], means, squares, t)
        t = t + 1.0
        means = [0.9 * m + 0.1 * g for m, g in zip(means, grads, strict=True)]
        squares = [0.999 * v + 0.001 * g * g for v, g in zip(squares, grads, strict=True)]
        unbias = (1.0 - 0.999**t) ** 0.5
        rate = 1e-3 * unbias / (1.0 - 0.9**t)
        moved = zip(weights, means, squares, strict=True)
        return loss, ([w - rate * m / (jnp.sqrt(v) + 1e-8 * unbias) for w, m, v in moved], means, squares, t)

    start = [jnp.asarray(w) for w in weights_of(sizes)]
    held = [(start, [jnp.zeros_like(w) for w in start], [jnp.zeros_like(w) for w in start], 0.0)]
    x, y = [jnp.asarray(a) for a in batch_of(sizes, n)]

    def run() -> Any:
        loss, held[0] = step(held[0], x, y)
        return np.asarray(loss)

    return run


def _mlp_row(sizes: Sizes, n: int, adam: bool) -> Row:
    given = (sizes, n, adam)
    return Row(
        name=f"compiled step, MLP {'-'.join(map(str, sizes))}, batch {n}{', Adam' if adam else ''}",
        what=f"Forward, {'hinge loss' if sizes[-1] == 1 else 'softmax cross-entropy'}, backward, "
        f"{'Adam' if adam else 'SGD'}, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(mlp_ours, *given, True))),
            Competitor(BY_HAND, warm(partial(mlp_by_hand, *given))),
            Competitor(EAGER, warm(partial(mlp_ours, *given, False))),
            Competitor("jax.jit", warm(partial(mlp_jax, *given)), needs="jax"),
            Competitor("torch", warm(partial(mlp_torch, *given)), needs="torch"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
        answers=5,
        tolerance=1e-8,
    )


ROWS = (
    _mlp_row((2, 16, 16, 1), 100, adam=False),
    _mlp_row((64, 128, 64, 10), 64, adam=True),
    _mlp_row((784, 256, 128, 10), 128, adam=False),
)
