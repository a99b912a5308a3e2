"""Modules made of modules: Sequential, ModuleList, Residual; and Flatten and Identity, which go between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import index
from typing import Any, Self, overload

import numpy as np

from .module import Module
from .shapes import shape_of


class _Listed(Module):
    """Modules in order, each an attribute under its name, so that parameters are called "0.weight"."""

    def _hold(self, modules: Iterable[tuple[str, Module]]) -> None:
        for name in self.__dict__.get("_order", ()):
            del self.__dict__[name]
        self._order: list[str] = []
        for name, module in modules:
            self._add(name, module)

    def _add(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            hint = "; of a function such as tg.relu there is a module, nn.ReLU()" if callable(module) else ""
            raise TypeError(f"{type(self).__name__} holds Modules, not {module!r:.60}{hint}")
        if not name or "." in name or hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: {name!r} cannot be the name of a module here")
        setattr(self, name, module)
        self._order.append(name)

    def __iter__(self) -> Iterator[Module]:
        return iter([self.__dict__[name] for name in self._order])

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, key: int) -> Module: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | slice) -> Module | Self:
        if isinstance(key, slice):
            part = type(self).__new__(type(self))
            part._hold((str(i), module) for i, module in enumerate(list(self)[key]))
            return part
        return list(self)[index(key)]

    def __setitem__(self, key: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__} holds Modules, not {module!r:.60}")
        setattr(self, self._order[index(key)], module)

    def append(self, module: Module) -> Self:
        """Add one at the end; return self."""
        self._add(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several at the end; return self."""
        for module in modules:
            self.append(module)
        return self


class Sequential(_Listed):
    """Modules one after another: each gets what the one before gave.

    Parameters
    ----------
    *modules : Module
        Named "0", "1", … as in PyTorch; or one mapping of names to modules.

    Examples
    --------
    >>> from tinygrad_ce import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> model
    Sequential(
      0: Linear(4 → 8)
      1: ReLU()
      2: Linear(8 → 3)
    )
    >>> model(np.zeros((5, 4))).shape, len(model), model[1]
    ((5, 3), 3, ReLU())
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._hold(modules[0].items())
        else:
            self._hold((str(i), module) for i, module in enumerate(modules))  # type: ignore[misc]

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleList(_Listed):
    """A list of modules, for a forward that walks through them itself. A plain list does as well, without `append`.

    >>> from tinygrad_ce import nn
    >>> blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(blocks.append(nn.Tanh()))
    4
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._hold((str(i), module) for i, module in enumerate(modules))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a ModuleList is a list: call its modules, or use a Sequential")


class Residual(Module):
    """x + body(x), or shortcut(x) + body(x) (He et al., 2016).

    Parameters
    ----------
    body : Module
    shortcut : Module, optional
        Brings x to the shape of body(x), where that is another.

    Raises
    ------
    ValueError
        If the two shapes differ: they would broadcast, or fail, where nobody meant them to.

    Examples
    --------
    >>> from tinygrad_ce import nn
    >>> nn.Residual(nn.Linear(3, 3))(np.zeros((2, 3))).shape
    (2, 3)
    """

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        for part in (body, shortcut):
            if not (part is None or isinstance(part, Module)):
                raise TypeError(f"Residual holds Modules, not {part!r:.60}")
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Any) -> Any:
        straight = x if self.shortcut is None else self.shortcut(x)
        y = self.body(x)
        if shape_of(straight) != shape_of(y):
            raise ValueError(
                f"{self._name()} adds what it is given, of shape {shape_of(straight)}, to what its body gives, "
                f"of shape {shape_of(y)}: give a shortcut that maps the one to the other"
            )
        return straight + y

    def _headline(self) -> str:
        return f"Residual({self.body._headline()})"


class Flatten(Module):
    """Axes from start_dim to end_dim as one: by default all but the batch's.

    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = index(start_dim), index(end_dim)

    def forward(self, x: Any) -> Any:
        shape = shape_of(x)
        n = len(shape)
        start, end = [d + n if d < 0 else d for d in (self.start_dim, self.end_dim)]
        if not 0 <= start <= end < n:
            raise ValueError(f"{self._name()} is given an input of shape {shape}, which has no such axes")
        length = 1
        for size in shape[start : end + 1]:
            length *= size
        return np.reshape(x, (*shape[:start], length, *shape[end + 1 :]))

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"

    def __repr__(self) -> str:
        return self._headline()


class Identity(Module):
    """What it is given.

    >>> Identity()(3.0)
    3.0
    """

    def forward(self, x: Any) -> Any:
        return x
