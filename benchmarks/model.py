"""What is measured, and what comes of it, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from time import perf_counter
from typing import Any

OURS = "tinygrad_ce"
BEFORE = "tinygrad_ce_before"  # another commit of ours, which `--against` makes importable under this name

Run = Callable[[], Any]


@dataclass(frozen=True)
class Competitor:
    """One way to do a row's work.

    Attributes
    ----------
    name : str
    make : callable
        A fresh `run`, from the same start every time; `run()` does the work once and returns its answer, the
        numbers that have to agree with everybody else's. What it needs of a peer it imports itself.
    needs : str or None
        The module without which there is no such competitor.
    per : int
        By how much a time is divided: the number of nodes, say, where the row's unit is a node.
    """

    name: str
    make: Callable[[], Run]
    needs: str | None = None
    per: int = 1

    @property
    def installed(self) -> bool:
        return self.needs is None or find_spec(self.needs) is not None


@dataclass(frozen=True)
class Aim:
    """`tinygrad_ce` is to take at most `at_most` times as long as `against`."""

    against: str
    at_most: float


@dataclass(frozen=True)
class Row:
    """Competitors at one task.

    Attributes
    ----------
    name : str
    what : str
        The task, in a sentence.
    unit : str
        What a time is of: "node", "step", "call".
    baseline : str
        The competitor whose time is 1 in the ratios.
    competitors : tuple of Competitor
    aim : Aim or None
    collector : bool
        Whether Python's cyclic garbage collector runs, as it does in real use.
    answers : int
        How many answers in a row have to agree before anything is timed: several where runs have a memory. None
        where competitors do different things, whose costs are to be compared.
    tolerance : float
        How far they may differ, relative to the largest.
    clock : callable
        Seconds: of the wall, or of the processor (`process_time`) where all work is done in one thread; the latter
        stands still while other programs have the core.
    facts : callable, optional
        Numbers worth knowing beside the times, from the timings by competitor.
    """

    name: str
    what: str
    unit: str
    baseline: str
    competitors: tuple[Competitor, ...]
    aim: Aim | None = None
    collector: bool = True
    answers: int | None = 1
    tolerance: float = 1e-9
    clock: Callable[[], float] = perf_counter
    facts: Callable[[Mapping[str, Timing]], dict[str, float]] | None = None

    @property
    def present(self) -> tuple[Competitor, ...]:
        return tuple(c for c in self.competitors if c.installed)


@dataclass(frozen=True)
class Timing:
    """What one competitor took, in seconds a unit; None throughout where it is not installed."""

    competitor: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None  # to the baseline: the median of the ratios within each round
    runs: int = 0  # in one sample

    @property
    def installed(self) -> bool:
        return self.median is not None


@dataclass(frozen=True)
class Verdict:
    """Whether an aim was met; None where the competitor that it names is not installed."""

    against: str
    at_most: float
    ratio: float | None

    @property
    def met(self) -> bool | None:
        return None if self.ratio is None else self.ratio <= self.at_most


@dataclass(frozen=True)
class Result:
    """A row, measured; with `error` where it could not be."""

    name: str
    what: str = ""
    unit: str = ""
    baseline: str = ""
    rounds: int = 0
    timings: tuple[Timing, ...] = ()
    verdict: Verdict | None = None
    difference: float | None = None  # the largest relative one between the answers of two competitors
    facts: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; the verdict is spelt out."""
        made = asdict(self)
        if self.verdict is not None:
            made["verdict"]["met"] = self.verdict.met
        for entry, timing in zip(made["timings"], self.timings, strict=True):
            entry["installed"] = timing.installed
        return made

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Result:
        """What `to_dict` made, read back."""
        verdict = made["verdict"]
        return cls(
            **{
                **made,
                "timings": tuple(Timing(**_without(t, "installed")) for t in made["timings"]),
                "verdict": Verdict(**_without(verdict, "met")) if verdict is not None else None,
            }
        )


def _without(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in entry.items() if k != key}


def matching(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The rows whose name contains the pattern, whatever its case; every row for an empty one."""
    return [row for row in rows if pattern.casefold() in row.name.casefold()]
