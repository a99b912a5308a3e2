"""A function written down as NumPy calls: a capture that goes through the ops, down to what their kernels call.

    Recorder            a Tape of Steps
    record(f, ...)      f's steps, with sweeps inside it swept as eager code sweeps
    number, element     steps that make Python floats

An op's kernel is run on traced arrays, so that its NumPy calls are written down. Where that fails, because the kernel
looks at data, or where it asks what kind of array it was given, the op is one step, taken whole.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from threading import get_ident
from types import MappingProxyType
from typing import Any

import numpy as np

from ..choice import Choice, _chosen, choose
from ..derivation import AUTODIFF, Derivation
from ..node import Node, plain
from ..op import Op, Shortcut
from ..ops.passthrough import FACTS
from ..registry import registry
from ..tracer import SHAPED_BY_DATA, Kind, NotCaptured, Tape, Tracer, require_shaped
from ..tracing import here, innermost, told
from .graph import JOINING, Note, Pull, perform


class Recorder(Tape):
    """A Tape that writes down NumPy calls."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = get_ident()
        self.below = 0  # how many kernels deep: there, NumPy's functions are themselves
        self.note: Note | None = None
        self.names: dict[int, str] = {}
        self.notes: dict[int, Note] = {}
        self.tracers: dict[int, Tracer] = {}  # of the inputs
        self.views: dict[int, int] = {}  # results that share memory with an input, and with which
        self._places: dict[Any, Note] = {}
        self._exact = _exact()

    def _tracer(self, data: Any) -> Tracer:
        return LowTracer(self, self._next(data), data)

    def _next(self, data: Any) -> int:
        if type(data) is not float and not isinstance(data, (np.number, np.bool_)):
            return super()._next(data)
        slot = len(self.kinds)
        self.kinds[slot] = _kind(type(data))  # type: ignore[arg-type]
        return slot

    def input(self, data: Any) -> Tracer:
        traced = self._tracer(data)
        self.tracers[traced.slot] = traced
        return traced

    def record(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        if not isinstance(op, Op):
            return self.take(op, inputs, params)
        require_shaped(op, inputs)
        data = [_example(self, x) for x in inputs]
        expected = op.evaluate(data, params)
        if op.name == "stop_gradient" or op.name == "spent" or op.name == "identity":
            return inputs[0]
        numbers = op.scalar is not None and all(type(x) is float for x in data)
        if not numbers and transparent(op):
            found = self._through(op, inputs, params, expected)
            if found is not None:
                return found
        return self._step(op, inputs, params, expected, op.name)

    def _through(self, op: Op, inputs: Sequence[Any], params: Mapping[str, Any], expected: Any) -> Any:
        """What the kernel does, in steps; None where it cannot be said, or is not what it does to ndarrays."""
        before, note = len(self.steps), self.note
        self.note = note or Note(here(), op.name)
        self.below += 1
        try:
            out = op.kernel(*inputs, **params)
        except (NotCaptured, TypeError, ValueError, AttributeError, IndexError):
            out = None
        finally:
            self.below -= 1
            self.note = note
        if not isinstance(out, (Tracer, np.ndarray, np.generic, float)) or not same(_example(self, out), expected):
            del self.steps[before:]
            return None
        return out

    def number(self, ufunc: np.ufunc, inputs: Sequence[Any]) -> Any:
        """A ufunc of single numbers: an op, whose result is a Python float, where it is the same on floats as on
        arrays; else the ufunc. None where one is no such number.

        A function of single numbers takes very many such steps, so this is the short way.
        """
        self.require_open()
        data, floats = [], True
        for x in inputs:
            if type(x) is LowTracer:
                if x.tape is not self:
                    return None
                x = x.example
            if type(x) is not float and type(x) is not int:
                if not isinstance(x, (np.number, np.bool_)):
                    return None
                floats = False
            data.append(x)
        op = self._exact.get(ufunc) if floats else None
        note = self.note
        if op is not None and (op.name != "power" or note is None):
            slots = tuple([x.slot if type(x) is LowTracer else self.slot_of(float(x)) for x in inputs])
            slot = len(self.kinds)
            self.kinds[slot] = _FLOAT
            self.notes[slot] = note = note or self._placed(op.name)
            self.steps.append((op, slots, _NOTHING, slot, note))
            return LowTracer(self, slot, op.scalar(*map(float, data)))  # type: ignore[misc]
        if ufunc.signature is not None or ufunc.nout != 1:
            return None
        return self._step(ufunc, inputs, _NOTHING, ufunc(*data), ufunc.__name__)

    def _placed(self, name: str) -> Note:
        """A Note of where an op is used: one for each line."""
        frame = innermost()
        key = frame.f_code, frame.f_lineno, name
        if key not in self._places:
            self._places[key] = Note(told(frame), name)
        return self._places[key]

    def sent(self, node: Node, g: Any, useful: set[int] | None) -> list[tuple[Node, Any]] | None:
        """What an elementwise node of traced floats sends to its inputs, without a sweep's detours; else None."""
        op, data = node.op, node._data
        if (
            op.partials is None
            or type(data) is not LowTracer
            or type(data.example) is not float
            or data.tape is not self
        ):
            return None
        if type(g) is not LowTracer and type(g) is not float:
            if np.shape(g):
                return None
            g = float(g)
        before, forward = len(self.steps), self.notes.get(data.slot)
        key = forward, op
        if key not in self._places:
            self._places[key] = Note(forward.place if forward else "", op.name, op.default)
        outer, self.note = self.note, self._places[key]
        try:
            return _gradients(node, g, useful)
        except (NotCaptured, ArithmeticError, TypeError, AttributeError):
            del self.steps[before:]
            return None
        finally:
            self.note = outer

    def take(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A NumPy function: its arrays become inputs, the rest of its arguments parameters."""
        if function in JOINING:
            inputs, rest = list(args[0]), list(args[1:])
            names: tuple[str, ...] = ("axis",)
        else:
            inputs, rest, names = _split(function, args)
        params = {**dict(zip(names, rest, strict=False)), **kwargs}
        params = {k: v for k, v in params.items() if not (k == "out" and v is None)}
        if len(rest) > len(names) or any(isinstance(x, Tracer) for x in _flat([*rest, *kwargs.values()])):
            raise NotCaptured(f"np.{function.__name__} of traced arrays in a list or by keyword")
        data = [_example(self, x) for x in inputs]
        return self._step(function, inputs, params, perform(function, data, params), function.__name__)

    def _step(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any], out: Any, name: str) -> Any:
        if isinstance(out, (tuple, list)):
            raise NotCaptured(f"{name} returns several arrays; a step has one result")
        slots = tuple([self.slot_of(x) for x in inputs])
        traced = self._tracer(out)
        note = self.note or Note(here(), name)
        self.steps.append((op, slots, params, traced.slot, note))
        self.notes[traced.slot] = note
        if isinstance(out, np.ndarray):
            for k, x in enumerate(inputs):
                example = _example(self, x)
                if isinstance(example, np.ndarray) and np.may_share_memory(out, example):
                    self.views[traced.slot] = k
        return traced

    @contextmanager
    def noting(self, note: Note) -> Iterator[None]:
        """A context in which steps come from there."""
        before, self.note = self.note, note
        try:
            yield
        finally:
            self.note = before

    def pull(self, op: Op, derivation: Derivation, name: str) -> Derivation:
        """A derivation that notes what its steps are part of; or is one step, where the op is."""

        def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
            place = self.notes.get(getattr(plain(out), "slot", -1), Note()).place
            plainly = not isinstance(g, Node) and not isinstance(out, Node)
            with self.noting(Note(place, name, derivation.name)):
                if not plainly:
                    return derivation.rule(g, out, inputs, params, needed)
                if not whole(op):
                    before = len(self.steps)
                    try:
                        return derivation.rule(g, out, inputs, params, needed)
                    except NotCaptured:  # it looks at data
                        del self.steps[before:]
                gradients: list[Any] = [None] * len(inputs)
                for i in needed:
                    one = Pull(op, derivation, i)
                    data = [_example(self, x) for x in (g, out, *inputs)]
                    found = one(*data, **params)
                    if found is not None:
                        gradients[i] = self._step(one, (g, out, *inputs), params, found, one.name)
                return gradients

        return derivation if derivation.name == AUTODIFF else replace(derivation, rule=rule)


class Recorded(Choice):
    """The choice of derivations of sweeps within a recording: what the user chose, noted."""

    def __init__(self, recorder: Recorder, asked: Choice) -> None:
        super().__init__({} if asked.request is None else asked.request)
        self._recorder, self._asked = recorder, asked

    def of(self, op: Op) -> Derivation:
        return self._recorder.pull(op, self._asked.of(op), op.name)

    def short(self) -> Callable[[Node, Any, set[int] | None], list[tuple[Node, Any]] | None] | None:
        return self._recorder.sent if self._asked.request is None else None

    def shortcut(self, node: Node, held: Mapping[int, Any]) -> tuple[Shortcut, Node] | None:
        jump = self._asked.shortcut(node, held)
        if jump is None:
            return None
        derivation = self._recorder.pull(node.op, jump[0].derivation, f"{node.op.name} over {jump[1].op.name}")
        return replace(jump[0], derivation=derivation), jump[1]


def _gradients(node: Node, g: Any, useful: set[int] | None) -> list[tuple[Any, Any]]:
    """What an elementwise node of floats sends to its inputs: (input, gradient); as the rule of such an op does."""
    data = [plain(x) for x in node.inputs]
    sent = []
    for x, p in zip(node.inputs, node.op.partials, strict=True):
        if p is None or not isinstance(x, Node) or not x.requires_grad:
            continue
        if useful is None or x.number in useful:
            gx = (g if p == 1.0 else g * p) if type(p) is float else g * p(node._data, *data)
            sent.append((x, gx.as_float() if type(gx) is LowTracer else float(gx)))
    return sent


@contextmanager
def sweeping(recorder: Recorder) -> Iterator[None]:
    """A context in which sweeps note their derivations."""
    token = _chosen.set(Recorded(recorder, choose(None)))
    try:
        yield
    finally:
        _chosen.reset(token)


class LowTracer(Tracer):
    """A traced array of a Recorder.

    A parameter holds one while a function that uses it is captured. Other threads, which may use it meanwhile, find
    the data that it stands for.
    """

    __slots__ = ()
    tape: Recorder

    @property
    def _foreign(self) -> bool:
        return get_ident() != self.tape.thread

    def __array_op__(self, op: Op, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        if self._foreign:
            return op.evaluate([_stood_for(x) for x in inputs], params)
        return super().__array_op__(op, inputs, params)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._foreign:
            return np.array(self.example, dtype=dtype, copy=copy)
        return super().__array__(dtype, copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if self._foreign:
            return getattr(ufunc, method)(*[_stood_for(x) for x in inputs], **kwargs)
        if kwargs.get("out") == (self,) and inputs[0] is self and type(self.example) is float:
            kwargs = {}  # x -= y of a number makes another
        if kwargs.get("out") is not None or method == "at":
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        if any(isinstance(x, Node) for x in inputs):
            return NotImplemented
        self.tape.require_open()
        if method == "__call__" and not kwargs and type(self.example) is not np.ndarray:
            found = self.tape.number(ufunc, inputs)
            if found is not None:
                return found
        return _recorder(inputs).take(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if any(issubclass(t, Node) for t in types):
            return NotImplemented
        if self._foreign:
            return function(*[_stood_for(x) for x in args], **{k: _stood_for(x) for k, x in kwargs.items()})
        self.tape.require_open()
        if function in FACTS or function in SHAPED_BY_DATA or (function is np.where and len(args) == 1):
            return super().__array_function__(function, types, args, kwargs)
        try:
            return _recorder(_flat([*args, *kwargs.values()])).take(function, args, kwargs)
        except NotCaptured:
            if self.tape.below:
                raise
            return super().__array_function__(function, types, args, kwargs)  # as it is written in others

    def _function(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if any(isinstance(x, (list, tuple)) for x in args) and function in JOINING:
            return self.tape.take(function, args, kwargs)
        return super()._function(function, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        if self._foreign:
            return self.example[key]
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(x, (Tracer, np.ndarray, list)) for x in parts):
            if self.tape.below:
                raise NotCaptured("an index that is traced")  # the op is taken whole
            return super().__getitem__(key)
        return self.tape.take(picked, (self,), {"key": key})

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return self.tape.take(astype, (self,), {"dtype": np.dtype(dtype)})

    def as_float(self) -> Any:
        return self if type(self.example) is float else self.tape.take(number, (self,), {})

    @property
    def T(self) -> Any:
        return np.transpose(self)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        only: Any = shape[0] if len(shape) == 1 else shape
        return self.tape.take(np.reshape, (self,), {"shape": only, "order": order})

    def transpose(self, *axes: Any) -> Any:
        only: Any = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return self.tape.take(np.transpose, (self,), {"axes": only})


def _hasten(name: str, ufunc: np.ufunc, reflected: bool = False) -> None:
    """Give LowTracer an operator that takes the short way of traced floats."""
    inherited = getattr(LowTracer, name)

    def operate(self: LowTracer, other: Any) -> Any:
        if type(self.example) is float and get_ident() == self.tape.thread:
            found = self.tape.number(ufunc, (other, self) if reflected else (self, other))
            if found is not None:
                return found
        return inherited(self, other)

    setattr(LowTracer, name, operate)


for _name, _ufunc in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("truediv", np.divide)):
    _hasten(f"__{_name}__", _ufunc)
    _hasten(f"__r{_name}__", _ufunc, reflected=True)


def _stood_for(x: Any) -> Any:
    """The data that traced arrays stand for."""
    if isinstance(x, (list, tuple)):
        return type(x)([_stood_for(item) for item in x])
    return x.example if isinstance(x, LowTracer) else x


def picked(x: Any, *, key: Any) -> Any:
    """x[key], as a function."""
    return x[key]


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype, as a function."""
    return x.astype(dtype)


def number(x: Any) -> float:
    """x, of one element, as a Python float."""
    return float(x)


def element(x: Any, *, at: int) -> Any:
    """An element of an array, as a Python number."""
    return x.item(at)


_NOTHING = MappingProxyType[str, Any]({})


@cache
def _kind(number: Callable[[int], Any]) -> Kind:
    """The Kind of a type of numbers: one object, by which steps of numbers are known quickly."""
    return Kind.of(number(0))


_FLOAT = _kind(float)


@cache
def _exact() -> dict[np.ufunc, Op]:
    """Ops that are the same on Python floats as on arrays, bit for bit, and the operator `**`, by ufunc."""
    names = ("add", "subtract", "multiply", "divide", "negative", "positive", "power")
    return {getattr(np, n): registry[n] for n in names}


def whole(op: Op) -> bool:
    """Whether an op has a kernel of its own beside its decomposition: then it and its gradients are single steps."""
    return op.decomposition is not None and op.kernel is not op.decomposition and op.partials is None


@cache
def transparent(op: Op) -> bool:
    """Whether an op's kernel may be run on traced arrays: it is not whole, and does not ask what it was given."""
    code = getattr(op.kernel, "__code__", None)
    return not whole(op) and (code is None or not {"isinstance", "type", "lstsq"} & set(code.co_names))


def same(x: Any, y: Any) -> bool:
    """Whether two results are of one type, and equal bit for bit."""
    if type(x) is not type(y) or np.shape(x) != np.shape(y) or getattr(x, "strides", 0) != getattr(y, "strides", 0):
        return False
    return getattr(x, "dtype", None) == getattr(y, "dtype", None) and bool(
        np.array_equal(x, y, equal_nan=getattr(x, "dtype", np.dtype(float)).kind in "fc")
    )


def _example(tape: Tape, x: Any) -> Any:
    return x.example if isinstance(x, Tracer) and x.tape is tape else x


def _split(function: Any, args: Sequence[Any]) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    """Positional arguments as arrays, the rest, and what the rest is called."""
    names = _parameters(function)
    if isinstance(function, np.ufunc) or not names:
        return list(args), [], ()
    arrays = [i for i, x in enumerate(args) if isinstance(x, (Tracer, np.ndarray))]
    last = max(arrays, default=-1) + 1
    if "" in names[last : len(args)]:
        return list(args), [], ()
    return list(args[:last]), list(args[last:]), names[last:]


@cache
def _parameters(function: Any) -> tuple[str, ...]:
    """What a function's arguments may be called, "" where they have no names; nothing where none is known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(["" if p.kind is p.POSITIONAL_ONLY else p.name for p in parameters])


def _flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _flat(item)] if isinstance(x, (list, tuple)) else [x]


def _recorder(inputs: Sequence[Any]) -> Recorder:
    """The innermost of the recordings in progress that these inputs belong to."""
    return max([x.tape for x in inputs if isinstance(x, LowTracer)], key=lambda tape: tape.depth)
