"""What gradcheck takes, in seconds: one loss with everything on, and the whole registry."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

import tinygrad_ce as tg

SIZE = (64, 10)
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """What was measured: seconds, the aim, and what was found on the way."""

    what: str
    seconds: float
    aim: float
    found: str

    def __str__(self) -> str:
        met = "met" if self.seconds <= self.aim else "**missed**"
        return f"- {self.what}: {self.seconds:.2f} s; the aim, at most {self.aim:g} s, is {met}. {self.found}"


def costs(whole: bool = True) -> Iterator[Cost]:
    """The loss at (64, 10), its best of five runs in a row after the first; `whole`: the registry too."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=SIZE) * 2.0, rng.integers(0, SIZE[1], size=SIZE[0])
    loss = f"softmax_cross_entropy at {SIZE[0]} × {SIZE[1]}"
    took, cpu, report = _timed(lambda: tg.gradcheck(lambda z: tg.softmax_cross_entropy(z, y), z))
    found = f"{report.verdict}; {cpu:.2f} s of the processor's time, {len(report.points)} other points."
    yield Cost(f"`gradcheck` of {loss}, class indices, everything on", took, 3.0, found)
    if whole:
        yield registry(os.cpu_count() or 1)


def registry(jobs: int) -> Cost:
    """`check_registry` over as many processes as there are cores."""
    start = perf_counter()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        report = tg.check_registry(executor=pool)
    took = perf_counter() - start
    what = f"`check_registry`, {len(report.ops)} ops in {len(report.units)} pieces, {jobs} processes"
    return Cost(what, took, 300.0, f"{report.verdict}.")


def _timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """The least of several times, on the clock and of the processor, after a run that loads what is loaded late."""
    result, least, least_cpu = run(), float("inf"), float("inf")
    for _ in range(REPEATS):
        start, start_cpu = perf_counter(), process_time()
        run()
        least, least_cpu = min(least, perf_counter() - start), min(least_cpu, process_time() - start_cpu)
    return least, least_cpu, result
