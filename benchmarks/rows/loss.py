"""Softmax and cross-entropy alone: loss and gradient of a batch of logits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..model import OURS, Competitor, Row, Run

Shape = tuple[int, int]


def textbook(z: Any, y: Any) -> tuple[Any, Any]:
    """Mean cross-entropy of class indices y, and its gradient ŷ − y, as a lecture writes it."""
    rows = np.arange(len(z))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1.0
    return loss, p / len(z)


def _data(shape: Shape) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=shape) * 2.0, rng.integers(0, shape[1], size=shape[0])


def _ours(shape: Shape, validate: bool) -> Run:
    import tinygrad_ce as tg

    data, y = _data(shape)

    def run() -> Any:
        z = tg.Value(data)
        loss = tg.softmax_cross_entropy(z, y, validate=validate)
        loss.backward()
        return loss.data, z.grad

    return run


def _torch(shape: Shape) -> Run:
    import torch

    data, y = [torch.from_numpy(x) for x in _data(shape)]

    def run() -> Any:
        z = data.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(z, y)
        loss.backward()
        return loss.detach(), z.grad

    return run


def _numpy(shape: Shape) -> Run:
    return partial(textbook, *_data(shape))


def _row(shape: Shape) -> Row:
    return Row(
        name=f"softmax cross-entropy, {shape[0]} × {shape[1]}",
        what="Loss and gradient of a batch of logits with class indices.",
        unit="call",
        baseline="NumPy by hand",
        competitors=(
            Competitor(OURS, partial(_ours, shape, True)),
            Competitor(f"{OURS}, validate=False", partial(_ours, shape, False)),
            Competitor("torch", partial(_torch, shape), needs="torch"),
            Competitor("NumPy by hand", partial(_numpy, shape)),
        ),
    )


ROWS = (_row((64, 10)), _row((32, 1000)))
