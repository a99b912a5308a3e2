"""How much memory a competitor's work takes.

allocated     what NumPy holds for it and takes at the peak of a run, as NumPy tells `tracemalloc`
traced        the same of all that Python knows of
resident      what the operating system says that a process of its own grew by: C++ and compilers' memory, too

    python -m benchmarks.memory ROW COMPETITOR      what such a process runs; prints bytes
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .apart import ROOT, command, environment, row_named
from .model import OURS, Competitor

_RUNS = 3  # what is made on first use is then made


def allocated(c: Competitor) -> float:
    """NumPy's arrays at the peak of a run: those kept between runs, and what a run takes on top of them."""
    with _traced():
        run = _warm(c)
        kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, _DOMAIN)])
        arrays = sum(trace.size for trace in kept.traces)
        del kept
        return arrays + _above(run)


def traced(c: Competitor) -> float:
    """What one run takes at its peak, objects and arrays alike."""
    with _traced():
        return _above(c.make())


def resident(row: str) -> Callable[[Competitor], float]:
    """The growth of a process that does the work of this row, measured in a process of its own."""

    def gauge(c: Competitor) -> float:
        done = subprocess.run(
            command("memory", row, c.name), env=environment(1), cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{c.name}: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")
        return float(done.stdout.splitlines()[-1])

    return gauge


def main(row: str, name: str) -> None:
    """Do a competitor's work here, after its library was imported, and print by how much that made the process grow."""
    c = next(c for c in row_named(row).competitors if c.name == name)
    for module in {c.needs or OURS, OURS} if c.ours else {c.needs or "numpy"}:
        import_module(module)
    gc.collect()
    start = _peak()
    _warm(c)
    print(_peak() - start)


# -- pieces ----------------------------------------------------------------------------------------------------

_DOMAIN: Any = np.lib.tracemalloc_domain


def _warm(c: Competitor) -> Any:
    run = c.make()
    for _ in range(_RUNS):
        run()
    return run


@contextmanager
def _traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _above(run: Callable[[], Any]) -> int:
    """What a run takes at its peak beyond what there was before."""
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    run()
    return tracemalloc.get_traced_memory()[1] - before


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # rusage has the peak of the process that started this one in it
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
