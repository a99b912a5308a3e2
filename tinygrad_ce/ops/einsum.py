"""np.einsum in every form: ellipses, repeated labels, an implicit result, lists of labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from ..forms import multilinear, unbroadcast
from ..registry import composed


def _einsum_samples(rng: np.random.Generator) -> Iterable[Any]:
    calls: list[tuple[Any, ...]] = [
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
        ("ii->i", (3, 3)),
        ("ii,i->", (3, 3), (3,)),
        ("iij,i->j", (2, 2, 3), (2,)),
        ("ij->j", (2, 3)),
        ("i,j->ij", (2,), (3,)),
        ("i,i,i->", (3,), (3,), (3,)),
        ("ij,ij->ij", (1, 3), (2, 3)),
        ("ij,kj->ik", (2, 1), (2, 3)),
        (",ij->ji", (), (2, 3)),
        ("ij,j->i", (0, 3), (3,)),
        ("ijk,kj->i", (2, 3, 2), (2, 3)),
    ]
    for subscripts, *shapes in calls:
        yield tuple([rng.normal(size=s) for s in shapes]), {"subscripts": subscripts}


def _to_operand(i: int, g: Any, out: Any, *operands: Any, subscripts: str, optimize: Any) -> Any:
    """The einsum of g with the other operands; a repeated label is an identity matrix, a lone one a vector of ones."""
    inputs, result = subscripts.split("->")
    terms = inputs.split(",")
    factors = [g, *operands[:i], *operands[i + 1 :]]
    labels = [result, *terms[:i], *terms[i + 1 :]]
    x, target = operands[i], ""
    spare = [c for c in ascii_letters if c not in subscripts]
    for label, n in zip(terms[i], np.shape(x), strict=True):
        if label in target:
            fresh = spare.pop()
            factors.append(np.eye(n))
            labels.append(label + fresh)
            label = fresh
        else:
            there = [np.shape(f)[t.index(label)] for f, t in zip(factors, labels, strict=True) if label in t]
            if max(there, default=0) < n or not there:
                factors.append(np.ones(n))
                labels.append(label)
        target = target + label
    optimize = optimize or len(factors) > 2
    return unbroadcast(np.einsum(f"{','.join(labels)}->{target}", *factors, optimize=optimize), x)


@multilinear(vjps=_to_operand, samples=_einsum_samples, formula="einsum of g with the other operands")
def einsum(*operands: Any, subscripts: str, optimize: Any = False) -> Any:
    """Einstein's sum, its subscripts written out: labels of every operand, an arrow, labels of the result."""
    return np.einsum(subscripts, *operands, optimize=optimize)


def _explicit(subscripts: str, ndims: Sequence[int]) -> str:
    """Subscripts with their ellipses as letters, and with the result that NumPy understands where none is given."""
    subscripts = subscripts.replace(" ", "")
    inputs, arrow, result = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {len(ndims)} operands for subscripts '{subscripts}'")
    hidden = [n - len(t.replace("...", "")) if "..." in t else 0 for t, n in zip(terms, ndims, strict=True)]
    spare = "".join([c for c in ascii_letters if c not in subscripts])[: max(hidden, default=0)]
    if min(hidden, default=0) < 0:
        raise ValueError(f"einsum: '{subscripts}' has more labels than an operand has axes")
    dots = [spare[len(spare) - n :] for n in hidden]
    terms = [t.replace("...", d) for t, d in zip(terms, dots, strict=True)]
    if arrow:
        result = result.replace("...", spare)
    else:
        seen = "".join(terms)
        result = spare + "".join(sorted([c for c in set(seen) - set(spare) if seen.count(c) == 1]))
    return f"{','.join(terms)}->{result}"


def _from_lists(arguments: Sequence[Any]) -> tuple[str, list[Any]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as subscripts and operands."""

    def term(labels: Any) -> str:
        return "".join(["..." if x is Ellipsis else ascii_letters[x] for x in labels])

    operands = list(arguments[: len(arguments) // 2 * 2 : 2])
    text = ",".join([term(x) for x in arguments[1::2]])
    return (f"{text}->{term(arguments[-1])}" if len(arguments) % 2 else text), operands


def _einsum_calls(rng: np.random.Generator) -> Iterable[Any]:
    a, b, c = rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3, 3)), rng.normal(size=(3,))
    for subscripts, *operands in [
        ("ijk,lkj", a, b),
        ("...jk,...kl->...jl", a, b),
        ("...,...", a, c),
        ("i...->...", a),
        ("b...i, i -> b...", a, c),
        ("aii", a),
        ("ijj,ikk,k->i", a, b, c),
    ]:
        yield (subscripts, *operands), {}
        yield (subscripts, *operands), {"optimize": True}
    yield (a, [0, 1, 2], c, [2], [1, 0]), {}
    yield (a, [Ellipsis, 2], c, [2]), {}


@composed(np.einsum, samples=_einsum_calls)
def _einsum(*arguments: Any, out: Any = None, optimize: Any = False, dtype: Any = None, **ignored: Any) -> Any:
    subscripts, operands = (
        (arguments[0], list(arguments[1:])) if isinstance(arguments[0], str) else _from_lists(arguments)
    )
    operands = [np.asarray(x) if isinstance(x, (list, tuple)) else x for x in operands]
    if dtype is not None:
        operands = [x.astype(dtype) for x in operands]
    if isinstance(optimize, list):
        optimize = tuple(optimize)
    return einsum(*operands, subscripts=_explicit(subscripts, [np.ndim(x) for x in operands]), optimize=optimize)
