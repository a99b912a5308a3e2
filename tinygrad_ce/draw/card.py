"""A Value in a notebook: a small card with its shape, dtype and op, its numbers or a map of them, and its gradient."""

from __future__ import annotations

from html import escape

from ..node import Node
from .labels import mapped
from .style import LIGHT, heat
from .summary import Summary, summarise
from .text import clip, lines, table

_BOX = "display:inline-block;border:1px solid #8A8A8A;border-radius:6px;padding:4px 10px;font-size:90%"
_QUIET = "opacity:0.7"
_NUMBER = "text-align:right;padding:0 6px 0 0"
_CELL = "width:9px;height:9px;padding:0;border:0"


def card(v: Node) -> str:
    """The card as HTML. It takes the page's own colours, so that it can be read in light and dark ones."""
    data = summarise(v.data)
    facts = [f"shape {data.shape}" if data.shape else "a number", data.dtype]
    facts.append(f"made by {clip(v.op.name, 40)}" if v.op is not None else "leaf" if v.requires_grad else "constant")
    head = "<br/>".join(f"<b>{escape(line)}</b>" for line in lines(v.label)) if v.label else ""
    told = f'<span style="{_QUIET}">{escape(" · ".join(facts))}</span>'
    parts = [f"<div>{head} {told}</div>", _numbers(data)]
    if v.grad is not None:
        parts.append(f'<hr style="margin:4px 0"/><div><i>gradient</i></div>{_numbers(summarise(v.grad))}')
    elif v.requires_grad and (v.op is None or v.retains):
        parts.append(f'<hr style="margin:4px 0"/><div style="{_QUIET}"><i>gradient not computed</i></div>')
    return f'<div style="{_BOX};border-left:4px solid {LIGHT.leaf[0]}">{"".join(parts)}</div>'


def _numbers(s: Summary) -> str:
    """A table of numbers, beside a map where they are many."""
    cells = [[f'<td style="{_NUMBER}">{escape(cell)}</td>' for cell in row] for row in table(s)]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    numbers = f'<table style="color:inherit"><tbody>{rows}</tbody></table>'
    return f'<div style="display:flex;align-items:center;gap:10px">{_map(s)}{numbers}</div>' if mapped(s) else numbers


def _map(s: Summary) -> str:
    low, high = s.bounds
    cells = [[f'<td style="{_CELL};background:{heat(x, low, high)}"></td>' for x in row] for row in s.grid]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f'<table role="img" aria-label="map of the values" style="border-collapse:collapse">{rows}</table>'
