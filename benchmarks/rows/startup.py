"""What importing the package costs on top of importing NumPy: each import in a new interpreter.

Modules are compiled once and kept, as those of an installed package are, whatever the environment says of that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..model import OURS, Competitor, Row, Run, Timing


def _python(program: str) -> Run:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run() -> Any:
        return subprocess.run([sys.executable, "-c", program], env=environment, check=True).returncode

    return run


def _added(timings: Mapping[str, Timing]) -> dict[str, float]:
    ours, numpy = timings[OURS].median, timings["numpy"].median
    return {} if ours is None or numpy is None else {"milliseconds added to NumPy's": 1e3 * (ours - numpy)}


ROWS = (
    Row(
        name="import",
        what="A new interpreter that imports the package and ends.",
        unit="import",
        baseline="numpy",
        competitors=(
            *(Competitor(name, partial(_python, f"import {name}")) for name in (OURS, "numpy")),
            Competitor("torch", partial(_python, "import torch"), needs="torch"),
            Competitor("nothing", partial(_python, "pass")),
        ),
        facts=_added,
    ),
)
