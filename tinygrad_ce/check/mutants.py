"""Standard mistakes, planted in a rule that is right: how many would this check have caught?

    MUTANTS                     the mistakes, by name
    plant(subject, name)        the subject with that mistake in its rule, or None where it makes no difference there

A green tick carries evidence where the same check, at the same points, turns red for every mistake that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..node import plain
from .contract import cotangent
from .precision import copied, quiet
from .subject import Subject

Rule = Callable[
    [Any, Any, Sequence[Any]], list[Any]
]  # (g, out, inputs): the gradients of the moving inputs, by position
Mutation = Callable[[Rule, Subject, Any, Any, Sequence[Any]], list[Any]]


def _each(change: Callable[[Any, Any], Any]) -> Mutation:
    """A mistake in every gradient by itself: `change(gradient, input)`."""

    def mutate(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
        gradients = rule(g, out, xs)
        return [change(gx, plain(xs[i])) if i in subject.moving else None for i, gx in enumerate(gradients)]

    return mutate


def _one_entry(gx: Any, x: Any) -> Any:
    factors = np.ones(x.size)
    factors[-1:] = 1.5
    return gx * factors.reshape(x.shape)


def _per_row(gx: Any, x: Any) -> Any:
    return gx / float(x.shape[0]) if x.ndim and x.shape[0] else gx


def _transposed(gx: Any, x: Any) -> Any:
    return np.reshape(np.transpose(gx), x.shape)


def _averaged(gx: Any, x: Any) -> Any:
    return np.mean(gx, axis=-1, keepdims=True) * np.ones(x.shape) if x.ndim else gx


def _narrow(gx: Any, x: Any) -> Any:
    return gx.astype(np.float32).astype(x.dtype) if hasattr(gx, "astype") else gx


def _masked_negative(gx: Any, x: Any) -> Any:
    return gx * np.where(x < 0, -1.0, 1.0)


def _g_dropped(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    return rule(np.ones(np.shape(g)), out, xs)


def _g_absolute(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    return rule(np.abs(g), out, xs)


def _g_written(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    found = rule(g, out, xs)
    if isinstance(g, np.ndarray) and g.flags.writeable:
        g *= 2.0
    return found


def _not_summed(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    shape = np.shape(g)
    if not shape or shape[0] < 2:
        return rule(g, out, xs)
    first = np.zeros(shape)
    first[0] = 1.0
    return rule(g * first, out, xs)


def _elementwise(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    gradients = rule(g, out, xs)
    plainly = [plain(x) for x in xs]
    size = int(np.prod(np.shape(g)))
    for i in subject.moving:
        if np.shape(plainly[i]) != np.shape(g) or not 1 < size <= 64:
            continue
        diagonal = np.zeros(size)
        for k in range(size):
            one = np.zeros(size)
            one[k] = 1.0
            found = rule(one.reshape(np.shape(g)), plain(out), plainly)[i]
            diagonal[k] = np.ravel(plain(found))[k]
        gradients[i] = g * diagonal.reshape(np.shape(g))
    return gradients


def _out_for_input(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    i = subject.moving[0]
    if np.shape(out) != np.shape(xs[i]):
        return rule(g, out, xs)
    return rule(g, xs[i], [out if k == i else x for k, x in enumerate(xs)])


def _exchanged(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    gradients = rule(g, out, xs)
    for i in subject.moving:
        for k in subject.moving:
            if i < k and np.shape(xs[i]) == np.shape(xs[k]):
                gradients[i], gradients[k] = gradients[k], gradients[i]
                return gradients
    return gradients


def _detached(rule: Rule, subject: Subject, g: Any, out: Any, xs: Sequence[Any]) -> list[Any]:
    return rule(g, plain(out), [plain(x) for x in xs])


DETACHED = "second order detached"
MUTANTS: Mapping[str, Mutation] = {
    "sign": _each(lambda gx, x: -gx),
    "factor 2": _each(lambda gx, x: 2.0 * gx),
    "factor 1/N": _each(_per_row),
    "factor 1 + 1e-3": _each(lambda gx, x: gx * (1.0 + 1e-3)),
    "factor 1 + 1e-6": _each(lambda gx, x: gx * (1.0 + 1e-6)),
    "g dropped": _g_dropped,
    "|g| for g": _g_absolute,
    "writes into g": _g_written,
    "transposed": _each(_transposed),
    "averaged along an axis": _each(_averaged),
    "one entry wrong": _each(_one_entry),
    "only the first row of g": _not_summed,
    "a constant added": _each(lambda gx, x: gx + 0.1),
    "sign where the input is negative": _each(_masked_negative),
    "cast to float32": _each(_narrow),
    "as if elementwise": _elementwise,
    "input and output exchanged": _out_for_input,
    "two gradients exchanged": _exchanged,
    DETACHED: _detached,
}


def plant(subject: Subject, name: str) -> Subject | None:
    """The subject with a mistake in its rule; None where that changes nothing at its point."""
    mutation = MUTANTS[name]
    right = subject.rule

    def rule(g: Any, out: Any, *xs: Any) -> list[Any]:
        return mutation(lambda g, out, xs: list(right(g, out, *xs)), subject, g, out, xs)

    wrong = replace(subject, name=f"{subject.name}, mutant '{name}'", rule=rule, source=("rule", subject.forward, rule))
    with quiet():
        return wrong if _differs(subject, wrong, name) else None


def _differs(right: Subject, wrong: Subject, name: str) -> bool:
    inputs = list(right.inputs)
    out = right.out([copied(x) for x in inputs])
    g = cotangent(out.shape, out.dtype, 0)
    if name == DETACHED:  # nothing to detach where the rule does not move with its inputs, but at jumps
        if right.order == 1:
            return False
        rng = np.random.default_rng(0)
        wrong = right
        moved = [
            x * (1.0 + 1e-5 * rng.uniform(0.5, 1.0, size=x.shape)) if i in right.moving else x
            for i, x in enumerate(inputs)
        ]
        try:
            there = right.gradients(g.copy(), right.out([copied(x) for x in moved]), moved)
        except Exception:
            return False
    elif name == "writes into g":
        return bool(g.size and g.ndim)
    else:
        try:
            there = wrong.gradients(g.copy(), copied(out), [copied(x) for x in inputs])
        except Exception:
            return True
    here = right.gradients(g.copy(), copied(out), [copied(x) for x in inputs])
    return any(_apart(here[i], there[i]) for i in right.moving)


def _apart(a: Any, b: Any) -> bool:
    a, b = np.asarray(plain(a)), np.asarray(plain(b))
    if a.shape != b.shape:
        return True
    size = np.maximum(np.abs(a), np.abs(b))
    return bool(np.any(~(np.abs(a - b) <= 1e-13 * np.max(size, initial=0.0)) & np.isfinite(a)))


@dataclass(frozen=True)
class Planted:
    """One mistake in one derivation: by which check it was caught, "" where it was not; how often it was planted."""

    label: str
    name: str
    caught: str
    tries: int
