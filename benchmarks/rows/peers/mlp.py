"""A training step of linear layers with relu: naive NumPy, jax, PyTorch, MyGrad, HIPS autograd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count, pairwise
from typing import Any

import numpy as np

from ...model import Competitor, Run
from ..common import Sizes, batch_of, warm, weights_of
from ..loss import textbook
from .common import (
    HIPS,
    JAX,
    MYGRAD,
    NAIVE,
    TORCH,
    TORCH_COMPILE,
    hips_loss,
    jax_adam,
    jax_descent,
    jax_loss,
    jax_of_doubles,
    stepping,
)

Update = Callable[[list[Any]], None]


def of(sizes: Sizes, n: int, adam: bool) -> tuple[Competitor, ...]:
    """The competitors of a row."""
    given = (sizes, n, adam)
    return (
        Competitor(NAIVE, warm(partial(naive, *given))),
        Competitor(JAX, warm(partial(jitted, *given)), needs="jax"),
        Competitor(TORCH, warm(partial(torchs, *given, False)), needs="torch"),
        Competitor(TORCH_COMPILE, warm(partial(torchs, *given, True)), needs="torch", slow=True),
        Competitor(MYGRAD, warm(partial(mygrad, *given)), needs="mygrad"),
        Competitor(HIPS, warm(partial(hips, *given)), needs="autograd"),
    )


def updated(weights: list[Any], adam: bool) -> Update:
    """What moves these arrays against their gradients, one after the other: Adam, or SGD."""
    if not adam:

        def descend(gradients: list[Any]) -> None:
            for w, g in zip(weights, gradients, strict=True):
                w -= 0.05 * g

        return descend
    means, squares = [[np.zeros_like(w) for w in weights] for _ in range(2)]
    steps = count(1)

    def update(gradients: list[Any]) -> None:
        t = next(steps)
        for w, g, m, v in zip(weights, gradients, means, squares, strict=True):
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            w -= 1e-3 * (m / (1.0 - 0.9**t)) / (np.sqrt(v / (1.0 - 0.999**t)) + 1e-8)

    return update


def naive(sizes: Sizes, n: int, adam: bool) -> Run:
    """The formulas as they stand: no buffers, no `out=`."""
    weights = weights_of(sizes)
    x, y = batch_of(sizes, n)
    update = updated(weights, adam)

    def run() -> Any:
        inputs = [x]
        for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            inputs.append(np.maximum(inputs[-1] @ w.T + b, 0.0))
        out = inputs[-1] @ weights[-2].T + weights[-1]
        loss, g = _hinge(out, y) if sizes[-1] == 1 else textbook(out, y)
        gradients = []
        for i in range(len(inputs) - 1, -1, -1):
            gradients += [g.sum(axis=0), g.T @ inputs[i]]
            if i:
                g = (g @ weights[2 * i]) * (inputs[i] > 0)
        update(gradients[::-1])
        return loss

    return run


def _hinge(out: Any, y: Any) -> tuple[Any, Any]:
    short = 1.0 - y * out
    return np.maximum(short, 0.0).mean(), -y * (short > 0) / len(y)


def mygrad(sizes: Sizes, n: int, adam: bool) -> Run:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    weights = [mg.tensor(w) for w in weights_of(sizes)]
    x, y = batch_of(sizes, n)
    update = updated([w.data for w in weights], adam)

    def run() -> Any:
        h: Any = x
        for i in range(0, len(weights), 2):
            h = mg.matmul(h, weights[i].T) + weights[i + 1]
            h = mg.maximum(h, 0.0) if i < len(weights) - 2 else h
        loss = mg.mean(mg.maximum(1.0 - y * h, 0.0)) if sizes[-1] == 1 else softmax_crossentropy(h, y)
        loss.backward()
        update([w.grad for w in weights])
        return loss.data

    return run


def hips(sizes: Sizes, n: int, adam: bool) -> Run:
    import autograd

    weights = weights_of(sizes)
    x, y = batch_of(sizes, n)
    update = updated(weights, adam)
    both = autograd.value_and_grad(hips_loss())

    def run() -> Any:
        loss, gradients = both(weights, x, y)
        update(gradients)
        return loss

    return run


def torchs(sizes: Sizes, n: int, adam: bool, compiled: bool) -> Run:
    """PyTorch's modules; the optimiser's step is its own, compiled or not."""
    import torch

    layers = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    model = torch.nn.Sequential(*[part for layer in layers for part in (layer, torch.nn.ReLU())][:-1])
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights_of(sizes), strict=True):
            p.copy_(torch.from_numpy(w))
    parameters = model.parameters()
    optimizer: Any = torch.optim.Adam(parameters, lr=1e-3) if adam else torch.optim.SGD(parameters, lr=0.05)
    x, y = [torch.from_numpy(a) for a in batch_of(sizes, n)]

    def loss_of(x: Any, y: Any) -> Any:
        out = model(x)
        return torch.relu(1.0 - y * out).mean() if sizes[-1] == 1 else torch.nn.functional.cross_entropy(out, y)

    called: Any = torch.compile(loss_of) if compiled else loss_of

    def run() -> Any:
        loss = called(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def jitted(sizes: Sizes, n: int, adam: bool) -> Run:
    """The whole step, the optimiser's too, as one jitted function of its state."""
    jax = jax_of_doubles()
    made = jax_adam if adam else jax_descent
    step, state = made(jax, jax.value_and_grad(jax_loss()), [jax.numpy.asarray(w) for w in weights_of(sizes)])
    return stepping(step, state, *[jax.numpy.asarray(a) for a in batch_of(sizes, n)])
