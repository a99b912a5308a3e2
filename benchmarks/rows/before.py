"""Nodes and steps beside those of another commit: `python -m benchmarks --against COMMIT`.

A node is to cost no more than it did; 3 % is what one run and the next agree to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..model import BEFORE, OURS, Aim, Competitor, Row
from . import scalar, tensor, training


def _row(what: str, unit: str, run: Callable[[str], Any], per: int = 1) -> Row:
    return Row(
        name=f"{what}, against another commit",
        what="The row of that name, in one process with the other commit's package.",
        unit=unit,
        baseline=BEFORE,
        competitors=(
            Competitor(OURS, partial(run, OURS), per=per),
            Competitor(BEFORE, partial(run, BEFORE), needs=BEFORE, per=per),
        ),
        aim=Aim(against=BEFORE, at_most=1.03),
    )


ROWS = (
    _row(f"scalar chain of {scalar.LINKS}", "node", scalar.chain, scalar.LINKS),
    _row("tensor chain, constants", "node", partial(tensor.ours, False), 3 * tensor.TURNS),
    _row("tensor chain, leaves", "node", partial(tensor.ours, True), 3 * tensor.TURNS),
    _row("training step, batch 32", "step", partial(training.ours, 32)),
    _row("training step, batch 64", "step", partial(training.ours, 64)),
)
