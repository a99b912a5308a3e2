"""How two commits are compared: compare.py is the command.

The rows are this tree's, done with either commit's package. Each commit has a process, and the two are asked for a
sample in turn, so that whatever else the machine does falls on both. Two processes of the very same code differ by
a few per cent, too, by where their memory lies; so there are several pairs of processes, and a commit is called faster
or slower where every pair says so, by more than `--margin`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from .cli import positive
from .commits import WORKING_TREE, checked_out, read
from .model import Result, Row, Timing, is_ours, matching
from .report import digits, markdown
from .rows import ROWS
from .timing import Disagreement, farthest
from .worker import Unable, Worker

_HEAD = ("row", "who", "new / old", "pairs from … to", "")


@dataclass(frozen=True)
class Comparison:
    """One competitor of one row: the ratios of new to old, or why there are none."""

    row: str
    who: str
    low: float | None = None
    middle: float | None = None
    high: float | None = None
    why: str = ""

    def verdict(self, margin: float) -> str:
        """Faster or slower where all that was found says so, by more than the margin; same where not."""
        if self.low is None or self.high is None:
            return self.why
        return "faster" if self.high < 1.0 - margin else "slower" if self.low > 1.0 + margin else "same"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when something was compared, 2 when nothing could be."""
    parser = _parser()
    options = parser.parse_args(arguments)
    files = [name.endswith(".json") for name in (options.old, options.new)]
    try:
        if any(files) and not all(files):
            raise ValueError("two commits can be compared, or two files, but not one with the other")
        found = of_files(options) if all(files) else of_commits(options)
        if not found:
            raise ValueError(f"no row's name contains {options.only!r}")
    except ValueError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(table(found, options.margin))
    return 0


def table(found: Sequence[Comparison], margin: float) -> str:
    """A line for each."""
    lines = [(c.row, c.who, *_figures(c), _marked(c.verdict(margin))) for c in found]
    return markdown(_HEAD, lines, right=("new / old",))


# -- files -----------------------------------------------------------------------------------------------------


def of_files(options: argparse.Namespace) -> list[Comparison]:
    """Two runs: each time in its own run's baseline where that is not ours, which takes out most of the machine."""
    read_rows = [matching(read(Path(name)), options.only) for name in (options.old, options.new)]
    old, new = [{r.name: r for r in rows} for rows in read_rows]
    found = []
    for name in dict.fromkeys((*old, *new)):
        if name not in old or name not in new:
            found.append(Comparison(name, "", why=f"only in {options.new if name in new else options.old}"))
        else:
            found += _of_results(old[name], new[name])
    return found


def _of_results(old: Result, new: Result) -> Iterator[Comparison]:
    failed = old.error or new.error
    if failed:
        yield Comparison(old.name, "", why=failed)
    before = {t.competitor: t for t in old.timings}
    for now in new.timings:
        if is_ours(now.competitor) and now.competitor in before:
            yield _of_timings(new, before[now.competitor], now)


def _of_timings(row: Result, old: Timing, new: Timing) -> Comparison:
    if old.median is None or new.median is None:
        return Comparison(row.name, new.competitor, why=old.absent or new.absent or "not measured")
    a, b = _span(row, old), _span(row, new)
    return Comparison(row.name, new.competitor, b[0] / a[2], b[1] / a[1], b[2] / a[0])


def _span(row: Result, t: Timing) -> tuple[float, float, float]:
    """Low, middle, high: the quartiles of the ratios to the baseline, or the times where that is ours, too."""
    if t.ratio is not None and t.ratios is not None and not is_ours(row.baseline):
        return t.ratios[0], t.ratio, t.ratios[1]
    return t.low or 0.0, t.median or 0.0, t.high or 0.0


# -- commits ---------------------------------------------------------------------------------------------------


def of_commits(options: argparse.Namespace) -> list[Comparison]:
    """Two commits' packages, at the same rows in turn."""
    rows = matching(ROWS, options.only)
    found = []
    with ExitStack() as stack:
        old, new = [stack.enter_context(checked_out(commit)) for commit in (options.old, options.new)]
        for number, row in enumerate(rows, 1):
            print(f"[{number}/{len(rows)}] {row.name}", file=sys.stderr, flush=True)
            found += of_row(row, old, new, options.budget / len(rows), options)
    return found


def of_row(row: Row, old: Path, new: Path, seconds: float, options: argparse.Namespace) -> list[Comparison]:
    """Our competitors in one row: several pairs of processes, one after the other."""
    pairs: list[dict[str, float]] = []
    for number in range(options.pairs):
        try:
            pairs.append(_pair(row, old, new, seconds / options.pairs, bool(number % 2), options.threads))
        except (Unable, Disagreement) as error:
            return [Comparison(row.name, "", why=str(error))]
    names = [name for name in pairs[0] if all(name in pair for pair in pairs)]
    ratios = {name: [pair[name] for pair in pairs] for name in names}
    return [Comparison(row.name, name, min(r), median(r), max(r)) for name, r in ratios.items()]


def _pair(row: Row, old: Path, new: Path, seconds: float, new_first: bool, threads: int) -> dict[str, float]:
    """Two fresh processes that take turns: for each competitor the median of new / old within rounds."""
    end = perf_counter() + seconds
    with Worker(row.name, old, threads) as a, Worker(row.name, new, threads) as b:
        names = _agreed(row, _said("old", a), _said("new", b))
        rounds: list[dict[str, float]] = []
        while len(rounds) < row.fewest or (row.gauge is None and perf_counter() < end):
            swapped = new_first != bool(len(rounds) % 2)
            rounds.append({name: _turn(name, a, b, swapped) for name in names})
    return {name: median(ratios[name] for ratios in rounds) for name in names}


def _turn(name: str, old: Worker, new: Worker, swapped: bool) -> float:
    """New / old of one sample each; swapped: the new one first."""
    took = {worker: worker.sample(name) for worker in ((new, old) if swapped else (old, new))}
    return took[new] / took[old]


def _said(which: str, worker: Worker) -> dict[str, list[Any]]:
    try:
        return worker.answers()
    except Unable as error:
        raise Unable(f"the {which} one cannot: {error}") from None


def _agreed(row: Row, old: dict[str, list[Any]], new: dict[str, list[Any]]) -> list[str]:
    """The competitors that both have, which answer alike; what answers differently is not compared."""
    names = [name for name in new if name in old]
    for name in names:
        farthest(row, {"the old commit": old[name], "the new one": new[name]})
    return names


# -- the command -----------------------------------------------------------------------------------------------


def _figures(c: Comparison) -> tuple[str, str]:
    if c.low is None or c.middle is None or c.high is None:
        return "", ""
    return digits(c.middle), f"{digits(c.low)} … {digits(c.high)}"


def _marked(verdict: str) -> str:
    return f"**{verdict}**" if verdict in ("faster", "slower") else verdict


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Two commits beside each other.")
    parser.add_argument("old", metavar="OLD", help=f"a commit, {WORKING_TREE!r} for the working tree, or a JSON file")
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows whose name contains it")
    parser.add_argument("--budget", type=positive, default=240.0, metavar="SECONDS", help="for all rows together")
    parser.add_argument("--pairs", type=int, default=3, choices=range(2, 100), metavar="N", help="of processes a row")
    parser.add_argument("--margin", type=float, default=0.03, help="what is no difference (default 0.03)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for everyone (default 1)")
    return parser
