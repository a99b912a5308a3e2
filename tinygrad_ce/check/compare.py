"""compare_derivations: one forward, one sweep for each derivation, every leaf compared pairwise.

No tolerance is set by hand. Each gradient has an error bar from the rounding of its own sweep (rounding.py);
two that differ by no more than their bars are the same gradient. Where one bar is much wider than the other, the
report says how many digits the wider one has lost, and whether its derivation declares that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..choice import Choice, names_available, reachable
from ..derivation import AUTODIFF, AssumptionError
from ..forms import RULE
from ..identities import cast_like
from ..node import Node, plain, recorded
from ..op import Op
from ..sweep import reverse, route
from ..value import Value
from .report import FAIL, INCONCLUSIVE, PASS, Comparison, Row
from .rounding import conditioning, rounding

GUESS = 1e4  # how many eps a rule that cannot be traced is allowed


def compare_derivations(
    subject: Op | Value,
    *inputs: Any,
    derivations: Iterable[str] | None = None,
    reference: str | None = None,
    gradient: Any = None,
    **params: Any,
) -> Comparison:
    """Compare the gradients that an op's derivations give, or those of a finished graph.

    Parameters
    ----------
    subject : Op or Value
        An op, to be called on `inputs` and `params` beneath its validation; or a Value that has a graph.
    *inputs : arrays, numbers or Values
        Floating inputs of the op become leaves, named by the op's arguments; integers, masks and None stay.
    derivations : iterable of str, optional
        Which to compare: by default all that nodes of the graph have.
    reference : str, optional
        Compare each with this one; by default every pair is compared.
    gradient : array, optional
        The cotangent; by default 1 for one number, and random signs and sizes otherwise (a cotangent of ones
        would hide a softmax, whose gradients then all vanish).

    Returns
    -------
    Comparison
        True when all agree; its repr is a table, `.rows` and `.to_dict()` are data.

    Raises
    ------
    ValueError
        If the graph needs no gradient, has fewer than two derivations, or lacks one that is named.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> report = tg.compare_derivations(tg.softmax_cross_entropy, [[40.0, 0.0]], [0])
    >>> bool(report)
    True
    >>> [row.note for row in report.rows if {row.derivation, row.reference} == {"stable", "analytic"}]
    ['... digits lost by analytic (declared)']
    """
    with recorded(True):
        root = _call(subject, inputs, params) if isinstance(subject, Op) else subject
    if not isinstance(root, Value) or not root.requires_grad:
        raise ValueError("compare_derivations wants an op with floating inputs, or a Value that needs a gradient")
    if not isinstance(subject, Op) and (inputs or params):
        raise TypeError("compare_derivations(value) takes no inputs: the graph has them")
    nodes = reachable(root)
    names = _names(nodes, derivations, reference)
    leaves = {n: x for n, x in sorted(nodes.items()) if x.op is None}
    seed = root._seed(gradient) if gradient is not None or root.size == 1 else _cotangent(root)
    found: dict[str, _Sweep] = {}
    skipped: dict[str, str] = {}
    for name in names:
        try:
            found[name] = _sweep(root, seed, name, leaves)
        except AssumptionError as failure:
            skipped[name] = str(failure)
    labels = _labels(leaves.values())
    rows = [_row(label, i, found[a], found[b]) for i, label in enumerate(labels) for a, b in _pairs(found, reference)]
    title = subject.name if isinstance(subject, Op) else f"a graph of {len(nodes)} nodes"
    notes = tuple(f"{name}: {s.note}" for name, s in found.items() if s.note)
    return Comparison(title, tuple(found), rows, skipped, notes)


# -- what to compare -------------------------------------------------------------------------------------------


def _call(op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """The op on leaves named after its arguments, beneath its validation."""
    params.pop("validate", None)
    bound, options = op.bind(tuple(inputs), params)
    leaves = []
    for i, x in enumerate(bound):
        data = plain(x)
        floating = type(data) is float or getattr(getattr(data, "dtype", None), "kind", "") == "f"
        if (floating and i not in op.constants) or (isinstance(data, np.ndarray) and _scores(op, i)):
            leaves.append(Value(data, label=op.input_name(i)))
        else:
            leaves.append(data)
    return op.apply(tuple(leaves), options)


def _scores(op: Op, position: int) -> bool:
    # Integers given as an op's first input are numbers to differentiate; later ones may be indices.
    return position == 0 and position not in op.constants


def _names(nodes: dict[int, Node], derivations: Iterable[str] | None, reference: str | None) -> list[str]:
    ops = {x.op for x in nodes.values() if x.op is not None}
    available = names_available(ops) - {RULE}
    if all(op.decomposition is None for op in ops):
        available.discard(AUTODIFF)
    names = sorted(available) if derivations is None else list(dict.fromkeys(derivations))
    if reference is not None and reference not in names:
        names.append(reference)
    unknown = [n for n in names if n not in available]
    listed = ", ".join(f"'{n}'" for n in sorted(available)) or "only primitives' own rules"
    if unknown:
        raise ValueError(f"no node of this graph has a derivation '{unknown[0]}'; there are {listed}")
    if len(names) < 2:
        raise ValueError(f"nothing to compare: this graph has {listed}; declare another with @op.derivation")
    return names


def _pairs(found: Iterable[str], reference: str | None) -> list[tuple[str, str]]:
    if reference is None:
        return list(combinations(found, 2))
    names = list(found)
    return [(name, reference) for name in names if name != reference and reference in names]


def _cotangent(root: Value) -> Any:
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=root.shape)
    return signs * rng.uniform(0.5, 2.0, size=root.shape)


def _labels(leaves: Iterable[Node]) -> list[str]:
    names: list[str] = []
    for i, x in enumerate(leaves):
        label = x.label or f"leaf {i}"
        names.append(label if label not in names else f"{label} ({i})")
    return names


# -- one derivation --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sweep:
    """The gradients of one derivation, with what is known of their accuracy."""

    name: str
    gradients: list[Any]
    bars: list[Any]
    conditions: list[Any]
    declared: bool  # outside where a derivation it used says that it keeps its digits
    note: str = ""


def _sweep(root: Value, seed: Any, name: str, leaves: dict[int, Node]) -> _Sweep:
    choice = Choice(name)
    with np.errstate(all="ignore"):
        adjoints = reverse(root, cast_like(seed, root), choice, wanted=leaves)
    gradients = [_array(adjoints[n][1] if n in adjoints else 0.0, x) for n, x in leaves.items()]
    bars, conditions, note = _accuracy(root, seed, choice, leaves, gradients)
    return _Sweep(name, gradients, bars, conditions, _beyond_declared(root, choice), note)


def _array(g: Any, x: Node) -> Any:
    return np.broadcast_to(np.asarray(g, dtype=getattr(x.data, "dtype", np.float64)), np.shape(x.data))


def _accuracy(
    root: Value, seed: Any, choice: Choice, leaves: dict[int, Node], gradients: list[Any]
) -> tuple[list[Any], list[Any], str]:
    """Error bars and conditioning of the gradients, from the graph of the sweep itself."""
    try:
        with recorded(True), np.errstate(all="ignore"):
            start = Value.leaf(cast_like(seed, root))  # in the graph, so that what is made of it alone rounds too
            traced = reverse(root, start, choice, wanted=leaves, create_graph=True, again=False)
            values = [traced[n][1] if n in traced else Value.leaf(0.0, False) for n in leaves]
            bars, conditions = rounding(values), conditioning(values)
    except (NotImplementedError, TypeError, ValueError) as error:
        bars = [np.finfo(g.dtype).eps * GUESS * np.abs(g) for g in gradients]
        return bars, bars, f"its rule cannot be traced, so its error bars are a guess, {GUESS:g} eps ({error})"
    shape = [g.shape for g in gradients]
    return (
        [np.broadcast_to(b, s) for b, s in zip(bars, shape, strict=True)],
        [np.broadcast_to(c, s) for c, s in zip(conditions, shape, strict=True)],
        "",
    )


def _beyond_declared(root: Value, choice: Choice) -> bool:
    for node in reachable(root).values():
        if node.op is not None:
            inputs, derivation = route(node, node.op, choice, {}, False)
            if derivation.accurate is not None and derivation.accurate.failure(inputs, node.params) is not None:
                return True
    return False


# -- two derivations -------------------------------------------------------------------------------------------


def _row(leaf: str, i: int, a: _Sweep, b: _Sweep) -> Row:
    x, y = a.gradients[i], b.gradients[i]
    eps = float(np.finfo(x.dtype).eps)
    if not x.size:
        return Row(leaf, a.name, b.name, PASS, "empty", 0.0, 0.0, 0.0, (), 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(x), np.abs(y))
        difference = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        floor = 64 * float(np.finfo(x.dtype).smallest_subnormal)
        bars = a.bars[i] + b.bars[i] + 4 * eps * size + floor
        broken = np.isnan(difference) | np.isinf(difference)
        excess = np.where(broken, np.inf, difference / bars)
        relative = np.where(broken, np.inf, difference / np.maximum(size, np.finfo(x.dtype).smallest_subnormal))
        ulps = np.where(broken, np.inf, difference / np.spacing(np.maximum(size, np.finfo(x.dtype).tiny)))
        at = tuple(int(k) for k in np.unravel_index(np.argmax(excess), x.shape))
        lost, culprit, known = _digits_lost(difference, size, i, a, b, eps)
    verdict, note = PASS, ""
    if np.any(broken) and culprit.declared:
        note = f"not finite by {culprit.name} (beyond its declared range)"
    elif excess[at] > 1.0:
        guessed = bool(a.note or b.note) and difference[at] <= GUESS * eps * float(np.max(size))
        verdict, note = (
            (INCONCLUSIVE, "more than the guessed error bars, little beside the rest") if guessed else (FAIL, "")
        )
    elif not np.all(np.isfinite(bars)):
        verdict, note = INCONCLUSIVE, "the error bars are not finite"
    elif lost >= 1.0:
        if lost > 0.5 * -math.log10(eps) and not culprit.declared and known:
            verdict = FAIL
        note = f"{lost:.0f} digit{'s' * (round(lost) != 1)} lost by {culprit.name}" + " (declared)" * culprit.declared
    return Row(
        leaf,
        a.name,
        b.name,
        verdict,
        note,
        float(np.max(relative)),
        float(np.max(ulps)),
        lost,
        at,
        float(x[at]),
        float(y[at]),
        float(bars[at]),
    )


def _digits_lost(difference: Any, size: Any, i: int, a: _Sweep, b: _Sweep, eps: float) -> tuple[float, _Sweep, bool]:
    """Digits by which the two differ beyond the better bar and what conditioning explains; and whose they are.

    Also whether the better one is known not to be 0: where the truth is 0, relative digits mean nothing.
    """
    full = -math.log10(eps)
    broken = [not np.all(np.isfinite(s.gradients[i])) for s in (a, b)]
    if any(broken):
        return full, a if broken[0] else b, True
    better = np.minimum(a.bars[i], b.bars[i])
    condition = np.where(a.bars[i] <= b.bars[i], a.conditions[i], b.conditions[i])
    explained = np.maximum(better + 4 * eps * size, condition)
    ratio = np.where(difference > 0, difference / np.maximum(explained, np.finfo(np.float64).tiny), 0.0)
    at = np.unravel_index(np.argmax(ratio), ratio.shape)
    if not ratio[at] > 1.0:
        return 0.0, a, False
    culprit, other = (a, b) if a.bars[i][at] > b.bars[i][at] else (b, a)
    known = bool(abs(other.gradients[i][at]) > other.bars[i][at])
    return min(full, math.log10(float(ratio[at]))), culprit, known
