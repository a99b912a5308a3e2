"""A file of delimited text as numbered rows of cells: reading, decoding, the delimiter, the line numbers."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .reading import fail, reading

# In a tie the first wins: "5,1;3,5;a" is a row of decimal commas between semicolons.
_DELIMITERS = ("\t", ";", ",")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_QUOTED = re.compile(r'"[^"]*("|$)')
_HEAD = 65536


@dataclass(frozen=True)
class Row:
    """The line where a row begins, its cells stripped of surrounding blanks, and the same as written."""

    line: int
    cells: list[str]
    raw: list[str]

    def line_of(self, column: int) -> int:
        """Return the line where a cell begins: a quoted cell before it may span several."""
        return self.line + sum(len(_NEWLINE.findall(cell)) for cell in self.raw[:column])


def read_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the text of a file, and the path as error messages show it."""
    with reading(path, "a CSV file") as file:
        content = Path(path).read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        fail(file, "UTF-16, not UTF-8: save it as UTF-8", line=1)
    if b"\0" in content:
        line = _line_at(content, content.index(b"\0"))
        fail(file, "a binary file, not text: export the table as CSV in UTF-8", line)
    try:
        return content.decode("utf-8-sig"), file
    except UnicodeDecodeError as error:
        byte = content[error.start]
        fail(file, f"byte 0x{byte:02x} is not UTF-8 text: save it as UTF-8", _line_at(content, error.start))


def rows_of(text: str, file: str) -> Iterator[Row]:
    """Yield the rows that are not blank."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            raw = next(reader, None)
        except csv.Error as error:
            why = str(error).replace("\t", "\\t")  # the delimiter, quoted in the parser's message
            fail(file, f"not a row of cells ({why}): check the quotation marks from here on", line)
        if raw is None:
            return
        cells = [cell.strip() for cell in raw]
        if len(cells) > 1 or any(cells):
            yield Row(line, cells, raw)


def _line_at(content: bytes, position: int) -> int:
    return len(_NEWLINE.findall(content[:position].decode("latin-1"))) + 1


def _delimiter(text: str) -> str:
    """Return the delimiter that the first line has most of, outside quotation marks."""
    bare = _QUOTED.sub("quoted", text[:_HEAD])
    first = next((line for line in io.StringIO(bare) if line.strip()), "")
    found = [delimiter for delimiter in _DELIMITERS if delimiter in first]
    return max(found, key=first.count, default=",")
