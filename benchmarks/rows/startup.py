"""What importing the package costs on top of importing NumPy: each import in a new interpreter.

Modules are compiled once and kept, as those of an installed package are, whatever the environment says of that.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any

from ..apart import environment
from ..model import OURS, Aim, Competitor, Row, Run, Timing

_ADDED = "milliseconds added to NumPy's"


def _python(program: str) -> Run:
    kept = {k: v for k, v in environment(1).items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run() -> Any:
        return subprocess.run([sys.executable, "-P", "-c", program], env=kept, check=True).returncode

    return run


def _added(timings: Mapping[str, Timing]) -> dict[str, float]:
    ours, numpy = timings[OURS].median, timings["numpy"].median
    return {} if ours is None or numpy is None else {_ADDED: 1e3 * (ours - numpy)}


ROWS = (
    Row(
        name="import",
        what="A new interpreter that imports the package and ends.",
        unit="import",
        baseline="numpy",
        competitors=(
            *(Competitor(name, partial(_python, f"import {name}")) for name in (OURS, "numpy")),
            *(Competitor(name, partial(_python, f"import {name}"), needs=name) for name in ("torch", "jax")),
            Competitor("nothing", partial(_python, "pass")),
        ),
        aim=Aim(None, 40.0, fact=_ADDED),
        facts=_added,
        clock=perf_counter,
    ),
)
