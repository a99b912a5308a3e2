"""Data that changed between forward and backward, for which the gradient would be silently wrong.

    used(leaf, watch)               an op is about to use a leaf: take its fingerprint
    require_unwritten(leaf, root)   raise MutationError if it has another one now
    Copies(node)                    what a node saw, exactly
    require_intact(node)            raise MutationError if it would not see the same now

Rebinding (`p.data = x`, `p.data += x`) leaves a mark on the clock of creation numbers (node.py): a node is stale if an
input was rebound after the node was made. That costs the forward nothing, and a sweep one comparison a node.

Writing into an array (`p.data[0] = 1`) leaves no mark. So each use of a leaf looks at its entries: at all of them up to
`WHOLE`, at some spread over a larger array. Where they differ from those of the use before, the leaf has changed in
between: a mark on the clock, like rebinding. A sweep looks once more, at every leaf that it comes to. A write to a few
entries of a large array may be missed, and so may one into what is no leaf: `Copies` misses nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .choice import reachable
from .node import Node, changed, plain, rebound
from .tracing import Traced, place

WHOLE, SAMPLES = 1024, 64


class MutationError(RuntimeError):
    """Data that a gradient depends on changed after it was used."""


# -- fingerprints of leaves ------------------------------------------------------------------------------------


def used(leaf: Node, watch: Any) -> None:
    """Look at a leaf that holds an ndarray, and note if it has changed since the last look."""
    if watch is not True and not watch.samples:
        leaf.notes = None
        return
    notes = leaf.notes
    if notes is None:
        view = sampled(leaf._data)  # stays right until data is rebound
        leaf.notes = (view, view.tobytes())
        return
    view, before = notes
    now = view.tobytes()
    if now != before:
        leaf.notes = (view, now)
        changed(leaf)


def require_unwritten(leaf: Node, *roots: Node) -> None:
    """Raise MutationError if a leaf of the roots' graph is not as it was when it was last used."""
    if leaf.notes is not None:
        view, before = leaf.notes
        if view.tobytes() != before:
            raise written(leaf, *roots)


def written(leaf: Node, *roots: Node) -> MutationError:
    """The error that says of which op in the roots' graph the leaf was an argument."""
    uses = [
        (node, i) for node in reachable(roots[0], beside=roots).values() for i, x in enumerate(node.inputs) if x is leaf
    ]
    return (
        _written(*min(uses, key=lambda use: use[0].number), None) if uses else MutationError("a leaf was written into")
    )


def sampled(a: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view of some entries of an array, spread over it."""
    if a.size <= WHOLE:
        return a
    step = a.size // SAMPLES
    if a.flags.forc:
        return a.ravel("K")[:: step | 1]  # odd, so that it walks across the columns of a matrix
    per_axis = max(1, round(step ** (1.0 / a.ndim)))
    return a[tuple([slice(None, None, min(per_axis, n)) for n in a.shape])]


# -- everything, exactly ---------------------------------------------------------------------------------------


class Copies:
    """What a node was made of and what came of it, byte by byte."""

    __slots__ = ("inputs", "out")

    def __init__(self, node: Node) -> None:
        self.inputs = tuple([_bytes(plain(x)) for x in node.inputs])
        self.out = _bytes(node._data)

    def require(self, node: Node) -> None:
        for i, (x, before) in enumerate(zip(node.inputs, self.inputs, strict=True)):
            if before is not None and _bytes(plain(x)) != before:
                raise _written(node, i, before)
        if self.out is not None and _bytes(node._data) != self.out:
            raise _written(node, None, self.out)


def _bytes(x: Any) -> bytes | None:
    return x.tobytes() if type(x) is np.ndarray else None


# -- the question ----------------------------------------------------------------------------------------------


def require_intact(node: Node) -> None:
    """Raise MutationError if an input, or the node itself, has changed since the node was made."""
    number = node.number
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and rebound.get(x.number, 0) > number:
            raise MutationError(f"{_value(node, i)} was rebound or written into {_after(node)}; {_REMEDY}")
    if rebound.get(number, 0) > number:
        raise MutationError(f"{_value(node, None)} was rebound; {_REMEDY}")
    notes = node.notes
    copies = notes.checks if type(notes) is Traced else None
    if copies is not None:
        copies.require(node)


# -- what to say -----------------------------------------------------------------------------------------------

_REMEDY = "its gradient would mix old and new numbers: sweep first and change data afterwards, or run the forward again"


def _written(node: Node, i: int | None, before: bytes | None) -> MutationError:
    entry = ""
    data = plain(node if i is None else node.inputs[i])
    if before is not None:
        old = np.frombuffer(before, data.dtype).reshape(data.shape)
        changed = np.argwhere((old != data) & ~((old != old) & (data != data)))
        if len(changed):
            at = tuple(changed[0].tolist())
            entry = f": entry {at} was {old[at]} and is {data[at]}"
    return MutationError(f"{_value(node, i)} was written into {_after(node)}{entry}; {_REMEDY}")


def _value(node: Node, i: int | None) -> str:
    x = node if i is None else node.inputs[i]
    shape = getattr(plain(x), "shape", ())
    name = f" '{x.label}'" if isinstance(x, Node) and x.label else ""
    kind = "Value" if isinstance(x, Node) else "array"
    if i is None:
        return f"the data of the {kind}{name} of shape {shape} that {node.op.name} made"
    return f"the data of the {kind}{name} of shape {shape}, argument '{node.op.input_name(i)}' of {node.op.name},"


def _after(node: Node) -> str:
    where = place(node)
    return f"after {node.op.name} used it" + (f" ({where})" if where else "")
