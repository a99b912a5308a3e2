"""Results as one Markdown table, aligned so that it reads as well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .model import OURS, Result, Timing

_HEAD = ("row", "a", "who", "median", "min … max", "ratio", "aim")
_RIGHT = ("median", "ratio")


def table(results: Iterable[Result]) -> str:
    """One line for each competitor; ratios are to the one at 1."""
    return markdown(_HEAD, [line for result in results for line in _lines(result)], _RIGHT)


def notes(results: Iterable[Result]) -> str:
    """What the table has no room for, a line for each row: the task, agreement, rounds, facts."""
    return "\n".join(_note(result) for result in results)


def missed(results: Sequence[Result]) -> str:
    """A sentence on the aims: which were missed, and by how much."""
    judged = [(r.name, r.verdict) for r in results if r.verdict is not None and r.verdict.ratio is not None]
    behind = [f"{name}: {v.ratio:.2f} × {v.against}, where {v.at_most:g} is the aim" for name, v in judged if not v.met]
    if not judged:
        return "No aim was judged: the peers that they name are not installed."
    if not behind:
        return f"Every aim is met: {len(judged)} of the {len(judged)} that could be judged."
    return f"Missed, {len(behind)} of {len(judged)} aims:\n\n" + "\n".join(f"- {line}" for line in behind)


def seconds(time: float) -> str:
    """A time to three digits in the unit that suits it.

    >>> seconds(0.0000123), seconds(0.5), seconds(2.0)
    ('12.3 µs', '500 ms', '2.00 s')
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if time >= 0.9995 * scale:
            return f"{digits(time / scale)} {unit}"
    return f"{digits(time / 1e-9)} ns"


def digits(x: float) -> str:
    """A number to three digits, never in powers of ten between a thousandth and a billion.

    >>> digits(1.0), digits(12.345), digits(64921.0), digits(2e-16)
    ('1.00', '12.3', '64,921', '2e-16')
    """
    if x == 0 or 1e-3 <= abs(x) < 1e9:
        places = 2 if abs(x) < 9.995 else 1 if abs(x) < 99.95 else 0
        return f"{x:,.{places}f}"
    return f"{x:.1g}"


def _lines(result: Result) -> list[tuple[str, ...]]:
    if result.error is not None:
        return [(result.name, result.unit, f"failed: {result.error}", "", "", "", "")]
    names = (result.name, *[""] * len(result.timings))
    return [
        (name, result.unit if name else "", *_figures(timing), _aim(result) if timing.competitor == OURS else "")
        for name, timing in zip(names, result.timings, strict=False)
    ]


def _figures(timing: Timing) -> tuple[str, str, str, str]:
    if timing.median is None or timing.low is None or timing.high is None:
        return timing.competitor, "not installed", "", ""
    span = f"{seconds(timing.low)} … {seconds(timing.high)}"
    return timing.competitor, seconds(timing.median), span, "" if timing.ratio is None else digits(timing.ratio)


def _aim(result: Result) -> str:
    verdict = result.verdict
    if verdict is None:
        return ""
    aim = f"≤ {verdict.at_most:g} × {verdict.against}"
    if verdict.ratio is None:
        return f"{aim}: not judged"
    return f"{aim}: {'met' if verdict.met else '**missed**'} ({digits(verdict.ratio)})"


def _note(result: Result) -> str:
    if result.error is not None:
        return f"- **{result.name}** failed: {result.error}"
    facts = "".join(f" {name}: {digits(value)}." for name, value in result.facts.items())
    agreed = f" Answers agree to {digits(result.difference)}." if result.difference else ""
    return f"- **{result.name}**: {result.what} {result.rounds} rounds.{agreed}{facts}"


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
