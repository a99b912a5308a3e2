"""Compiled functions beside the same written by hand with `out=` and buffers, and beside other libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np

from ..model import OURS, Aim, Competitor, Row, Run
from .by_hand import MLP, Chain, Hinge, Loss

BY_HAND = "NumPy by hand, out="
EAGER = "tinygrad_ce, eager"
Sizes = tuple[int, ...]


def warm(make: Callable[[], Run]) -> Callable[[], Run]:
    """Runs that have run once: what compiles has then compiled."""

    def made() -> Run:
        run = make()
        run()
        return run

    return made


def weights_of(sizes: Sizes) -> list[Any]:
    """W₁ (out, in), b₁, W₂, b₂, …, uniform as torch.nn.Linear draws them."""
    rng = np.random.default_rng(0)
    made = []
    for m, n in pairwise(sizes):
        bound = m**-0.5
        made += [rng.uniform(-bound, bound, size=(n, m)), rng.uniform(-bound, bound, size=n)]
    return made


def batch_of(sizes: Sizes, n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, sizes[0]))
    return x, (rng.choice([-1.0, 1.0], size=(n, 1)) if sizes[-1] == 1 else rng.integers(0, sizes[-1], size=n))


# -- an MLP --------------------------------------------------------------------------------------------------------


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


# -- the loss alone ------------------------------------------------------------------------------------------------


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


# -- a chain of small arrays ---------------------------------------------------------------------------------------

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


# -- a product with the Hessian ------------------------------------------------------------------------------------


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


def joined(parts: Any) -> Any:
    """Arrays as one vector, which is an answer to compare."""
    return np.concatenate([np.ravel(p) for p in parts])


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


_SECOND: Sizes = (64, 128, 64, 10)

ROWS = (
    _mlp_row((2, 16, 16, 1), 100, adam=False),
    _mlp_row(_SECOND, 64, adam=True),
    _mlp_row((784, 256, 128, 10), 128, adam=False),
    _loss_row((32, 50_000)),
    _loss_row((64, 10)),
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
