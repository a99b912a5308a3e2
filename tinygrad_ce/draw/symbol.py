"""Local derivatives in symbols, for the edges of a picture."""

from __future__ import annotations

from functools import lru_cache

from ..op import Op
from ..partials import partial_of, pulled

LONGEST = 40  # characters


@lru_cache(maxsize=1024)
def symbol(op: Op, position: int) -> str:
    """The derivative of `op` with respect to the input at `position`, in the op's names for its inputs.

    >>> import tinygrad_ce as tg
    >>> registry = tg.registry()
    >>> symbol(registry["multiply"], 0), symbol(registry["matmul"], 1)
    ('y', 'g ↦ xᵀ g')
    """
    if op.partials is not None:
        found = partial_of(op, position)
        text = "" if found is None else found.text()
    else:
        text = pulled(op, position)
        text = f"g ↦ {text}" if text else ""
    return text if len(text) <= LONGEST else ""
