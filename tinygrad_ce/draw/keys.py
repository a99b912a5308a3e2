"""An op's options as short text: only those that are not the default, and an index as one writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..op import Op


def written(op: Op, params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values of the options that say something."""
    if not params:
        return ()
    return tuple(
        [
            (name, _index(value) if name == "key" and isinstance(value, tuple) else _short(value))
            for name, value in params.items()
            if name not in op.defaults or not _same(value, op.defaults[name])
        ]
    )


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _short(value: Any) -> str:
    return getattr(value, "__name__", None) or str(value)


def _index(key: tuple[Any, ...]) -> str:
    """The constant part of an index, as `ops.indexing.encode` leaves it.

    >>> _index((("slice", 1, None, None), ("array", 0), ..., None, -1))
    '1:, array, ..., None, -1'
    """
    return ", ".join(_index_part(part) for part in key)


def _index_part(part: Any) -> str:
    if not isinstance(part, tuple):
        return "..." if part is Ellipsis else str(part)
    if part[0] != "slice":
        return str(part[0])
    start, stop, step = ["" if bound is None else str(bound) for bound in part[1:]]
    return f"{start}:{stop}" + (f":{step}" if step else "")
