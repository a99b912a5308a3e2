"""Ops as things to check one by one: each derivation at each sample.

ops_named(names)    the ops that modules register
cases(op)           what there is to check of one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..derivation import AssumptionError
from ..op import Op
from ..registry import registry
from .gradcheck import check_subject
from .gradreport import GradReport
from .precision import quiet
from .subject import of_derivation


@dataclass(frozen=True)
class OpCase:
    """One derivation of an op at one of its samples.

    `problem`: why there is none, in words; then nothing else is set.
    """

    op: Op
    derivation: str = ""
    number: int = 0
    inputs: tuple[Any, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.op.key}[{self.derivation}-{self.number}]" if self.derivation else self.op.key

    def left_out(self) -> str:
        """Why this derivation is not meant for this sample; "" where it is."""
        inputs, options = self.op.bind(self.inputs, dict(self.params))
        try:
            self.op.derivations[self.derivation].require(self.op.name, inputs, options)
        except AssumptionError as error:
            return str(error)
        moving = [x for i, x in enumerate(inputs) if i not in self.op.constants and np.asarray(x).dtype.kind == "f"]
        return "" if moving else "no input of this sample has a gradient"

    def check(self, order: int = 2) -> GradReport:
        """Everything that `gradcheck` does, of this derivation at this sample."""
        with quiet():
            subject = of_derivation(self.op, self.derivation, self.inputs, self.params)
            return check_subject(subject, order=order)


def ops_named(names: Iterable[Any]) -> list[Op]:
    """The ops that modules register: "package.module" (and what lies beneath it), "package.module:op", or ops.

    Raises
    ------
    ImportError
        If there is no such module.
    LookupError
        If it registers no op, or not that one.
    """
    found: dict[str, Op] = {}
    for name in names:
        if isinstance(name, Op):
            found[name.key] = name
            continue
        if isinstance(name, ModuleType):
            name = name.__name__
        if not isinstance(name, str):
            raise TypeError(f"a module's name, a module or an op is wanted, not {name!r:.60}")
        module, _, wanted = name.partition(":")
        import_module(module)
        ops = [op for op in registry.values() if op.module == module or op.module.startswith(module + ".")]
        chosen = [op for op in ops if not wanted or op.name == wanted]
        if not chosen:
            there = ", ".join(op.name for op in ops) or "none"
            raise LookupError(f"{name}: no such op is registered by {module}; there are: {there}")
        found.update({op.key: op for op in chosen})
    return [found[key] for key in sorted(found)]


def cases(op: Op) -> Iterator[OpCase]:
    """Each derivation of an op at each of its samples; where it has none, a case that says so."""
    if op.samples is None:
        text = f"op {op.name} has no samples: give them with @op(samples=f), where f(rng) yields (inputs, options)"
        yield OpCase(op, problem=text)
        return
    try:
        samples = [(tuple(inputs), dict(params)) for inputs, params in op.samples(np.random.default_rng(0))]
    except Exception as error:
        text = f"samples(rng) of op {op.name} has to yield pairs (inputs, options): {type(error).__name__}: {error}"
        yield OpCase(op, problem=text)
        return
    for name in op.derivations:
        for number, (inputs, params) in enumerate(samples):
            yield OpCase(op, name, number, inputs, params)
