"""What the engine needs to know of a Value: its data, and how that came to be.

`Node` holds the slots; `Value` (value.py) is a Node with operators and NumPy's protocols. Ops, rules and the
sweep see only Nodes, so they can be read, and tested, without knowing what a Value is.

    recording()          is a graph being recorded here?
    recorded(on)         a context in which it is, or is not; `no_grad` is recorded(False)
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import wraps
from itertools import count
from typing import Any
from weakref import finalize

# A context variable, so that threads (and async tasks) each have their own answer.
_recording: ContextVar[bool] = ContextVar("recording", default=True)
recording = _recording.get

# Creation numbers: every node is younger than its inputs, so a sweep needs no other order.
next_number = count(1).__next__


# Numbers of the inner nodes that want their gradient written. Few do, and the sweep asks of every node.
retained: set[int] = set()

UNSET: dict[str, Any] = {"grad": None, "label": "", "params": {}}


class Node:
    """An array with a past.

    Attributes
    ----------
    data : float, ndarray or any array that speaks NumPy's protocols
    op : Op or None
        What made it; None for a leaf.
    inputs : tuple
        What `op` was given, in order: Nodes, and plain arrays, numbers or None where it was given those.
    params : dict
        The op's static options.
    number : int
        Creation number: larger than that of every input.
    requires_grad : bool
    grad : None, array or Node
        A result of `backward`.
    label : str
    retains : bool
        Whether `backward` writes `grad` on it although it is no leaf.

    Notes
    -----
    A scalar graph has millions of nodes, so an inner node sets only what the sweep reads: data, op, inputs, number,
    requires_grad. The other slots read as their defaults until they are set.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "grad",
        "inputs",
        "label",
        "number",
        "op",
        "params",
        "requires_grad",
    )

    data: Any
    op: Any  # an Op, which this file has no need to know, or None
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    number: int
    requires_grad: bool
    grad: Any
    label: str

    def __getattr__(self, name: str) -> Any:
        try:
            return UNSET[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'") from None

    @property
    def retains(self) -> bool:
        return self.number in retained

    @retains.setter
    def retains(self, on: bool) -> None:
        if not on:
            retained.discard(self.number)
        elif self.number not in retained:
            retained.add(self.number)
            finalize(self, retained.discard, self.number)

    @classmethod
    def record(cls, op: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The node that `op` makes of `inputs`."""
        raise NotImplementedError

    @classmethod
    def leaf(cls, data: Any, requires_grad: bool = True) -> Any:
        """A node without a past."""
        raise NotImplementedError


def plain(x: Any) -> Any:
    """`x` without its past: a Node's data, anything else as it is."""
    return x.data if isinstance(x, Node) else x


class recorded:
    """A context in which operations on Values are recorded (`on`), or are not; or a decorator of functions."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __enter__(self) -> None:
        self._token = _recording.set(self._on)

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._token)

    def __call__(self, f: Any) -> Any:
        @wraps(f)
        def within(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._on):
                return f(*args, **kwargs)

        return within
