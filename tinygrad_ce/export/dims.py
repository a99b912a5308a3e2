"""Sizes that grow with the batch: captured at several batch sizes, a model shows which of its numbers follow the batch.

    Dim(1, 0)                      the batch size n; Dim(4, 1) is 4 n + 1
    unified((6, 5), (8, 5), …)     (Dim(2, 0), 5), for what was captured at batch sizes 3 and 4, …

A number that is the same at all of them is a constant; one that is a linear function of the batch size is a Dim;
anything else cannot be said in a file for every batch size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Sizes that meet no other size by accident: a kernel of 3, a head count of 4.
BATCHES = (7, 11, 13)


@dataclass(frozen=True)
class Dim:
    """`slope` · n + `offset` for a batch of n."""

    slope: int
    offset: int

    def at(self, n: int) -> int:
        return self.slope * n + self.offset


class Irregular(ValueError):
    """Something is no linear function of the batch size."""


def unified(found: Sequence[Any], batches: Sequence[int]) -> Any:
    """One description of what was found at each batch size: integers that differ become a Dim.

    Raises
    ------
    Irregular
        If they differ in another way.

    Examples
    --------
    >>> unified([("C", (14, 5)), ("C", (22, 5)), ("C", (26, 5))], BATCHES)
    ('C', (Dim(slope=2, offset=0), 5))
    """
    first = found[0]
    if all(type(x) is tuple and len(x) == len(first) for x in found):
        return tuple([unified(parts, batches) for parts in zip(*found, strict=True)])
    if all(x == first for x in found):
        return first
    if any(type(x) is not int for x in found):
        raise Irregular(f"{first!r} becomes {found[1]!r} when the batch has other rows")
    slope, rest = divmod(found[1] - first, batches[1] - batches[0])
    dim = Dim(slope, first - slope * batches[0])
    if rest or any(dim.at(n) != x for n, x in zip(batches, found, strict=True)):
        raise Irregular(f"a size is {', '.join(map(str, found))} for batches of {', '.join(map(str, batches))} rows")
    return dim


def known(x: Any) -> bool:
    """Whether no Dim is in it."""
    return not isinstance(x, Dim) and (type(x) is not tuple or all(map(known, x)))
