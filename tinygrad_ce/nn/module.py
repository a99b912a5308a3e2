"""Module: what has parameters, and finds them by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calls import remember
from ..node import next_number
from ..value import Value
from .state import checked


class Module:
    """A function with parameters: a layer, or a network made of layers.

    A subclass sets Values and other Modules as attributes, alone or in lists, tuples and dicts, and defines
    `forward`. Parameters are the leaf Values found there, in the order in which they were set, each once
    however often it is shared. Attributes whose name begins with an underscore are not looked at: that is the
    place for what is kept but not learnt.

    Examples
    --------
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> line(3.0)
    Value(7.0, op=add)
    >>> [name for name, parameter in line.named_parameters()]
    ['slope', 'offset']
    >>> line
    Line(
      slope: ()
      offset: ()
    )
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # The outermost module is called first, so that parameters are labelled with their full names.
        if "_labelled" not in self.__dict__:
            self.__dict__["_labelled"] = True
            self.parameters()
        start = next_number()
        out = self.forward(*args, **kwargs)
        remember(self, start, out)
        return out

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, ...), so it cannot be called")

    # -- parameters -----------------------------------------------------------------------------------------

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield (dotted name, parameter), such as ("layers.0.weight", Value), in order, each parameter once.

        A parameter without a label takes its name for one, so that pictures and comparisons name it.

        Raises
        ------
        ValueError
            If two parameters have the same name, as dict keys 1 and "1" would give.
        """
        names = set()
        for name, value in _leaves(self, set()):
            if name in names:
                raise ValueError(f"two parameters of {type(self).__name__} are named '{name}': rename one's key")
            names.add(name)
            # A layer called on its own has said "weight"; the network that holds it knows the whole name.
            if not value.label or name.endswith(f".{value.label}"):
                value.label = name
            yield name, value

    def parameters(self) -> list[Value]:
        """The parameters, in order, each once.

        >>> from tinygrad_ce.nn import Linear
        >>> [parameter.shape for parameter in Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        return [value for _, value in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for value in self.parameters():
            value.zero_grad()

    # -- state ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The parameters' data by name, as copies.

        >>> from tinygrad_ce.nn import Linear
        >>> {name: array.shape for name, array in Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(value.data) for name, value in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the parameters that `state_dict` gave: all of them, or none.

        Parameters
        ----------
        state : mapping of names to arrays
            Copied, and converted to the parameters' dtypes.

        Raises
        ------
        ValueError
            If names are missing or unknown, or an array has another shape, is not of real numbers, holds nan,
            or does not fit the parameter's dtype. The message lists what is wrong; the model is as it was.

        Examples
        --------
        >>> from tinygrad_ce.nn import Linear
        >>> layer = Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]]})
        Traceback (most recent call last):
            ...
        ValueError: this is not a state of Linear(2 → 1): 'bias' is missing
        """
        parameters = dict(self.named_parameters())
        fresh = checked(state, {name: value.data for name, value in parameters.items()}, self._headline())
        for name, data in fresh.items():
            parameters[name].data = data

    # -- text -----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What a subclass adds to its repr: options, sizes."""
        return ""

    def _headline(self) -> str:
        """The repr on one line."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def __repr__(self) -> str:
        lines = []
        for name, part in _parts(self):
            text = repr(part) if isinstance(part, Module) else str(part.shape)
            lines.append(f"{name}: {text}".replace("\n", "\n  "))
        lines += [extra] if (extra := self.extra_repr()) else []
        if not lines:
            return f"{type(self).__name__}()"
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"


# -- where parameters are looked for ------------------------------------------------------------------------


def _leaves(module: Module, seen: set[int]) -> Iterator[tuple[str, Value]]:
    """Leaf Values with dotted names, depth first; `seen` holds what was met (modules may cycle)."""
    seen.add(id(module))
    for name, part in _parts(module):
        if id(part) in seen:
            continue
        if isinstance(part, Value):
            seen.add(id(part))
            yield name, part
        else:
            yield from ((f"{name}.{inner}", value) for inner, value in _leaves(part, seen))


def _parts(module: Module) -> Iterator[tuple[str, Module | Value]]:
    """The Modules and leaf Values that a module holds itself, those in containers included."""
    for name, attribute in vars(module).items():
        if not name.startswith("_"):
            yield from _inside(name, attribute, ())


def _inside(name: str, thing: Any, holders: tuple[int, ...]) -> Iterator[tuple[str, Module | Value]]:
    if isinstance(thing, Module) or (isinstance(thing, Value) and _learnt(thing)):
        yield name, thing
    elif isinstance(thing, (list, tuple, dict)) and id(thing) not in holders:
        items = thing.items() if isinstance(thing, dict) else enumerate(thing)
        for key, item in items:
            yield from _inside(f"{name}.{key}", item, (*holders, id(thing)))


def _learnt(value: Value) -> bool:
    """Whether a Value can be a parameter: no result of an operation, of a dtype that takes small steps."""
    return value.op is None and value.dtype.kind == "f"
