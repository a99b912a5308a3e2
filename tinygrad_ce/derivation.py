"""What an op carries of its backward: derivations, and what they assume.

Derivation       one way to compute the gradient: a rule, its order, its assumptions, its formula
Assumption       a condition in words and as a predicate
whole, each      the normal form of the two ways in which rules are written
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .node import plain

# rule(g, out, inputs, params, needed): a sequence with a gradient for each input whose position is in `needed`
Rule = Callable[[Any, Any, tuple[Any, ...], dict[str, Any], Sequence[int]], Sequence[Any]]
Assumed = Iterable["Assumption | tuple[str, Callable[..., bool | str]]"]
AUTODIFF = "autodiff"


class AssumptionError(ValueError):
    """A derivation was asked for by name where what it assumes does not hold."""


@dataclass(frozen=True)
class Assumption:
    """A condition on an op's inputs, in words and as a test.

    `predicate(*inputs, **params)` returns True where it holds, and False or a sentence that says what fails. For
    `prove`, `equations(*inputs, **params)` says it in NumPy functions: arrays that vanish exactly where it holds.
    """

    text: str
    predicate: Callable[..., bool | str]
    equations: Callable[..., Sequence[Any]] | None = None

    def failure(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> str | None:
        """None where the assumption holds, else a sentence."""
        verdict = self.predicate(*[plain(x) for x in inputs], **params)
        if isinstance(verdict, str):
            return verdict
        return None if verdict else f"{self.text} does not hold"


@dataclass(frozen=True)
class Derivation:
    """One way to compute an op's vector-Jacobian product.

    Attributes
    ----------
    name : str
    rule : callable
        `rule(g, out, inputs, params, needed)` returns a sequence with a gradient for each input whose
        position is in `needed`. `whole` makes one of the friendlier `vjp(g, out, *inputs, **params)`.
    order : int or None
        How often the op may be differentiated through this rule; None is "any number of times".
    assumes : tuple of Assumption
    formula : str
    accurate : Assumption or None
        Where the rule keeps its digits; outside, the referee reports digits lost as declared.
    """

    name: str
    rule: Rule
    order: int | None = None
    assumes: tuple[Assumption, ...] = ()
    formula: str = ""
    accurate: Assumption | None = None

    def require(self, where: str, inputs: Sequence[Any], params: Mapping[str, Any]) -> None:
        """Raise AssumptionError unless every assumption holds of these inputs."""
        for assumption in self.assumes:
            failure = assumption.failure(inputs, params)
            if failure is not None:
                raise AssumptionError(
                    f"derivation '{self.name}' of {where} assumes {assumption.text}, but {failure}; "
                    f"use another derivation, or leave the choice to the default"
                )


def assumptions(given: Assumed) -> tuple[Assumption, ...]:
    """Assumptions from themselves or from (text, predicate)."""
    return tuple(a if isinstance(a, Assumption) else Assumption(*a) for a in given)


def whole(vjp: Callable[..., Any], where: str, name_of: Callable[[int], str]) -> Rule:
    """The normal form of a rule that returns a gradient for each input at once."""

    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
        gradients = vjp(g, out, *inputs, **params)
        if not isinstance(gradients, (tuple, list)):
            gradients = (gradients,)
        if len(gradients) != len(inputs):
            names = [name_of(i) for i in range(len(inputs))]
            raise ValueError(
                f"{where} returned {len(gradients)} gradient{'s' * (len(gradients) != 1)} for {len(inputs)} inputs "
                f"({', '.join(names)}); return one for each, None where there is none"
            )
        return gradients

    return rule


def each(vjps: Sequence[Callable[..., Any] | None]) -> Rule:
    """The normal form of one `vjp(g, out, *inputs, **params)` for each input, None where there is no gradient."""

    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
        gradients: list[Any] = [None] * len(inputs)
        for i in needed:
            vjp = vjps[i]
            if vjp is not None:
                gradients[i] = vjp(g, out, *inputs, **params)
        return gradients

    return rule


def normal(vjp: Any, where: str, name_of: Callable[[int], str]) -> Rule:
    """The normal form of either way of writing a rule."""
    return each(vjp) if isinstance(vjp, tuple) else whole(vjp, where, name_of)
