"""Reverse sweeps whose adjoints all have error bars, and two of them compared node by node.

swept(root, seed, ...)      one derivation's gradient of every node, with what rounding may have made of it
contrast(label, ...)        two gradients of one node: a Row
within(...)                 whether they are so close that no Row is needed
sender(...)                 which op sent what differs
names(nodes)                what reports call nodes
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..choice import Choice, reachable
from ..identities import cast_like
from ..node import Node, recorded
from ..sweep import pull, reverse, route
from ..value import Value
from .report import FAIL, INCONCLUSIVE, PASS, Row
from .rounding import conditioning, rounding

GUESS = 1e4  # how many eps a rule that cannot be traced is allowed


@dataclass(frozen=True)
class Sweep:
    """What a sweep found, by creation number: the adjoints of all nodes but those that a shortcut jumped over.

    `bars`: how far rounding may have carried them; `conditions`: how far they move when the leaves move by a unit in
    the last place; `declared`: whether the sweep used a derivation outside where that says that it keeps its digits.
    """

    name: str
    choice: Choice
    nodes: Mapping[int, Node]
    adjoints: Mapping[int, Any]
    bars: Mapping[int, Any]
    conditions: Mapping[int, Any]
    declared: bool = False
    note: str = ""


def swept(root: Value, seed: Any, name: str, choice: Choice) -> Sweep:
    """Sweep from root, and find out how accurate each adjoint is from the graph of the sweep itself."""
    nodes = reachable(root)
    jumped = _jumped(nodes, choice)
    wanted = {n: x for n, x in sorted(nodes.items()) if n not in jumped}
    with np.errstate(all="ignore"):
        found = reverse(root, cast_like(seed, root), choice, wanted=wanted)
    adjoints = {n: _array(found[n][1] if n in found else 0.0, x) for n, x in wanted.items()}
    note = ""
    try:
        with recorded(True), np.errstate(all="ignore"):
            start = Value.leaf(cast_like(seed, root))  # in the graph, so that what is made of it alone rounds too
            traced = reverse(root, start, choice, wanted=wanted, create_graph=True, again=False)
            values = [traced[n][1] if n in traced else Value.leaf(0.0, False) for n in wanted]
            bars, conditions = rounding(values), conditioning(values)
    except (NotImplementedError, TypeError, ValueError) as error:
        bars = conditions = [np.finfo(g.dtype).eps * GUESS * np.abs(g) for g in adjoints.values()]
        note = f"its rule cannot be traced, so its error bars are a guess, {GUESS:g} eps ({error})"
    wide = [
        {n: np.broadcast_to(b, adjoints[n].shape) for n, b in zip(wanted, known, strict=True)}
        for known in (bars, conditions)
    ]
    return Sweep(name, choice, nodes, adjoints, wide[0], wide[1], _beyond_declared(nodes, choice), note)


def _jumped(nodes: Mapping[int, Node], choice: Choice) -> set[int]:
    """The nodes that shortcuts jump over: asking for their adjoints would keep the shortcuts from being taken."""
    jumps = [choice.shortcut(x, {}) for x in nodes.values() if x.op is not None and x.op.shortcuts]
    return {jump[1].number for jump in jumps if jump is not None}


def _array(g: Any, x: Node) -> Any:
    return np.broadcast_to(np.asarray(g, dtype=getattr(x.data, "dtype", np.float64)), np.shape(x.data))


def _beyond_declared(nodes: Mapping[int, Node], choice: Choice) -> bool:
    for node in nodes.values():
        if node.op is not None:
            inputs, derivation = route(node, node.op, choice, {}, False)
            if derivation.accurate is not None and derivation.accurate.failure(inputs, node.params) is not None:
                return True
    return False


def of_data(nodes: Mapping[int, Node], name: str) -> Sweep:
    """The numbers of the nodes themselves, in place of adjoints."""
    bars = rounding(list(nodes.values()))
    data = {n: _array(x.data, x) for n, x in nodes.items()}
    wide = {n: np.broadcast_to(b, data[n].shape) for n, b in zip(nodes, bars, strict=True)}
    return Sweep(name, Choice(), nodes, data, wide, {n: np.full(d.shape, np.inf) for n, d in data.items()})


# -- two of them -----------------------------------------------------------------------------------------------


def within(a: Sweep, i: int, b: Sweep, j: int) -> bool:
    """Whether two gradients are the same within a few units in the last place."""
    x, y = a.adjoints[i], b.adjoints[j]
    with np.errstate(all="ignore"):
        near = np.abs(x - y) <= 4 * _eps(x, y) * np.maximum(np.abs(x), np.abs(y))
        return bool(np.all((x == y) | (near & np.isfinite(x) & np.isfinite(y))))


def contrast(label: str, a: Sweep, i: int, b: Sweep, j: int) -> Row:
    """Node i's gradient in one sweep beside node j's in another, at the entry where they differ most."""
    x, y = a.adjoints[i], b.adjoints[j]
    eps, wider = _eps(x, y), x.dtype if np.finfo(x.dtype).eps >= np.finfo(y.dtype).eps else y.dtype
    if not x.size:
        return Row(label, a.name, b.name, PASS, "empty", 0.0, 0.0, 0.0, (), 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(x), np.abs(y))
        difference = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        floor = 64 * float(np.finfo(wider).smallest_subnormal)
        bars = a.bars[i] + b.bars[j] + 4 * eps * size + floor
        broken = np.isnan(difference) | np.isinf(difference)
        excess = np.where(broken, np.inf, difference / bars)
        relative = np.where(broken, np.inf, difference / np.maximum(size, np.finfo(wider).smallest_subnormal))
        unit = np.spacing(np.maximum(size, np.finfo(wider).tiny).astype(np.finfo(wider).dtype))
        ulps = np.where(broken, np.inf, difference / unit)
        at = tuple(int(k) for k in np.unravel_index(np.argmax(excess), x.shape))
        lost, culprit, known = _digits_lost(difference, size, a, i, b, j, eps)
    verdict, note = PASS, ""
    if np.any(broken) and culprit.declared:
        note = f"not finite by {culprit.name} (beyond its declared range)"
    elif excess[at] > 1.0:
        guessed = bool(a.note or b.note) and difference[at] <= GUESS * eps * float(np.max(size))
        verdict, note = (
            (INCONCLUSIVE, "more than the guessed error bars, little beside the rest") if guessed else (FAIL, "")
        )
    elif not np.all(np.isfinite(bars)):
        verdict, note = INCONCLUSIVE, "the error bars are not finite"
    elif lost >= 1.0:
        if lost > 0.5 * -math.log10(eps) and not culprit.declared and known:
            verdict = FAIL
        note = f"{lost:.0f} digit{'s' * (round(lost) != 1)} lost by {culprit.name}" + " (declared)" * culprit.declared
    return Row(
        label,
        a.name,
        b.name,
        verdict,
        note,
        float(np.max(relative)),
        float(np.max(ulps)),
        lost,
        at,
        _number(x[at]),
        _number(y[at]),
        float(bars[at]),
    )


def _number(x: Any) -> float | complex:
    return complex(x) if np.iscomplexobj(x) else float(x)


def _eps(x: Any, y: Any) -> float:
    return float(max(np.finfo(x.dtype).eps, np.finfo(y.dtype).eps))


def _digits_lost(
    difference: Any, size: Any, a: Sweep, i: int, b: Sweep, j: int, eps: float
) -> tuple[float, Sweep, bool]:
    """Digits by which the two differ beyond the better bar and what conditioning explains; and whose they are.

    Also whether the better one is known not to be 0: where the truth is 0, relative digits mean nothing.
    """
    full = -math.log10(eps)
    broken = [not np.all(np.isfinite(s.adjoints[n])) for s, n in ((a, i), (b, j))]
    if any(broken):
        return full, a if broken[0] else b, True
    better = np.minimum(a.bars[i], b.bars[j])
    condition = np.where(a.bars[i] <= b.bars[j], a.conditions[i], b.conditions[j])
    explained = np.maximum(better + 4 * eps * size, condition)
    ratio = np.where(difference > 0, difference / np.maximum(explained, np.finfo(np.float64).tiny), 0.0)
    at = np.unravel_index(np.argmax(ratio), ratio.shape)
    if not ratio[at] > 1.0:
        return 0.0, a, False
    (culprit, _), (other, n) = ((a, i), (b, j)) if a.bars[i][at] > b.bars[j][at] else ((b, j), (a, i))
    known = bool(abs(other.adjoints[n][at]) > other.bars[n][at])
    return min(full, math.log10(float(ratio[at]))), culprit, known


# -- who sent it -----------------------------------------------------------------------------------------------


def sender(a: Sweep, i: int, b: Sweep, j: int, pairs: Mapping[int, int]) -> tuple[str, str]:
    """The op whose contribution to node i of `a` differs most from that to node j of `b`, and its derivation.

    `pairs`: for nodes of `a`, those of `b`. Two empty strings where nobody sent anything.
    """
    worst, found = -1.0, ("", "")
    for number, node in a.nodes.items():
        if node.op is None or number <= i or number not in a.adjoints:
            continue
        inputs, derivation = route(node, node.op, a.choice, {}, False)
        if not any(isinstance(x, Node) and x.number == i for x in inputs):
            continue
        other = pairs.get(number)
        off = np.inf
        if other is not None and other in b.adjoints:
            mine, theirs = _contribution(a, number, i), _contribution(b, other, j)
            with np.errstate(all="ignore"):
                off = float(np.max(np.abs(mine - theirs), initial=0.0))
        off = np.inf if np.isnan(off) else off
        if off > worst:
            worst, found = off, (node.op.name, derivation.name)
    return found


def _contribution(s: Sweep, number: int, to: int) -> Any:
    """What one node sends to another."""
    node = s.nodes[number]
    inputs, derivation = route(node, node.op, s.choice, {}, False)
    places = [k for k, x in enumerate(inputs) if isinstance(x, Node) and x.number == to]
    g = cast_like(s.adjoints[number], node)
    with np.errstate(all="ignore"):
        sent = pull(node, node.op, inputs, derivation, g, places, s.choice, False, False)
        return sum([np.asarray(sent[k]) for k in places if sent[k] is not None], np.zeros(()))


def names(nodes: Mapping[int, Node]) -> dict[int, str]:
    """What reports call nodes: by label, or as the how-manieth of the graph."""
    found: dict[int, str] = {}
    leaves = _unique([x.label or f"leaf {k}" for k, x in enumerate(x for _, x in sorted(nodes.items()) if not x.op)])
    remaining = iter(leaves)
    taken = set(leaves)
    for k, (number, x) in enumerate(sorted(nodes.items())):
        if x.op is None:
            found[number] = next(remaining)
        else:
            found[number] = x.label if x.label and x.label not in taken else f"{x.label or x.op.name}#{k}"
            taken.add(found[number])
    return found


def _unique(labels: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for k, label in enumerate(labels):
        kept.append(label if label not in kept else f"{label} ({k})")
    return kept
