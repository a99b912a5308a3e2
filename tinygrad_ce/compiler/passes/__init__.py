"""Passes: each a small pure function from a Graph to an equal one.

    sharing.py      dead code, constants, common subexpressions
    algebra.py      what is the same, said more shortly; rewriting.py: how
    products.py     matrix products as BLAS likes them
    opened.py       ops in steps, which forward and gradients share; openings.py: which
    joining.py      sums of pieces that are concatenations

`INEXACT` names those that do not keep results bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..graph import Graph
from ..kernels import fused_losses
from .algebra import tidied
from .joining import joined
from .opened import opened
from .products import flattened, turned
from .sharing import dead_code, folded, shared

PASSES: dict[str, Callable[[Graph], Graph]] = {
    "opened ops": opened,
    "fused losses": fused_losses,
    "constants": folded,
    "algebra": tidied,
    "common": shared,
    "joined pieces": joined,
    "flat products": flattened,
    "transposed products": turned,
    "dead code": dead_code,
}
# Not bit for bit: the same sums in another order, the sign of zeros; the losses within a few units in the last place.
INEXACT = frozenset({"transposed products", "flat products", "joined pieces", "fused losses", "opened ops"})


def optimised(graph: Graph, passes: Mapping[str, Callable[[Graph], Graph]]) -> tuple[Graph, list[tuple[str, Graph]]]:
    """A graph after these passes, again and again until none shortens it, with what each made of it the first time."""
    history: list[tuple[str, Graph]] = []
    while True:
        size = len(graph.steps)
        for name, one in passes.items():
            graph = one(graph)
            history.append((name, graph))
        if len(graph.steps) == size:
            return graph, history


__all__ = ["INEXACT", "PASSES", "dead_code", "folded", "optimised", "shared", "tidied", "turned"]
