"""A compiled function, which is an Op: of its arguments' leaves, and of the Values that it reaches beside them.

Its derivations are "compiled", the default, and "autodiff", the sweep through the function itself; so the referee
holds the one against the other. Order 2, forward mode, and whatever is watched go through the function.
"""

from __future__ import annotations

import gc
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..calls import called_since
from ..identities import identity
from ..node import Node, Watch, next_number, plain, recorded, recording
from ..op import Op, captures
from ..tracer import NotCaptured, Tracer
from ..trees import Carried, Container, Form, flatten
from ..value import Value
from .again import seen
from .captured import Call, Captured
from .passes import PASSES
from .recording import record, roots_of
from .running import Runner

if TYPE_CHECKING:
    from .explain import Explanation


OFTEN = 8  # captures on account of the same thing, before there is a warning


class Compiled(Op):
    """What `compile` returns."""

    def __init__(
        self,
        f: Callable[..., Any],
        passes: Mapping[str, Any],
        in_place: bool,
        size: int,
        backend: str | None = None,
    ) -> None:
        self.backend = backend
        self.f, self.passes, self.in_place, self.size = f, dict(passes), in_place, size
        name = getattr(f, "__name__", None) or type(f).__name__

        def function(*arrays: Any, call: Any) -> Any:
            raise AssertionError("a compiled function runs its kernel")

        function.__name__ = name
        function.__doc__ = getattr(f, "__doc__", None)
        function.__module__ = getattr(f, "__module__", None) or __name__
        super().__init__(function, decomposition=self._decomposed, kernel=self._forward)
        self.bind = self._bound
        self.input_name = self._input_name
        self.cache: dict[Any, Captured] = {}
        self._runners: dict[Any, Runner] = {}
        self._last: Runner | None = None
        self._anew: dict[str, int] = {}
        self._lock = RLock()
        self._arguments = dict(enumerate(_parameters(f)))
        self.derivation("compiled", order=1, formula="the compiled sweep")(self._backward)
        self.pushforward = self._pushed

    # -- calling -----------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        last, watch = self._last, recording()
        if last is not None and last.on is watch and not captures and not kwargs and last.takes(args):
            return last(args)
        leaves, form = flatten((args, kwargs))
        if isinstance(watch, Watch) or (captures and any(isinstance(plain(x), Tracer) for x in leaves)):
            return self.f(*args, **kwargs)
        runner = self._runner(leaves, form, bool(watch))
        if runner is None:
            return self.f(*args, **kwargs)
        self._last = runner if runner.on is watch else None
        return runner(leaves)

    def _runner(self, leaves: list[Any], form: Form, on: bool) -> Runner | None:
        """What runs a call like this one; None where an array is of another library, so that f runs as it is."""
        parts = [on]
        for x in leaves:
            part = _kind(x)
            if part is None:
                return None
            parts.append(part)
        key = (tuple(parts), _outline(form))
        runner = self._runners.get(key)
        if runner is None or not runner.fits():
            with self._lock:
                runner = self._runners.get(key)
                if runner is None or not runner.fits():
                    runner = self._capture(key, leaves, form, on)
        return runner

    def _capture(self, key: Any, leaves: list[Any], form: Form, on: bool) -> Runner:
        self._warn(key)
        start = next_number()
        with uncollected():
            made = record(self.f, leaves, form, on)
            modes = [(module, module.training) for module in called_since(start)]
            names = _leaf_names(form, self._arguments)
            captured = Captured(self.name, made, self.passes, self.in_place, names, self.backend)
        self.cache.pop(key, None)
        self.cache[key] = captured
        self._runners[key] = Runner(self, captured, form, leaves, on, seen(roots_of(self.f, form)), modes)
        while len(self.cache) > self.size:
            oldest = next(iter(self.cache))
            del self.cache[oldest], self._runners[oldest]
        return self._runners[key]

    def _warn(self, key: Any) -> None:
        """Warn where something that f closes over has changed many times, each time making a capture."""
        before = self._runners.get(key)
        why = before.why() if before is not None else ""
        if why:
            self._anew[why] = self._anew.get(why, 0) + 1
            if self._anew[why] == OFTEN:
                warnings.warn(
                    f"{self.name} was captured anew {OFTEN} times, because of {why}: what changes from call to call is "
                    f"quicker as an argument, or as the data of a Value",
                    RuntimeWarning,
                    stacklevel=5,
                )

    # -- as an op ----------------------------------------------------------------------------------------------

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The inputs of the op: the arguments' leaves and the Values that f reaches; and the form of the call."""
        call = kwargs.get("call")
        if call is not None:
            return args, kwargs
        leaves, form = flatten((args, kwargs))
        leaves = [x if isinstance(x, Value) or not _floats(x) else Value(x) for x in leaves]
        runner = self._runner(leaves, form, True)
        if runner is None:
            raise NotCaptured("compiled functions are of ndarrays and numbers")
        return runner.inputs(leaves), {"call": Call(runner.captured, form)}

    def _forward(self, *data: Any, call: Call) -> Any:
        """The op's kernel: one array, in which what f returns lies, if it is several."""
        captured = call.captured
        given = captured.arranged(data)
        if captured.watch is not None:
            captured.watch.called(captured, given)
        instance = captured.take()
        if not captured.made.seeds:
            results = instance.forward(*given)
            captured.give(instance)
            call.extras = list(results)
            return captured.packed(results)
        *results, saved = instance.forward(*given)
        call.instance, call.data, call.saved, call.extras = instance, data, saved, results
        return captured.packed(results)

    def _backward(self, g: Any, out: Any, *data: Any, call: Call) -> Any:
        """The rule of "compiled"."""
        captured = call.captured
        if not captured.takes(data):  # another precision, or Values: what it does, step by step
            given = captured.arranged(data)
            return captured.placed(captured.graph.run(*captured.with_seeds(given, captured.unpacked(g))), len(data))
        if (
            call.instance is None
            or len(data) != len(call.data)
            or any(x is not y and not (type(x) is float and x == y) for x, y in zip(data, call.data, strict=True))
        ):
            again = Call(captured, call.inward)
            self._forward(*data, call=again)
            call = again
        assert call.instance is not None and call.instance.backward is not None
        return captured.placed(call.instance.backward(call.saved, *captured.unpacked(g)), len(data))

    def _decomposed(self, *inputs: Any, call: Call) -> Any:
        """f itself, on these inputs in the place of its arguments and of the Values that it reaches."""
        captured = call.captured
        stand_ins = list(zip(captured.reached, inputs[captured.arguments :], strict=True))
        before = [(x, x._data) for x, _ in stand_ins]
        since = next_number()
        fresh = [identity(x) if isinstance(x, Node) and x.requires_grad else x for x in inputs[: captured.arguments]]
        given = captured.regiven(fresh)
        with self._lock:
            try:
                for x, y in stand_ins:
                    x._data = plain(y)
                args, kwargs = call.inward.build(given)
                out = self.f(*args, **kwargs)
            finally:
                for x, data in before:
                    x._data = data
        results = [x for x, d in zip(flatten(out)[0], captured.differentiable, strict=True) if d]
        becomes = {id(x): y for x, y in stand_ins}
        if becomes:
            results = _replaced(results, becomes, since)
        if len(results) == 1:
            return results[0]
        return np.concatenate([np.reshape(x, (-1,)) for x in results])

    def _pushed(self, tangents: Sequence[Any], out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        from ..transforms import jvp

        moving = [i for i, t in enumerate(tangents) if t is not None]

        def along(*xs: Any) -> Any:
            filled = list(inputs)
            for i, x in zip(moving, xs, strict=True):
                filled[i] = x
            return self._decomposed(*filled, **params)

        with recorded(True):
            return jvp(along, [inputs[i] for i in moving], [tangents[i] for i in moving])[1]

    def _input_name(self, position: int) -> str:
        """What the user calls an input: an argument's name, or the label of a Value that f reaches."""
        captured = self.latest
        hidden = position - captured.arguments
        if hidden >= 0:
            return captured.reached[hidden].label or f"reached {hidden}"
        return self._arguments.get(captured.positions[position], f"argument {captured.positions[position]}")

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def latest(self) -> Captured:
        if not self.cache:
            raise ValueError(f"{self.name} has not been called yet, so nothing is compiled: call it once")
        return self.cache[next(reversed(self.cache))]

    def form(self, *args: Any, **kwargs: Any) -> Captured:
        """The form for such arguments, which is captured if there is none yet, and not run."""
        leaves, form = flatten((args, kwargs))
        runner = self._runner(leaves, form, bool(recording()))
        if runner is None:
            raise NotCaptured("compiled functions are of ndarrays and numbers")
        return runner.captured

    @property
    def source(self) -> str:
        """The Python text of the form that was compiled last."""
        return self.latest.source

    def save(self, path: str | PathLike[str]) -> None:
        """Write the source to a file, a module that needs NumPy alone.

        Raises
        ------
        ValueError
            If the function uses something that has no text.
        """
        untold = self.latest.untold
        if untold:
            raise ValueError(f"{', '.join(untold)} has no source of its own, so the text cannot stand alone")
        Path(path).write_text(self.source, encoding="utf-8")

    def explain(self) -> Explanation:
        """What the compiler has made of the form that was compiled last: steps, buffers, bytes, FLOPs, pass by pass."""
        from .explain import explained

        return explained(self.latest)

    def __repr__(self) -> str:
        n = len(self.cache)
        return f"<compiled {self.name}: {n} form{'s' * (n != 1)}>"


@contextmanager
def uncollected() -> Iterator[None]:
    """A context without Python's search for cycles, which would go through a large capture again and again."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _parameters(f: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return ()


def _leaf_names(form: Form, parameters: Mapping[int, str]) -> list[str]:
    """What each leaf of (args, kwargs) may be called: by the parameter that it is given for, and its keys."""
    if not isinstance(form, Container):
        return []
    args, kwargs = form.parts
    assert isinstance(args, Container) and isinstance(kwargs, Container)
    named = [(parameters.get(i, f"x{i}"), part) for i, part in enumerate(args.parts)]
    return [n for name, part in [*named, *zip(kwargs.keys, kwargs.parts, strict=True)] for n in _within(name, part)]


def _within(name: str, form: Form) -> list[str]:
    if isinstance(form, Container):
        return [n for key, part in zip(form.keys, form.parts, strict=True) for n in _within(f"{name}.{key}", part)]
    return [name] * form.count()


def _floats(x: Any) -> bool:
    return type(x) is float or getattr(getattr(x, "dtype", None), "kind", "") in ("f", "c")


def _kind(x: Any) -> Any:
    """What a leaf's place in the signature is; None for another library's arrays."""
    kind = type(x)
    if kind is np.ndarray:
        return x.dtype, x.shape
    if kind is Value:
        inner = _kind(x._data)
        return None if inner is None else (x.requires_grad, inner)
    if kind is float:
        return float
    if kind is int or kind is bool:
        return kind, x
    if isinstance(x, np.generic):
        return kind
    return None


def _outline(form: Form) -> Any:
    """A form as something that can be compared: containers, and what is carried along."""
    if isinstance(form, Container):
        return form.kind, form.keys, tuple([_outline(part) for part in form.parts])
    if isinstance(form, Carried):
        try:
            hash(form.what)
        except TypeError:
            return "carried", id(form.what)
        return "carried", type(form.what), form.what
    return None


def _replaced(results: list[Any], becomes: Mapping[int, Any], since: int) -> list[Any]:
    """The graph of these results, with Values put in the place of others."""
    pending = [x for x in results if isinstance(x, Node)]
    seen = set()
    while pending:
        node = pending.pop()
        if node.number in seen or node.number <= since or node.op is None:
            continue
        seen.add(node.number)
        if any(id(x) in becomes for x in node.inputs):
            node.inputs = tuple([becomes.get(id(x), x) for x in node.inputs])
        pending += [x for x in node.inputs if isinstance(x, Node)]
    return [becomes.get(id(x), x) for x in results]


__all__ = ["PASSES", "Call", "Compiled"]
