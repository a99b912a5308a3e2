"""What there is to prove of a derivation: the function, the rule, and inputs of the kinds that they take.

Subject     an op, or a chain of two, with one of its derivations
Case        example inputs: the entries of float arrays will be symbols, everything else stays as it is
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...derivation import AUTODIFF, Derivation
from ...node import plain
from ...op import Op, Shortcut

_LETTERS = {"logits": "z", "probabilities": "p", "targets": "y", "weight": "w"}


@dataclass(frozen=True)
class Case:
    """One kind of inputs.

    Attributes
    ----------
    inputs : tuple
        Arrays, or None for an optional input that is left out.
    names : tuple of str
        What to call their entries.
    ranges : tuple of (low, high)
        Where they may lie: entries of an input whose range is positive are taken to be positive.
    params : dict
    text : str
        What kind it is, where there are several.
    size : str
        How many classes and rows, where these were chosen.
    """

    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    params: dict[str, Any]
    text: str
    size: str

    @property
    def symbolic(self) -> list[int]:
        """Positions of the inputs whose entries are symbols."""
        return [i for i, x in enumerate(self.inputs) if x is not None and x.dtype.kind == "f"]


@dataclass(frozen=True)
class Subject:
    """A function, and a rule for its gradient."""

    title: str
    derivation: Derivation
    function: Callable[..., Any]
    first: Op  # takes the first inputs
    last: Op  # takes the others, and the options

    @classmethod
    def of(cls, op: Any, name: str | None) -> Subject:
        """An op, a pair (inner, outer) or a Shortcut, with the derivation of that name."""
        if isinstance(op, Shortcut):
            return cls._chain(op)
        if isinstance(op, tuple) and len(op) == 2 and all(isinstance(x, Op) for x in op):
            jumps = {s.derivation.name: s for s in op[1].shortcuts if s.inner is op[0]}
            name = name or ("analytic" if "analytic" in jumps else next(iter(jumps), "analytic"))
            if name not in jumps:
                raise ValueError(
                    f"there is no shortcut '{name}' from {op[1].name} over {op[0].name}; there are {_listed(jumps)}"
                )
            return cls._chain(jumps[name])
        if not isinstance(op, Op):
            raise TypeError(f"prove takes an op, or (inner, outer) for a shortcut, not {op!r:.60}")
        name = name or ("analytic" if "analytic" in op.derivations else op.default)
        jumps = {s.derivation.name: s for s in op.shortcuts}
        if name in jumps and name not in op.derivations:
            return cls._chain(jumps[name])
        if name == AUTODIFF:
            raise ValueError(f"{op.name}: 'autodiff' is the derivative of its decomposition by definition")
        if name not in op.derivations:
            known = _listed({*op.derivations, *jumps} - {AUTODIFF})
            raise ValueError(f"{op.name} has no derivation '{name}' to prove; there are {known}")
        return cls(op.name, op.derivations[name], _definition(op), op, op)

    @classmethod
    def _chain(cls, shortcut: Shortcut) -> Subject:
        inner, outer = shortcut.inner, shortcut.outer
        inside, outside, n = _definition(inner), _definition(outer), len(inner.input_names)

        def function(*inputs: Any, **params: Any) -> Any:
            shared = {k: params[k] for k in inner.option_names if k in params}
            return outside(inside(*inputs[:n], **{**inner.defaults, **shared}), *inputs[n:], **params)

        return cls(f"{outer.name} of {inner.name}", shortcut.derivation, function, inner, outer)

    # -- inputs ------------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that can be given by name."""
        last = self.last.input_names
        return last if self.first is self.last else (*self.first.input_names, *last[1:])

    def constant(self, i: int) -> bool:
        """Whether the i-th input has no gradient."""
        n = len(self.first.input_names)
        own = self.first is self.last or i < n
        return i in self.first.constants if own else i - n + 1 in self.last.constants

    def cases(self, classes: int, batch: int, named: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[Case]:
        """The kinds of inputs to prove it for; `named` are examples, `options` the op's."""
        axis = options.get("axis", self.last.defaults.get("axis"))
        alone = self.first is self.last and len(self.names) == 1
        if isinstance(axis, int) and (alone or self.last.decomposition is not None):
            shape = _shape(classes, batch, axis)
        elif self.first is self.last and self.first.samples is not None:
            yield self._sampled(named, options)
            return
        else:
            axis, shape = -1, _shape(classes, batch, -1)
        size = f"K = {classes}" + (f", {batch} rows" if batch > 1 else "")
        optional = self.last.signature.input_defaults
        inputs = [optional.get(n) if i else None for i, n in enumerate(self.names)]
        inputs = [np.zeros(shape) if not i or n not in optional else inputs[i] for i, n in enumerate(self.names)]
        for name, x in named.items():
            inputs[self.names.index(name)] = _example(x)
        spelt = [self._position(i) for i in self.last.signature.indices - self.last.constants]
        for i in [i for i in spelt if self.names[i] not in named]:
            letter = _LETTERS.get(self.names[i], self.names[i])
            yield self._case(inputs, options, f"dense {letter}", size)
            rows = tuple([n for a, n in enumerate(shape) if a != axis % len(shape)])
            for k in range(classes):
                index = (np.arange(int(np.prod(rows))).reshape(rows) + k) % classes
                inputs[i] = index
                yield self._case(inputs, options, f"{letter} = class {index.tolist()}", size)
            return
        yield self._case(inputs, options, "", size)

    def _sampled(self, named: Mapping[str, Any], options: Mapping[str, Any]) -> Case:
        """The op's own smallest sample."""
        found = [
            (sum(np.size(x) for x in inputs if x is not None), i, inputs, params)
            for i, (inputs, params) in enumerate(_samples(self.first))
            if all(np.size(x) for x in inputs if x is not None)
            and all(params.get(k, self.first.defaults.get(k)) == v for k, v in options.items() if k in params)
        ]
        if not found:
            raise ValueError(f"{self.title} has no sample with these options; give examples of its inputs by name")
        _, _, sample, params = min(found, key=lambda f: f[:2])
        inputs = [_example(x) for x in sample]
        for name, x in named.items():
            inputs[self.names.index(name)] = _example(x)
        return self._case(inputs, {**params, **options}, "", "")

    def _case(self, inputs: Sequence[Any], options: Mapping[str, Any], text: str, size: str) -> Case:
        own = inputs if self.first is self.last else [inputs[0], *inputs[len(self.first.input_names) :]]
        _, params = self.last.bind(tuple(own), {k: v for k, v in options.items() if k != "validate"})
        n = len(inputs)
        names = [self.names[i] if i < len(self.names) else f"{self.last.variadic}{i}_" for i in range(n)]
        return Case(
            tuple(inputs),
            tuple([_LETTERS.get(name, name) for name in names]),
            tuple([self._range(i) for i in range(n)]),
            params,
            text,
            size,
        )

    def _position(self, i: int) -> int:
        """Where the last op's i-th input stands among all."""
        return i if self.first is self.last else i - 1 + len(self.first.input_names)

    def _range(self, i: int) -> tuple[float, float]:
        """Between what bounds the samples keep an input."""
        n = len(self.first.input_names)
        op, at = (self.first, i) if self.first is self.last or i < n else (self.last, i - n + 1)
        found = [np.asarray(inputs[at]) for inputs, _ in _samples(op) if at < len(inputs) and inputs[at] is not None]
        low = min([float(x.min()) for x in found if x.size and x.dtype.kind == "f"], default=-2.0)
        high = max([float(x.max()) for x in found if x.size and x.dtype.kind == "f"], default=2.0)
        return low, high


def _definition(op: Op) -> Callable[..., Any]:
    """What an op is: its decomposition, or itself where it is a primitive."""
    return op.decomposition or (lambda *inputs, **params: op.evaluate(inputs, params))


def _samples(op: Op) -> list[Any]:
    return list(op.samples(np.random.default_rng(0))) if op.samples is not None else []


def _shape(classes: int, batch: int, axis: int) -> tuple[int, ...]:
    """Of an array of classes along `axis`: a vector where one row needs no axis of its own."""
    if batch == 1 and axis in (0, -1):
        return (classes,)
    return (classes, batch) if axis % 2 == 0 else (batch, classes)


def _example(x: Any) -> Any:
    return None if x is None else np.asarray(plain(x))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in sorted(names)) or "none"
