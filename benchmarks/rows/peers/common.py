"""What the peers share: their names, and a network's loss written once for the libraries that speak NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...model import Run

NAIVE, MYGRAD, HIPS = "NumPy, naive", "MyGrad", "HIPS autograd"
TORCH, TORCH_COMPILE, JAX = "torch", "torch.compile", "jax.jit"


def jax_of_doubles() -> Any:
    """jax in float64, its calls made by the thread that waits for them: here that is the faster way, by a third."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return jax


def jax_loss() -> Callable[..., Any]:
    """`network_loss` of jax."""
    jax = jax_of_doubles()
    return partial(network_loss, jax.numpy, jax.nn.logsumexp)


def hips_loss() -> Callable[..., Any]:
    """`network_loss` of HIPS autograd."""
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    return partial(network_loss, anp, logsumexp)


def network_loss(xp: Any, logsumexp: Any, weights: Any, x: Any, y: Any) -> Any:
    """Of linear layers with relu between them; `weights` is W₁ (out, in), b₁, W₂, b₂, …

    Softmax cross-entropy; of a network with one output, the hinge loss.
    """
    for i in range(0, len(weights), 2):
        x = x @ weights[i].T + weights[i + 1]
        x = xp.maximum(x, 0.0) if i < len(weights) - 2 else x
    return xp.mean(xp.maximum(1.0 - y * x, 0.0)) if x.shape[1] == 1 else cross_entropy(xp, logsumexp, x, y)


def cross_entropy(xp: Any, logsumexp: Any, z: Any, y: Any) -> Any:
    """Of class indices, the mean."""
    return xp.mean(logsumexp(z, axis=1) - z[xp.arange(z.shape[0]), y])


def jax_adam(jax: Any, both: Callable[..., Any], weights: list[Any]) -> tuple[Callable[..., Any], Any]:
    """A training step of a loss's value_and_grad with Adam, jitted, and its first state; `step(state, x, y)`."""
    jnp = jax.numpy

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def step(state: Any, x: Any, y: Any) -> Any:
        weights, means, squares, t = state
        loss, gradients = both(weights, x, y)
        t = t + 1.0
        means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
        squares = [0.999 * v + 0.001 * g * g for v, g in zip(squares, gradients, strict=True)]
        unbias = (1.0 - 0.999**t) ** 0.5
        rate = 1e-3 * unbias / (1.0 - 0.9**t)
        moved = zip(weights, means, squares, strict=True)
        return loss, ([w - rate * m / (jnp.sqrt(v) + 1e-8 * unbias) for w, m, v in moved], means, squares, t)

    zeros = [jnp.zeros_like(w) for w in weights]
    return step, (weights, zeros, zeros, jnp.zeros(()))


def jax_descent(jax: Any, both: Callable[..., Any], weights: list[Any]) -> tuple[Callable[..., Any], Any]:
    """The same with SGD."""

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def step(weights: Any, x: Any, y: Any) -> Any:
        loss, gradients = both(weights, x, y)
        return loss, [w - 0.05 * g for w, g in zip(weights, gradients, strict=True)]

    return step, weights


def stepping(step: Callable[..., Any], state: Any, x: Any, y: Any) -> Run:
    """A run that goes on from state to state, and returns the loss."""

    def run() -> Any:
        nonlocal state
        loss, state = step(state, x, y)
        return np.asarray(loss)

    return run
