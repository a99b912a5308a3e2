"""Which nodes of two graphs are the same quantity.

Graphs of the same structure are paired in their order, whatever their ops are called. Otherwise what can be told is
paired: the results, leaves where there are as many, nodes of the same label, and nodes of the same numbers where no
other node has them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..node import Node

SAME = 1e-6  # how near two fingerprints are, for the size of what they sum
SAME_NARROW = 1e-4  # where one of them is narrower than float64


@dataclass(frozen=True)
class Pairs:
    """For nodes of one graph, those of the other, by number; and what to say of how they were found."""

    of: Mapping[int, int]
    how: str = ""


def paired(mine: Node, a: Mapping[int, Node], reference: Node, b: Mapping[int, Node]) -> Pairs:
    """The pairs of two graphs, given by their last nodes and all nodes that need a gradient.

    Raises
    ------
    ValueError
        If nothing but the results can be paired.
    """
    one, other = sorted(a), sorted(b)
    whole = dict(zip(one, other, strict=False))
    if len(one) == len(other) and all(_alike(a[n], b[m], whole) for n, m in whole.items()):
        return Pairs(whole)
    found = {mine.number: reference.number}
    leaves = [[n for n in order if nodes[n].op is None] for order, nodes in ((one, a), (other, b))]
    if [np.shape(a[n].data) for n in leaves[0]] == [np.shape(b[m].data) for m in leaves[1]]:
        found |= dict(zip(*leaves, strict=True))
    for find in (_by_label, _by_value):
        taken = set(found.values())
        found |= find({n: x for n, x in a.items() if n not in found}, {m: y for m, y in b.items() if m not in taken})
    if len(found) == 1:
        raise ValueError(
            "the two graphs have nothing in common but their result: give nodes that are the same quantity the same "
            "label, or bring both into the same structure"
        )
    return Pairs(found, f"the graphs differ: {len(found)} of {len(a)} nodes are the same quantity as one of the other")


def _alike(x: Node, y: Node, pairs: Mapping[int, int]) -> bool:
    """Whether two nodes have the same shape and the same place in the graph."""
    if (x.op is None) != (y.op is None) or np.shape(x.data) != np.shape(y.data):
        return False
    inputs = [[i.number for i in z.inputs if isinstance(i, Node) and i.requires_grad] for z in (x, y) if z.op]
    return not inputs or [pairs.get(n) for n in inputs[0]] == inputs[1]


def _by_label(a: Mapping[int, Node], b: Mapping[int, Node]) -> dict[int, int]:
    """Nodes of the same label and shape, where there is one such on either side."""
    found = []
    for nodes in (a, b):
        keys = {n: (x.label, np.shape(x.data)) for n, x in nodes.items() if x.label}
        counts = Counter(keys.values())
        found.append({key: n for n, key in keys.items() if counts[key] == 1})
    return {n: found[1][key] for key, n in found[0].items() if key in found[1]}


def _by_value(a: Mapping[int, Node], b: Mapping[int, Node]) -> dict[int, int]:
    """Nodes of the same shape and numbers, where there is one such on either side."""
    shapes: dict[tuple[int, ...], tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, nodes in enumerate((a, b)):
        for n, x in nodes.items():
            total, size, unit = _fingerprint(x.data)
            if np.isfinite(total):
                shapes[np.shape(x.data)][side].append((total, unit * size, n))
    pairs: dict[int, int] = {}
    for mine, theirs in shapes.values():
        theirs.sort()
        totals = np.array([total for total, *_ in theirs])
        matches = {}
        for total, near, n in mine:
            low, high = np.searchsorted(totals, total - near, "left"), np.searchsorted(totals, total + near, "right")
            if high - low == 1:
                matches[n] = theirs[low][2]
        taken = Counter(matches.values())
        pairs |= {n: m for n, m in matches.items() if taken[m] == 1}
    return pairs


def _fingerprint(data: Any) -> tuple[float, float, float]:
    """A sum with random weights, the size of its terms, and how exact it is."""
    x = np.asarray(data)
    weights = np.random.default_rng(x.size).uniform(0.5, 1.5, size=x.shape)
    with np.errstate(all="ignore"):
        terms = x.astype(np.float64) * weights
        return float(np.sum(terms)), float(np.sum(np.abs(terms))), SAME if x.dtype.itemsize >= 8 else SAME_NARROW
