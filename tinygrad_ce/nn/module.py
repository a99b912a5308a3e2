"""Module: what has parameters and buffers, and finds them by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..calls import remember
from ..node import next_number, plain
from ..value import Value
from .hooks import Hook, Hooks, RemovableHandle
from .parts import Buffer, bottom_up, is_generator, is_module, parts, under_all_names, walk
from .shapes import floating_dtype
from .state import Incompatible, checked, completed, shared


class Module:
    """A function with parameters: a layer, or a network made of layers.

    A subclass sets Values and other Modules as attributes, alone or in lists, tuples and dicts, and defines
    `forward`. Parameters are the leaf Values found there, in the order in which they were set, each once
    however often it is shared. Attributes whose name begins with an underscore are not looked at: that is the
    place for what is kept but not learnt.

    Attributes
    ----------
    training : bool
        What `train` and `eval` set, and what Dropout and BatchNorm ask.

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

    training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # The outermost module is called first, so that parameters and layers learn their full names.
        if "_labelled" not in self.__dict__:
            self._label()
        hooks, start = self.__dict__.get("_hooks"), next_number()
        out = self.forward(*args, **kwargs) if hooks is None else hooks.call(self, args, kwargs)
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
        for name, value in self._named(lambda part: isinstance(part, Value)):
            value.label = _fuller(value.label, name)
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

    def freeze(self) -> Self:
        """Stop learning: no parameter gets a gradient, and optimisers leave them alone, until `unfreeze`.

        >>> from tinygrad_ce.nn import MLP
        >>> model = MLP([2, 3, 1])
        >>> _ = model.layers[0].freeze()
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['layers.1.weight', 'layers.1.bias']
        """
        return self._requiring(False)

    def unfreeze(self) -> Self:
        """Learn again."""
        return self._requiring(True)

    def _requiring(self, gradient: bool) -> Self:
        for value in self.parameters():
            value.requires_grad = gradient
            value.grad = value.grad if gradient else None  # what is left there would still be stepped along
        return self

    # -- buffers --------------------------------------------------------------------------------------------

    def register_buffer(self, name: str, array: Any, persistent: bool = True) -> None:
        """Keep an array that is not learnt: it is the attribute `name`, and goes with `state_dict` and `to`.

        Parameters
        ----------
        name : str
            Of the attribute. To change a buffer, put another array there.
        array : array or None
        persistent : bool
            Whether `state_dict` has it.

        Raises
        ------
        ValueError
            If there is such an attribute already, or the name is none.

        Examples
        --------
        >>> module = Module()
        >>> module.register_buffer("steps", np.array(0))
        >>> module.steps, module.state_dict()
        (array(0), {'steps': array(0)})
        """
        buffers = self.__dict__.setdefault("_buffers", {})
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"a buffer's name is that of an attribute, not {name!r}")
        if hasattr(self, name) and name not in buffers:
            raise ValueError(f"{type(self).__name__} has an attribute '{name}' already")
        buffers[name] = persistent
        setattr(self, name, None if array is None else np.asarray(plain(array)))

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """Yield (dotted name, array) for every buffer."""
        for name, buffer in self._named(lambda part: isinstance(part, Buffer)):
            yield name, buffer.data

    def buffers(self) -> list[Any]:
        """The buffers, in order."""
        return [array for _, array in self.named_buffers()]

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield (dotted name, generator) for every source of randomness that a layer draws from, each once.

        A checkpoint keeps `generator.bit_generator.state`, and sets it again.

        >>> noise = Module()
        >>> noise.generator = np.random.default_rng(0)
        >>> [name for name, generator in noise.named_generators()]
        ['generator']
        """
        yield from self._named(is_generator)

    # -- modules --------------------------------------------------------------------------------------------

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield ("", self), then (dotted name, module) for all below, depth first, each once."""
        yield "", self
        yield from self._named(is_module)

    def modules(self) -> list[Module]:
        """This module and all below, depth first, each once."""
        return [module for _, module in self.named_modules()]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for those that this one holds itself, those in lists and dicts too, each once."""
        met = {id(self)}
        for name, part in parts(self):
            if is_module(part) and id(part) not in met:
                met.add(id(part))
                yield name, part

    def children(self) -> list[Module]:
        """The modules that this one holds itself, each once."""
        return [module for _, module in self.named_children()]

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function with every module, each after those that it holds; return self."""
        for module in list(bottom_up(self)):
            function(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below: Dropout drops, BatchNorm learns its statistics. Return self.

        >>> from tinygrad_ce.nn import MLP
        >>> model = MLP([2, 3, 1]).eval()
        >>> model.layers[0].training
        False
        """
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def to(self, dtype: DTypeLike) -> Self:
        """Convert parameters, their gradients and floating buffers to a floating dtype, in place; return self.

        Make the optimiser afterwards: it remembers dtypes.
        """
        kind = floating_dtype(dtype)
        for _, part in self._named(lambda part: isinstance(part, (Value, Buffer))):
            if np.asarray(part.data).dtype.kind == "f":
                part.data = np.asarray(part.data, dtype=kind)
                if isinstance(part, Value) and part.grad is not None:
                    part.grad = np.asarray(plain(part.grad), dtype=kind)
        return self

    # -- state ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The data of parameters and persistent buffers by name, as copies; what is shared has each of its names.

        >>> from tinygrad_ce.nn import Linear
        >>> {name: array.shape for name, array in Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(part.data) for name, part in self._under_all_names().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Incompatible:
        """Take over what `state_dict` gave: all of it, or nothing.

        Parameters
        ----------
        state : mapping of names to arrays
            Copied, and converted to the dtypes that are here. Of a shared parameter one of its names is enough.
        strict : bool
            Whether names have to be the same on both sides; if not, those that are not are returned.

        Returns
        -------
        Incompatible
            (missing_keys, unexpected_keys): two lists, empty where `strict`.

        Raises
        ------
        ValueError
            If names are missing or unknown (under `strict`), or an array has another shape, is not of real numbers,
            holds nan, or does not fit its dtype here; or if a shared parameter has two values. The message lists what
            is wrong; the model is as it was.

        Examples
        --------
        >>> from tinygrad_ce.nn import Linear
        >>> layer = Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]]})
        Traceback (most recent call last):
            ...
        ValueError: this is not a state of Linear(2 → 1): 'bias' is missing
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]]}, strict=False)
        Incompatible(missing_keys=['bias'], unexpected_keys=[])
        """
        places = self._under_all_names()
        if isinstance(state, Mapping):
            state = completed(state, shared(places), self._headline())
        current = {name: part.data for name, part in places.items()}
        fresh, incompatible = checked(state, current, self._headline(), strict=strict)
        for name, data in fresh.items():
            places[name].data = data
        return incompatible

    def _under_all_names(self) -> dict[str, Any]:
        """Parameters and persistent buffers by name."""
        dict(self._stateful())  # where two different ones have one name, that is an error
        return {name: p for name, p in under_all_names(self) if not isinstance(p, Buffer) or p.persistent}

    def _stateful(self) -> Iterator[tuple[str, Any]]:
        kept = lambda part: part.persistent if isinstance(part, Buffer) else isinstance(part, Value)
        yield from self._named(kept)

    # -- hooks ----------------------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, args)` before every forward; what it returns, unless None, are the arguments."""
        return RemovableHandle(self._all_hooks().before, hook)

    def register_forward_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, args, output)` after every forward; what it returns, unless None, is the output.

        >>> from tinygrad_ce.nn import Linear
        >>> layer, shapes = Linear(3, 2), []
        >>> with layer.register_forward_hook(lambda module, args, out: shapes.append(out.shape)):
        ...     _ = layer(np.ones((4, 3)))
        >>> shapes
        [(4, 2)]
        """
        return RemovableHandle(self._all_hooks().after, hook)

    def register_full_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when `backward` has come through the module.

        Both are tuples, of one gradient for each positional argument and for each output, None where there is none.
        What the hook returns, unless None, takes the place of grad_input. It is called once for each call of the
        module and each `backward()`; `tg.grad` and its kin pass by.
        """
        return RemovableHandle(self._all_hooks().backward, hook)

    def _all_hooks(self) -> Hooks:
        hooks: Hooks = self.__dict__.setdefault("_hooks", Hooks())
        return hooks

    # -- text -----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What a subclass adds to its repr: options, sizes."""
        return ""

    def _headline(self) -> str:
        """The repr on one line."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def _name(self) -> str:
        """The headline, and the place in the network that was called, for messages."""
        place = self.__dict__.get("_place", "")
        return f"{place}: {self._headline()}" if place else self._headline()

    def __repr__(self) -> str:
        lines = []
        for name, part in parts(self):
            if is_generator(part):
                continue
            text = repr(part) if is_module(part) else str(np.shape(part.data))
            lines.append(f"{name}: {text}".replace("\n", "\n  "))
        lines += [extra] if (extra := self.extra_repr()) else []
        if not lines:
            return f"{type(self).__name__}()"
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"

    # -- names ----------------------------------------------------------------------------------------------

    def _named(self, wanted: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
        """What is held here and below and is wanted, by name."""
        names = set()
        for name, part in walk(self):
            if wanted(part):
                if name in names:
                    what = "parameters" if isinstance(part, Value) else "parts"
                    raise ValueError(f"two {what} of {type(self).__name__} are named '{name}': rename one's key")
                names.add(name)
                yield name, part

    def _label(self) -> None:
        """Tell parameters and modules what they are called from here."""
        self.__dict__["_labelled"] = True
        self.parameters()
        for name, module in self._named(is_module):
            module.__dict__["_place"] = _fuller(module.__dict__.get("_place", ""), name)


def _fuller(known: str, name: str) -> str:
    # A layer called on its own has said "weight"; the network that holds it knows the whole name.
    return name if not known or name.endswith(f".{known}") else known
