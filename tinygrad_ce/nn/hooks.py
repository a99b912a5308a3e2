"""Hooks: functions that a module calls before and after its forward, and when its gradient has come through.

The backward hooks are nodes of the graph, identities around the module's inputs and outputs. A sweep visits younger
nodes first, so in this order of creation, read backwards, the hook runs when all is known and nothing is passed on yet:

    passed    the gradients of the inputs leave here, as the hook returned them
    gate      depends on nothing and everything leaves through it: here the hook is called
    entered   the gradients of the inputs arrive here
    left      the gradients of the outputs arrive here, and open the gate
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from ..derivation import Derivation
from ..forms import RULE
from ..op import Op
from ..value import Value

if TYPE_CHECKING:
    from .module import Module

Hook = Callable[..., Any]
_keys = count()


class RemovableHandle(AbstractContextManager["RemovableHandle"]):
    """Takes a hook away again: by `remove()`, or at the end of a `with` block."""

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        if not callable(hook):
            raise TypeError(f"a hook is a function, not {hook!r:.60}")
        self._hooks, self._key = hooks, next(_keys)
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook away; a second time is none."""
        self._hooks.pop(self._key, None)

    def __exit__(self, *error: object) -> None:
        self.remove()


@dataclass
class Hooks:
    """The hooks of one module, each kind in the order in which it was registered."""

    before: dict[int, Hook] = field(default_factory=dict)
    after: dict[int, Hook] = field(default_factory=dict)
    backward: dict[int, Hook] = field(default_factory=dict)

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's forward with what hooks make of its arguments, and what they make of its result."""
        for hook in list(self.before.values()):
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        crossing = _Crossing(module, list(self.backward.values())) if self.backward else None
        out = module.forward(*(crossing.enter(args) if crossing else args), **kwargs)
        for hook in list(self.after.values()):
            changed = hook(module, args, out)
            out = out if changed is None else changed
        return crossing.leave(out) if crossing else out


# -- backward --------------------------------------------------------------------------------------------------


def _identity(x: Any, gate: Any, *, told: Any) -> Any:
    """x; in the sweep, `told(g)` in the place of g."""
    return x


_tap = Op(_identity, name="hooked", kernel=lambda x, gate, *, told: x)
_tap.add(
    Derivation(RULE, lambda g, out, inputs, params, needed: [params["told"](g), None if inputs[1] is None else 0.0])
)
_tap.pushforward = lambda tangents, out, inputs, params: out * 0.0 if tangents[0] is None else tangents[0]


class _Crossing:
    """One call of a module with backward hooks."""

    def __init__(self, module: Module, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.arrived: list[Any] = []  # gradients of the inputs
        self.sent: list[Any] = []  # of the outputs
        self.changed: dict[int, Any] = {}  # what hooks made of the inputs'; empty where a sweep passes the gate by

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.arrived = [None] * len(args)
        passed = [self._tapped(x, None, lambda g, i=i: self.changed.pop(i, g)) for i, x in enumerate(args)]
        self.gate = _tap(Value(0.0), None, told=lambda g: self._run())
        return tuple(
            [self._tapped(x, None, lambda g, i=i: self._note(self.arrived, i, g)) for i, x in enumerate(passed)]
        )

    def leave(self, out: Any) -> Any:
        if isinstance(out, (tuple, list)):
            return type(out)([self.leave(x) for x in out])
        i = len(self.sent)
        self.sent.append(None)
        return self._tapped(out, self.gate, lambda g: self._open(i, g))

    @staticmethod
    def _tapped(x: Any, gate: Any, told: Hook) -> Any:
        return _tap(x, gate, told=told) if isinstance(x, Value) and x.requires_grad else x

    @staticmethod
    def _note(place: list[Any], i: int, g: Any) -> Any:
        place[i] = g
        return g

    def _open(self, i: int, g: Any) -> Any:
        self.changed.clear()  # of an earlier sweep
        return self._note(self.sent, i, g)

    def _run(self) -> None:
        given = tuple(self.arrived)
        for hook in self.hooks:
            changed = hook(self.module, given, tuple(self.sent))
            if changed is not None:
                given = changed if isinstance(changed, tuple) else (changed,)
                if len(given) != len(self.arrived):
                    raise ValueError(
                        f"a backward hook of {self.module._name()} returned {len(given)} gradients "
                        f"for {len(self.arrived)} arguments"
                    )
        self.changed = dict(enumerate(given))
        self.arrived[:], self.sent[:] = [None] * len(self.arrived), [None] * len(self.sent)  # for the next sweep
