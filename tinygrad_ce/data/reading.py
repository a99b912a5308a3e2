"""Files that are the user's: opened, read within bounds, and every trouble a DataError that names the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from .errors import DataError

_PIECE = 1 << 20


def fail(file: str, what: str, line: int | None = None, column: str | None = None) -> NoReturn:
    """Raise a DataError of one line: file, line, column, and what is wrong there."""
    place = file
    if line is not None:
        place += f", line {line}"
    if column is not None:
        place += f", column {column}"
    raise DataError(f"{place}: {what}")


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as error messages show it, on one line."""
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))


@contextmanager
def reading(path: str | os.PathLike[str], wanted: str) -> Iterator[str]:
    """Turn what the system says about a file into a DataError; `wanted` is what to name in a directory's place.

    Yields
    ------
    str
        The path as error messages show it.
    """
    file = shown(path)
    try:
        if Path(path).is_dir():
            fail(file, f"this is a directory: name {wanted} in it")
        yield file
    except FileNotFoundError:
        fail(file, "no such file: check the path")
    except OSError as error:
        fail(file, f"cannot be read: {error.strerror or error}")


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


def piecewise(stream: Stream, size: int) -> bytearray:
    """Read up to `size` bytes: memory is taken as they come, not as they are promised."""
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(_PIECE, size - len(content)))
        if not piece:
            break
        content += piece
    return content
