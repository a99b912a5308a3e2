"""A graph in Graphviz's language: which node says what, and looks how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from . import style
from .graph import Graph, OpNode, ValueNode
from .text import Table, clip, lines, safe, shape, table

Attributes = dict[str, str]


def nodes(graph: Graph) -> Iterator[tuple[str, Attributes]]:
    """Id and attributes of every node."""
    for node in graph.nodes:
        yield node.id, op_attributes(node) if isinstance(node, OpNode) else value_attributes(node)


def edges(graph: Graph) -> Iterator[tuple[str, str, Attributes]]:
    """Ends and attributes of every edge."""
    by_id = {node.id: node for node in graph.nodes}
    inputs = Counter(edge.target for edge in graph.edges)
    for edge in graph.edges:
        source, target = by_id[edge.source], by_id[edge.target]
        quiet = isinstance(source, ValueNode) and source.role == "constant"
        attributes = dict(style.QUIET_EDGE) if quiet else {}
        if isinstance(target, OpNode) and inputs[edge.target] > 1 and target.op not in style.SYMMETRIC:
            attributes["label"] = f"<{safe(clip(edge.name, 16))}>"
        yield edge.source, edge.target, attributes


# -- values ----------------------------------------------------------------------------------------------------


def value_attributes(node: ValueNode) -> Attributes:
    """A rounded box: label and shape, the numbers, and beneath a rule the gradient."""
    look = {"leaf": style.LEAF, "inner": style.INNER, "constant": style.CONSTANT}[node.role]
    result = style.RESULT if node.result else {}
    return {"label": f"<{_table(_value_rows(node))}>", **look, **result}


def _value_rows(node: ValueNode) -> Iterator[str]:
    of = shape(node.data)
    named = "<BR/>".join(f"<B>{safe(line) or ' '}</B>" for line in lines(node.label)) if node.label else ""
    head = "  ".join(part for part in (named, of and _font(safe(of), style.QUIET, 9)) if part)
    if head:
        yield _row(head)
    yield _row(_numbers(table(node.data)))
    if node.grad is not None:
        gradient = _font("<I>grad</I>", style.GRADIENT, 10)
        yield f"<HR/><TR><TD>{gradient}</TD></TR>" if False else f"<HR/>{_row(gradient)}"
        yield _row(_font(_numbers(table(node.grad)), style.GRADIENT))
    elif node.awaits:
        yield f"<HR/>{_row(_font('<I>grad not computed</I>', style.QUIET, 9))}"


def _numbers(rows: Table) -> str:
    if len(rows) == 1:
        return safe(", ".join(rows[0]))
    cells = ("".join(f'<TD ALIGN="RIGHT">{safe(cell)}</TD>' for cell in row) for row in rows)
    return _table((f"<TR>{row}</TR>" for row in cells), spacing=3)
