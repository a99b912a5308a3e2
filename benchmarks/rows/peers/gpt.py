"""A training step of a GPT of one layer: jax, PyTorch, HIPS autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...model import Competitor, Run
from ..common import warm
from .common import HIPS, JAX, TORCH, TORCH_COMPILE, cross_entropy, jax_adam, jax_of_doubles, stepping
from .mlp import updated

Weights = Callable[[], list[Any]]
Batch = Callable[[], tuple[Any, Any]]


def of(weights: Weights, batch: Batch, heads: int) -> tuple[Competitor, ...]:
    """The competitors of the row."""
    given = (weights, batch, heads)
    return (
        Competitor(JAX, warm(partial(jitted, *given)), needs="jax"),
        Competitor(TORCH, warm(partial(torchs, *given, False)), needs="torch"),
        Competitor(TORCH_COMPILE, warm(partial(torchs, *given, True)), needs="torch", slow=True),
        Competitor(HIPS, warm(partial(hips, *given)), needs="autograd"),
    )


def torchs(weights: Weights, batch: Batch, heads: int, compiled: bool) -> Run:
    import torch
    from torch import nn

    F = nn.functional
    p = [nn.Parameter(torch.from_numpy(w)) for w in weights()]
    optimizer = torch.optim.Adam(p, lr=1e-3)
    x, y = [torch.from_numpy(a) for a in batch()]
    width = p[0].shape[1]
    shape = (*x.shape, 3, heads, width // heads)

    def loss_of(x: Any, y: Any) -> Any:
        h = p[0][x] + p[1]
        q, k, v = F.linear(F.layer_norm(h, (width,), p[10], p[11]), p[2], p[3]).reshape(shape).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + F.linear(mixed.transpose(1, 2).reshape(h.shape), p[4], p[5])
        middle = F.gelu(F.linear(F.layer_norm(h, (width,), p[12], p[13]), p[6], p[7]), approximate="tanh")
        h = h + F.linear(middle, p[8], p[9])
        logits = F.linear(F.layer_norm(h, (width,), p[14], p[15]), p[16])
        return F.cross_entropy(logits.flatten(0, 1), y.flatten())

    called: Any = torch.compile(loss_of) if compiled else loss_of

    def run() -> Any:
        loss = called(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def loss_of(xp: Any, logsumexp: Any, heads: int, p: Any, x: Any, y: Any) -> Any:
    """The loss, as the libraries write it that speak NumPy."""
    (batch, length), width = x.shape, p[1].shape[1]
    size = width // heads
    h = p[0][x] + p[1]
    three = xp.reshape(_norm(xp, h, p[10], p[11]) @ p[2].T + p[3], (batch, length, 3, heads, size))
    three = xp.transpose(three, (2, 0, 3, 1, 4))
    q, k, v = three[0], three[1], three[2]
    seen = np.tril(np.ones((length, length), bool))
    scores = xp.where(seen, xp.matmul(q, xp.swapaxes(k, -1, -2)) * size**-0.5, -np.inf)
    shares = xp.exp(scores - logsumexp(scores, axis=-1, keepdims=True))
    mixed = xp.reshape(xp.transpose(xp.matmul(shares, v), (0, 2, 1, 3)), (batch, length, width))
    h = h + mixed @ p[4].T + p[5]
    middle = _norm(xp, h, p[12], p[13]) @ p[6].T + p[7]
    h = h + _gelu(xp, middle) @ p[8].T + p[9]
    logits = _norm(xp, h, p[14], p[15]) @ p[16].T
    return cross_entropy(xp, logsumexp, xp.reshape(logits, (batch * length, -1)), xp.reshape(y, -1))


def _norm(xp: Any, x: Any, w: Any, b: Any) -> Any:
    c = x - xp.mean(x, axis=-1, keepdims=True)
    return c / xp.sqrt(xp.mean(c * c, axis=-1, keepdims=True) + 1e-5) * w + b


def _gelu(xp: Any, u: Any) -> Any:
    return 0.5 * u * (1.0 + xp.tanh((2.0 / np.pi) ** 0.5 * (u + 0.044715 * u * u * u)))


def jitted(weights: Weights, batch: Batch, heads: int) -> Run:
    jax = jax_of_doubles()
    both = jax.value_and_grad(partial(loss_of, jax.numpy, jax.nn.logsumexp, heads))
    step, state = jax_adam(jax, both, [jax.numpy.asarray(w) for w in weights()])
    return stepping(step, state, *[jax.numpy.asarray(a) for a in batch()])


def hips(weights: Weights, batch: Batch, heads: int) -> Run:
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    p, (x, y) = weights(), batch()
    update = updated(p, adam=True)
    both = autograd.value_and_grad(partial(loss_of, anp, logsumexp, heads))

    def run() -> Any:
        loss, gradients = both(p, x, y)
        update(gradients)
        return loss

    return run
