"""A training step of a GPT of one layer."""

from __future__ import annotations

from functools import partial
from time import process_time
from typing import Any

import numpy as np

from ...model import OURS, Aim, Competitor, Row, Run
from ..by_hand_gpt import GPT
from .common import BY_HAND, EAGER, warm

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


def ours(compiled: bool) -> Run:
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

    run, (x, y) = tg.compile(step) if compiled else step, batch()
    return lambda: run(x, y).data


def theirs(compiled: bool) -> Run:
    import torch
    from torch import nn

    F = nn.functional
    p = [nn.Parameter(torch.from_numpy(w)) for w in weights()]
    optimizer = torch.optim.Adam(p, lr=1e-3)
    x, y = [torch.from_numpy(a) for a in batch()]
    shape = (BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)

    def loss_of(x: Any, y: Any) -> Any:
        h = p[0][x] + p[1]
        q, k, v = F.linear(F.layer_norm(h, (WIDTH,), p[10], p[11]), p[2], p[3]).reshape(shape).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + F.linear(heads.transpose(1, 2).reshape(h.shape), p[4], p[5])
        middle = F.gelu(F.linear(F.layer_norm(h, (WIDTH,), p[12], p[13]), p[6], p[7]), approximate="tanh")
        h = h + F.linear(middle, p[8], p[9])
        logits = F.linear(F.layer_norm(h, (WIDTH,), p[14], p[15]), p[16])
        return F.cross_entropy(logits.flatten(0, 1), y.flatten())

    called = torch.compile(loss_of) if compiled else loss_of

    def run() -> Any:
        loss = called(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def of_jax() -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    size = WIDTH // HEADS
    seen = jnp.tril(jnp.ones((LENGTH, LENGTH), bool))

    def norm(x: Any, w: Any, b: Any) -> Any:
        c = x - x.mean(axis=-1, keepdims=True)
        return c / jnp.sqrt((c * c).mean(axis=-1, keepdims=True) + 1e-5) * w + b

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        h = p[0][x] + p[1]
        three = norm(h, p[10], p[11]) @ p[2].T + p[3]
        q, k, v = three.reshape(BATCH, LENGTH, 3, HEADS, size).transpose(2, 0, 3, 1, 4)
        scores = jnp.where(seen, q @ k.swapaxes(-1, -2) * size**-0.5, -jnp.inf)
        heads = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(h.shape)
        h = h + heads @ p[4].T + p[5]
        middle = jax.nn.gelu(norm(h, p[12], p[13]) @ p[6].T + p[7], approximate=True)
        h = h + middle @ p[8].T + p[9]
        logits = norm(h, p[14], p[15]) @ p[16].T
        own = jnp.take_along_axis(logits, y[..., None], axis=-1)[..., 0]
        return (jax.nn.logsumexp(logits, axis=-1) - own).mean()

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        p, means, squares, t = state
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        t = t + 1.0
        means = [0.9 * m + 0.1 * a for m, a in zip(means, g, strict=True)]
        squares = [0.999 * v + 0.001 * a * a for v, a in zip(squares, g, strict=True)]
        unbias = (1.0 - 0.999**t) ** 0.5
        rate = 1e-3 * unbias / (1.0 - 0.9**t)
        moved = zip(p, means, squares, strict=True)
        return loss, ([w - rate * m / (jnp.sqrt(v) + 1e-8 * unbias) for w, m, v in moved], means, squares, t)

    start = [jnp.asarray(w) for w in weights()]
    held = [(start, [jnp.zeros_like(w) for w in start], [jnp.zeros_like(w) for w in start], 0.0)]
    x, y = [jnp.asarray(a) for a in batch()]

    def run() -> Any:
        loss, held[0] = step(held[0], x, y)
        return np.asarray(loss)

    return run


ROWS = (
    Row(
        name=f"compiled step, GPT of one layer, {BATCH} × {LENGTH} × {WIDTH}, Adam",
        what=f"Embeddings, layer norms, causal attention of {HEADS} heads, a gelu network, softmax cross-entropy, "
        "Adam, in float64.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, warm(partial(ours, True))),
            Competitor(BY_HAND, warm(lambda: partial(GPT(weights(), BATCH, LENGTH, HEADS).step, *batch()))),
            Competitor(EAGER, warm(partial(ours, False))),
            Competitor("jax.jit", warm(of_jax), needs="jax"),
            Competitor("torch", warm(partial(theirs, False)), needs="torch"),
        ),
        aim=Aim(against=BY_HAND, at_most=1.1),
        clock=process_time,
        answers=5,
        tolerance=1e-8,
    ),
)
