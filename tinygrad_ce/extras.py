"""Modules that an extra brings, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(module: str, name: str = "proof") -> Any:
    """The module, or an ImportError that says which extra brings it.

    >>> extra("no_such_module", "cli")
    Traceback (most recent call last):
        ...
    ImportError: this needs no_such_module: run pip install 'tinygrad_ce[cli]'
    """
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"this needs {module.partition('.')[0]}: run pip install 'tinygrad_ce[{name}]'") from None
