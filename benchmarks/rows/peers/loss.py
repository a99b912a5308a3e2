"""Softmax cross-entropy and its gradient: naive NumPy, jax, PyTorch, MyGrad, HIPS autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...model import Competitor, Run
from ..common import warm
from ..loss import textbook
from .common import HIPS, JAX, MYGRAD, NAIVE, TORCH, TORCH_COMPILE, cross_entropy, jax_of_doubles

Data = Callable[[], tuple[Any, Any]]


def of(data: Data) -> tuple[Competitor, ...]:
    """The competitors of a row; `data` makes logits and class indices."""
    return (
        Competitor(NAIVE, warm(lambda: partial(textbook, *data()))),
        Competitor(JAX, warm(partial(jitted, data)), needs="jax"),
        Competitor(TORCH, warm(partial(torchs, data, False)), needs="torch"),
        Competitor(TORCH_COMPILE, warm(partial(torchs, data, True)), needs="torch", slow=True),
        Competitor(MYGRAD, warm(partial(mygrad, data)), needs="mygrad"),
        Competitor(HIPS, warm(partial(hips, data)), needs="autograd"),
    )


def torchs(data: Data, compiled: bool) -> Run:
    import torch

    z, y = data()
    leaf, labels = torch.from_numpy(z).clone().requires_grad_(), torch.from_numpy(y)
    loss_of = torch.nn.functional.cross_entropy
    called: Any = torch.compile(loss_of) if compiled else loss_of

    def run() -> Any:
        leaf.grad = None
        loss = called(leaf, labels)
        loss.backward()
        return loss.detach(), leaf.grad

    return run


def jitted(data: Data) -> Run:
    jax = jax_of_doubles()
    both = jax.jit(jax.value_and_grad(partial(cross_entropy, jax.numpy, jax.nn.logsumexp)))
    given = [jax.numpy.asarray(a) for a in data()]

    def run() -> Any:
        loss, g = both(*given)
        return np.asarray(loss), np.asarray(g)

    return run


def mygrad(data: Data) -> Run:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    z, y = data()
    leaf = mg.tensor(z)

    def run() -> Any:
        loss = softmax_crossentropy(leaf, y)
        loss.backward()
        return loss.data, leaf.grad

    return run


def hips(data: Data) -> Run:
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    return partial(autograd.value_and_grad(partial(cross_entropy, anp, logsumexp)), *data())
