"""What is measured, and what comes of it, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from time import process_time
from typing import Any, TypeVar

OURS = "tinygrad_ce"
SECONDS, BYTES = "seconds", "bytes"  # what a row may measure

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
    slow : bool
        Whether it takes long to start, and is asked for by `--slow` only.
    """

    name: str
    make: Callable[[], Run]
    needs: str | None = None
    per: int = 1
    slow: bool = False

    @property
    def installed(self) -> bool:
        return self.needs is None or find_spec(self.needs) is not None

    @property
    def ours(self) -> bool:
        return is_ours(self.name)


def is_ours(name: str) -> bool:
    """Whether a competitor of that name is this package, in whatever form: "tinygrad_ce, eager"."""
    return name.partition(",")[0] == OURS


@dataclass(frozen=True)
class Aim:
    """`who` is to take at most `at_most` times what `against` takes.

    Where nobody is named, at most so many seconds (bytes) a unit; and where a `fact` of the row is, that is to be at
    most so large.
    """

    against: str | None
    at_most: float
    who: str = OURS
    fact: str | None = None


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
    aim : Aim or tuple of Aim
        What is aimed at; none, one or several.
    collector : bool
        Whether Python's cyclic garbage collector runs, as it does in real use.
    answers : int
        How many answers in a row have to agree before anything is timed: several where runs have a memory. None
        where competitors do different things, whose costs are to be compared.
    tolerance : float
        How far they may differ, relative to the largest.
    clock : callable
        Seconds: of the processor, which stand still while other programs have the core; or of the wall, where the
        work is done by other processes.
    facts : callable, optional
        Numbers worth knowing beside the times, from the timings by competitor.
    gauge : callable, optional
        What a competitor takes, where that is not a time: bytes, say. Asked once a round.
    measures : str
        SECONDS or BYTES.
    fewest : int
        Rounds, at least; where a gauge is asked, no more.
    """

    name: str
    what: str
    unit: str
    baseline: str
    competitors: tuple[Competitor, ...]
    aim: Aim | tuple[Aim, ...] = ()
    collector: bool = True
    answers: int | None = 1
    tolerance: float = 1e-9
    clock: Callable[[], float] = process_time
    facts: Callable[[Mapping[str, Timing]], dict[str, float]] | None = None
    gauge: Callable[[Competitor], float] | None = None
    measures: str = SECONDS
    fewest: int = 3

    @property
    def aims(self) -> tuple[Aim, ...]:
        return (self.aim,) if isinstance(self.aim, Aim) else self.aim

    @property
    def present(self) -> tuple[Competitor, ...]:
        """Those that are installed and quick to start."""
        return tuple(c for c in self.competitors if c.installed and not c.slow)


@dataclass(frozen=True)
class Timing:
    """What one competitor took, in seconds (bytes) a unit; None throughout if it took no part: `absent` says why."""

    competitor: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None  # to the baseline: the median of the ratios within each round
    ratios: tuple[float, float] | None = None  # their quartiles
    absent: str = ""


@dataclass(frozen=True)
class Verdict:
    """What came of an aim; found is None where it could not be judged, since somebody took no part."""

    who: str
    against: str | None
    fact: str | None
    at_most: float
    found: float | None

    @property
    def met(self) -> bool | None:
        return None if self.found is None else self.found <= self.at_most


@dataclass(frozen=True)
class Result:
    """A row, measured; with `error` where it could not be."""

    name: str
    what: str = ""
    unit: str = ""
    baseline: str = ""
    rounds: int = 0
    timings: tuple[Timing, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    difference: float | None = None  # the largest relative one between the answers of two competitors
    facts: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    measures: str = SECONDS

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; verdicts are spelt out."""
        made = asdict(self)
        for entry, verdict in zip(made["verdicts"], self.verdicts, strict=True):
            entry["met"] = verdict.met
        return made

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Result:
        """What `to_dict` made, or JSON made of that, read back."""
        timings = [{**t, "ratios": None if t["ratios"] is None else tuple(t["ratios"])} for t in made["timings"]]
        verdicts = [{k: v for k, v in entry.items() if k != "met"} for entry in made["verdicts"]]
        return cls(
            **{
                **made,
                "timings": tuple(Timing(**t) for t in timings),
                "verdicts": tuple(Verdict(**v) for v in verdicts),
            }
        )


_Named = TypeVar("_Named", Row, Result)


def matching(rows: Sequence[_Named], pattern: str) -> list[_Named]:
    """The rows whose name contains the pattern, whatever its case; every row for an empty one."""
    return [row for row in rows if pattern.casefold() in row.name.casefold()]
