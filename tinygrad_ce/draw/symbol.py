"""Local derivatives in symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..op import Op


def symbol(op: Op, position: int, params: Mapping[str, Any]) -> str:
    """The derivative of `op` with respect to the input at `position`, in the op's names for its inputs."""
    return ""
