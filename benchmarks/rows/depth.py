"""Deep chains: a node is to cost the same in a graph of a thousand and in one of a million."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..model import Competitor, Row, Run, Timing

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)


def _built(length: int) -> tuple[Any, Any]:
    """The two ends of a chain of multiplications and additions on single numbers."""
    from tinygrad_ce import Value

    x = start = Value(0.5)
    for _ in range(length // 2):
        x = x * 1.0 + 0.0
    return start, x


def _chain(length: int) -> Run:
    def run() -> Any:
        start, end = _built(length)
        end.backward()
        return start.grad

    return run


def _bytes(timings: Mapping[str, Timing]) -> dict[str, float]:
    return {f"bytes each of {n:,} nodes": bytes_a_node(n) for n in LENGTHS}


def bytes_a_node(length: int) -> float:
    """What a chain of that length takes to build and sweep, at the peak; measured apart from the times."""
    gc.collect()
    tracemalloc.start()
    try:
        empty = tracemalloc.get_traced_memory()[0]
        _, end = _built(length)
        end.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return (peak - empty) / length


def _row(collector: bool) -> Row:
    return Row(
        name="deep chains" if collector else "deep chains, cyclic collector off",
        what="Multiplications and additions of one number: built, swept, freed.",
        unit="node",
        baseline=f"{LENGTHS[0]:,} nodes",
        competitors=tuple(Competitor(f"{n:,} nodes", partial(_chain, n), per=n) for n in LENGTHS),
        collector=collector,
        facts=_bytes if collector else None,
    )


ROWS = (_row(collector=True), _row(collector=False))
