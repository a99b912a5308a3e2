"""What a module is made of, found by looking: parameters, buffers, generators and modules, under dotted names.

parts(module)       what it holds itself, in the order in which it was set, lists, tuples and dicts looked into
walk(module)        that and all below, depth first, each once however often it is shared
under_all_names(m)  parameters and buffers again, what is shared under each of its names
bottom_up(module)   the modules, each after those that it holds
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from ..node import plain
from ..value import Value

if TYPE_CHECKING:  # importing numpy.random takes 10 ms
    import numpy as np

    from .module import Module


@dataclass(eq=False)
class Buffer:
    """A buffer's place: what `state_dict` reads and `load_state_dict` writes, as it does with a parameter."""

    holder: Module
    attribute: str
    persistent: bool

    @property
    def identity(self) -> tuple[int, str]:
        return id(self.holder), self.attribute

    @property
    def data(self) -> Any:
        return plain(getattr(self.holder, self.attribute))

    @data.setter
    def data(self, new: Any) -> None:
        setattr(self.holder, self.attribute, new)


def parts(module: Module) -> Iterator[tuple[str, Any]]:
    """The Modules, leaf Values, Buffers and Generators that a module holds itself."""
    buffers = vars(module).get("_buffers", {})
    for name, attribute in list(vars(module).items()):
        if name in buffers:
            if attribute is not None:
                yield name, Buffer(module, name, buffers[name])
        elif not name.startswith("_"):
            yield from _inside(name, attribute, ())


def walk(module: Module, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """The same of all below; `seen` holds what was met (modules may cycle)."""
    seen = set() if seen is None else seen
    seen.add(id(module))
    for name, part in parts(module):
        identity = id(part.bit_generator) if is_generator(part) else id(part)
        if identity in seen:
            continue
        yield name, part
        if is_module(part):
            for inner, deeper in walk(part, seen):
                yield f"{name}.{inner}", deeper
        elif not isinstance(part, Buffer):  # those are made while we look: their ids come again
            seen.add(identity)


def under_all_names(module: Module, holders: tuple[int, ...] = ()) -> Iterator[tuple[str, Value | Buffer]]:
    """The parameters and buffers here and below, each as often as it is held, as PyTorch's states have them."""
    for name, part in parts(module):
        if is_module(part):
            if id(part) not in (*holders, id(module)):
                for inner, deeper in under_all_names(part, (*holders, id(module))):
                    yield f"{name}.{inner}", deeper
        elif isinstance(part, Value | Buffer):
            yield name, part


def bottom_up(module: Module, seen: set[int] | None = None) -> Iterator[Module]:
    """The module and all below, each after what it holds."""
    seen = set() if seen is None else seen
    seen.add(id(module))
    for _, part in parts(module):
        if is_module(part) and id(part) not in seen:
            yield from bottom_up(part, seen)
    yield module


def is_module(part: Any) -> TypeGuard[Module]:
    from .module import Module

    return isinstance(part, Module)


def is_generator(part: Any) -> TypeGuard[np.random.Generator]:
    # Asked of its class, so that numpy.random is imported only where somebody uses it.
    return type(part).__name__ == "Generator" and hasattr(part, "bit_generator")


def _inside(name: str, thing: Any, holders: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, Value):
        if _learnt(thing):
            yield name, thing
    elif is_module(thing) or is_generator(thing):
        yield name, thing
    elif isinstance(thing, (list, tuple, dict)) and id(thing) not in holders:
        items = thing.items() if isinstance(thing, dict) else enumerate(thing)
        for key, item in items:
            yield from _inside(f"{name}.{key}", item, (*holders, id(thing)))


def _learnt(value: Value) -> bool:
    """Whether a Value can be a parameter: no result of an operation, of a dtype that takes small steps."""
    return value.op is None and value.dtype.kind == "f"
