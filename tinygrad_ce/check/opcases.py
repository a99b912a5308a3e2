"""Ops as things to check one by one, for test frameworks: each derivation at each sample that it is meant for.

ops_named(names)    the ops that modules register
cases(op)           what there is to check of one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from ..op import Op
from ..registry import registry
from .gradreport import GradReport
from .ways import ways
from .work import CHECK, Unit, plan, run


@dataclass(frozen=True)
class OpCase:
    """One derivation of an op at one of its samples; or, in words, why there is none to check."""

    name: str
    unit: Unit | None = None
    problem: str = ""

    def __str__(self) -> str:
        return self.name

    def check(self) -> GradReport | None:
        """What `check_op` does at this sample; None where no input of it has a gradient."""
        return None if self.unit is None else run(self.unit).report


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
    """Each derivation of an op at each sample at which what it assumes holds; problems where there is none."""
    try:
        units = [unit for unit in plan(op, full=True) if unit.task == CHECK]
        labels = list(ways(op))
    except Exception as error:
        yield OpCase(op.key, problem=f"the samples of op {op.name} are of no use: {type(error).__name__}: {error}")
        return
    for unit in units:
        yield OpCase(f"{op.key}[{unit.label}-{unit.sample}]", unit)
    for label in labels:
        if all(unit.label != label for unit in units):
            text = f"op {op.name} has no sample at which '{label}' may be used: give one with @op(samples=...)"
            yield OpCase(f"{op.key}[{label}]", problem=text)
