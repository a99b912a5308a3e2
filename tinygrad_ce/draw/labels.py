"""Pieces of Graphviz's HTML-like labels: tables, numbers in rows and columns, heat maps, small and bold text."""

from __future__ import annotations

from collections.abc import Iterable

from .style import heat
from .summary import Summary
from .text import Table, clip, lines, number, safe, table

GAP = '<TD WIDTH="5"></TD>'
CELL = 7  # points


def rows_of(rows: Iterable[str], spacing: int = 1) -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="{spacing}">{"".join(rows)}</TABLE>'


def wide(content: str) -> str:
    return f'<TR><TD COLSPAN="2">{content}</TD></TR>'


def left(content: str) -> str:
    return f'<TR><TD ALIGN="LEFT">{content}</TD></TR>'


def font(content: str, color: str = "", size: int = 0) -> str:
    attributes = (f' COLOR="{color}"' if color else "") + (f' POINT-SIZE="{size}"' if size else "")
    return f"<FONT{attributes}>{content}</FONT>"


def bold(text: str) -> str:
    return f"<B>{safe(text)}</B>" if text.strip() else " "


def title(label: str) -> list[str]:
    """A label, line by line."""
    return [bold(line) for line in lines(label)] if label else []


def numbers(s: Summary, color: str = "") -> str:
    """An array: its few numbers, or a small map of its many beside their range."""
    text = grid(table(s), color)
    if not mapped(s):
        return text
    return rows_of([f"<TR><TD>{heat_map(s)}</TD>{GAP}<TD>{text}</TD></TR>"])


def mapped(s: Summary) -> bool:
    """Whether an array is shown as a map."""
    return bool(s.grid) and s.low != s.high


def grid(rows: Table, color: str = "") -> str:
    """Numbers in rows and columns."""

    def cell(text: str) -> str:
        return font(safe(text), color) if color else safe(text)

    if not rows:
        return ""
    if len(rows) == 1:
        return cell(", ".join(rows[0]))
    sides = ["LEFT" if rows[0][0] == "min" else "RIGHT"] + ["RIGHT"] * (len(rows[0]) - 1)
    filled = (
        GAP.join(f'<TD ALIGN="{side}">{cell(x)}</TD>' for side, x in zip(sides, row, strict=False)) for row in rows
    )
    return rows_of(f"<TR>{line}</TR>" for line in filled)


def heat_map(s: Summary) -> str:
    """The map of a large array, from dark (low) to light (high); where there are both signs, zero is in the middle."""
    low, high = s.bounds
    filled = (
        "".join(
            f'<TD FIXEDSIZE="TRUE" WIDTH="{CELL}" HEIGHT="{CELL}"{_background(heat(x, low, high))}></TD>' for x in row
        )
        for row in s.grid
    )
    size = f'FIXEDSIZE="TRUE" WIDTH="{CELL * len(s.grid[0])}" HEIGHT="{CELL * len(s.grid)}"'  # or it would be stretched
    rows = "".join(f"<TR>{line}</TR>" for line in filled)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" {size}>{rows}</TABLE>'


def _background(color: str) -> str:
    return f' BGCOLOR="{color}"' if color else ""


def brief(s: Summary, most: int = 3) -> str:
    """An array in a few characters: its numbers, the one that all are, or its norm."""
    if s.values is not None:
        if s.values and all(x == s.values[0] for x in s.values):
            return number(s.values[0])
        if 0 < len(s.values) <= most:
            return ", ".join(number(x) for x in s.values)
        if not s.values:
            return ""
        return f"‖·‖ {number(sum(abs(x) ** 2 for x in s.values) ** 0.5)}"
    if s.low is not None and s.low == s.high and not s.nans + s.infs and not s.dtype.startswith("complex"):
        return number(s.low)
    lost = [f"{n} {name}" for name, n in (("nan", s.nans), ("inf", s.infs)) if n]
    return ", ".join(([] if s.norm is None else [f"‖·‖ {number(s.norm)}"]) + lost)


def counted(ops: Iterable[tuple[str, int]], most: int = 4) -> str:
    """Operations and how many of each: 'add 3, matmul 2'."""
    listed = list(ops)
    shown = ", ".join(f"{clip(name, 24)} {count:,}" if count > 1 else clip(name, 24) for name, count in listed[:most])
    return shown + ", …" * (len(listed) > most)
