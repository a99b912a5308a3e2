"""Values held constant: what `stop_gradient` lets the referee do.

A function that holds part of itself constant is differentiated as if that part did not move. Differences of the
function would move it; so the referee notes what was held at a point, and plays it back beside it:

    with noting() as tape: f(x)
    with playing(tape): f(x + h)        every held value is what it was at x
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_note: ContextVar[list[Any] | None] = ContextVar("held values noted", default=None)
_play: ContextVar[Iterator[Any] | None] = ContextVar("held values played", default=None)


def hold(x: Any) -> Any:
    """`x`, noted or played back where somebody asked for that."""
    tape = _note.get()
    if tape is not None:
        tape.append(x)
        return x
    player = _play.get()
    return x if player is None else next(player, x)


@contextmanager
def noting() -> Iterator[list[Any]]:
    """A context that notes held values in the order in which they come."""
    tape: list[Any] = []
    token = _note.set(tape)
    try:
        yield tape
    finally:
        _note.reset(token)


@contextmanager
def playing(tape: list[Any]) -> Iterator[None]:
    """A context in which held values are those of the tape."""
    token = _play.set(iter(tape))
    try:
        yield
    finally:
        _play.reset(token)
