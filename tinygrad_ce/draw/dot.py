"""A graph in Graphviz's language: which node says what, and how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from . import style
from .graph import Graph, OpNode, ValueNode
from .text import Table, clip, lines, safe, shape, table

Attributes = dict[str, str]

_LOOKS = {"leaf": style.LEAF, "inner": style.INNER, "constant": style.CONSTANT}


def nodes(graph: Graph) -> Iterator[tuple[str, Attributes]]:
    """Id and attributes of every node."""
    for node in graph.nodes:
        yield node.id, _op(node) if isinstance(node, OpNode) else _value(node)


def edges(graph: Graph) -> Iterator[tuple[str, str, Attributes]]:
    """Ends and attributes of every edge."""
    by_id = {node.id: node for node in graph.nodes}
    inputs = Counter(edge.target for edge in graph.edges)
    for edge in graph.edges:
        source, target = by_id[edge.source], by_id[edge.target]
        constant = isinstance(source, ValueNode) and source.role == "constant"
        attributes = dict(style.QUIET_EDGE) if constant else {}
        if isinstance(target, OpNode) and inputs[target.id] > 1 and target.op not in style.SYMMETRIC:
            attributes["label"] = f"<{safe(clip(edge.name, 16))}>"
        yield edge.source, edge.target, attributes


# -- values ----------------------------------------------------------------------------------------------------


def _value(node: ValueNode) -> Attributes:
    result = style.RESULT if node.result else {}
    return {"label": f"<{_table(_value_rows(node))}>", **_LOOKS[node.role], **result}


def _value_rows(node: ValueNode) -> Iterator[str]:
    """Label and shape, the numbers, and beneath a rule the gradient."""
    head = [f"<B>{_line(line)}</B>" for line in lines(node.label)] if node.label else []
    of = shape(node.data)
    if of:
        head.append(_font(safe(of), style.QUIET, 9))
    if head:
        yield _row(("  " if len(head) < 3 else "<BR/>").join(head))
    numbers = table(node.data)
    if numbers:
        yield _row(_numbers(numbers))
    if node.grad is not None:
        yield f"<HR/>{_row(_font('<I>grad</I>  ', style.GRADIENT, 9) + _gradient(table(node.grad)))}"
    elif node.awaits:
        yield f"<HR/>{_row(_font('<I>grad not computed</I>', style.QUIET, 9))}"
