"""Each layer as a function of its inputs and parameters, at what it is really given, before the referee.

A layer that draws or keeps something (Dropout, BatchNorm) is a function all the same once its generators and buffers
are set back before each call. Where arrays are large, the referee moves along some random directions and some single
entries instead of every entry: a gradient that is wrong in many entries is wrong in a random direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..check.gradcheck import gradcheck
from ..check.gradreport import GradReport
from ..nn import Module
from ..nn.parts import Buffer, is_generator, walk
from ..node import plain
from ..value import Value
from .report import LayerRow

_ENTRIES = 120  # of an input, up to which every one is moved
_DENSE, _SINGLE = 4, 2  # directions, and single entries, beyond that
_RESULTS = 64  # of a layer, up to which every one is looked at

NOTHING = "–"


@dataclass
class Call:
    """A layer, what it was given and what it made, the first time that it was called."""

    name: str
    layer: Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any


def calls(model: Module, inputs: Any) -> tuple[Any, list[Call]]:
    """The model's outputs, and the first call of each module in the order in which they ended."""
    names = {id(module): name for name, module in model.named_modules()}
    found: dict[int, Call] = {}

    def note(module: Module, args: Any, out: Any) -> None:
        found.setdefault(id(module), Call(names[id(module)], module, args, {}, out))

    handles = [module.register_forward_hook(note) for module in model.modules()]
    try:
        outputs = model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return outputs, list(found.values())


def examined(call: Call, rng: np.random.Generator) -> LayerRow:
    """A layer's gradient in its inputs and its own parameters, checked."""
    layer = call.layer
    parameters = own_parameters(layer)
    given = [i for i, x in enumerate(call.args) if _floating(x)]
    came = ", ".join(_shape(x) for x in call.args) or "nothing"
    count = sum(int(np.size(p.data)) for p in parameters)
    row = LayerRow(call.name, type(layer).__name__, came, _shape(call.out), count, NOTHING)
    entered = [np.array(plain(call.args[i])) for i in given]
    held = [x for x in (np.array(p.data) for p in parameters) if x.size]
    if not any(x.size for x in entered) and not held:
        return row
    # Of what holds other layers, all parameters are moved at once: the layers have had theirs moved alone.
    apart, together = (entered, held) if layer.children() else (entered + held, [])
    function = _function(call, given, parameters)
    report = _checked(function, apart, together, call.name or type(layer).__name__, rng)
    detail = report.findings[0].message if report.findings else ""
    return replace(row, verdict=report.verdict, detail=detail, report=report)


def own_parameters(layer: Module) -> list[Value]:
    """The parameters that a layer learns, those of what it holds too."""
    return [value for value in layer.parameters() if value.requires_grad and value.size]


# -- a layer as a function --------------------------------------------------------------------------------------


def _function(call: Call, given: list[int], parameters: list[Value]) -> Callable[..., Any]:
    """The layer as a pure function of some arguments and all its parameters."""
    slots = _slots(call.layer)
    keep = _Kept(call.layer)

    def function(*moved: Any) -> Any:
        args = [plain(x) if isinstance(x, Value) else x for x in call.args]
        for i, x in zip(given, moved, strict=False):
            args[i] = x if isinstance(x, Value) else Value(x, requires_grad=False)
        fresh = dict(zip(map(id, parameters), moved[len(given) :], strict=True))
        with keep.back(), _replaced(slots, fresh):
            return _one(call.layer.forward(*args, **call.kwargs))

    return function


def _one(out: Any) -> Any:
    """Several results as one array."""
    flat = list(_flat(out))
    return flat[0] if len(flat) == 1 else np.concatenate([np.ravel(x) for x in flat])


def _flat(out: Any) -> Iterator[Any]:
    if isinstance(out, tuple | list):
        for x in out:
            yield from _flat(x)
    elif out is not None:
        yield out


class _Kept:
    """A layer's buffers and generators, set back after each call."""

    def __init__(self, layer: Module) -> None:
        held = [part for _, part in walk(layer)]
        self.buffers = [(part, part.data) for part in held if isinstance(part, Buffer)]
        self.generators = [(part, part.bit_generator.state) for part in held if is_generator(part)]

    @contextmanager
    def back(self) -> Iterator[None]:
        self._set()
        try:
            yield
        finally:
            self._set()

    def _set(self) -> None:
        for buffer, data in self.buffers:
            buffer.data = data
        for generator, state in self.generators:
            generator.bit_generator.state = state


Slot = tuple[Any, Any, Value]


def _slots(module: Module, seen: set[int] | None = None) -> list[Slot]:
    """Every place where a parameter is kept: (container, key, Value)."""
    seen = set() if seen is None else seen
    if id(module) in seen:
        return []
    seen.add(id(module))
    found: list[Slot] = []
    for name, attribute in vars(module).items():
        if not name.startswith("_"):
            found += _inside(vars(module), name, attribute, seen)
    return found


def _inside(container: Any, key: Any, thing: Any, seen: set[int]) -> list[Slot]:
    if isinstance(thing, Value):
        return [(container, key, thing)]
    if isinstance(thing, Module):
        return _slots(thing, seen)
    if isinstance(thing, list | dict):
        items = list(thing.items() if isinstance(thing, dict) else enumerate(thing))
        return [slot for k, item in items for slot in _inside(thing, k, item, seen)]
    if isinstance(thing, tuple):
        return [slot for item in thing if isinstance(item, Module) for slot in _slots(item, seen)]
    return []


@contextmanager
def _replaced(slots: list[Slot], fresh: dict[int, Any]) -> Iterator[None]:
    """A context in which other things stand in the places of parameters."""
    try:
        for container, key, value in slots:
            if id(value) in fresh:
                new = fresh[id(value)]
                container[key] = new if isinstance(new, Value) else Value(new, requires_grad=False)
        yield
    finally:
        for container, key, value in slots:
            container[key] = value


# -- before the referee -----------------------------------------------------------------------------------------


class _Way:
    """How arrays are moved by one vector: entry by entry where it is one small array, else along directions."""

    def __init__(self, arrays: list[Any], rng: np.random.Generator) -> None:
        self.arrays = arrays
        self.whole = len(arrays) == 1 and arrays[0].size <= _ENTRIES
        self.directions = [] if self.whole else [_directions(x, rng) for x in arrays]
        self.start = arrays[0] if self.whole else np.full(_DENSE + _SINGLE, 0.5, arrays[0].dtype)

    def moved(self, t: Any) -> list[Any]:
        if self.whole:
            return [t]
        pairs = zip(self.arrays, self.directions, strict=True)
        return [x + np.reshape(np.matmul(t - 0.5, d), x.shape) for x, d in pairs]


def _checked(
    function: Callable[..., Any], apart: list[Any], together: list[Any], name: str, rng: np.random.Generator
) -> GradReport:
    """gradcheck of a function of arrays, along directions where they or the results are many."""
    ways = [_Way([x], rng) for x in apart if x.size] + ([_Way(together, rng)] if together else [])
    size = int(np.size(plain(function(*apart, *together))))
    mixing = None if size <= _RESULTS else rng.choice([-1.0, 1.0], size=(_RESULTS, size)) / np.sqrt(size)

    def along(*where: Any) -> Any:
        moved = iter([x for way, t in zip(ways, where, strict=True) for x in way.moved(t)])
        out = function(*[next(moved) if x.size else x for x in apart], *moved)
        if mixing is None:
            return out
        return np.matmul(mixing.astype(ways[0].start.dtype), np.reshape(out, (-1,)))

    return gradcheck(along, *[way.start for way in ways], order=1, families=False, name=name)


def _directions(x: Any, rng: np.random.Generator) -> Any:
    """Random directions, then single entries, each as long as the array is large."""
    size = float(np.sqrt(np.mean(np.square(x)))) or 1.0
    dense = rng.choice([-size, size], size=(_DENSE, x.size))
    single = np.zeros((_SINGLE, x.size))
    single[np.arange(_SINGLE), rng.integers(x.size, size=_SINGLE)] = size
    return np.concatenate([dense, single]).astype(x.dtype)


def _floating(x: Any) -> bool:
    return getattr(plain(x), "dtype", np.dtype(object)).kind == "f"


def _shape(x: Any) -> str:
    if isinstance(x, tuple | list):
        return ", ".join(_shape(y) for y in x)
    shape = np.shape(plain(x))
    return "×".join(map(str, shape)) if prod(shape) or shape else "one"
