"""Each row in a process of its own.

A peer fills the memory with objects that the garbage collector visits ever after, and starts threads; no row is to
bear what another one loaded. The number of threads that a linear algebra library uses is settled when it is
loaded, so it is set here, before the process starts, for everybody alike.

    python -m benchmarks.apart NAME SECONDS      what such a process runs; prints the result as JSON
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .model import Result, Row

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_ROOT = Path(__file__).resolve().parents[1]


def measured_apart(row: Row, seconds: float, threads: int) -> Result:
    """The row, measured in a process of its own; a Result with an error where that one failed."""
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.apart", row.name, str(seconds)],
        env={**os.environ, **dict.fromkeys(THREADS, str(threads))},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Result(row.name, row.what, row.unit, row.baseline, error=said[-1])
    return Result.from_dict(json.loads(done.stdout.splitlines()[-1]))


def main(name: str, seconds: str) -> None:
    """Measure one row here and print the result."""
    from .rows import AGAINST, ROWS, kernels
    from .timing import measure

    row = next(row for row in (*ROWS, *AGAINST, *kernels.ROWS) if row.name == name)
    print(json.dumps(measure(row, float(seconds)).to_dict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
