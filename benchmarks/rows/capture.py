"""How long it takes until a compiled training step runs: capture, passes, the text, and the first call.

python -m benchmarks.rows.capture NAME      once, in a new process; prints milliseconds
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from ..apart import ROOT, command, environment
from ..model import OURS, Aim, Competitor, Row, Run, Timing
from .common import Sizes
from .compiled.gpt import HEADS, batch, gpt_step, weights
from .compiled.mlp import mlp_step
from .peers import gpt, mlp
from .peers.common import JAX

COLD = "milliseconds the first time in a process"
Step = tuple[Callable[..., Any], tuple[Any, ...]]  # and what it is called with
_NETWORKS: tuple[tuple[Sizes, int, bool], ...] = (((2, 16, 16, 1), 100, False), ((64, 128, 64, 10), 64, True))


def _ours(make: Callable[[], Step]) -> Run:
    import tinygrad_ce as tg

    step, given = make()
    return lambda: tg.compile(step)(*given).data


def _jax(make: Callable[[], Run]) -> Run:
    """A fresh function each time, which is compiled again, and its first call."""
    return lambda: make()()


def _row(what: str, make: Callable[[], Step], at_most: float, jax: Callable[[], Run]) -> Row:
    name = f"capture, {what}"
    return Row(
        name=name,
        what="From the function to the end of its first call.",
        unit="capture",
        baseline=OURS,
        competitors=(
            Competitor(OURS, partial(_ours, make)),
            Competitor(JAX, partial(_jax, jax), needs="jax"),
        ),
        aim=Aim(None, at_most),
        facts=partial(_cold, name),
        tolerance=1e-8,
    )


def _cold(name: str, timings: Mapping[str, Timing]) -> dict[str, float]:
    done = subprocess.run(
        command("rows.capture", name), env=environment(1), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {COLD: float(done.stdout.splitlines()[-1])}


def main(name: str) -> None:
    """Print what our first capture in this process takes, imports before and not counted."""
    row = next(row for row in ROWS if row.name == name)
    run = row.competitors[0].make()
    start = perf_counter()
    run()
    print(1e3 * (perf_counter() - start))


ROWS = tuple(
    _row(
        f"MLP {'-'.join(map(str, sizes))}",
        partial(mlp_step, sizes, n, adam),
        0.05,
        partial(mlp.jitted, sizes, n, adam),
    )
    for sizes, n, adam in _NETWORKS
) + (_row("GPT of one layer", gpt_step, 0.3, partial(gpt.jitted, weights, batch, HEADS)),)

if __name__ == "__main__":
    main(*sys.argv[1:])
