"""Functions of the package, and of the user, as text that stands alone."""

from __future__ import annotations

from typing import Any


def texts(helpers: dict[str, Any]) -> tuple[list[str], list[str]]:
    return [], []
