"""A sweep that is watched: which derivation each node takes, and what flows along each edge. No `.grad` is touched.

Flow        what was seen of every node
flow        the sweep of a graph, from 1 at its result (or from the cotangent given, or retained there)
inside      the sweep of an opened op's decomposition
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import ones_like
from ..choice import Choice, Request, choose
from ..derivation import AUTODIFF, Derivation
from ..identities import cast_like
from ..mutation import MutationError
from ..node import Node, Watch, plain, recorded, watched
from ..op import Op
from ..sweep import reverse


@dataclass(frozen=True, slots=True)
class Sent:
    """What a node has sent: by which derivation, to which inputs, of which adjoint."""

    derivation: Derivation
    inputs: tuple[Any, ...]
    adjoint: Any
    gradients: Sequence[Any]


class Flow(Watch):
    """What was seen of a sweep.

    Attributes
    ----------
    sent : dict of Sent by node number
    adjoints : dict by node number
    """

    def __init__(self) -> None:
        self.sent_by: dict[int, Sent] = {}
        self.adjoints: dict[int, Any] = {}

    def sweeping(self) -> Flow:
        return self

    def sent(self, node: Node, inputs: Any, derivation: Any, g: Any, gradients: Any, needed: Any) -> None:
        self.sent_by[node.number] = Sent(derivation, tuple(inputs), plain(g), [plain(x) for x in gradients])
        self.adjoints[node.number] = plain(g)


def seed_of(v: Node, gradient: Any = None) -> Any:
    """The cotangent to start from: the one given, the one that `backward` has left, or 1; None where there is none.

    Raises
    ------
    ValueError
        If the one given has another shape.
    """
    shape = np.shape(v.data)
    if gradient is not None:
        seed = plain(gradient)
        if getattr(seed, "dtype", np.asarray(seed).dtype).kind not in "biufc":
            raise ValueError(f"gradient= is an array of the Value's shape, not {gradient!r:.60}")
        seed = float(seed) if isinstance(seed, (int, float)) else np.asarray(seed) if isinstance(seed, list) else seed
        if np.shape(seed) != shape:
            raise ValueError(f"gradient= has shape {np.shape(seed)}, the Value {shape}")
        return seed
    if v.op is not None and v.grad is not None:
        return plain(v.grad)
    single = np.size(v.data) == 1 and getattr(v.data, "dtype", np.dtype(float)).kind == "f"
    return ones_like(v.data) if single else None


def flow(v: Node, seed: Any, derivation: Request = None, opened: Container[Op] = ()) -> Flow:
    """The sweep from `v`, ops in `opened` being swept through their decompositions.

    Raises
    ------
    MutationError
        If data has changed since the graph was made.
    """
    return swept(v, seed, _Opening(choose(derivation, v), opened))


def swept(v: Node, seed: Any, choice: Choice, wanted: Mapping[int, Node] | None = None) -> Flow:
    """The sweep from `v` by any choice."""
    seen = Flow()
    with watched(seen):
        reached = reverse(v, cast_like(seed, v), choice, wanted=wanted)
    seen.adjoints.update({number: plain(g) for number, (_, g) in reached.items()})
    return seen


def inside(out: Node, adjoint: Any, leaves: Mapping[int, Node], derivation: Request, opened: Container[Op]) -> Flow:
    """The sweep of a decomposition, whose inputs are `leaves`."""
    return swept(out, adjoint, _Opening(choose(derivation), opened), leaves)


class _Opening(Choice):
    """A choice with some ops swept through their decompositions."""

    def __init__(self, choice: Choice, opened: Container[Op]) -> None:
        super().__init__(choice.request)
        self.opened = opened

    def name(self, op: Op) -> str | None:
        return AUTODIFF if op in self.opened else super().name(op)


def decomposed(op: Op, node: Node) -> tuple[list[Any], Any]:
    """The decomposition of a node, run on leaves of its own: the leaves, and what comes out."""
    leaves: list[Any] = [
        type(node).leaf(x.data) if isinstance(x, Node) and x.requires_grad and i not in op.constants else plain(x)
        for i, x in enumerate(node.inputs)
    ]
    with recorded(True), np.errstate(all="ignore"):
        return leaves, op.decomposition(*leaves, **node.params)


__all__ = ["Flow", "MutationError", "Sent", "decomposed", "flow", "inside", "seed_of"]
