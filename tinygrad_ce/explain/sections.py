"""What an explanation says, section by section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..choice import Choice
from ..derivation import AUTODIFF, AssumptionError, Derivation
from ..draw.flow import seed_of
from ..draw.labels import brief
from ..draw.summary import summarise
from ..expression import ONE, ZERO, Expr, apply, number, partial, symbol, total
from ..node import Node, plain
from ..op import Op
from ..partials import pulled
from ..sweep import pull
from .chain import EXACT, Chain
from .writing import Explanation, Line, Section, Side

PATHS = 8  # paths of one leaf that are
BOUND = 80  # symbols and signs in a formula


def explained(v: Node, gradient: Any, limit: int) -> Explanation:
    """The sections of a graph's explanation."""
    if not v.requires_grad:
        raise ValueError(f"explain() of {v!r:.80}, which needs no gradient: there is nothing to explain")
    seed = seed_of(v, gradient)
    if seed is None:
        raise ValueError(f"explain() of shape {np.shape(v.data)} needs gradient=, or reduce it to one number first")
    chain = Chain(v, seed)
    shown = chain.made[-limit:] if len(chain.made) > limit else chain.made
    sections = [_size(chain, shown)] if len(shown) < len(chain.made) else []
    sections += [_forward(chain, shown), _locals(chain, shown), _backward(chain, shown), _paths(chain, shown)]
    if chain.scalar and len(shown) == len(chain.made):
        sections.append(_composed(chain))
    sections.append(_closed(chain, shown))
    return Explanation(f"How the gradient of {chain.name(v)} comes about", tuple(s for s in sections if s.lines))


# -- numbers and arrays ----------------------------------------------------------------------------------------


def _value(x: Any) -> Side:
    """A number; a small array as it is, of a larger one shape and norm."""
    x = plain(x)
    if np.size(x) == 1 and np.asarray(x).dtype.kind != "c":
        value = number(float(np.asarray(x).item()))
        return value if np.ndim(x) == 0 else f"[{value.text()}]"
    array = np.asarray(x)
    if array.size <= EXACT:
        return " ".join(np.array2string(array, separator=", ", formatter={"all": _four}).split())
    return f"array of shape {array.shape}, {brief(summarise(array))}"


def _four(x: Any) -> str:
    return f"{x + 0:.4g}".replace("-", "−")  # + 0: no −0


def _matrix(matrix: Any) -> Side:
    """A Jacobian: one number, a diagonal, or its rows."""
    if matrix.size == 1:
        return number(float(matrix.item()))
    rows, columns = matrix.shape
    diagonal = np.diagonal(matrix)
    if rows == columns and np.array_equal(matrix, np.diag(diagonal)):
        same = bool(np.all(diagonal == diagonal[0]))
        if same:
            return "I" if diagonal[0] == 1.0 else f"{_text(_value(diagonal[0]))} I"
        return f"diag {_text(_value(diagonal))}"
    return _value(matrix) if matrix.size <= EXACT else f"matrix of {rows} × {columns}, {brief(summarise(matrix))}"


def _text(side: Side) -> str:
    return side if isinstance(side, str) else side.text()


# -- the sections ----------------------------------------------------------------------------------------------


def _size(chain: Chain, shown: Sequence[Node]) -> Section:
    ops = Counter(node.op.name for node in chain.made)
    listed = ", ".join(f"{name} {count:,}" for name, count in ops.most_common(8))
    lines = [Line((listed,), f"{len(chain.made):,} operations"), Line((), f"the last {len(shown)} are written out")]
    lines.append(Line((), "more with limit=, or explain an earlier Value"))
    return Section("How large the graph is", tuple(lines))


def _forward(chain: Chain, shown: Sequence[Node]) -> Section:
    lines = []
    for node in shown:
        formula = chain.formula(node)
        sides: list[Side] = [symbol(chain.name(node)), formula]
        numbers = {
            chain.name(x): number(float(np.asarray(x.data).item()))
            for x in node.inputs
            if isinstance(x, Node) and np.ndim(x.data) == 0 and np.asarray(x.data).dtype.kind == "f"
        }
        if numbers and len(numbers) == len({x.number for x in node.inputs if isinstance(x, Node)}):
            sides.append(formula.replaced(numbers, simplify=False))
        lines.append(Line((*sides, _value(node.data))))
    known = {id(x): x for node in chain.made for x in node.inputs if isinstance(x, np.ndarray)}
    arrays = [Line((symbol(name), _value(known[address]))) for address, name in chain.arrays.items()]
    return Section("What is computed", (*arrays, *lines))


def _inputs(node: Node) -> list[Node]:
    """The inputs of a node that a gradient goes to, each once."""
    op: Op = node.op
    moving = [x for i, x in enumerate(node.inputs) if isinstance(x, Node) and x.requires_grad and i not in op.constants]
    return list({x.number: x for x in moving}.values())


def _locals(chain: Chain, shown: Sequence[Node]) -> Section:
    lines = []
    for node in shown:
        for x in _inputs(node):
            sides: list[Side] = [partial(chain.name(node), chain.name(x))]
            slope = chain.slope(node, x)
            matrix = chain.jacobian(node, x)
            if slope is not None and slope.head != "number":
                sides.append(slope)
            elif slope is None:
                position = next(i for i, y in enumerate(node.inputs) if y is x)
                told = pulled(node.op, position)
                sides += [f"(g ↦ {told})"] if told else []
            if matrix is not None:
                sides.append(_matrix(matrix))
            elif slope is not None and slope.head == "number":
                sides.append(slope)
            lines.append(Line(tuple(sides)))
    about = "Of what an operation gives, with respect to each of its inputs; g is a cotangent that its rule is given."
    return Section("Local derivatives", tuple(lines), about)


def _backward(chain: Chain, shown: Sequence[Node]) -> Section:
    """Every adjoint as the sum of what its users send, from the result to the leaves."""
    of = chain.name(chain.root)
    numbers = {node.number for node in shown}
    lines = [Line((total(of, of), _value(chain.seed)))]
    for x in reversed(chain.order):
        users = chain.users.get(x.number, [])
        if not users or any(user.number not in numbers for user in users) or chain.adjoint(x) is None:
            continue
        sides: list[Side] = [total(of, chain.name(x)), _sum([_sent(chain, of, user, x) for user in users])]
        factors = [(chain.adjoint(user), chain.jacobian(user, x)) for user in users]
        if all(m is not None and m.size == 1 and g is not None for g, m in factors):
            sides.append(_sum([_product([np.asarray(g).item(), m.item()]) for g, m in factors]))
        lines.append(Line((*sides, _value(chain.adjoint(x)))))
    about = "d is the derivative all in all, ∂ that of one operation. What comes together at a value is added."
    return Section("Backward, adjoint by adjoint", tuple(lines), about)


def _sent(chain: Chain, of: str, user: Node, x: Node) -> Expr:
    """What a user of x sends it: its own adjoint times its local derivative."""
    local = partial(chain.name(user), chain.name(x))
    return local if chain.begins(user) else Expr("multiply", (total(of, chain.name(user)), local))


def _product(factors: Sequence[float]) -> Expr:
    kept = list(factors[1:] if len(factors) > 1 and factors[0] == 1.0 else factors)
    found = number(float(kept[0]))
    for factor in kept[1:]:
        found = Expr("multiply", (found, number(float(factor))))
    return found


def _sum(terms: Sequence[Expr]) -> Expr:
    found = terms[0]
    for term in terms[1:]:
        found = Expr("add", (found, term))
    return found


def _paths(chain: Chain, shown: Sequence[Node]) -> Section:
    if len(shown) < len(chain.made):
        return Section("", ())
    ways = chain.count()
    lines: list[Line] = []
    for leaf in chain.leaves:
        count = ways[leaf.number]
        adjoint = chain.adjoint(leaf)
        if not count or adjoint is None:
            continue
        end = total(chain.name(chain.root), chain.name(leaf))
        if count > PATHS:
            lines.append(Line((end, _value(adjoint)), f"{count:,} paths to {chain.name(leaf)}, whose sum is"))
            continue
        parts = [_path(chain, path) for path in chain.paths(leaf)]
        lines += [line for line, _ in parts]
        if len(parts) > 1:
            known = [number(float(np.asarray(p).item())) for _, p in parts if p is not None and np.size(p) == 1]
            summed: list[Side] = [_sum(known)] if len(known) == len(parts) else []
            lines.append(Line((end, *summed, _value(adjoint)), "their sum"))
    return Section("Path by path", tuple(lines), "The product of local derivatives along each way; then the sum.")


def _path(chain: Chain, path: Sequence[Node]) -> tuple[Line, Any]:
    steps = list(pairwise(path))
    symbols: Expr | None = None
    for node, x in steps:
        factor = partial(chain.name(node), chain.name(x))
        symbols = factor if symbols is None else Expr("multiply", (symbols, factor))
    found = chain.along(path)
    matrices = [chain.jacobian(node, x) for node, x in steps]
    sides: list[Side] = [] if symbols is None else [symbols]
    if len(matrices) > 1 and all(m is not None and m.size == 1 for m in matrices):
        sides.append(_product([m.item() for m in matrices]))
    if found is not None:
        sides.append(_value(found))
    return Line(tuple(sides), " → ".join(chain.name(node) for node in path)), found


def _composed(chain: Chain) -> Section:
    """The gradient in the names of the leaves, by the chain rule on formulas."""
    whole: dict[str, Expr] = {}
    for node in chain.made:
        formula = chain.formula(node)
        found = apply(formula.head, *(x.replaced(whole) for x in formula.args)) if formula.args else formula
        if found.size <= BOUND // 4:  # what is longer keeps its name
            whole[chain.name(node)] = found
    adjoints: dict[int, Expr | None] = {chain.root.number: ONE}
    for node in reversed(chain.made):
        for x in _inputs(node):
            slope = chain.slope(node, x)
            above = adjoints.get(node.number, ZERO)
            sent = None if slope is None or above is None else apply("multiply", above, slope.replaced(whole))
            before = adjoints.get(x.number, ZERO)
            added = None if sent is None or before is None else apply("add", before, sent)
            adjoints[x.number] = added if added is not None and added.size <= 4 * BOUND else None
    lines = []
    for leaf in chain.leaves:
        slope = adjoints.get(leaf.number)
        adjoint = chain.adjoint(leaf)
        if slope is not None and slope.size <= BOUND and adjoint is not None and np.all(chain.seed == 1.0):
            value = _value(adjoint)
            told: tuple[Side, ...] = (value,) if slope == value else (slope, value)
            lines.append(Line((total(chain.name(chain.root), chain.name(leaf)), *told)))
    return Section("The gradient as one formula", tuple(lines))


# -- closed forms ----------------------------------------------------------------------------------------------


def _closed(chain: Chain, shown: Sequence[Node]) -> Section:
    lines: list[Line] = []
    for node in shown:
        adjoint = chain.adjoint(node)
        if adjoint is None:
            continue
        lines += _shortcuts(chain, node, adjoint)
        op: Op = node.op
        if op.decomposition is not None:
            lines += _derivations(chain, node, adjoint)
    about = "What the chain rule through the decomposition gives, and what the short circuits give instead."
    return Section("Closed forms", tuple(lines), about)


def _derivations(chain: Chain, node: Node, adjoint: Any) -> Iterator[Line]:
    op: Op = node.op
    for x in _inputs(node):
        position = next(i for i, y in enumerate(node.inputs) if y is x)
        yield from _rivals(chain, node, node.inputs, position, x, adjoint, op.name, list(op.derivations.values()))


def _shortcuts(chain: Chain, node: Node, adjoint: Any) -> Iterator[Line]:
    """Shortcuts over this node and the one that it stands on."""
    op: Op = node.op
    for position in range(8):
        rivals, inner = [], None
        for shortcut in op.shortcuts:
            inner = shortcut.reaches(node.inputs, node.params)
            if inner is not None:
                rivals.append(shortcut.derivation)
        if inner is None or position >= len(inner.inputs):
            return
        x = inner.inputs[position]
        if isinstance(x, Node) and x.requires_grad:
            inputs = (*inner.inputs, *node.inputs[1:])
            name = f"{inner.op.name} → {op.name}"
            yield from _rivals(chain, node, inputs, position, x, adjoint, name, rivals)


def _rivals(
    chain: Chain,
    node: Node,
    inputs: Sequence[Any],
    position: int,
    x: Node,
    adjoint: Any,
    name: str,
    derivations: Sequence[Derivation],
) -> Iterator[Line]:
    """What each derivation sends to one input."""
    sent = total(chain.name(chain.root), chain.name(x))
    for derivation in sorted(derivations, key=lambda d: d.name != AUTODIFF):
        try:
            if derivation.assumes:
                derivation.require(name, inputs, node.params)
            with np.errstate(all="ignore"):
                found = pull(node, node.op, tuple(inputs), derivation, adjoint, [position], Choice(), False, False)[
                    position
                ]
        except AssumptionError as error:
            yield Line((), f"{name}, {derivation.name}: not here, as it {str(error).partition(' assumes ')[2]}")
            continue
        if found is None:
            return
        told = f" ({derivation.formula})" if derivation.formula and derivation.name != AUTODIFF else ""
        yield Line((sent, _value(found)), f"{name}, {derivation.name}{told}")
