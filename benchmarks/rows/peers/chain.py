"""x ← sin(a x + b) again and again, and its gradient: naive NumPy, jax, PyTorch, MyGrad, HIPS autograd."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...model import Competitor, Run
from ..common import warm
from .common import HIPS, JAX, MYGRAD, NAIVE, TORCH, TORCH_COMPILE, jax_of_doubles

Data = tuple[Any, Any, Any]


def of(turns: int, data: Data) -> tuple[Competitor, ...]:
    """The competitors of a row; data is x, a, b."""
    given = (turns, data)
    return (
        Competitor(NAIVE, warm(partial(naive, *given))),
        Competitor(JAX, warm(partial(jitted, *given)), needs="jax"),
        Competitor(TORCH, warm(partial(torchs, *given, False)), needs="torch"),
        Competitor(TORCH_COMPILE, warm(partial(torchs, *given, True)), needs="torch", slow=True),
        Competitor(MYGRAD, warm(partial(mygrad, *given)), needs="mygrad"),
        Competitor(HIPS, warm(partial(hips, *given)), needs="autograd"),
    )


def naive(turns: int, data: Data) -> Run:
    start, a, b = data

    def run() -> Any:
        x, inner = start, []
        for _ in range(turns):
            inner.append(a * x + b)
            x = np.sin(inner[-1])
        g = np.ones_like(x)
        for u in reversed(inner):
            g = g * np.cos(u) * a
        return g

    return run


def summed(xp: Any, turns: int, x: Any, a: Any, b: Any) -> Any:
    """The chain, as every library writes it."""
    for _ in range(turns):
        x = xp.sin(x * a + b)
    return xp.sum(x)


def torchs(turns: int, data: Data, compiled: bool) -> Run:
    import torch

    x, a, b = [torch.from_numpy(v) for v in data]
    x = x.clone().requires_grad_()
    chain = partial(summed, torch, turns)
    called: Any = torch.compile(chain) if compiled else chain

    def run() -> Any:
        x.grad = None
        called(x, a, b).backward()
        return x.grad

    return run


def jitted(turns: int, data: Data) -> Run:
    jax = jax_of_doubles()
    gradient = jax.jit(jax.grad(partial(summed, jax.numpy, turns)))
    given = [jax.numpy.asarray(v) for v in data]
    return lambda: np.asarray(gradient(*given))


def mygrad(turns: int, data: Data) -> Run:
    import mygrad as mg

    leaf, (a, b) = mg.tensor(data[0]), data[1:]

    def run() -> Any:
        summed(mg, turns, leaf, a, b).backward()
        return leaf.grad

    return run


def hips(turns: int, data: Data) -> Run:
    import autograd
    import autograd.numpy as anp

    return partial(autograd.grad(partial(summed, anp, turns)), *data)
