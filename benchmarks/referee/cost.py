"""What gradcheck takes, in seconds: one loss with everything on, and the whole registry."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce.derivation import AssumptionError

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
    """Every derivation of every op, at every sample that the op brings and its assumptions allow."""
    start = perf_counter()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        verdicts = sum(pool.imap_unordered(_checked, list(tg.registry()), chunksize=1), Counter())
    what = f"`check_subject` of the whole registry, {verdicts.total()} derivations × samples, {jobs} processes"
    found = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
    return Cost(what, perf_counter() - start, 300.0, f"{found}.")


def _checked(key: str) -> Counter[str]:
    from tinygrad_ce.check.gradcheck import check_subject
    from tinygrad_ce.check.precision import quiet
    from tinygrad_ce.check.subject import of_derivation

    op, verdicts = tg.registry()[key], Counter[str]()
    for inputs, params in op.samples(np.random.default_rng(3)) if op.samples is not None else ():
        for name, derivation in op.derivations.items():
            with quiet():
                try:
                    derivation.require(op.name, tuple(inputs), {**op.defaults, **params})
                    verdicts[check_subject(of_derivation(op, name, inputs, params)).verdict] += 1
                except AssumptionError:
                    continue
                except Exception as error:
                    verdicts[f"{type(error).__name__} in {op.name}, '{name}'"] += 1
    return verdicts


def _timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """The least of several times, on the clock and of the processor, after a run that loads what is loaded late."""
    result, least, least_cpu = run(), float("inf"), float("inf")
    for _ in range(REPEATS):
        start, start_cpu = perf_counter(), process_time()
        run()
        least, least_cpu = min(least, perf_counter() - start), min(least_cpu, process_time() - start_cpu)
    return least, least_cpu, result
