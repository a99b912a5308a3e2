"""What the peers share: their names, and a network's loss written once for the libraries that speak NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

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
