"""Where in the user's code a node was made: known of nodes that were recorded under `tg.trace()`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from .node import Node

_OURS = (str(Path(__file__).parent), str(Path(np.__file__).parent))


class Traced:
    """What is remembered of a traced node: its place, and whatever else is to be checked."""

    __slots__ = ("checks", "place")

    def __init__(self, where: str, checks: Any = None) -> None:
        self.place = where
        self.checks = checks


def here() -> str:
    """The innermost line outside of this package and of NumPy that is being run: "file.py:12, in loss"."""
    return told(innermost())


def innermost() -> FrameType:
    """The frame of that line."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return frame


def told(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"


def place(node: Node) -> str:
    """Where a traced node was made; empty for any other."""
    notes = node.notes
    return notes.place if isinstance(notes, Traced) else ""
