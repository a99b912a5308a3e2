"""The registry: every op by name, and what each NumPy function does when it meets a Value.

registry        the one there is
op              the decorator that registers a function as an op
implements      the decorator that registers what NumPy functions do on Values
composed        the same for a function written in other NumPy functions, which brings samples for the tests
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import Any, overload

from .derivation import Derivation
from .op import Op


@dataclass(frozen=True)
class Composition:
    """A NumPy function that is written in others, with calls of it for the tests: (arguments, keywords)."""

    function: Callable[..., Any]
    samples: Callable[..., Any]


@dataclass
class Registry(Mapping[str, Op]):
    """Every op by name, and what each NumPy function does when it meets a Value.

    Built-in ops go by their name, a user's by "module:name"; defining one again replaces it. `late` are modules of
    ops that are imported when something is looked for and not found: most programs need few of them. `late_methods` are
    the elementwise ones among these, which a Value has as methods all the same. `listeners` are told of every op.
    """

    ops: dict[str, Op] = field(default_factory=dict)
    numpy: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    compositions: dict[Any, Composition] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    late_methods: tuple[str, ...] = ()
    listeners: list[Callable[[Op], None]] = field(default_factory=list)

    def add(self, op: Op) -> Op:
        self.ops[op.key] = op
        for told in self.listeners:
            told(op)
        return op

    def complete(self) -> bool:
        """Import what is late; whether there was any."""
        late = tuple(self.late)
        for module in late:  # of two threads, the second waits for the first's imports
            import_module(module)
        self.late = []
        return bool(late)

    def handler(self, function: Any) -> Callable[..., Any] | None:
        """What a NumPy function does on Values, or None."""
        found = self.numpy.get(function)
        return self.numpy.get(function) if found is None and self.complete() else found

    def __getitem__(self, name: str) -> Op:
        if name not in self.ops:
            self.complete()
        return self.ops[name]

    def __iter__(self) -> Iterator[str]:
        self.complete()
        return iter(self.ops)

    def __len__(self) -> int:
        self.complete()
        return len(self.ops)

    def __hash__(self) -> int:
        return id(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: for every op its derivations with order, assumptions and formula, and its shortcuts."""
        return {
            name: {
                "default": op.default,
                "derivations": {d.name: _facts(d) for d in op.derivations.values()},
                "shortcuts": {f"{s.inner.name} → {s.derivation.name}": _facts(s.derivation) for s in op.shortcuts},
            }
            for name, op in self.ops.items()
        }

    def __repr__(self) -> str:
        width = max(map(len, self.ops), default=0)
        return "\n".join(f"{name:<{width}}  {', '.join(_described(op))}" for name, op in sorted(self.ops.items()))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{'<br>'.join(escape(d) for d in _described(op))}</td></tr>"
            for name, op in sorted(self.ops.items())
        )
        return f"<table><tr><th>op</th><th>derivations</th></tr>{rows}</table>"


def _described(op: Op) -> list[str]:
    """Each derivation of an op, the default first: its name, its formula and how often it may be differentiated."""
    lines = []
    for d in sorted(op.derivations.values(), key=lambda d: d.name != op.default):
        order = "" if d.order is None else f" (order {d.order})"
        lines.append(f"{d.name}: {d.formula}{order}" if d.formula else d.name + order)
    return lines + [f"over {s.inner.name}, {s.derivation.name}: {s.derivation.formula}" for s in op.shortcuts]


def _facts(d: Derivation) -> dict[str, Any]:
    return {"order": d.order, "assumes": [a.text for a in d.assumes], "formula": d.formula}


registry = Registry()

# Ops pickle by name, as functions do.
copyreg.pickle(Op, lambda op: (_find, (op.key,)))


def _find(key: str) -> Op:
    return registry[key]


@overload
def op(function: Callable[..., Any]) -> Op: ...
@overload
def op(**options: Any) -> Callable[[Callable[..., Any]], Op]: ...
def op(function: Callable[..., Any] | None = None, **options: Any) -> Op | Callable[[Callable[..., Any]], Op]:
    """Register a function written in other ops, or in NumPy, as an op. See the module's docstring.

    Usable bare (`@op`) or with options (`@op(constants=["index"], samples=...)`), which `Op` documents.
    """
    if function is None:
        return lambda f: registry.add(Op(f, decomposition=f, **options))
    if not callable(function):
        raise TypeError(f"@op stands on a function; {function!r:.60} is none")
    return registry.add(Op(function, decomposition=function, **options))


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what these NumPy functions do when an argument is a Value."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            registry.numpy[function] = handler
        return handler

    return declare


def composed(*functions: Any, samples: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register NumPy functions as written in others: of that signature, and on plain arrays equal to them.

    `samples(rng)` yields calls, `(arguments, keywords)`, that the test battery makes.
    """

    def declare(written: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            registry.compositions[function] = Composition(written, samples)
        return implements(*functions)(written)

    return declare
