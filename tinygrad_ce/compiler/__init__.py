"""Compile: a function captured once, and run at the speed of hand-written NumPy.

    fast = compile(f)

See compiled.py for what comes back; record.py, passes.py, memory.py and source.py for how.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..tracer import NotCaptured
from .compiled import Compiled
from .passes import PASSES

__all__ = ["Compiled", "NotCaptured", "compile"]


def compile(
    f: Callable[..., Any], *, without: Collection[str] = (), in_place: bool = True, cache_size: int = 32
) -> Compiled:
    """A function that does what f does, as straight-line NumPy that is written down once."""
    unknown = set(without) - set(PASSES)
    if unknown:
        raise ValueError(f"there is no pass {', '.join(sorted(unknown))}; there are {', '.join(PASSES)}")
    return Compiled(f, {k: p for k, p in PASSES.items() if k not in without}, in_place, cache_size)
