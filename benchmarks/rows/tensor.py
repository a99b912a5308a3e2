"""Graphs of small arrays: where it is the node that costs, not the numbers in it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..model import OURS, Aim, Competitor, Row, Run

SIZE = 64
TURNS = 333  # of three nodes each: x ← tanh(a x + b)


def _data() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    a, b, x = rng.uniform(0.5, 1.5, size=(3, SIZE))
    return a, b - 1.0, x


def ours(leaves: bool) -> Run:
    import tinygrad_ce as tg

    data = _data()

    def run() -> Any:
        a, b = (tg.Value(data[0]), tg.Value(data[1])) if leaves else data[:2]
        start = x = tg.Value(data[2])
        for _ in range(TURNS):
            x = np.tanh(x * a + b)
        x.backward(np.ones(SIZE))
        return (a.grad, b.grad, start.grad) if leaves else start.grad

    return run


def _torch(leaves: bool) -> Run:
    import torch

    data = [torch.from_numpy(x) for x in _data()]
    ones = torch.ones(SIZE, dtype=torch.float64)

    def run() -> Any:
        a, b = [x.detach().requires_grad_(leaves) for x in data[:2]]
        start = x = data[2].detach().requires_grad_()
        for _ in range(TURNS):
            x = torch.tanh(x * a + b)
        x.backward(ones)
        return (a.grad, b.grad, start.grad) if leaves else start.grad

    return run


def _mygrad(leaves: bool) -> Run:
    import mygrad as mg

    data = _data()

    def run() -> Any:
        a, b = (mg.tensor(data[0]), mg.tensor(data[1])) if leaves else data[:2]
        start = x = mg.tensor(data[2])
        for _ in range(TURNS):
            x = mg.tanh(x * a + b)
        x.backward(np.ones(SIZE))
        return (a.grad, b.grad, start.grad) if leaves else start.grad

    return run


def _hips(leaves: bool) -> Run:
    import autograd
    import autograd.numpy as anp

    a, b, start = _data()

    def chain(a: Any, b: Any, x: Any) -> Any:
        for _ in range(TURNS):
            x = anp.tanh(x * a + b)
        return anp.sum(x)

    gradient = autograd.grad(chain, argnum=(0, 1, 2) if leaves else 2)
    return lambda: gradient(a, b, start)


def _numpy(leaves: bool) -> Run:
    a, b, start = _data()

    def run() -> Any:
        xs = [start]
        for _ in range(TURNS):
            xs.append(np.tanh(xs[-1] * a + b))
        g = np.ones(SIZE)
        ga, gb = np.zeros(SIZE), np.zeros(SIZE)
        for i in range(TURNS, 0, -1):
            g = g * (1.0 - xs[i] ** 2)
            if leaves:
                ga += g * xs[i - 1]
                gb += g
            g = g * a
        return (ga, gb, g) if leaves else g

    return run


def _row(leaves: bool) -> Row:
    kind = "leaves" if leaves else "constants"
    nodes = 3 * TURNS
    return Row(
        name=f"tensor chain of {nodes} on {SIZE}, {kind}",
        what=f"x ← tanh(a x + b), {TURNS} times on {SIZE} elements, a and b {kind}: built, swept, freed.",
        unit="node",
        baseline="NumPy by hand",
        competitors=(
            Competitor(OURS, partial(ours, leaves), per=nodes),
            Competitor("torch", partial(_torch, leaves), needs="torch", per=nodes),
            Competitor("MyGrad", partial(_mygrad, leaves), needs="mygrad", per=nodes),
            Competitor("HIPS autograd", partial(_hips, leaves), needs="autograd", per=nodes),
            Competitor("NumPy by hand", partial(_numpy, leaves), per=nodes),
        ),
        aim=Aim(against="torch", at_most=0.5),
    )


ROWS = (_row(leaves=False), _row(leaves=True))
