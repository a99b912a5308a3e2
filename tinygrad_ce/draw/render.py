"""Graphviz source as a picture where no `dot` executable is at hand: pygraphviz's wheels bundle Graphviz.

has_dot()                       is there a `dot` on the PATH?
bundled(source, format)         the picture's bytes, made in this process
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_one_at_a_time = threading.Lock()  # Graphviz's library is not made for threads

NO_RENDERER = (
    "no Graphviz to draw with: run pip install 'tinygrad_ce[render]', or put a `dot` executable on the PATH; "
    "the graph's text is in .source, and .save_picture('graph.dot') writes it"
)


class RenderingError(RuntimeError):
    """Graphviz is missing, or refused the picture."""


def has_dot() -> bool:
    """Whether a `dot` executable is on the PATH."""
    return shutil.which("dot") is not None


def bundled(source: str, format: str, engine: str = "dot") -> bytes:
    """The picture that pygraphviz makes of DOT source.

    Raises
    ------
    RenderingError
        If pygraphviz is missing, or cannot do it.
    """
    try:
        import pygraphviz
    except ImportError:
        raise RenderingError(NO_RENDERER) from None
    with _one_at_a_time, _without_font_warnings():
        try:
            picture = pygraphviz.AGraph(string=source).draw(format=format, prog=engine)
        except Exception as error:
            # pygraphviz 1 calls the executable that is not there.
            message = NO_RENDERER if "not found in path" in str(error) else f"Graphviz cannot draw {format}: {error}"
            raise RenderingError(message) from error
    if not picture:
        raise RenderingError(f"Graphviz cannot draw {format}")
    return bytes(picture)


@contextmanager
def _without_font_warnings() -> Iterator[None]:
    """Drop what the bundled font library says of this machine's font settings; pass on the rest of stderr."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):  # a process without a stderr
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            rest = [line for line in said.read().splitlines(keepends=True) if not line.startswith(b"Fontconfig")]
            if rest:
                os.write(2, b"".join(rest))
