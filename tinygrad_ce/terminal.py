"""Where commands print: a terminal, as wide as it is; a file or a pipe, a hundred columns (extra `cli`)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """rich's console on standard output."""
    from rich.console import Console

    # A file or a pipe has no width of its own; the tables want a hundred columns.
    piped = not (sys.stdout and sys.stdout.isatty()) and "COLUMNS" not in os.environ
    return Console(highlight=False, width=100 if piped else None)
