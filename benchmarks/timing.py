"""How one row is measured.

First everybody's answers have to agree: what is wrong is not timed. Then come the rounds. In each of them every
competitor is sampled once, so that whatever else the machine is doing falls on all of them; ratios are taken
within a round, and the median of these is what is quoted. The first one of a round changes from round to
round, and garbage is collected before each sample, so that nobody pays for another's.

Python's cyclic garbage collector stays on while a sample runs (unless the row says otherwise): it runs in real
use, too, and what it costs depends on how many objects a framework makes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from .model import OURS, Competitor, Result, Row, Run, Timing, Verdict

SAMPLE = 0.02  # seconds that one sample takes, at least: far above the clock's resolution
FEWEST = 3  # rounds
Clock = Callable[[], float]


class Disagreement(AssertionError):
    """Two competitors do not compute the same."""


def measure(row: Row, seconds: float) -> Result:
    """Time a row for about that many seconds: as many rounds as fit, and `FEWEST` at least."""
    end = perf_counter() + seconds
    present = row.present
    difference = agreement(row, present)
    runs = {c.name: c.make() for c in present}
    loops = {name: _loops(run, row.clock) for name, run in runs.items()}
    rounds: list[dict[str, float]] = []
    while len(rounds) < FEWEST or perf_counter() < end:
        rounds.append(_round(present, runs, loops, len(rounds), row))
    timings = tuple(_timing(c, row.baseline, rounds, loops.get(c.name, 0)) for c in row.competitors)
    return Result(
        name=row.name,
        what=row.what,
        unit=row.unit,
        baseline=row.baseline,
        rounds=len(rounds),
        timings=timings,
        verdict=_verdict(row, rounds),
        difference=difference,
        facts=row.facts({t.competitor: t for t in timings}) if row.facts else {},
    )


# -- agreement -------------------------------------------------------------------------------------------------


def agreement(row: Row, competitors: Sequence[Competitor]) -> float:
    """The largest relative difference between answers, which has to be within the row's tolerance."""
    if not competitors or row.answers is None:
        return 0.0
    count = row.answers
    first, *others = [(c.name, _answers(c.make(), count)) for c in competitors]
    largest = 0.0
    for name, answer in others:
        difference = _difference(answer, first[1])
        if not difference <= row.tolerance:
            raise Disagreement(f"{name} and {first[0]} differ by {difference:.2g} (at most {row.tolerance:.0e})")
        largest = max(largest, difference)
    return largest


def _answers(run: Run, count: int) -> Any:
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for _ in range(count) for part in _parts(run())])


def _parts(answer: Any) -> Sequence[Any]:
    return answer if isinstance(answer, tuple) else (answer,)


def _difference(a: Any, b: Any) -> float:
    if a.shape != b.shape:
        return float("inf")
    scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
    return float(np.max(np.abs(a - b), initial=0.0)) / scale


# -- rounds ----------------------------------------------------------------------------------------------------


def _loops(run: Run, clock: Clock) -> int:
    """How many runs fill a sample; finding out warms up caches, allocators and tables made on first use."""
    loops, taken = 1, _sample(run, 1, clock)
    while taken < SAMPLE / 2:
        loops *= 2
        taken = _sample(run, loops, clock)
    return max(1, round(loops * SAMPLE / taken))


def _round(
    present: Sequence[Competitor], runs: Mapping[str, Run], loops: Mapping[str, int], number: int, row: Row
) -> dict[str, float]:
    """One sample of everybody, in seconds a unit."""
    start = number % len(present)
    times = {}
    for c in (*present[start:], *present[:start]):
        times[c.name] = _sample(runs[c.name], loops[c.name], row.clock, row.collector) / (loops[c.name] * c.per)
    return times


def _sample(run: Run, loops: int, clock: Clock, collector: bool = True) -> float:
    gc.collect()
    if not collector:
        gc.disable()
    try:
        start = clock()
        for _ in repeat(None, loops):
            run()
        return clock() - start
    finally:
        gc.enable()


# -- what the rounds say ---------------------------------------------------------------------------------------


def ratio(rounds: Sequence[Mapping[str, float]], of: str, to: str) -> float | None:
    """The median over the rounds of one time over another; None where one of the two was not measured."""
    if not rounds or of not in rounds[0] or to not in rounds[0]:
        return None
    return median(times[of] / times[to] for times in rounds)


def _timing(c: Competitor, baseline: str, rounds: Sequence[Mapping[str, float]], runs: int) -> Timing:
    times = [times[c.name] for times in rounds if c.name in times]
    if not times:
        return Timing(c.name)
    return Timing(c.name, median(times), min(times), max(times), ratio(rounds, c.name, baseline), runs)


def _verdict(row: Row, rounds: Sequence[Mapping[str, float]]) -> Verdict | None:
    if row.aim is None:
        return None
    return Verdict(row.aim.against, row.aim.at_most, ratio(rounds, OURS, row.aim.against))
