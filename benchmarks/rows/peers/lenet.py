"""A training step of LeNet: jax, PyTorch, MyGrad."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...model import Competitor, Run
from ..common import warm
from .common import JAX, MYGRAD, TORCH, TORCH_COMPILE, jax_descent, jax_of_doubles, stepping
from .mlp import updated

Weights = Callable[[], list[Any]]
Batch = Callable[[], tuple[Any, Any]]


def of(weights: Weights, batch: Batch) -> tuple[Competitor, ...]:
    """The competitors of the row: W, b of two convolutions and three linear layers."""
    given = (weights, batch)
    return (
        Competitor(JAX, warm(partial(jitted, *given)), needs="jax"),
        Competitor(TORCH, warm(partial(torchs, *given, False)), needs="torch"),
        Competitor(TORCH_COMPILE, warm(partial(torchs, *given, True)), needs="torch", slow=True),
        Competitor(MYGRAD, warm(partial(mygrad, *given)), needs="mygrad"),
    )


def torchs(weights: Weights, batch: Batch, compiled: bool) -> Run:
    import torch
    from torch import nn

    dense = [nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    features = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*features, nn.Flatten(), *dense).double()
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights(), strict=True):
            p.copy_(torch.from_numpy(w))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = [torch.from_numpy(a) for a in batch()]
    called: Any = torch.compile(model) if compiled else model

    def run() -> Any:
        loss = nn.functional.cross_entropy(called(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def jitted(weights: Weights, batch: Batch) -> Run:
    jax = jax_of_doubles()
    jnp, lax = jax.numpy, jax.lax
    x, y = [jnp.asarray(a) for a in batch()]

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        h = x
        for w, b in ((p[0], p[1]), (p[2], p[3])):
            h = jnp.maximum(lax.conv(h, w, (1, 1), "VALID") + b[:, None, None], 0.0)
            h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        h = h.reshape(len(x), -1)
        for i in range(4, len(p), 2):
            h = h @ p[i].T + p[i + 1]
            h = jnp.maximum(h, 0.0) if i < len(p) - 2 else h
        return (jax.nn.logsumexp(h, axis=1) - h[jnp.arange(len(x)), y]).mean()

    step, state = jax_descent(jax, jax.value_and_grad(loss_of), [jnp.asarray(w) for w in weights()])
    return stepping(step, state, x, y)


def mygrad(weights: Weights, batch: Batch) -> Run:
    import mygrad as mg
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    p = [mg.tensor(w) for w in weights()]
    x, y = batch()
    update = updated([w.data for w in p], adam=False)

    def run() -> Any:
        h: Any = x
        for w, b in ((p[0], p[1]), (p[2], p[3])):
            h = mg.maximum(conv_nd(h, w, stride=1) + b[:, None, None], 0.0)
            h = max_pool(h, (2, 2), 2)
        h = h.reshape(len(x), -1)
        for i in range(4, len(p), 2):
            h = mg.matmul(h, p[i].T) + p[i + 1]
            h = mg.maximum(h, 0.0) if i < len(p) - 2 else h
        loss = softmax_crossentropy(h, y)
        loss.backward()
        update([w.grad for w in p])
        return loss.data

    return run
