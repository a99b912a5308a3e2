"""What a command is pointed at: modules of the current folder, and what is in them.

is_module, imported     a module by name
value_of                "mymodule:loss_fn" as a Value: what the function returns, or the Value itself
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..value import Value
from .asking import BadInput


def is_module(name: str) -> bool:
    """Whether there is a module of that name."""
    with _here(), suppress(ImportError, ValueError):
        return name.replace(".", "").isidentifier() and find_spec(name) is not None
    return False


def imported(name: str) -> Any:
    """The module of that name."""
    with _here():
        try:
            return import_module(name)
        except Exception as error:
            raise BadInput(f"cannot import {name}: {type(error).__name__}: {error}") from None


def value_of(name: str) -> Value:
    """The Value that "module:name" stands for, where name is a function without arguments, or a Value."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not attribute:
        raise BadInput(f"what to draw is written mymodule:loss_fn, not '{name}'")
    found = imported(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadInput(f"module {module_name} has no '{attribute}'")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, Value):
        try:
            found = found()
        except Exception as error:
            raise BadInput(f"{name}() raised {type(error).__name__}: {error}; it is called without arguments") from None
    if not isinstance(found, Value):
        raise BadInput(f"{name} gives a {type(found).__name__}, and no Value")
    return found


@contextmanager
def _here() -> Iterator[None]:
    """A context in which modules of the current folder are found; it stays so, for modules import others late."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    yield
