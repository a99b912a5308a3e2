"""Results as one Markdown table, aligned so that it reads as well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .model import BYTES, SECONDS, Result, Timing, Verdict

_HEAD = ("row", "a", "who", "median", "min … max", "ratio", "aim")
_RIGHT = ("median", "ratio")
_UNITS = {
    SECONDS: ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    BYTES: ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}


def table(results: Iterable[Result]) -> str:
    """One line for each competitor; ratios are to the one at 1."""
    return markdown(_HEAD, [line for result in results for line in _lines(result)], _RIGHT)


def notes(results: Iterable[Result]) -> str:
    """What the table has no room for, a line for each row: the task, agreement, rounds, facts."""
    return "\n".join(_note(result) for result in results)


def missed(results: Sequence[Result]) -> str:
    """A sentence on the aims: which were missed, and by how much."""
    judged = [(r, v) for r in results for v in r.verdicts if v.met is not None]
    behind = [f"{r.name}: {v.who} {_found(r, v)}, where {_aimed(r, v)} is the aim" for r, v in judged if not v.met]
    if not judged:
        return "No aim was judged: there is none, or the peers that they name are not installed."
    if not behind:
        return f"Every aim is met: {len(judged)} of the {len(judged)} that could be judged."
    return f"Missed, {len(behind)} of {len(judged)} aims:\n\n" + "\n".join(f"- {line}" for line in behind)


def quantity(number: float, measures: str = SECONDS) -> str:
    """A time or a size to three digits in the unit that suits it.

    >>> quantity(0.0000123), quantity(0.5), quantity(2.0)
    ('12.3 µs', '500 ms', '2.00 s')
    >>> quantity(212.0, BYTES), quantity(12_345_678, BYTES)
    ('212 B', '12.3 MB')
    """
    units = _UNITS[measures]
    for scale, unit in units:
        if number >= 0.9995 * scale:
            return f"{digits(number / scale)} {unit}"
    scale, unit = units[-1]
    return f"{digits(number / scale)} {unit}"


def digits(x: float) -> str:
    """A number to three digits, never in powers of ten between a thousandth and a billion.

    >>> digits(1.0), digits(12.345), digits(64921.0), digits(0.00371), digits(2e-16)
    ('1.00', '12.3', '64,921', '0.0037', '2e-16')
    """
    if 1e-3 <= abs(x) < 0.0995:
        return f"{x:.2g}"
    if x == 0 or 1e-3 <= abs(x) < 1e9:
        places = 2 if abs(x) < 9.995 else 1 if abs(x) < 99.95 else 0
        return f"{x:,.{places}f}"
    return f"{x:.1g}"


def _lines(result: Result) -> list[tuple[str, ...]]:
    if result.error is not None:
        return [(result.name, result.unit, f"failed: {result.error}", "", "", "", "")]
    names = (result.name, *[""] * len(result.timings))
    return [
        (name, result.unit if name else "", *_figures(result, timing), _aims(result, timing.competitor))
        for name, timing in zip(names, result.timings, strict=False)
    ]


def _figures(result: Result, timing: Timing) -> tuple[str, str, str, str]:
    if timing.median is None or timing.low is None or timing.high is None:
        return timing.competitor, timing.absent.partition(":")[0], "", ""
    median, low, high = [quantity(x, result.measures) for x in (timing.median, timing.low, timing.high)]
    return timing.competitor, median, f"{low} … {high}", "" if timing.ratio is None else digits(timing.ratio)


def _aims(result: Result, who: str) -> str:
    return "; ".join(
        f"{_aimed(result, v)}: "
        + ("not judged" if v.met is None else f"{'met' if v.met else '**missed**'} ({_found(result, v)})")
        for v in result.verdicts
        if v.who == who
    )


def _aimed(result: Result, verdict: Verdict) -> str:
    if verdict.fact is not None:
        return f"≤ {verdict.at_most:g} {verdict.fact}"
    if verdict.against is not None:
        return f"≤ {verdict.at_most:g} × {verdict.against}"
    return f"≤ {quantity(verdict.at_most, result.measures)}"


def _found(result: Result, verdict: Verdict) -> str:
    found = verdict.found or 0.0
    if verdict.fact is None and verdict.against is None:
        return quantity(found, result.measures)
    return digits(found) + (" ×" if verdict.against is not None else "")


def _note(result: Result) -> str:
    if result.error is not None:
        return f"- **{result.name}** failed: {result.error}"
    facts = "".join(f" {name}: {digits(value)}." for name, value in result.facts.items())
    agreed = f" Answers agree to {digits(result.difference)}." if result.difference else ""
    absent = "".join(f" {t.competitor} {t.absent}." for t in result.timings if ":" in t.absent)
    return f"- **{result.name}**: {result.what} {result.rounds} rounds.{agreed}{facts}{absent}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A Markdown table whose columns are aligned; those named in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * (w - 1) + (":" if name in right else "-") for name, w in zip(head, widths, strict=True)]
    return "\n".join(_padded(line, head, widths, right) for line in (head, rule, *lines))


def _padded(line: Sequence[str], head: Sequence[str], widths: Sequence[int], right: Sequence[str]) -> str:
    cells = [
        cell.rjust(w) if name in right else cell.ljust(w) for cell, name, w in zip(line, head, widths, strict=True)
    ]
    return f"| {' | '.join(cells)} |"
