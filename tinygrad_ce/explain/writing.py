"""An explanation: sections of equations, written as text, as LaTeX and as HTML."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from ..expression import Expr

Side = Expr | str  # an expression, or words and numbers as they are


@dataclass(frozen=True)
class Line:
    """An equation of several sides, after some words. A side that repeats the one before is left out."""

    sides: tuple[Side, ...]
    words: str = ""

    def __post_init__(self) -> None:
        kept = [x for i, x in enumerate(self.sides) if not i or x != self.sides[i - 1]]
        object.__setattr__(self, "sides", tuple(kept))

    def text(self) -> str:
        told = " = ".join(side if isinstance(side, str) else side.text() for side in self.sides)
        return f"{self.words}: {told}" if self.words and told else self.words or told

    def latex(self) -> str:
        told = " = ".join(_quoted(side) if isinstance(side, str) else side.latex() for side in self.sides)
        words = _quoted(self.words + (": " if told else "")) if self.words else ""
        return words + told


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, and equations."""

    title: str
    lines: tuple[Line, ...]
    about: str = ""


@dataclass(frozen=True, repr=False)
class Explanation:
    """The chain rule of one graph, written out.

    Attributes
    ----------
    title : str
    sections : tuple of Section
    text, latex, html : str
        The whole of it; in a notebook it shows as HTML.
    """

    title: str
    sections: tuple[Section, ...]

    @property
    def text(self) -> str:
        parts = [self.title]
        for section in self.sections:
            parts += ["", section.title] + [section.about] * bool(section.about)
            parts += [f"  {line.text()}" for line in section.lines]
        return "\n".join(parts)

    @property
    def latex(self) -> str:
        """For a document with amsmath: headings, and equations in align* environments."""
        parts = [rf"\section*{{{_escaped(self.title)}}}"]
        for section in self.sections:
            parts.append(rf"\subsection*{{{_escaped(section.title)}}}")
            parts += [_escaped(section.about)] * bool(section.about)
            if section.lines:
                rows = " \\\\\n".join(f"& {line.latex()}" for line in section.lines)
                parts.append(f"\\begin{{align*}}\n{rows}\n\\end{{align*}}")
        return "\n".join(parts)

    @property
    def html(self) -> str:
        parts = [f"<p><b>{html.escape(self.title)}</b></p>"]
        for section in self.sections:
            parts.append(f"<p><b>{html.escape(section.title)}</b>")
            parts.append(f"<br>{html.escape(section.about)}</p>" if section.about else "</p>")
            lines = "".join(f"<li><code>{html.escape(line.text())}</code></li>" for line in section.lines)
            parts.append(f'<ul style="list-style:none">{lines}</ul>' if lines else "")
        return f"<div>{''.join(parts)}</div>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data: titles, and each line as text and as LaTeX."""
        return {
            "title": self.title,
            "sections": [
                {
                    "title": section.title,
                    "about": section.about,
                    "lines": [{"text": line.text(), "latex": line.latex()} for line in section.lines],
                }
                for section in self.sections
            ],
        }

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html

    def _repr_latex_(self) -> str:
        return self.latex


_SPECIAL = re.compile(r"[\\{}$&#^_%~]")
_WORDS = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda m: _WORDS.get(m[0], "\\" + m[0]), text)


def _quoted(text: str) -> str:
    return rf"\text{{{_escaped(text)}}}"
