"""Text for pictures: numbers in four digits, arrays as small tables, any label made safe."""

from __future__ import annotations

import html
import re

from .summary import Number, Summary

Table = list[list[str]]

_NOT_XML = re.compile(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def number(x: Number) -> str:
    """A number in four significant digits; integers whole, as long as they are short.

    >>> number(138.8338), number(-4.0), number(12345), number(True), number(1e-9 / 3)
    ('138.8', '-4', '12345', 'True', '3.333e-10')
    """
    if isinstance(x, int) and abs(x) < 10**6:
        return str(x)
    if isinstance(x, complex):
        return f"{x.real:.4g}{x.imag:+.4g}i"
    return f"{x + 0.0:.4g}"  # of −0, too: 0


def table(s: Summary) -> Table:
    """The numbers of an array in rows: its own, or their range.

    >>> from .summary import summarise
    >>> import numpy as np
    >>> table(summarise(np.eye(2)))
    [['1', '0'], ['0', '1']]
    >>> table(summarise(np.arange(10.0)))
    [['min', '0'], ['mean', '4.5'], ['max', '9']]
    """
    if s.values is not None:
        cells = [number(x) for x in s.values]
        if not cells:
            return [["empty"]]
        width = s.shape[-1] if len(s.shape) > 1 else len(cells) if len(cells) < 5 else 3
        return [cells[i : i + width] for i in range(0, len(cells), width)]
    lost = [(name, n) for name, n in (("nan", s.nans), ("inf", s.infs)) if n]
    if s.low is None or s.mean is None or s.high is None:
        return [[", ".join(f"{n} {name}" for name, n in lost) or "…"]]
    of = "|·| " if s.dtype.startswith("complex") else ""  # of complex numbers, sizes are told
    if s.low == s.high and not lost:
        return [[f"all {of}{number(s.low)}"]]
    # The mean of integers is left out: they are places and classes.
    middle = [] if "int" in s.dtype else [[f"{of}mean", number(s.mean)]]
    spread = [[f"{of}min", number(s.low)], *middle, [f"{of}max", number(s.high)]]
    return spread + [[name, str(n)] for name, n in lost]


def shape(s: Summary) -> str:
    """Shape and dtype, as far as they say something: a number is float64 unless it says otherwise."""
    dims = str(s.shape) if s.shape else ""
    return " ".join(part for part in (dims, "" if s.dtype == "float64" else s.dtype) if part)


def clip(text: str, width: int) -> str:
    """Text of at most `width` characters, the last of them … where more was said.

    >>> clip("a long story", 7)
    'a long…'
    """
    return text if len(text) <= width else text[: width - 1] + "…"


def lines(label: str, width: int = 40, most: int = 3) -> list[str]:
    """A label in at most `most` lines of at most `width` characters."""
    rows = label.splitlines() or [""]
    kept = [clip(row, width) for row in rows[:most]]
    if len(rows) > most:
        kept[-1] = clip(kept[-1] + "…", width)
    return kept


def safe(text: str) -> str:
    r"""Text for an HTML-like label of Graphviz, which shows it as it is.

    Graphviz replaces \N, \G and the like inside HTML-like labels too, so a backslash is doubled; what XML has
    no way to write becomes the replacement character.

    >>> safe('<b> & "\\N"')
    '&lt;b&gt; &amp; &quot;\\\\N&quot;'
    """
    text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))
    return html.escape(text).replace("\\", "\\\\")
