"""What a compiled function closes over, to be looked at again at each call: where it has changed, it is captured anew.

    seen(roots)     Points: what can be read from these by the names that their code speaks of, as it is now

Cells, globals, attributes, items of lists and dicts are to be the same objects, or equal numbers and text; arrays are
to have the same entries: all of them up to 1,024, some spread over larger ones (as in mutation.py). Left out is what a
call reads anyhow: the data of Values, buffers of modules, what optimisers and generators hold.

Which attributes a function reads, nobody knows; those of which neither its code speaks, nor any method of a reached
object that has a name of which it speaks (and so on), it does not. A counter beside it may count on.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..mutation import sampled
from ..node import Node
from ..op import Op
from ..optim import Optimizer
from .state import globals_of, names_of, wrapped

_IMPLICIT = ("__call__", "__getattr__", "__getitem__", "__iter__", "__next__", "__len__", "__contains__", "__enter__")
_CLOSED = (
    *(Node, Optimizer, np.ndarray, np.generic, np.random.Generator, type, types.ModuleType),
    *(str, bytes, int, float, complex, type(None), types.BuiltinFunctionType, np.ufunc, Op),
)
_PACKAGE = __name__.partition(".")[0]
_EXACT = (int, float, bool, str, complex, bytes)


@dataclass(slots=True)
class Point:
    """One thing that a function closes over.

    Attributes
    ----------
    how : "cell", "item", "length" or "bytes"
        Of `holder`: what the cell holds, `holder[key]`, the length, or an array's entries.
    value : Any
        What it was.
    whose : str
        In words.
    """

    how: str
    holder: Any
    key: Any
    value: Any
    whose: str

    def now(self) -> Any:
        if self.how == "item":
            return self.holder[self.key]
        if self.how == "cell":
            return self.holder.cell_contents
        return len(self.holder) if self.how == "length" else self.holder.tobytes()

    def same(self) -> bool:
        """Whether it is still the same, or an equal number or text."""
        try:
            x, y = self.now(), self.value
        except (KeyError, ValueError, IndexError):  # it is no more
            return False
        if x is not y and (type(x) is not type(y) or type(x) not in _EXACT or repr(x) != repr(y)):
            return False
        self.value = x
        return True


def seen(roots: Iterable[Any]) -> list[Point]:
    """What can be read from these roots."""
    roots = list(roots)
    points = [point for _, held in _walked(roots, _spoken(roots)) for point in held]
    arrays = {id(p.value): p for p in points if type(p.value) is np.ndarray and p.value.dtype != object}
    for point in arrays.values():
        view = sampled(point.value)
        points.append(Point("bytes", view, None, view.tobytes(), f"the entries of {point.whose}"))
    return points


def _walked(roots: Iterable[Any], spoken: set[str]) -> Iterator[tuple[Any, list[Point]]]:
    """Everything that can be read from the roots by these names, each once, and what it holds."""
    met, pending = set(), list(roots)[::-1]
    while pending:
        x = pending.pop()
        inner = wrapped(x)
        if inner is not None:
            pending += inner[::-1]
        elif id(x) not in met and not isinstance(x, _CLOSED):
            met.add(id(x))
            if isinstance(x, (tuple, frozenset)):  # they cannot change
                pending += list(x)[::-1]
                continue
            pending += (getattr(x, "__defaults__", None) or ())[::-1]
            held = list(_held(x, spoken))
            pending += [p.value for p in held[::-1]]
            yield x, held


def _held(x: Any, spoken: set[str]) -> Iterator[Point]:
    """What x holds."""
    if isinstance(x, types.FunctionType):
        name = x.__qualname__
        for variable, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            try:
                yield Point("cell", cell, None, cell.cell_contents, f"'{variable}', which {name} closes over")
            except ValueError:  # an empty one
                continue
        if (x.__module__ or "").partition(".")[0] not in ("numpy", _PACKAGE):
            for global_name in globals_of(x.__code__):
                if global_name in x.__globals__:
                    found = x.__globals__[global_name]
                    yield Point("item", x.__globals__, global_name, found, f"the global '{global_name}' of {name}")
    elif isinstance(x, (list, dict)):
        kind = f"a {type(x).__name__}"
        yield Point("length", x, None, len(x), kind)
        for key, item in x.items() if isinstance(x, dict) else enumerate(x):
            yield Point("item", x, key, item, kind)
    elif hasattr(x, "__dict__"):
        buffers = vars(x).get("_buffers") or ()
        for key, item in vars(x).items():
            if key in spoken and key not in buffers:
                yield Point("item", vars(x), key, item, f"the attribute '{key}' of a {type(x).__name__}")


def _spoken(roots: list[Any]) -> set[str]:
    """Names by which code may read attributes: of functions that are reached, and of methods called so."""
    spoken: set[str] = set(_IMPLICIT)
    met: set[Any] = set()
    while True:
        before = len(spoken), len(met)
        for x, _ in _walked(roots, spoken):
            for code in [x.__code__] if isinstance(x, types.FunctionType) else _methods(type(x), spoken):
                if code not in met:
                    met.add(code)
                    spoken.update(names_of(code))
        if before == (len(spoken), len(met)):
            return spoken


def _methods(kind: type, spoken: set[str]) -> Iterator[Any]:
    """Code of the methods of a class that have such names."""
    for base in kind.__mro__:
        if base.__module__ in ("builtins", "collections", "typing", "abc"):
            continue
        for name, x in vars(base).items():
            if name in spoken:
                for part in (x, getattr(x, "fget", None), getattr(x, "__func__", None), getattr(x, "func", None)):
                    if isinstance(part, types.FunctionType):
                        yield part.__code__
