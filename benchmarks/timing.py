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
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import numpy as np

from .model import OURS, Aim, Competitor, Result, Row, Run, Timing, Verdict

SAMPLE = 0.02  # seconds that one sample takes, at least: far above the clock's resolution
Clock = Callable[[], float]
Round = Mapping[str, float]  # what each competitor took, a unit


class Disagreement(AssertionError):
    """Two competitors do not compute the same."""


def measure(row: Row, seconds: float, slow: bool = False) -> Result:
    """Time a row for about that many seconds: as many rounds as fit, and `row.fewest` at least."""
    end = perf_counter() + seconds
    runs, answers, absent = started(row, slow)
    difference = farthest(row, answers)
    sampled = sampler(row, runs)
    names = list(runs)
    rounds: list[Round] = []
    while len(rounds) < row.fewest or (row.gauge is None and perf_counter() < end):
        start = len(rounds) % len(names)
        rounds.append({name: sampled(name) for name in (*names[start:], *names[:start])})
    timings = tuple(_timing(c.name, row.baseline, rounds, absent.get(c.name, "")) for c in row.competitors)
    facts = dict(row.facts({t.competitor: t for t in timings})) if row.facts else {}
    return Result(
        name=row.name,
        what=row.what,
        unit=row.unit,
        baseline=row.baseline,
        rounds=len(rounds),
        timings=timings,
        verdicts=tuple(_verdict(aim, rounds, facts) for aim in row.aims),
        difference=difference,
        facts=facts,
        measures=row.measures,
    )


# -- who takes part --------------------------------------------------------------------------------------------


def started(row: Row, slow: bool = False) -> tuple[dict[str, Run], dict[str, Any], dict[str, str]]:
    """Runs and first answers of those who take part, by name, and of the others why they do not.

    A peer that is installed and fails to start (there is no C compiler, say) is left out; where we fail, the row does.
    """
    runs, answers, absent = {}, {}, {}
    for c in row.competitors:
        if not c.installed:
            absent[c.name] = "not installed"
        elif c.slow and not slow:
            absent[c.name] = "with --slow only"
        else:
            try:
                run = c.make()
                answers[c.name] = _answers(run, row.answers)
            except Exception as error:
                if c.needs in (None, OURS):
                    raise
                absent[c.name] = f"did not start: {_line(error)}"
            else:
                runs[c.name] = run
    return runs, answers, absent


def _line(error: Exception) -> str:
    """Its first line, which fits into a table."""
    said = (str(error).strip().splitlines() or [""])[0].replace("|", "/")
    return f"{type(error).__name__}: {said[:80]}"


# -- agreement -------------------------------------------------------------------------------------------------


def agreement(row: Row, competitors: Sequence[Competitor]) -> float:
    """The largest relative difference between their answers, which has to be within the row's tolerance."""
    return farthest(row, {c.name: _answers(c.make(), row.answers) for c in competitors})


def farthest(row: Row, answers: Mapping[str, Any]) -> float:
    """The same of answers by name: how far they are from the baseline's, or the first one's if it takes no part."""
    if not answers or row.answers is None:
        return 0.0
    standard = row.baseline if row.baseline in answers else next(iter(answers))
    largest = 0.0
    for name, answer in answers.items():
        difference = _difference(answer, answers[standard])
        if not difference <= row.tolerance:
            raise Disagreement(f"{name} and {standard} differ by {difference:.2g} (at most {row.tolerance:.0e})")
        largest = max(largest, difference)
    return largest


def _answers(run: Run, count: int | None) -> list[Any]:
    """What so many runs answer, as arrays."""
    return [np.asarray(part, dtype=float) for _ in range(count or 0) for part in _parts(run())]


def _parts(answer: Any) -> Sequence[Any]:
    return answer if isinstance(answer, tuple) else (answer,)


def _difference(a: list[Any], b: list[Any]) -> float:
    """The largest of two answers' differences, each array's relative to the largest number in it."""
    if [x.shape for x in a] != [x.shape for x in b]:
        return float("inf")
    return max((_relative(x, y) for x, y in zip(a, b, strict=True)), default=0.0)


def _relative(a: Any, b: Any) -> float:
    scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
    return float(np.max(np.abs(a - b), initial=0.0)) / scale


# -- samples ---------------------------------------------------------------------------------------------------


def sampler(row: Row, runs: dict[str, Run]) -> Callable[[str], float]:
    """What asks one of them, by name, for one sample: seconds (bytes) a unit."""
    competitors = {c.name: c for c in row.competitors}
    gauge = row.gauge
    if gauge is not None:
        return lambda name: gauge(competitors[name]) / competitors[name].per
    loops = {name: _loops(run, row.clock) for name, run in runs.items()}

    def sampled(name: str) -> float:
        taken = _sample(runs[name], loops[name], row.clock, row.collector)
        return taken / (loops[name] * competitors[name].per)

    return sampled


def _loops(run: Run, clock: Clock) -> int:
    """How many runs fill a sample; finding out warms up caches, allocators and tables made on first use."""
    loops, taken = 1, _timed(run, 1, clock)
    while taken < SAMPLE / 2:
        loops *= 2
        taken = _timed(run, loops, clock)
    return max(1, round(loops * SAMPLE / taken))


def _sample(run: Run, loops: int, clock: Clock, collector: bool) -> float:
    gc.collect()
    if not collector:
        gc.disable()
    try:
        return _timed(run, loops, clock)
    finally:
        gc.enable()


def _timed(run: Run, loops: int, clock: Clock) -> float:
    start = clock()
    for _ in repeat(None, loops):
        run()
    return clock() - start


# -- what the rounds say ---------------------------------------------------------------------------------------


def ratio(rounds: Sequence[Round], of: str, to: str) -> float | None:
    """The median over the rounds of one time over another; None where one of the two was not measured."""
    found = _ratios(rounds, of, to)
    return median(found) if found else None


def _ratios(rounds: Sequence[Round], of: str, to: str) -> list[float]:
    return [times[of] / times[to] for times in rounds if of in times and to in times]


def _timing(name: str, baseline: str, rounds: Sequence[Round], absent: str) -> Timing:
    times = [times[name] for times in rounds if name in times]
    if not times:
        return Timing(name, absent=absent)
    ratios = _ratios(rounds, name, baseline)
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3 or (None,) * 3
    return Timing(
        name,
        median(times),
        min(times),
        max(times),
        ratio(rounds, name, baseline),
        None if low is None or high is None else (low, high),
    )


def _verdict(aim: Aim, rounds: Sequence[Round], facts: Mapping[str, float]) -> Verdict:
    if aim.fact is not None:
        found = facts.get(aim.fact)
    elif aim.against is not None:
        found = ratio(rounds, aim.who, aim.against)
    else:
        times = [times[aim.who] for times in rounds if aim.who in times]
        found = median(times) if times else None
    return Verdict(aim.who, aim.against, aim.fact, aim.at_most, found)
