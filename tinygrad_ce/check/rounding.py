"""How far rounding may have carried a number: a first-order error bar for any recorded graph.

Every operation rounds. To first order the errors travel through the graph as tangents do, so one forward sweep
with a random ±eps at every node is one sample of the total error, and a few of them bound its size. What
cancels shows: in ŷ − y with ŷ nearly 1 the error stays at eps while the difference shrinks.

    rounding(roots)       error bars from rounding inside the graph
    conditioning(roots)   how far the roots move when the leaves move by one unit in the last place
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from random import Random
from typing import Any

import numpy as np

from ..choice import Choice
from ..forward import push
from ..identities import cast_like
from ..node import Node, plain
from ..sweep import route

SAMPLES = 6
MARGIN = 4.0  # from the largest of a few samples to a bound


def rounding(roots: Sequence[Node], seed: int = 0) -> list[Any]:
    """Error bars of each root's data, for rounding at every node between the leaves and it."""
    return _bars(roots, seed, inside=True)


def conditioning(roots: Sequence[Node], seed: int = 0) -> list[Any]:
    """How far each root moves when every leaf moves by one unit in its last place."""
    return _bars(roots, seed, inside=False)


def _bars(roots: Sequence[Node], seed: int, inside: bool) -> list[Any]:
    nodes = _reachable([root for root in roots if isinstance(root, Node) and root.requires_grad])
    bars = [np.zeros(np.shape(plain(root))) for root in roots]
    with np.errstate(all="ignore"):
        noise = _Noise(nodes, seed)
        for _ in range(SAMPLES):
            errors = _sample(nodes, noise, inside)
            for bar, root in zip(bars, roots, strict=True):
                error = errors.get(root.number) if isinstance(root, Node) else None
                if error is not None:
                    np.maximum(bar, np.abs(error), out=bar)
    return [MARGIN * bar for bar in bars]


class _Noise:
    """A random ±eps of every number of a node: signs are taken from one long row of them, at random places."""

    def __init__(self, nodes: dict[int, Node], seed: int) -> None:
        longest = max([np.size(node.data) for node in nodes.values()], default=1)
        self.signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=longest + 4096)
        self.place = Random(seed).randrange
        self.sizes: dict[int, Any] = {}

    def of(self, node: Node) -> Any:
        data = node.data
        if type(data) is float:
            one = abs(data) * _EPS if isfinite(data) else 0.0
            return one if self.place(2) else -one
        size = self.sizes.get(node.number)
        if size is None:
            size = np.abs(data) * np.finfo(data.dtype).eps
            size = self.sizes[node.number] = np.where(np.isfinite(size), size, size.dtype.type(0))
        start = self.place(4096)
        error = size * self.signs[start : start + size.size].reshape(size.shape).astype(size.dtype)
        return error if data.dtype.kind == "f" else error * (1 + 1j if self.place(2) else 1 - 1j)


_EPS = float(np.finfo(np.float64).eps)


def _reachable(roots: Sequence[Node]) -> dict[int, Node]:
    """The nodes that lead to any of the roots: one walk for all of them."""
    nodes = {root.number: root for root in roots}
    stack = list(nodes.values())
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.requires_grad and x.number not in nodes:
                nodes[x.number] = x
                stack.append(x)
    return nodes


def _sample(nodes: dict[int, Node], noise: _Noise, inside: bool) -> dict[int, Any]:
    """One draw of the error of every node."""
    choice = Choice()
    errors: dict[int, Any] = {}
    for number in sorted(nodes):
        node = nodes[number]
        op = node.op
        if op is None:
            if not inside:
                errors[number] = noise.of(node)
            continue
        inputs, derivation = route(node, op, choice, {}, False)
        moving = [errors.get(x.number) if isinstance(x, Node) else None for x in inputs]
        own_rounding = op.partials is not None or op.decomposition is not None
        if inside and not own_rounding:
            # Sums and products of matrices round inside: exact results of slightly different inputs.
            moving = [
                _add(t, noise.of(x)) if isinstance(x, Node) and x.requires_grad else t
                for t, x in zip(moving, inputs, strict=True)
            ]
        total = None
        if any(t is not None for t in moving):
            moving = [None if t is None else cast_like(t, x) for t, x in zip(moving, inputs, strict=True)]
            total = push(node, op, inputs, derivation, moving, choice, False)
        if inside:
            total = _add(total, noise.of(node))
        if total is not None:
            errors[number] = total
    return errors


def _add(a: Any, b: Any) -> Any:
    return b if a is None else a + b
