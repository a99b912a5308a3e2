"""compare_derivations: one forward, one sweep for each derivation, every node compared pairwise.

No tolerance is set by hand. Each gradient has an error bar from the rounding of its own sweep (sweeps.py);
two that differ by no more than their bars are the same gradient. Where one bar is much wider than the other, the
report says how many digits the wider one has lost, and whether its derivation declares that. Where two part, the node
at which they first do, in the order of the sweep, is named: the rule that sent it is where to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..choice import Choice, names_available, reachable
from ..derivation import AUTODIFF, AssumptionError
from ..forms import RULE
from ..node import Node, plain, recorded
from ..op import Op
from ..value import Value
from .report import FAIL, Comparison, Parting, Row
from .sweeps import Sweep, contrast, names, sender, swept, within


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
        True when all agree; its repr is a table, `.rows` and `.to_dict()` are data. Where two part, `.partings` has
        the first node, in the order of the reverse sweep, at which they do, and which op sent that gradient.

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
    wanted = _names(nodes, derivations, reference)
    seed = cotangent(root, gradient)
    found: dict[str, Sweep] = {}
    skipped: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = swept(root, seed, name, Choice(name))
        except AssumptionError as failure:
            skipped[name] = str(failure)
    called = names(nodes)
    pairs = _pairs(found, reference)
    leaves = [n for n, x in sorted(nodes.items()) if x.op is None]
    rows = [contrast(called[n], found[a], n, found[b], n) for n in leaves for a, b in pairs]
    partings = [p for a, b in pairs for p in _partings(found[a], found[b], called, rows)]
    rows += [p.row for p in partings if p.unseen]
    title = subject.name if isinstance(subject, Op) else f"a graph of {len(nodes)} nodes"
    notes = tuple(f"{name}: {s.note}" for name, s in found.items() if s.note)
    inner = sum(x.op is not None for x in nodes.values()) > 1
    return Comparison(title, tuple(found), rows, skipped, notes, tuple(partings) if inner else ())


# -- what to compare -------------------------------------------------------------------------------------------


def _call(op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
    """The op on leaves named after its arguments, beneath its validation."""
    params.pop("validate", None)
    bound, options = op.bind(tuple(inputs), params)
    leaves = []
    for i, x in enumerate(bound):
        data = plain(x)
        floating = type(data) is float or getattr(getattr(data, "dtype", None), "kind", "") in ("f", "c")
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


def cotangent(root: Value, gradient: Any) -> Any:
    """The cotangent that was given, 1 for one number, or random signs and sizes."""
    if gradient is not None or root.size == 1:
        return root._seed(gradient)
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=root.shape)
    return signs * rng.uniform(0.5, 2.0, size=root.shape)


def _partings(a: Sweep, b: Sweep, called: Mapping[int, str], rows: Iterable[Row]) -> list[Parting]:
    """The first node at which two sweeps part, where there is one."""
    both = [n for n in sorted(a.adjoints, reverse=True) if n in b.adjoints]
    for k, n in enumerate(both):
        if within(a, n, b, n):
            continue
        row = contrast(called[n], a, n, b, n)
        if row.verdict == FAIL:
            op, derivation = sender(a, n, b, n, {m: m for m in both})
            leaf = any(r.verdict == FAIL and (r.derivation, r.reference) == (a.name, b.name) for r in rows)
            return [Parting(row, op, derivation, k, len(both), not leaf)]
    return []
