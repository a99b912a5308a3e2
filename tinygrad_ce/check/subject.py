"""What is checked: a forward and a rule on plain arrays, whatever the user brought.

    of_rule(f, vjp, ...)            plain NumPy with a hand-written `vjp(g, out, *inputs)`
    of_function(f, ...)             a function on Values, and the gradient that the engine makes of it
    of_derivation(op, name, ...)    one derivation of an op

A Subject knows how to run both in any floating dtype, which is how the referee tells a wrong formula from a right
one that rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..choice import Choice, reachable
from ..derivation import AUTODIFF
from ..forms import RULE
from ..identities import cast_like
from ..node import Node, plain, recorded
from ..op import Op
from ..sweep import reverse
from ..value import Value
from .precision import NotReal, is_float


class ContractError(Exception):
    """A rule's result is no gradient of its inputs: what is wrong with it, in words, under a short name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Subject:
    """A forward and a rule.

    Attributes
    ----------
    name : str
    forward : callable
        `forward(*inputs)` on plain arrays of any float dtype; returns one plain array.
    rule : callable
        `rule(g, out, *inputs)`: a sequence with a gradient for each input, None where there is none.
    inputs : tuple
        The user's own point.
    moving : tuple of int
        Positions of the inputs in which the gradient is checked.
    names : tuple of str
    on_values : callable or None
        The forward on Values, for oracles that trace it.
    order : int or None
        How often the rule says that it may be differentiated.
    declared : callable or None
        `declared(inputs)` is a sentence where a derivation says that its digits are lost there.
    invariants : tuple
        What an op declares of its gradient, see `invariants.py`.
    source : tuple
        What to name in a reproduction: ("rule", f, vjp), ("function", f, derivation) or ("op", op, name, params).
    """

    name: str
    forward: Callable[..., Any]
    rule: Callable[..., Any]
    inputs: tuple[Any, ...]
    moving: tuple[int, ...]
    names: tuple[str, ...]
    on_values: Callable[..., Any] | None = None
    order: int | None = None
    declared: Callable[[Sequence[Any]], str | None] | None = None
    source: tuple[Any, ...] = ()

    def out(self, inputs: Sequence[Any]) -> Any:
        """The forward, as an array or NumPy scalar."""
        out = plain(self.forward(*inputs))
        if isinstance(out, (int, float)) and not isinstance(out, np.generic):
            out = np.float64(out)
        if not hasattr(out, "dtype") or not hasattr(out, "shape"):
            raise TypeError(
                f"{self.name} returned a {type(out).__name__}; gradcheck is of a function that returns one array. "
                f"Write lambda *x: f(*x)[0] to choose one of several results"
            )
        if out.dtype.kind != "f":
            raise NotReal(f"{self.name} returned {out.dtype}; a gradient is of floating results")
        return out

    def gradients(self, g: Any, out: Any, inputs: Sequence[Any]) -> list[Any]:
        """The rule's gradients, one for each input, as it returned them."""
        raw = self.rule(g, out, *inputs)
        n = len(inputs)
        if isinstance(raw, Mapping):
            raw = [raw.get(name) for name in self.names]
        elif n == 1 and isinstance(raw, list) and np.shape(raw) == np.shape(inputs[0]):
            raw = (np.asarray(raw),)  # a gradient written as nested lists
        elif not isinstance(raw, (tuple, list)) or (n == 1 and is_number_list(raw)):
            raw = (raw,)
        if len(raw) != n and len(raw) == len(self.moving):
            filled: list[Any] = [None] * n
            for i, gx in zip(self.moving, raw, strict=True):
                filled[i] = gx
            return filled
        if len(raw) != n:
            raise ContractError(
                "shape",
                f"the rule returned {len(raw)} gradient{'s' * (len(raw) != 1)} for {n} inputs "
                f"({', '.join(self.names)}); return one for each, None where there is none",
            )
        return list(raw)


def is_number_list(raw: Any) -> bool:
    """Whether a list is a gradient written as a list of numbers."""
    return (
        bool(raw) and all(isinstance(x, (int, float)) and not isinstance(x, np.generic) for x in raw) and len(raw) > 1
    )


def as_input(x: Any, where: str) -> Any:
    """An input as the referee keeps it: an array, or a Python float."""
    x = plain(x)
    if isinstance(x, (bool, int, float)) and not isinstance(x, np.generic):
        return np.asarray(float(x) if isinstance(x, float) else x)
    if x is None:
        return None
    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    x = np.asarray(x) if isinstance(x, np.generic) else x
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiub":
        return x
    if isinstance(x, np.ndarray):
        raise TypeError(f"{where} has dtype {x.dtype}; gradients are checked of real numbers")
    raise TypeError(f"{where} is a {type(x).__name__}; an array or a number is wanted (put other things in a closure)")


def which_move(
    inputs: Sequence[Any], wrt: Sequence[int | str] | int | str | None, names: Sequence[str]
) -> tuple[int, ...]:
    """Positions of the differentiable inputs: those asked for, or every floating one."""
    if wrt is None:
        found = tuple(i for i, x in enumerate(inputs) if is_float(x))
        if not found:
            raise ValueError("gradcheck wants a floating input; integers and booleans have no gradient")
        return found
    asked = [wrt] if isinstance(wrt, (int, str)) else list(wrt)
    if not asked:
        raise ValueError("wrt= names no input: there is nothing to check")
    positions = []
    for w in asked:
        if isinstance(w, str) and w not in names:
            raise ValueError(f"wrt={w!r} names no argument; they are {', '.join(names)}")
        i = names.index(w) if isinstance(w, str) else int(w)
        if not -len(inputs) <= i < len(inputs):
            raise ValueError(f"wrt={wrt!r}, but there are {len(inputs)} inputs")
        i %= len(inputs)
        if not is_float(inputs[i]):
            raise ValueError(f"wrt names input '{names[i]}', which is no floating array")
        positions.append(i)
    return tuple(sorted(set(positions)))


def argument_names(f: Callable[..., Any], n: int) -> tuple[str, ...]:
    """What f calls its arguments, as far as it says so."""
    import inspect

    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple([*found, *[f"input {i}" for i in range(len(found), n)]][:n])


# -- the three kinds -------------------------------------------------------------------------------------------


def of_rule(
    f: Callable[..., Any], vjp: Callable[..., Any], inputs: Sequence[Any], wrt: Any, name: str, order: int | None
) -> Subject:
    """Plain NumPy, with a gradient written by hand."""
    names = argument_names(f, len(inputs))
    return Subject(
        name,
        f,
        vjp,
        tuple(inputs),
        which_move(inputs, wrt, names),
        names,
        on_values=f,
        order=order,
        source=("rule", f, vjp),
    )


def of_function(f: Callable[..., Any], inputs: Sequence[Any], wrt: Any, name: str, derivation: Any) -> Subject:
    """A function on Values, with the gradient that a sweep finds."""
    names = argument_names(f, len(inputs))
    moving = which_move(inputs, wrt, names)

    def forward(*xs: Any) -> Any:
        with recorded(False):
            return plain(f(*[Value(x, requires_grad=False) if i in moving else x for i, x in enumerate(xs)]))

    def rule(g: Any, out: Any, *xs: Any) -> list[Any]:
        return swept(f, xs, moving, g, derivation)

    return Subject(
        name,
        forward,
        rule,
        tuple(inputs),
        moving,
        names,
        on_values=f,
        source=("function", f, derivation),
    )


def of_derivation(op: Op, name: str, inputs: Sequence[Any], params: Mapping[str, Any]) -> Subject:
    """One derivation of an op, on the op beneath its validation."""
    derivation = op.derivations[name]
    bound, options = op.bind(tuple(inputs), dict(params))
    bound = tuple(as_input(x, f"input '{op.input_name(i)}' of {op.name}") for i, x in enumerate(bound))
    moving = tuple(i for i, x in enumerate(bound) if is_float(x) and i not in op.constants)
    choice = None if name in (op.default, RULE) else {op: name} if name != AUTODIFF else AUTODIFF

    def f(*xs: Any) -> Any:
        return op.apply(tuple(xs), options)

    def rule(g: Any, out: Any, *xs: Any) -> list[Any]:
        return swept(f, xs, moving, g, choice)

    def declared(xs: Sequence[Any]) -> str | None:
        return None if derivation.accurate is None else derivation.accurate.failure(xs, options)

    return Subject(
        f"{op.name}, derivation '{name}'",
        f,
        rule,
        bound,
        moving,
        tuple(op.input_name(i) for i in range(len(bound))),
        on_values=f if op.decomposition is None else lambda *xs: op.decomposition(*xs, **options),
        order=derivation.order,
        declared=declared,
        source=("op", op, name, options),
    )


def swept(f: Callable[..., Any], xs: Sequence[Any], moving: Sequence[int], g: Any, derivation: Any) -> list[Any]:
    """Gradients of <g, f(xs)> by the engine's sweep; zeros where f does not depend on an input."""
    leaves = [Value.leaf(x) if i in moving else x for i, x in enumerate(xs)]
    with recorded(True):
        out = f(*leaves)
    gradients: list[Any] = [None] * len(xs)
    found: dict[int, Any] = {}
    if isinstance(out, Node) and out.requires_grad:
        wanted = {leaves[i].number: leaves[i] for i in moving}
        choice = Choice(derivation)
        if derivation is not None:
            choice.check(reachable(out))
        found = reverse(out, cast_like(g, out), choice, wanted=wanted)
    for i in moving:
        held = found.get(leaves[i].number)
        gradients[i] = np.zeros_like(leaves[i].data) if held is None else held[1]
    return gradients
