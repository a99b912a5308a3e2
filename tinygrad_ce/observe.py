"""Contexts in which graphs are watched: for mutations, for the first nan or inf, and for where nodes were made.

    detect_mutation()       data that changed between forward and backward, exactly
    detect_anomaly()        the first op that makes a non-finite number from finite ones
    trace()                 the user's file and line of every node

They nest, each adding to what is watched already. They are context variables: a thread has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from .anomaly import look_at_forward, look_at_gradients, look_at_tangent
from .derivation import Derivation
from .mutation import Copies
from .node import Clock, Node, Watch, next_number, recorded, recording, unwatched, watched
from .tracing import Traced, here


@dataclass(frozen=True)
class Observer(Watch):
    """A Watch that traces every node, and looks at what it is asked to.

    Attributes
    ----------
    on : bool
        Whether a graph is recorded.
    samples, exact : bool
        Whether leaves' fingerprints are taken, and whether everything is copied, to find mutations.
    forward, backward : bool
        Whether results, and what sweeps send, are looked at for the first nan or inf.
    """

    on: bool = True
    samples: bool = True
    exact: bool = False
    forward: bool = False
    backward: bool = False

    def __bool__(self) -> bool:
        return self.on

    def switched(self, on: bool) -> Observer:
        return replace(self, on=on)

    def made(self, node: Node) -> None:
        where = here()
        node.notes = Traced(where, Copies(node) if self.exact else None)
        with Clock.lock:
            Clock.last = next_number()  # sweeps have to read the notes
        if self.forward:
            look_at_forward(node.op, node.inputs, node._data, where)

    def computed(self, op: Any, inputs: tuple[Any, ...], out: Any) -> None:
        if self.forward:
            look_at_forward(op, inputs, out, here())

    def sweeping(self) -> Observer | None:
        # What a rule computes on its way is its own business; what it returns is looked at.
        return replace(self, forward=False) if self.backward else None

    def sent(
        self,
        node: Node,
        inputs: Sequence[Any],
        derivation: Derivation,
        g: Any,
        gradients: Sequence[Any],
        needed: Sequence[int],
    ) -> None:
        look_at_gradients(node, inputs, derivation, g, gradients, needed)

    def pushed(
        self, node: Node, inputs: Sequence[Any], derivation: Derivation, tangents: Sequence[Any], tangent: Any
    ) -> None:
        look_at_tangent(node, inputs, derivation, tangents, tangent)


def _now(**changes: bool) -> Observer:
    """What is watched already, and more."""
    now = recording()
    return replace(now if isinstance(now, Observer) else Observer(on=bool(now)), **changes)


def detect_mutation(on: bool = True) -> AbstractContextManager[None]:
    """A context that finds every change of data between forward and backward.

    Without it, too, rebinding (`p.data = x`, `p.data += x`) makes `backward` raise, and writing into an array is
    looked for in leaves that get a gradient: a fingerprint of each is taken when an op uses it, and again when a
    sweep comes to it. That costs little. It sees all entries of an array of up to 1024, and some 64 of a larger one,
    spread over rows and columns, so that a write to a few entries may be missed.

    In this context everything is remembered, byte by byte: leaves, results, and plain arrays among an op's inputs. That
    takes time, and twice the memory. Arrays other than NumPy's are not looked into.

    Parameters
    ----------
    on : bool
        False switches the fingerprints off, too.

    Raises
    ------
    MutationError
        By `backward`, and whatever else sweeps, where data changed since an op used it. Changes after the sweep, as an
        optimiser makes them, are fine.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ce as tg
    >>> p = tg.Value(np.ones(1000), label="p")
    >>> with tg.detect_mutation():
    ...     loss = np.sum(p * p)
    >>> p.data[1] = 2.0
    >>> loss.backward()
    Traceback (most recent call last):
        ...
    tinygrad_ce.mutation.MutationError: the data of the Value 'p' of shape (1000,), argument 'x' of multiply, ...
    """
    if not on and not isinstance(recording(), Observer):
        return unwatched() if recording() else recorded(False)
    return watched(_now(exact=on, samples=on))


def detect_anomaly() -> watched:
    """A context in which the first op that makes nan or inf from finite numbers raises, forward or backward.

    The message names the op, the derivation, the argument, the entry and the user's file and line, and for the usual
    causes (log or square root at 0, 0 · inf, the norm at 0, the branch of `where` that is not taken) what to do.
    A nan made of infinities counts, too. It takes time: for finding a mistake, not for training.

    Raises
    ------
    AnomalyError
        A FloatingPointError.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> x = tg.Value(0.0)
    >>> with tg.detect_anomaly():
    ...     x.log()
    Traceback (most recent call last):
        ...
    tinygrad_ce.anomaly.AnomalyError: the forward of log made -inf of finite numbers ...
    """
    return watched(_now(forward=True, backward=True))


def trace() -> watched:
    """A context in which nodes remember the user's file and line, for errors and for `v.place`.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> with tg.trace():
    ...     y = tg.Value(2.0) * 3
    >>> y.place
    '<doctest tinygrad_ce.observe.trace[1]>:2, in <module>'
    """
    return watched(_now())
