"""Graphs of single numbers: what a node costs to build, to sweep and to free, beside micrograd.

The code is written once and given either library's Value: micrograd's idioms are this library's too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from ..model import OURS, Aim, Competitor, Row, Run, Timing

LINKS = 1_000
_MICROGRAD, _TORCH = "micrograd", "torch"


def _values(library: str) -> type[Any]:
    if library == _MICROGRAD:
        from micrograd.engine import Value as theirs

        sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * LINKS))  # it walks a graph by recursion
        return theirs  # type: ignore[no-any-return]
    return import_module(library).Value  # type: ignore[no-any-return]


# -- a chain ---------------------------------------------------------------------------------------------------


def _links(x: Any, a: Any, b: Any) -> Any:
    for _ in range(LINKS // 2):
        x = x * a + b
    return x


def chain(library: str, lift: Callable[[float], Any] = float) -> Run:
    """Of a library whose Values have `data`, `grad` and `backward`; `lift` makes what one holds."""
    value = _values(library)

    def run() -> Any:
        a, b, v = value(lift(1.01)), value(lift(-0.01)), value(lift(0.5))
        x = _links(v, a, b)
        x.backward()
        return tuple(np.ravel(n) for n in (x.data, a.grad, b.grad, v.grad))

    return run


def _torch_chain() -> Run:
    import torch

    def run() -> Any:
        a, b, v = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in (1.01, -0.01, 0.5)]
        x = _links(v, a, b)
        x.backward()
        return tuple(n.reshape(1) for n in (x.detach(), a.grad, b.grad, v.grad))

    return run


def _mygrad_chain() -> Run:
    import mygrad as mg

    def run() -> Any:
        a, b, v = [mg.tensor(n) for n in (1.01, -0.01, 0.5)]
        x = _links(v, a, b)
        x.backward()
        return tuple(np.ravel(n) for n in (x.data, a.grad, b.grad, v.grad))

    return run


def _hips_chain() -> Run:
    import autograd

    both = autograd.value_and_grad(_links, argnum=(0, 1, 2))

    def run() -> Any:
        x, (v, a, b) = both(0.5, 1.01, -0.01)
        return tuple(np.ravel(n) for n in (x, a, b, v))

    return run


# -- micrograd's demo ------------------------------------------------------------------------------------------


@dataclass
class Network:
    """A multi-layer perceptron of neurons, each a sum of products of single Values."""

    layers: list[list[tuple[list[Any], Any]]]  # a layer is a list of neurons, a neuron its weights and its bias

    @classmethod
    def random(cls, value: type[Any], sizes: tuple[int, ...]) -> Network:
        rng = np.random.default_rng(0)
        return cls(
            [
                [([value(w) for w in rng.uniform(-1, 1, size=m).tolist()], value(0.0)) for _ in range(n)]
                for m, n in pairwise(sizes)
            ]
        )

    def __call__(self, x: list[Any]) -> Any:
        for layer in self.layers[:-1]:
            x = [_weighed(x, *neuron).relu() for neuron in layer]
        return _weighed(x, *self.layers[-1][0])

    def parameters(self) -> list[Any]:
        return [p for layer in self.layers for weights, bias in layer for p in (*weights, bias)]


def _weighed(x: list[Any], weights: list[Any], bias: Any) -> Any:
    return sum([w * xi for w, xi in zip(weights, x, strict=True)], bias)


COMPILED = f"{OURS}, compiled"


def _compiled_demo() -> Run:
    import tinygrad_ce

    return tinygrad_ce.compile(_demo(OURS))


def _demo(library: str) -> Run:
    value = _values(library)
    network = Network.random(value, (2, 16, 16, 1))
    points, labels = _moons()

    def run() -> Any:
        loss = _margin_loss(value, network, points, labels)
        _descend(loss, network.parameters())
        return loss.data

    return run


def _margin_loss(value: type[Any], network: Network, points: list[list[float]], labels: list[float]) -> Any:
    """Hinge loss and L2: a point costs nothing from one unit on its own side of the border."""
    scores = [network([value(c) for c in point]) for point in points]
    losses = [(1 + -y * score).relu() for y, score in zip(labels, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in network.parameters())


def _descend(loss: Any, parameters: list[Any]) -> None:
    for p in parameters:
        p.grad = 0.0
    loss.backward()
    for p in parameters:
        p.data -= 0.1 * p.grad


def _moons(n: int = 100) -> tuple[list[list[float]], list[float]]:
    """Two interleaved half circles with noise, and -1 or 1 for which of them a point is on."""
    rng = np.random.default_rng(1)
    angle, side = rng.uniform(0.0, np.pi, size=n), np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    x = side * np.cos(angle) + np.where(side > 0, 0.0, 1.0)
    y = side * np.sin(angle) + np.where(side > 0, 0.0, 0.5)
    points = np.stack([x, y], axis=1) + 0.1 * rng.normal(size=(n, 2))
    return points.tolist(), side.tolist()


def _size(timings: Mapping[str, Timing]) -> dict[str, float]:
    """How many nodes one step of the demo makes, leaves included."""
    value = _values(OURS)
    loss = _margin_loss(value, Network.random(value, (2, 16, 16, 1)), *_moons())
    seen, stack = {loss}, [loss]
    while stack:
        fresh = set(stack.pop().parents) - seen
        seen |= fresh
        stack.extend(fresh)
    return {"nodes of our graph in one step": float(len(seen))}


# -- the rows --------------------------------------------------------------------------------------------------


def _demo_row(collector: bool) -> Row:
    state, at_most = ("on", 1 / 34) if collector else ("off", 1 / 3)
    return Row(
        name=f"micrograd's demo, cyclic collector {state}",
        what="A step of a scalar MLP 2-16-16-1 on 100 points, margin loss and L2: forward, backward, descent.",
        unit="step",
        baseline=_MICROGRAD,
        competitors=(
            *(Competitor(name, partial(_demo, name), needs=name) for name in (OURS, _MICROGRAD)),
            Competitor(COMPILED, _compiled_demo, needs=OURS),
        ),
        aim=(Aim(None, 0.045), Aim(_MICROGRAD, round(at_most, 2)), Aim(None, 0.0018, who=COMPILED)),
        collector=collector,
        answers=3,
        facts=_size if collector else None,
    )


ROWS = (
    Row(
        name=f"scalar chain of {LINKS:,}",
        what=f"{LINKS:,} multiplications and additions of one number by two leaves: built, swept, freed.",
        unit="node",
        baseline=_MICROGRAD,
        competitors=(
            Competitor(OURS, partial(chain, OURS), per=LINKS),
            Competitor(f"{OURS}, arrays of one", partial(chain, OURS, lambda n: np.full(1, n)), per=LINKS),
            Competitor(_MICROGRAD, partial(chain, _MICROGRAD), needs=_MICROGRAD, per=LINKS),
            Competitor(_TORCH, _torch_chain, needs=_TORCH, per=LINKS),
            Competitor("MyGrad", _mygrad_chain, needs="mygrad", per=LINKS),
            Competitor("HIPS autograd", _hips_chain, needs="autograd", per=LINKS),
        ),
        aim=(Aim(_MICROGRAD, 0.5), Aim(_TORCH, 0.5), Aim(_TORCH, 0.5, who=f"{OURS}, arrays of one")),
    ),
    _demo_row(collector=True),
    _demo_row(collector=False),
)
