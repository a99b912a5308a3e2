"""What a function uses beside its arguments: leaf Values, optimisers, generators of random numbers.

found(roots)        what can be reached from f: by its closure, its globals, its object, their attributes
Surroundings        what was reached, as it was: to be put back after a capture, and held to being unchanged
Foreign             a Watch that finds the leaf Values that an op uses and that were not reached
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from ..node import Node, Watch
from ..op import Op
from ..optim import Optimizer
from ..optim.group import Group
from ..tracer import NotCaptured, Tracer
from ..value import Value

_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.ndarray, np.generic, type, types.ModuleType, Op)


@dataclass
class Surroundings:
    """What can be reached from a function.

    Attributes
    ----------
    values : list of Value
        Leaf Values, each once.
    optimizers : list of Optimizer
    generators : list of (Generator, put)
        Generators of random numbers, and what puts another in their place.
    holders : list of (object, contents)
        Objects, lists and dicts on the way, with what they held.
    """

    values: list[Value] = field(default_factory=list)
    optimizers: list[Optimizer] = field(default_factory=list)
    generators: list[tuple[np.random.Generator, Callable[[Any], None]]] = field(default_factory=list)
    holders: list[tuple[Any, Any]] = field(default_factory=list)

    def buffers(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Buffers of modules: whose attributes, and which."""
        for holder, before in self.holders:
            if isinstance(before, dict) and not isinstance(holder, dict):
                for name in before.get("_buffers") or ():
                    if isinstance(before.get(name), (np.ndarray, np.generic)):
                        yield vars(holder), name

    def restore(self) -> list[str]:
        """Put back what holders held; names of what a capture had left traced values in."""
        changed = []
        for holder, before in self.holders:
            now = holder if isinstance(holder, (list, dict)) else vars(holder)
            if len(now) != len(before) or any(x is not y for x, y in zip(_parts(now), _parts(before), strict=True)):
                if not isinstance(holder, (Optimizer, Group)):
                    old = dict(_items(before))
                    known = () if holder is now else old.get("_buffers") or ()
                    new = {k: x for k, x in _items(now) if k not in known and (k not in old or old[k] is not x)}
                    changed += [_named(holder, k) for k, x in new.items() if _traced(x) or not _private(k)]
                if isinstance(now, list):
                    now[:] = before
                else:
                    now.clear()
                    now.update(before)
        return changed


def _parts(x: Any) -> list[Any]:
    return list(x.values()) if isinstance(x, dict) else list(x)


def _items(x: Any) -> Iterator[tuple[Any, Any]]:
    return iter(x.items()) if isinstance(x, dict) else iter(enumerate(x))


def _named(holder: Any, key: Any) -> str:
    kind = type(holder).__name__
    return f"[{key!r}] of a {kind}" if isinstance(holder, (list, dict)) else f"{kind}.{key}"


def _private(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("_")


def _traced(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_traced(i) for i in x)
    return isinstance(x, Tracer) or (isinstance(x, Node) and isinstance(x._data, Tracer))


def found(roots: Iterable[Any]) -> Surroundings:
    """What can be reached from these, in the order in which it is met."""
    made, seen = Surroundings(), set()
    pending: list[tuple[Any, Callable[[Any], None]]] = []
    pending += [(x, _nowhere) for x in reversed(list(roots))]
    while pending:
        x, put = pending.pop()
        inner = wrapped(x)
        if inner is not None:
            pending += [(part, _nowhere) for part in inner[::-1]]
            continue
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, np.random.Generator):
            made.generators.append((x, put))
        elif isinstance(x, Value):
            if x.op is None:
                made.values.append(x)
        elif not _plain(x):
            if isinstance(x, Optimizer):
                made.optimizers.append(x)
            pending += reversed(list(_reached(x, made)))
    return made


def _plain(x: Any) -> bool:
    return isinstance(x, _PLAIN) and wrapped(x) is None


def _nowhere(x: Any) -> None:
    raise NotCaptured("a generator of random numbers that nothing holds; give it as an argument")


def _reached(x: Any, made: Surroundings) -> Iterator[tuple[Any, Callable[[Any], None]]]:
    """What x holds, and how to put another thing in its place."""
    if isinstance(x, types.FunctionType):
        if x.__module__ and x.__module__.partition(".")[0] in ("numpy", __name__.partition(".")[0]):
            names: list[str] = []  # the package's own functions hold nothing but what they close over
        else:
            names = [n for n in globals_of(x.__code__) if n in x.__globals__]
        for cell in x.__closure__ or ():
            try:
                yield cell.cell_contents, partial(setattr, cell, "cell_contents")
            except ValueError:
                continue
        for name in names:
            yield x.__globals__[name], partial(x.__globals__.__setitem__, name)
        for default in x.__defaults__ or ():
            yield default, _nowhere
    elif isinstance(x, (list, dict)):
        made.holders.append((x, x.copy()))
        for k, item in list(_items(x)):
            if not _plain(item):
                yield item, partial(x.__setitem__, k)
    elif isinstance(x, (tuple, set, frozenset)):
        for item in x:
            yield item, _nowhere
    elif hasattr(x, "__dict__") and not isinstance(x, types.BuiltinFunctionType):
        made.holders.append((x, dict(vars(x))))
        for k, item in list(vars(x).items()):
            if not _plain(item):
                yield item, partial(vars(x).__setitem__, k)


def wrapped(x: Any) -> list[Any] | None:
    """What a method, a partial or a compiled function is made of; None for anything else."""
    if isinstance(x, types.MethodType):
        return [x.__self__, x.__func__]
    if isinstance(x, partial):
        return [x.func, *x.args, *x.keywords.values()]
    return [x.f] if isinstance(x, Op) and hasattr(x, "f") else None


@cache
def globals_of(code: types.CodeType) -> tuple[str, ...]:
    """Names of globals that a function and those inside it read."""
    names = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [n for c in code.co_consts if isinstance(c, types.CodeType) for n in globals_of(c)]
    return tuple(dict.fromkeys([*names, *inner]))


def names_of(code: types.CodeType) -> list[str]:
    """Names of globals and attributes that a function and those inside it speak of."""
    inner = [n for c in code.co_consts if isinstance(c, types.CodeType) for n in names_of(c)]
    return [*code.co_names, *inner]


class Foreign(Watch):
    """A Watch that finds leaf Values, older than `since`, that an op uses and that are not traced."""

    def __init__(self, since: int, on: bool = True, values: dict[int, Value] | None = None) -> None:
        self.since, self.on = since, on
        self.values: dict[int, Value] = {} if values is None else values

    def __bool__(self) -> bool:
        return self.on

    def switched(self, on: bool) -> Foreign:
        return Foreign(self.since, on, self.values)

    def made(self, node: Node) -> None:
        self._look(node.inputs)

    def computed(self, op: Any, inputs: tuple[Any, ...], out: Any) -> None:
        self._look(inputs)

    def _look(self, inputs: tuple[Any, ...]) -> None:
        for x in inputs:
            if isinstance(x, Value) and x.number <= self.since and not isinstance(x._data, Tracer):
                if x.op is not None:
                    raise NotCaptured(
                        f"the function closes over {x!r:.60}, which is the result of an operation: its gradient would "
                        f"have to leave the compiled function; give it as an argument"
                    )
                self.values[id(x)] = x
