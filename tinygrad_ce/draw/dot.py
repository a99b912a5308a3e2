"""A graph in Graphviz's language: which node says what, and how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import style
from .graph import Graph, GroupNode, OpNode, ValueNode
from .text import Table, clip, lines, safe, shape, table

Attributes = dict[str, str]

_LOOKS = {"leaf": style.LEAF, "inner": style.INNER, "constant": style.CONSTANT}


def nodes(graph: Graph) -> Iterator[tuple[str, Attributes]]:
    """Id and attributes of every node."""
    for node in graph.nodes:
        yield node.id, _value(node) if isinstance(node, ValueNode) else _op(node)


def edges(graph: Graph) -> Iterator[tuple[str, str, Attributes]]:
    """Ends and attributes of every edge."""
    by_id = {node.id: node for node in graph.nodes}
    inputs = Counter(edge.target for edge in graph.edges)
    for edge in graph.edges:
        source, target = by_id[edge.source], by_id[edge.target]
        role = source.role if isinstance(source, ValueNode) else "inner"
        attributes = dict({"constant": style.QUIET_EDGE, "inner": style.SPINE}.get(role, {}))
        if isinstance(target, OpNode) and inputs[target.id] > 1 and target.op not in style.SYMMETRIC:
            attributes["label"] = f"<{safe(clip(edge.name, 16))}>"
        yield edge.source, edge.target, attributes


# -- values ----------------------------------------------------------------------------------------------------


def _value(node: ValueNode) -> Attributes:
    result = style.RESULT if node.result else {}
    return {"label": f"<{_table(_value_rows(node))}>", **_LOOKS[node.role], **result}


def _value_rows(node: ValueNode) -> Iterator[str]:
    """Label and shape, the numbers, and beneath a rule the gradient."""
    head = [_bold(line) for line in lines(node.label)] if node.label else []
    of = shape(node.data)
    if of:
        head.append(_small(safe(of)))
    if head:
        yield _wide(("  " if len(head) < 3 else "<BR/>").join(head))
    numbers = table(node.data)
    if numbers:
        yield _wide(_grid(numbers))
    if node.grad is not None:
        name = _font("<I>grad</I>", style.GRADIENT, 9)
        yield f"<HR/><TR><TD>{name}&#160;</TD><TD>{_grid(table(node.grad), style.GRADIENT)}</TD></TR>"
    elif node.awaits:
        yield "<HR/>" + _wide(_small("<I>grad not computed</I>"))


def _grid(rows: Table, color: str = "") -> str:
    """Numbers in rows and columns."""

    def cell(text: str) -> str:
        return _font(safe(text), color) if color else safe(text)

    if len(rows) == 1:
        return cell(", ".join(rows[0]))
    sides = ["LEFT" if rows[0][0] == "min" else "RIGHT"] + ["RIGHT"] * (len(rows[0]) - 1)
    lines = (
        _GAP.join(f'<TD ALIGN="{side}">{cell(x)}</TD>' for side, x in zip(sides, row, strict=False)) for row in rows
    )
    return _table(f"<TR>{line}</TR>" for line in lines)


# -- ops -------------------------------------------------------------------------------------------------------


def _op(node: OpNode | GroupNode) -> Attributes:
    """An ellipse: the op's sign or name, its options beneath."""
    if isinstance(node, GroupNode):
        return {"label": safe(node.name)}
    params = [f"{name}={clip(value, 24)}" for name, value in node.params]
    name = safe(clip(node.op, 40))
    if node.op in style.SYMBOLS:
        name = _font(style.SYMBOLS[node.op], size=15)
    elif node.op == "getitem" and node.params:
        name, params = safe(f"[{clip(node.params[0][1], 24)}]"), []
    rows = [_wide(name), *(_wide(_small(safe(text))) for text in params)]
    return {"label": f"<{_table(rows)}>", **style.OP}


# -- the legend ------------------------------------------------------------------------------------------------


def legend(graph: Graph, marks: Sequence[tuple[str, Mapping[str, str]]] = ()) -> str:
    """What the shapes mean, for those that occur, and what `marks` mean: an HTML-like label."""
    values = [node for node in graph.nodes if isinstance(node, ValueNode)]
    roles = {node.role for node in values}
    samples = [
        ("leaf" in roles, "leaf, gets a gradient", style.LEAF, "ROUNDED"),
        ("inner" in roles, "made by an operation", style.INNER, "ROUNDED"),
        ("constant" in roles, "constant", style.CONSTANT, "ROUNDED,DASHED"),
        (len(values) < len(graph.nodes), "ellipse: operation", style.OP, "ROUNDED"),
    ]
    cells = [_sample(text, look, border) for there, text, look, border in samples if there]
    cells.append(f"<TD>{_small('thick: the result')}</TD>")
    cells += [_sample(text, look, "ROUNDED") for text, look in marks]
    row = "".join(cells)
    return f"<{_table([f'<TR>{row}</TR>'], spacing=6)}>"


def _sample(text: str, look: Mapping[str, str], border: str) -> str:
    return (
        f'<TD BORDER="1" CELLPADDING="3" STYLE="{border}" COLOR="{look["color"]}" BGCOLOR="{look["fillcolor"]}">'
        f"{_small(safe(text))}</TD>"
    )


# -- pieces of HTML-like labels --------------------------------------------------------------------------------


_GAP = '<TD WIDTH="5"></TD>'


def _table(rows: Iterable[str], spacing: int = 1) -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="{spacing}">{"".join(rows)}</TABLE>'


def _wide(content: str) -> str:
    return f'<TR><TD COLSPAN="2">{content}</TD></TR>'


def _font(content: str, color: str = "", size: int = 0) -> str:
    attributes = (f' COLOR="{color}"' if color else "") + (f' POINT-SIZE="{size}"' if size else "")
    return f"<FONT{attributes}>{content}</FONT>"


def _small(content: str) -> str:
    return _font(content, style.QUIET, 9)


def _bold(text: str) -> str:
    return f"<B>{safe(text)}</B>" if text.strip() else " "
