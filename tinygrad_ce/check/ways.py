"""The ways in which an op's gradient can be had, and the points that the op brings to try them at.

    ways(op)            each derivation of the op, and each shortcut that ends in it, by label
    samples(op, seed)   the op's own points; ordinary ones where it declares none

A shortcut over softmax named "analytic" goes by the label "softmax → analytic", as in the registry's own tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..derivation import AUTODIFF, Derivation
from ..node import Node, plain
from ..op import Op, Shortcut
from .precision import copied, is_float
from .subject import Subject, as_input, of_derivation, of_function


@dataclass(frozen=True)
class Sample:
    """A point of an op: its inputs, bound in order, and its options."""

    number: int
    inputs: tuple[Any, ...]
    options: Mapping[str, Any]
    described: str

    @property
    def empty(self) -> bool:
        return any(x is not None and not np.size(x) for x in self.inputs)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What makes a sample another kind of sample: its options, its dtypes, how many axes its inputs have."""
        shapes = tuple((np.ndim(x), np.asarray(x).dtype.kind) if x is not None else None for x in self.inputs)
        return shapes, tuple(sorted(self.options.items(), key=str))


@dataclass(frozen=True)
class Way:
    """One derivation of an op, or one shortcut over another op to it.

    Attributes
    ----------
    op : Op
    label : str
    derivation : Derivation
    shortcut : Shortcut or None
    """

    op: Op
    label: str
    derivation: Derivation
    shortcut: Shortcut | None = None

    def failure(self, sample: Sample, inputs: Sequence[Any] | None = None) -> str | None:
        """What fails of what the derivation assumes, at a sample or at other inputs; None where all holds."""
        inputs = self.inputs(sample) if inputs is None else inputs
        for assumption in self.derivation.assumes:
            failure = assumption.failure(inputs, sample.options)
            if failure is not None:
                return failure
        return None

    def inputs(self, sample: Sample) -> tuple[Any, ...]:
        """The sample's inputs as this way's rule takes them."""
        if self.shortcut is None:
            return sample.inputs
        return (*_inner_inputs(self.shortcut, sample), *sample.inputs[1:])

    def forward(self, sample: Sample, *xs: Any) -> Any:
        """The function whose gradient it is."""
        if self.shortcut is None:
            return self.op.apply(tuple(xs), dict(sample.options))
        n = len(self.shortcut.inner.input_names)
        middle = self.shortcut.inner.apply(tuple(xs[:n]), self.inner_options(sample))
        return self.op.apply((middle, *xs[n:]), dict(sample.options))

    def inner_options(self, sample: Sample) -> dict[str, Any]:
        """What a shortcut demands of the op that it jumps over: its defaults, and the same axis."""
        assert self.shortcut is not None
        options = dict(self.shortcut.inner.defaults)
        return (
            {**options, "axis": sample.options["axis"]} if "axis" in options and "axis" in sample.options else options
        )

    def subject(self, sample: Sample) -> Subject | None:
        """What the referee checks at a sample; None where no input has a gradient."""
        if self.shortcut is None:
            subject = of_derivation(self.op, self.derivation.name, sample.inputs, dict(sample.options))
            return subject if subject.moving else None
        inputs = [as_input(x, f"input {i}") for i, x in enumerate(self.inputs(sample))]
        if not any(is_float(x) for x in inputs):
            return None

        def f(*xs: Any) -> Any:
            return self.forward(sample, *xs)

        subject = of_function(f, inputs, None, self._title(), self.derivation.name)
        accurate = self.derivation.accurate
        return replace(
            subject,
            names=self._names(len(inputs)),
            order=self.derivation.order,
            declared=None if accurate is None else lambda xs: accurate.failure(xs, sample.options),
        )

    def direct(self, sample: Sample) -> Subject | None:
        """The same with the rule called as it stands, whatever it assumes; None for the sweep of a decomposition."""
        subject = self.subject(sample)
        if subject is None or self.derivation.name == AUTODIFF:
            return None
        options, moving = dict(sample.options), subject.moving

        def rule(g: Any, out: Any, *xs: Any) -> list[Any]:
            found = self.derivation.rule(g, out, tuple(xs), options, moving)
            return [_like(found[i], x) if i in moving else None for i, x in enumerate(xs)]

        f = subject.forward
        return replace(subject, rule=rule, source=("rule", f, rule), declared=None)

    def _title(self) -> str:
        assert self.shortcut is not None
        return f"{self.op.name} of {self.shortcut.inner.name}, shortcut '{self.derivation.name}'"

    def _names(self, n: int) -> tuple[str, ...]:
        assert self.shortcut is not None
        inner = self.shortcut.inner.input_names
        return (*inner, *[self.op.input_name(i + 1) for i in range(n - len(inner))])


def ways(op: Op) -> dict[str, Way]:
    """Every derivation of an op and every shortcut that ends in it, by label."""
    found = [Way(op, d.name, d) for d in op.derivations.values()]
    found += [Way(op, f"{s.inner.name} → {s.derivation.name}", s.derivation, s) for s in op.shortcuts]
    return {way.label: way for way in found}


def samples(op: Op, seed: int) -> list[Sample]:
    """The op's own samples, as far as they are of real numbers; where it declares none, ordinary numbers in the shapes
    that its forward takes.

    Raises
    ------
    ValueError
        If the op declares no samples and none of the usual shapes will do.
    """
    if op.samples is None:
        return [_sample(op, 0, *_guessed(op, seed))]
    given = enumerate(op.samples(np.random.default_rng(seed)))
    return [_sample(op, n, inputs, params) for n, (inputs, params) in given if not any(map(_is_complex, inputs))]


def _is_complex(x: Any) -> bool:
    return x is not None and np.iscomplexobj(plain(x))


def _sample(op: Op, number: int, inputs: Sequence[Any], params: Mapping[str, Any]) -> Sample:
    params = {k: v for k, v in dict(params).items() if k != "validate"}
    bound, options = op.bind(tuple(inputs), params)
    plainly = tuple(plain(x) for x in bound)
    bound = tuple(as_input(x, f"input '{op.input_name(i)}' of {op.name}") for i, x in enumerate(plainly))
    given = {k: v for k, v in options.items() if k not in op.defaults or op.defaults[k] != v}
    shapes = ", ".join("None" if x is None else str(np.shape(x)) for x in bound)
    described = shapes + "".join(f", {k}={_short(v)}" for k, v in given.items())
    return Sample(number, bound, options, described)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _guessed(op: Op, seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ordinary numbers that the op's forward takes."""
    rng = np.random.default_rng(seed)
    required = [n for i, n in enumerate(op.input_names) if i not in op.constants and n not in _optional(op)]
    if not op.constants and op.variadic is None:
        for shapes in ([(3, 4)] * 9, [(3,)] * 9, [()] * 9, [(4, 4)] * 9, [(3, 4), (4, 2), (2, 3)]):
            inputs = tuple(rng.normal(size=s) for s, _ in zip(shapes, required, strict=False))
            if len(inputs) == len(required) and _takes(op, inputs):
                return inputs, {}
    raise ValueError(
        f"op {op.name} declares no samples, and the usual shapes do not suit it: "
        f"give it @op(samples=lambda rng: [((inputs, …), {{options}}), …])"
    )


def _optional(op: Op) -> set[str]:
    import inspect

    parameters = inspect.signature(op.__wrapped__).parameters.values()
    return {p.name for p in parameters if p.default is not p.empty}


def _takes(op: Op, inputs: tuple[Any, ...]) -> bool:
    try:
        bound, options = op.bind(inputs, {})
        return bool(np.all(np.isfinite(np.asarray(op.evaluate(bound, options)))))
    except Exception:
        return False


def _inner_inputs(shortcut: Shortcut, sample: Sample) -> tuple[Any, ...]:
    """Inputs of the inner op whose result has the shape of the outer op's first input.

    Raises
    ------
    ValueError
        If neither the inner op's own samples nor ordinary numbers give that shape.
    """
    inner, shape = shortcut.inner, np.shape(sample.inputs[0])
    rng = np.random.default_rng([19, sample.number])
    count = len(inner.input_names)
    optional = _optional(inner)
    numbers = rng.normal(size=shape)
    first = (numbers, *[None] * (count - 1))
    if all(name in optional for name in inner.input_names[1:]):
        return first
    for inputs, params in [] if inner.samples is None else inner.samples(rng):
        bound, options = inner.bind(tuple(inputs), dict(params))
        if np.shape(inner.evaluate(bound, options)) == shape:
            return tuple(copied(np.asarray(x)) if x is not None else None for x in bound)
    raise ValueError(f"no sample of {inner.name} has a result of shape {shape}, which {shortcut.outer.name} takes here")


def _like(gx: Any, x: Any) -> Any:
    """A gradient as the engine passes it on: zeros where there is none, in the input's dtype."""
    if gx is None:
        return np.zeros_like(plain(x))
    if isinstance(gx, Node) or not is_float(x):
        return gx
    return np.asarray(gx, dtype=np.asarray(x).dtype)
