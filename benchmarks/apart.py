"""Each row in a process of its own.

A peer fills the memory with objects that the garbage collector visits ever after, and starts threads; no row is to
bear what another one loaded. The number of threads that a linear algebra library uses is settled when it is
loaded, so it is set here, before the process starts, for everybody alike.

    python -m benchmarks.apart NAME SECONDS SLOW     what such a process runs; prints the result as JSON
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from .model import OURS, Result, Row

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
ROOT = Path(__file__).resolve().parents[1]
_LONGEST = 900.0  # seconds, after which a row is given up


def measured_apart(row: Row, seconds: float, threads: int, slow: bool = False, package: Path | None = None) -> Result:
    """The row, measured in a process of its own; a Result with an error where that one failed."""
    try:
        done = subprocess.run(
            command("apart", row.name, str(seconds), str(int(slow))),
            env=environment(threads, package),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + _LONGEST,
        )
    except subprocess.TimeoutExpired:
        return _failed(row, "it took too long")
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return _failed(row, said[-1])
    return Result.from_dict(json.loads(done.stdout.splitlines()[-1]))


def command(module: str, *arguments: str) -> Sequence[str]:
    """What runs a module of the benchmarks, with the package that `environment` names and no other."""
    return [sys.executable, "-P", "-m", f"{__package__}.{module}", *arguments]


def environment(threads: int, package: Path | None = None) -> dict[str, str]:
    """Of a process that finds these benchmarks, our package in the folder `package`, and so many threads.

    Where no folder is named, the package that this process finds.
    """
    found = find_spec(OURS)
    folder = package or (Path(found.origin).parents[1] if found and found.origin else ROOT)
    paths = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    flags = [*filter(None, [os.environ.get("XLA_FLAGS")])]
    if threads == 1:
        flags.append("--xla_cpu_multi_thread_eigen=false")
    return {
        **os.environ,
        **dict.fromkeys(THREADS, str(threads)),
        "PYTHONPATH": os.pathsep.join(paths),
        "XLA_FLAGS": " ".join(flags),
    }


def row_named(name: str) -> Row:
    """The row of that name, wherever it stands; where there are several threads, timed by the wall's clock."""
    from .rows import ROWS, kernels

    row = next(row for row in (*ROWS, *kernels.ROWS) if row.name == name)
    return row if os.environ.get(THREADS[0], "1") == "1" else replace(row, clock=perf_counter)


def main(name: str, seconds: str, slow: str) -> None:
    """Measure one row here and print the result."""
    from .timing import measure

    print(json.dumps(measure(row_named(name), float(seconds), slow == "1").to_dict()))


def _failed(row: Row, error: str) -> Result:
    return Result(row.name, row.what, row.unit, row.baseline, error=error.replace("|", "/"), measures=row.measures)


if __name__ == "__main__":
    main(*sys.argv[1:])
