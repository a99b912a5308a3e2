"""Modules that an extra brings, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(module: str) -> Any:
    """The module, or an ImportError that says how to get it."""
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"this needs {module}: run pip install 'tinygrad_ce[proof]'") from None
