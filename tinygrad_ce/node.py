"""What the engine needs to know of a Value: its data, and how that came to be.

`Node` holds the slots; `Value` (value.py) is a Node with operators and NumPy's protocols. Ops, rules and the
sweep see only Nodes, so they can be read, and tested, without knowing what a Value is.

    recording()          is a graph being recorded here? True, False, or a Watch that is told of every node
    recorded(on)         a context in which it is, or is not; `no_grad` is recorded(False)
    Watch, QUIET         who is told; nobody, where the engine itself records
    rebound, Clock       when data was last put in the place of other data, or seen to have changed
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import wraps
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import finalize

# Creation numbers: every node is younger than its inputs, so a sweep needs no other order. They are a clock, too.
next_number = count(1).__next__

# Numbers of the inner nodes that want their gradient written. Few do, and the sweep asks of every node.
retained: set[int] = set()

# When a node's data was last rebound (`p.data = ...`), by its number.
rebound: dict[int, int] = {}


class Clock:
    """The last time at which anything happened on account of which a sweep has to look closer at older nodes."""

    last = 0
    lock = Lock()


class Watch:
    """Who is told of nodes as they are made: this one looks at nothing (see observe.py for those that do)."""

    samples = False  # whether fingerprints of leaves are taken (mutation.py)

    def switched(self, on: bool) -> Any:
        """The same where recording is switched on, or off."""
        return self if on else False

    def made(self, node: Node) -> None:
        """A node was recorded; what is to be remembered of it goes into its notes."""

    def computed(self, op: Any, inputs: tuple[Any, ...], out: Any) -> None:
        """A constant was computed, which is not recorded."""

    def sweeping(self) -> Watch | None:
        """Who is told of what a sweep sends; None for nobody."""
        return None

    def sent(self, node: Node, inputs: Any, derivation: Any, g: Any, gradients: Any, needed: Any) -> None:
        """A node has sent gradients to its inputs."""

    def pushed(self, node: Node, inputs: Any, derivation: Any, tangents: Any, tangent: Any) -> None:
        """A node has got its tangent."""


QUIET = Watch()

# A context variable, so that threads (and async tasks) each have their own answer.
_recording: ContextVar[Any] = ContextVar("recording", default=True)
recording = _recording.get


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
    notes : Any
        Of a leaf, its fingerprint when it was last used (mutation.py); of an inner node, what a Watch remembers of it.
    retains : bool
        Whether `backward` writes `grad` on it although it is no leaf.

    Notes
    -----
    A scalar graph has millions of nodes. So that the garbage collector has one object a node to look at and not two,
    an elementwise op's operands lie in `left` and `right`; any other op's inputs, and a leaf's (), are the tuple
    `left`. `adjoint` is where a sweep adds up (quick.py), and None at any other time. Every slot is set when a node
    is made, and there is no `__getattr__`: with one, CPython reads each slot ten times as slowly.

    The engine reads and fills the slot `_data`; `data` is the same for everybody else, and takes note when it is
    rebound.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "adjoint",
        "grad",
        "label",
        "left",
        "notes",
        "number",
        "op",
        "params",
        "requires_grad",
        "right",
    )

    _data: Any
    op: Any  # an Op, which this file has no need to know, or None
    left: Any
    right: Any
    adjoint: Any
    params: dict[str, Any]
    number: int
    requires_grad: bool
    grad: Any
    label: str
    notes: Any

    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, new: Any) -> None:
        self._data = new
        changed(self)
        if self.op is None:
            self.notes = None

    if TYPE_CHECKING:  # what subclasses add, methods that follow from the registry among them

        def __getattr__(self, name: str) -> Any: ...

    @property
    def inputs(self) -> tuple[Any, ...]:
        left = self.left
        if type(left) is tuple:
            return left
        return (left,) if len(self.op.partials) == 1 else (left, self.right)

    @inputs.setter
    def inputs(self, given: tuple[Any, ...]) -> None:
        partials = None if self.op is None else self.op.partials
        if partials is None or len(partials) != len(given) or len(given) > 2:
            self.left = given
        else:
            self.left, self.right = given[0], given[-1]

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


def changed(node: Node) -> None:
    """Take note that a node's data is not what older nodes have seen."""
    number = node.number
    if number not in rebound:
        finalize(node, rebound.pop, number, None)
    with Clock.lock:
        rebound[number] = Clock.last = next_number()


def changed_together(numbers: Sequence[int]) -> None:
    """Take note of nodes, by number, of which note was taken before, that their data has changed again."""
    with Clock.lock:
        Clock.last = next_number()
        rebound.update(dict.fromkeys(numbers, Clock.last))


def plain(x: Any) -> Any:
    """`x` without its past: a Node's data, anything else as it is."""
    return x._data if isinstance(x, Node) else x


class recorded(AbstractContextManager[None]):
    """A context in which operations on Values are recorded (`on`), or are not; or a decorator of functions."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __enter__(self) -> None:
        now = recording()
        self._token = _recording.set(now.switched(self._on) if isinstance(now, Watch) else self._on)

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._token)

    def __call__(self, f: Any) -> Any:
        @wraps(f)
        def within(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._on):
                return f(*args, **kwargs)

        return within


class watched(AbstractContextManager[None]):
    """A context in which a Watch (or nobody: QUIET) is told of nodes."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        self._token = _recording.set(self._watch)

    def __exit__(self, *error: object) -> None:
        _recording.reset(self._token)


def unwatched() -> AbstractContextManager[None]:
    """A context in which the engine records for itself: watched by nobody, unless somebody watches everything."""
    return recorded(True) if type(recording()) is not bool else watched(QUIET)
