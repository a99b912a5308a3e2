"""A training step of the demo's network, 64-64-10 with relu and Adam, beside the same step written by hand.

Everybody starts from the same weights and sees the same batches; the losses of the first steps have to agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle, pairwise
from typing import Any

import numpy as np

from ..model import OURS, Aim, Competitor, Row, Run
from .loss import textbook

SIZES = (64, 64, 10)
BY_HAND = "NumPy by hand"
_BATCHES = 8
_LR, _BETA1, _BETA2, _EPS = 1e-3, 0.9, 0.999, 1e-8


def first_weights() -> list[Any]:
    """W₁ (out, in), b₁, W₂, b₂, uniform as torch.nn.Linear draws them."""
    rng = np.random.default_rng(0)
    shapes = [shape for m, n in pairwise(SIZES) for shape in ((n, m), (n,))]
    return [rng.uniform(-0.125, 0.125, size=shape) for shape in shapes]


def batches_of(size: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(1)
    return [(rng.uniform(size=(size, SIZES[0])), rng.integers(0, SIZES[-1], size=size)) for _ in range(_BATCHES)]


def ours(size: int) -> Run:
    import tinygrad_ce as tg

    model = tg.nn.MLP(SIZES)
    for p, w in zip(model.parameters(), first_weights(), strict=True):
        p.data = w
    optimizer = tg.optim.Adam(model.parameters(), lr=_LR)
    batches = cycle(batches_of(size))

    def run() -> Any:
        x, y = next(batches)
        loss = tg.softmax_cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return run


def _torch(size: int) -> Run:
    import torch

    layers = [torch.nn.Linear(m, n, dtype=torch.float64) for m, n in pairwise(SIZES)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])
    with torch.no_grad():
        for p, w in zip(model.parameters(), first_weights(), strict=True):
            p.copy_(torch.from_numpy(w))
    optimizer = torch.optim.Adam(model.parameters(), lr=_LR)
    batches = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches_of(size)])

    def run() -> Any:
        x, y = next(batches)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


# -- by hand ---------------------------------------------------------------------------------------------------


def _gradients(weights: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
    """The loss of the two layers, and its gradient in W₁, b₁, W₂, b₂."""
    w1, b1, w2, b2 = weights
    h = np.maximum(x @ w1.T + b1, 0.0)
    loss, g = textbook(h @ w2.T + b2, y)
    gh = (g @ w2) * (h > 0)
    return loss, [gh.T @ x, gh.sum(axis=0), g.T @ h, g.sum(axis=0)]


def _rates() -> Iterator[tuple[float, float]]:
    """Adam's two bias corrections, step after step."""
    step = 0
    while True:
        step += 1
        yield 1.0 - _BETA1**step, 1.0 - _BETA2**step


def _each(size: int) -> Run:
    """Adam on one parameter after the other."""
    weights = first_weights()
    means, squares = [[np.zeros_like(w) for w in weights] for _ in range(2)]
    batches, rates = cycle(batches_of(size)), _rates()

    def run() -> Any:
        loss, gradients = _gradients(weights, *next(batches))
        c1, c2 = next(rates)
        for w, g, m, v in zip(weights, gradients, means, squares, strict=True):
            m *= _BETA1
            m += (1.0 - _BETA1) * g
            v *= _BETA2
            v += (1.0 - _BETA2) * g * g
            w -= _LR * (m / c1) / (np.sqrt(v / c2) + _EPS)
        return loss

    return run


def _flat(size: int) -> Run:
    """Adam on all parameters at once: one vector, of which the weights are views."""
    start = first_weights()
    flat = np.concatenate([w.ravel() for w in start])
    cuts = np.cumsum([w.size for w in start])[:-1]
    weights = [part.reshape(w.shape) for part, w in zip(np.split(flat, cuts), start, strict=True)]
    mean, square = np.zeros_like(flat), np.zeros_like(flat)
    batches, rates = cycle(batches_of(size)), _rates()

    def run() -> Any:
        nonlocal mean, square, flat
        loss, gradients = _gradients(weights, *next(batches))
        g = np.concatenate([x.ravel() for x in gradients])
        c1, c2 = next(rates)
        mean = _BETA1 * mean + (1.0 - _BETA1) * g
        square = _BETA2 * square + (1.0 - _BETA2) * g * g
        flat -= _LR * (mean / c1) / (np.sqrt(square / c2) + _EPS)
        return loss

    return run


def _row(size: int) -> Row:
    return Row(
        name=f"training step, batch {size}",
        what=f"MLP {'-'.join(map(str, SIZES))} with relu: forward, loss, backward, Adam.",
        unit="step",
        baseline=BY_HAND,
        competitors=(
            Competitor(OURS, partial(ours, size)),
            Competitor("torch", partial(_torch, size), needs="torch"),
            Competitor(f"{BY_HAND}, Adam one by one", partial(_each, size)),
            Competitor(BY_HAND, partial(_flat, size)),
        ),
        aim=Aim(against=BY_HAND, at_most=1.6),
        answers=5,
    )


ROWS = (_row(32), _row(64))
