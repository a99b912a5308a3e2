"""Values for tracing somebody's function: what would lose the graph in silence raises instead.

`float(v)` in the middle of a function is a number without a past. In a user's own program that is allowed; where the
referee traces a function to differentiate it, the result would be wrong and look right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..choice import Choice, reachable
from ..identities import cast_like
from ..node import Node, plain, recorded
from ..sweep import reverse
from ..value import Value


class LostGraph(TypeError):
    """A traced Value was turned into a plain number."""


class Traced(Value):
    """A Value that refuses to be turned into a plain number."""

    __slots__ = ()

    def _one(self, what: str) -> Any:
        if self.requires_grad:
            raise LostGraph(f"{what}() of a traced Value loses the graph")
        return super()._one(what)

    def item(self) -> float:
        if self.requires_grad:
            raise LostGraph("item() of a traced Value loses the graph")
        return super().item()

    def detach(self) -> Value:
        raise LostGraph("detach() of a traced Value loses the graph")


def traced_gradients(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    moving: Sequence[int],
    g: Any,
    derivation: str | None = None,
) -> list[Any]:
    """Gradients of <g, f(inputs)> by a sweep through a trace of f, in the precision of the inputs.

    Raises whatever f raises on Values: it cannot be traced then. Nor can it where f leaves that precision on the way.
    """
    leaves = [Traced.leaf(x) if i in moving else x for i, x in enumerate(inputs)]
    with recorded(True):
        out = f(*leaves)
    if not isinstance(out, Node):
        if isinstance(out, (tuple, list)):
            raise TypeError("several results")
        return [np.zeros_like(plain(x)) if i in moving else None for i, x in enumerate(leaves)]
    wanted = {leaves[i].number: leaves[i] for i in moving}
    found: dict[int, Any] = {}
    if out.requires_grad:
        choice = Choice(derivation)
        nodes = reachable(out)
        widest = max(leaves[i].data.dtype.itemsize for i in moving)
        if any(x.dtype.itemsize < widest for x in nodes.values()):
            raise TypeError("it computes in a narrower float on the way")
        if derivation is not None:
            choice.check(nodes)
        found = reverse(out, cast_like(np.asarray(g), out), choice, wanted=wanted)
    gradients: list[Any] = [None] * len(leaves)
    for i in moving:
        gradients[i] = found[leaves[i].number][1] if leaves[i].number in found else np.zeros_like(leaves[i].data)
    return gradients
