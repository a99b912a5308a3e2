"""The pictures of README.md and docs/, drawn anew: python docs/pictures.py [FOLDER].

graph.svg           cross_entropy(softmax(z), y) after backward: the gradient jumps over softmax
micrograd.svg       micrograd's example
short_circuit.svg   the same as a lecture writes it, opened: what ŷ − y makes unnecessary
network.svg         an MLP, its layers closed
transformer.svg     six equal blocks
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn


@tg.op
def softmax(z: Any) -> Any:
    """As a lecture writes it down; tg.softmax guards against overflow, too."""
    e = np.exp(z)
    return e / np.sum(e)


@tg.op
def cross_entropy(p: Any, y: Any) -> Any:
    return -np.sum(y * np.log(p))


@tg.shortcut(softmax, cross_entropy, name="analytic", formula="ŷ − y")
def _(g: Any, out: Any, z: Any, y: Any) -> Any:
    return g * (softmax(z) - y), None


def classifier(softmax: Any, cross_entropy: Any) -> tg.Value:
    z = tg.Value([2.0, 1.0, 0.1], label="z")
    p = softmax(z)
    p.label = "ŷ"
    loss = cross_entropy(p, np.array([1.0, 0.0, 0.0]))
    loss.label = "loss"
    loss.backward()
    return loss


def micrograd() -> tg.Value:
    """The example of micrograd's README, line by line."""
    a, b = tg.Value(-4.0, label="a"), tg.Value(2.0, label="b")
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    for value, label in ((c, "c"), (d, "d"), (e, "e"), (f, "f"), (g, "g")):
        value.label = label
    g.backward()
    return g


def network() -> tg.Value:
    model = nn.MLP([2, 16, 16, 2], rng=np.random.default_rng(0))
    points = np.random.default_rng(1).normal(size=(6, 2))
    loss = tg.softmax_cross_entropy(model(points), (points[:, 0] > 0).astype(int))
    loss.label = "loss"
    loss.backward()
    return loss


class Block(nn.Module):
    """Attention and a perceptron, each added to what comes in."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, rng=rng) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width, rng=rng), nn.Linear(2 * width, width, rng=rng)

    def forward(self, x: Any) -> Any:
        scores = self.query(x) @ self.key(x).mT / np.sqrt(x.shape[-1])
        x = x + self.out(tg.softmax(scores) @ self.value(x))
        return x + self.down(tg.relu(self.up(x)))


class Transformer(nn.Module):
    """Blocks, and a layer that says which class."""

    def __init__(self, blocks: int, width: int, classes: int) -> None:
        rng = np.random.default_rng(0)
        self.blocks = [Block(width, rng) for _ in range(blocks)]
        self.head = nn.Linear(width, classes, rng=rng)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def transformer() -> tg.Value:
    tokens = tg.Value(np.random.default_rng(1).normal(size=(5, 8)), label="tokens")
    loss = tg.softmax_cross_entropy(Transformer(6, 8, 10)(tokens), np.arange(5))
    loss.label = "loss"
    loss.backward()
    return loss


def pictures() -> Iterator[tuple[str, Any]]:
    yield "graph.svg", tg.draw(classifier(tg.softmax, tg.cross_entropy), derivation="analytic")
    yield "micrograd.svg", tg.draw(micrograd())
    yield "short_circuit.svg", tg.draw(classifier(softmax, cross_entropy), expand=True)
    yield "network.svg", tg.draw(network(), depth=1, rankdir="LR", legend=False)
    yield "transformer.svg", tg.draw(transformer(), depth=1, collapse=True)


def main(folder: Path) -> None:
    for name, drawing in pictures():
        print(drawing.save_picture(folder / name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
