"""The Hessian of a network's loss, in all its weights, times these weights: jax, PyTorch, HIPS autograd."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...model import Competitor, Run
from ..common import Sizes, batch_of, joined, warm, weights_of
from .common import HIPS, JAX, TORCH, hips_loss, jax_loss, jax_of_doubles


def of(sizes: Sizes, n: int) -> tuple[Competitor, ...]:
    """The competitors of a row."""
    return (
        Competitor(JAX, warm(partial(jitted, sizes, n)), needs="jax"),
        Competitor(TORCH, warm(partial(eager, sizes, n)), needs="torch"),
        Competitor(HIPS, warm(partial(hips, sizes, n)), needs="autograd"),
    )


def eager(sizes: Sizes, n: int) -> Run:
    """The gradient of ⟨gradient, v⟩."""
    import torch

    weights = [torch.from_numpy(w).requires_grad_() for w in weights_of(sizes)]
    vectors = [w.detach().clone() for w in weights]
    x, y = [torch.from_numpy(a) for a in batch_of(sizes, n)]

    def run() -> Any:
        h = x
        for i in range(0, len(weights), 2):
            h = torch.nn.functional.linear(h, weights[i], weights[i + 1])
            h = torch.relu(h) if i < len(weights) - 2 else h
        loss = torch.nn.functional.cross_entropy(h, y)
        gradients = torch.autograd.grad(loss, weights, create_graph=True)
        return joined([p.numpy() for p in torch.autograd.grad(gradients, weights, vectors)])

    return run


def jitted(sizes: Sizes, n: int) -> Run:
    jax = jax_of_doubles()
    loss, given = jax_loss(), jax.numpy.asarray
    weights = [given(w) for w in weights_of(sizes)]
    x, y = [given(a) for a in batch_of(sizes, n)]
    gradient = jax.grad(lambda w: loss(w, x, y))
    product = jax.jit(lambda w, v: jax.jvp(gradient, (w,), (v,))[1])
    return lambda: joined(product(weights, weights))


def hips(sizes: Sizes, n: int) -> Run:
    import autograd

    weights, (x, y), loss = weights_of(sizes), batch_of(sizes, n), hips_loss()
    product = autograd.differential_operators.make_hvp(lambda w: loss(w, x, y))
    return lambda: joined(product(weights)[0](weights))
