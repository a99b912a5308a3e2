"""Which module was called when, in creation numbers: what a picture draws frames around.

Every node that a call makes is numbered between its start and its end, so nodes need not know of modules. The last
`KEPT` calls are remembered; a module is held by a weak reference.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple
from weakref import ref

from .node import next_number

KEPT = 1 << 10


class Call(NamedTuple):
    """One call of a module: what it made is numbered from `start` to `end`, and it returned the node `out` (or 0)."""

    start: int
    end: int
    out: int
    module: ref[Any]
    type: type


_calls: deque[tuple[int, int, int, ref[Any], type]] = deque(maxlen=KEPT)


def remember(module: Any, start: int, out: Any) -> None:
    """A call of `module`, which began at `start`, is over."""
    _calls.append((start, next_number(), getattr(out, "number", 0), ref(module), type(module)))


def called_since(start: int) -> list[Any]:
    """The modules whose calls began after that creation number, each once."""
    modules = [call.module() for call in remembered() if call.start > start]
    return list({id(module): module for module in modules if module is not None}.values())


def remembered() -> list[Call]:
    """The calls that are remembered, the last to end last."""
    return [Call(*call) for call in _calls.copy()]
