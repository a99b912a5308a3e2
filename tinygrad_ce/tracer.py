"""Traced arrays: duck arrays that write down what is done to them. `capture` (capture.py) hands them to functions.

Tape        what was written down: steps, constants
Tracer      the array; it knows its tape and its slot, shape and dtype, and gives nobody its data
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from .identities import cast
from .node import Node
from .op import Op, captures
from .ops.indexing import getitem, index, scatter_add
from .ops.passthrough import FACTS, READINGS
from .ops.shaping import reshape, transpose
from .registry import registry


class NotCaptured(RuntimeError):
    """A function did something that a list of instructions cannot say."""


@dataclass(frozen=True)
class Kind:
    """What is known of a slot before a run.

    Attributes
    ----------
    sort : str
        "array", "number" (a NumPy scalar), "float" (Python's), or "other".
    dtype, shape
    order : tuple of int
        The axes as they lie in memory, the outermost first: (0, 1) is C order, (1, 0) Fortran's.
    """

    sort: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, x: Any) -> Kind:
        sort = "float" if type(x) is float else "number" if isinstance(x, np.generic) else "array"
        sort = sort if sort == "float" or hasattr(x, "dtype") else "other"
        shape = np.shape(x) if sort != "other" or isinstance(x, (int, bool)) else ()
        order = list(range(len(shape)))
        if isinstance(x, np.ndarray) and not x.flags.c_contiguous:
            order.sort(key=lambda i: -abs(x.strides[i]) if shape[i] != 1 else 0)
        return cls(sort, _dtype(x), shape, tuple(order))

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return "None" if self.sort == "other" and self.dtype == object else f"{self.dtype} {self.shape}"


class Tape:
    """What is done to the traced arrays of one capture."""

    def __init__(self, opened: bool | Collection[Op] = False) -> None:
        self.opened = opened
        self.steps: list[tuple[Any, ...]] = []  # op, slots of its inputs, params, slot
        self.constants: dict[int, Any] = {}
        self.kinds: dict[int, Kind] = {}  # of each slot
        captures.append(self)
        self.depth = len(captures)
        self.inside: list[Any] = []  # functions whose rules are at work: such a rule may ask what NumPy itself says
        self._known: dict[Any, tuple[int, Any]] = {}
        self._open = True

    def close(self) -> None:
        self._open = False
        captures.remove(self)
        self._known.clear()

    def require_open(self) -> None:
        if not self._open:
            raise NotCaptured("a traced value was kept after its capture was over; return it from the function instead")

    def input(self, data: Any) -> Tracer:
        return self._tracer(data)

    def slot_of(self, x: Any) -> int:
        """The slot of a traced array of this tape; of anything else, as a constant."""
        if isinstance(x, Tracer) and x.tape is self:
            return x.slot
        if not isinstance(x, np.ndarray):
            key: Any = (type(x), repr(x)) if type(x) in (float, int, bool, type(None)) else id(x)
            if key not in self._known:
                self._known[key] = self._constant(x), x
            return self._known[key][0]
        slot, original = self._known.get(id(x), (-1, None))
        # It may have been written into since.
        if original is not x or self.constants[slot].tobytes() != x.tobytes():
            slot = self._constant(x.copy(order="K"))
            self._known[id(x)] = slot, x
        return slot

    def _constant(self, x: Any) -> int:
        slot = self._next(x)
        self.constants[slot] = x
        return slot

    def _next(self, data: Any) -> int:
        slot = len(self.kinds)
        self.kinds[slot] = Kind.of(data)
        return slot

    def _tracer(self, data: Any) -> Tracer:
        return Tracer(self, self._next(data), data)

    def opens(self, op: Op) -> bool:
        return op.decomposition is not None and (self.opened if isinstance(self.opened, bool) else op in self.opened)

    def record(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Do it to the data, and write it down."""
        if isinstance(op, Op) and self.opens(op):
            return op.decomposition(*inputs, **params)
        data = [x.example if isinstance(x, Tracer) and x.tape is self else x for x in inputs]
        if isinstance(op, Op):
            require_shaped(op, inputs)
            out = op.evaluate(data, params)
        else:
            out = op(*data, **params)
        if isinstance(out, (tuple, list)):
            raise NotCaptured(f"{op.__name__} returns several arrays; an instruction has one result")
        slots = tuple([self.slot_of(x) for x in inputs])
        traced = self._tracer(out)
        self.steps.append((op, slots, params, traced.slot))
        return traced


def require_shaped(op: Op, inputs: Sequence[Any]) -> None:
    """Raise NotCaptured where the shape of a result depends on data."""
    if op in (getitem, scatter_add) and any(_dtype(x).kind == "b" for x in inputs[1:] if isinstance(x, Tracer)):
        raise NotCaptured(_WHERE.format("indexing with a traced mask"))


class Tracer(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of which shape and dtype are known, and of whose data only what is done to it.

    Operators, ndarray's methods, ops and NumPy functions work on it and are recorded.
    """

    __slots__ = ("example", "slot", "tape")
    __hash__ = object.__hash__  # by identity, though == is elementwise

    def __init__(self, tape: Tape, slot: int, example: Any) -> None:
        self.tape = tape
        self.slot = slot
        self.example = example  # for the shapes and dtypes of what is made of it

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.example)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        return _dtype(self.example)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a traced value without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<traced {self.dtype} {self.shape}>"

    # -- what is recorded --------------------------------------------------------------------------------------

    def __array_op__(self, op: Op, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        self.tape.require_open()
        return _tape(inputs).record(op, inputs, params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None or method == "at":
            sign = _SYMBOL.get(ufunc.__name__, "∘")
            raise NotCaptured(
                f"np.{ufunc.__name__} writes into an array (x {sign}= v, or out=), which a list of instructions cannot "
                f"say; make a new one: x = x {sign} v"
            )
        if any(isinstance(x, Node) for x in inputs):
            return NotImplemented
        if method != "__call__":
            return self._function(getattr(ufunc, method), inputs, kwargs)
        if all(_integral(x) for x in inputs):
            return self._function(ufunc, inputs, kwargs)  # an index stays one: ops compute in floats
        return self.__array_function__(ufunc, (), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if any(issubclass(t, Node) for t in types):
            return NotImplemented
        self.tape.require_open()
        if function in FACTS:
            return function(*[_stand_in(x) for x in args], **{k: _stand_in(v) for k, v in kwargs.items()})
        rule, inside = None, self.tape.inside
        if function not in READINGS and function not in inside:
            rule = registry.handler(function)
        if rule is None:
            return self._function(function, args, kwargs)
        inside.append(function)
        try:
            return rule(*args, **kwargs)
        finally:
            inside.pop()

    def _function(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A NumPy function that is no op."""
        self.tape.require_open()
        name = f"np.{function.__name__}"
        if function in SHAPED_BY_DATA or (function is np.where and len(args) == 1):
            raise NotCaptured(_WHERE.format(name))
        if kwargs.get("out") is not None:
            raise NotCaptured(f"{name} into out= writes in place; take its result instead")
        nested = [x for x in args if isinstance(x, (list, tuple)) and any(isinstance(i, Tracer) for i in x)]
        if nested or any(isinstance(x, Tracer) for x in kwargs.values()):
            raise NotCaptured(
                f"{name} of traced arrays in a list or by keyword: give arrays by position, joined by np.stack or "
                f"np.concatenate"
            )
        return _tape(args).record(function, args, dict(kwargs))

    def __getitem__(self, key: Any) -> Any:
        return index(self, key)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def T(self) -> Any:
        return transpose(self)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return reshape(self, shape=shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        return transpose(self, axes=(axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes) or None)

    def flatten(self) -> Any:
        return self.reshape(-1)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return cast(self, dtype=np.dtype(dtype))

    def copy(self, order: str = "C") -> Tracer:
        return self  # nobody can write into it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"a traced value has no attribute '{name}'")
        if name in _IN_PLACE or not hasattr(np, name):
            raise NotCaptured(f"ndarray.{name} of a traced value: it reads or writes data; use NumPy's pure functions")
        function = getattr(np, name)
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    # -- what is refused ---------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise NotCaptured(
            "assignment into a traced value: a list of instructions makes arrays and changes none; build a new one "
            "with np.where, np.concatenate or np.stack"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise NotCaptured(
            "np.asarray of a traced value, its assignment into an array, or an index into one: its data is not known "
            "yet. NumPy's functions take it as it is, so leave out the conversion; join several with np.stack or "
            "np.concatenate; pick from a plain one with tg.Value(array)[v]"
        )

    def __bool__(self) -> NoReturn:
        raise NotCaptured(
            "bool() of a traced value: a branch (if, while, and, or) on data that is not known yet; compute both sides "
            "and choose with np.where(condition, a, b), or combine conditions with & and |"
        )

    def __float__(self) -> NoReturn:
        _refuse("float()")

    def __int__(self) -> NoReturn:
        _refuse("int()")

    def __index__(self) -> NoReturn:
        _refuse("an index or a count made")

    def item(self, *args: Any) -> NoReturn:
        _refuse("item()")

    def tolist(self) -> NoReturn:
        _refuse("tolist()")


def _refuse(what: str) -> NoReturn:
    raise NotCaptured(
        f"{what} of a traced value: its data is not known yet; keep it an array of shape (), on which NumPy works as "
        f"it does on a number"
    )


_WHERE = "{} makes an array whose shape depends on data; choose with np.where(mask, a, b) instead"
_SYMBOL = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**"}
_IN_PLACE = {"sort", "partition", "put", "resize"}  # as methods; NumPy's functions of these names return new arrays
SHAPED_BY_DATA = {np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress, np.union1d}


def _dtype(x: Any) -> np.dtype[Any]:
    return x.dtype if hasattr(x, "dtype") else np.dtype(type(x)) if type(x) in (float, int, bool) else np.dtype(object)


def _integral(x: Any) -> bool:
    return type(x) in (int, bool) or (hasattr(x, "dtype") and _dtype(x).kind in "iub")


def _tape(inputs: Sequence[Any]) -> Tape:
    """The innermost of the captures in progress that these inputs belong to."""
    return max([x.tape for x in inputs if isinstance(x, Tracer)], key=lambda tape: tape.depth)


def _stand_in(x: Any) -> Any:
    """An array of x's shape and dtype, for functions that want no more."""
    if isinstance(x, (list, tuple)):
        return type(x)([_stand_in(i) for i in x])
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Tracer) else x
