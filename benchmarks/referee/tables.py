"""Judgements as Markdown: the table of each suite, and what ours missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from tests.referee import ARGUED, SUITES, Case, acceptable, all_cases, fits

from ..report import digits, quantity
from .checkers import OURS, Judgement

Judgements = Mapping[str, Judgement]  # by case


def tables(results: Mapping[str, Judgements]) -> str:
    """One table a suite, for the suites of which there are cases."""
    keys = list(next(iter(results.values())))
    parts = []
    for suite in SUITES:
        mine = [k for k in keys if k.startswith(f"{suite}: ")]
        if mine:
            lines = list(_lines({name: {k: found[k] for k in mine} for name, found in results.items()}))
            parts.append(f"**Suite {suite.upper()}**, {len(mine)} cases\n\n{_markdown(['', *results], lines)}")
    return "\n\n".join(parts)


def _lines(results: Mapping[str, Judgements]) -> Iterable[list[str]]:
    cases = {k: all_cases()[k] for k in next(iter(results.values()))}

    def counted(text: str, kind: str, holds: Callable[[Judgement], bool]) -> list[str]:
        keys = [k for k, case in cases.items() if case.kind == kind]
        row = [sum(holds(found[k]) for k in keys) for found in results.values()]
        return [f"{text}, of {len(keys)}", *map(str, row)]

    yield counted("wrong, caught", "wrong", lambda j: j.accepted is False)
    yield counted("wrong only elsewhere, caught", "elsewhere", lambda j: j.accepted is False)
    yield counted("right, failed", "right", lambda j: j.accepted is False)
    yield counted("right by convention at a kink, failed", "kink", lambda j: j.accepted is False)
    yield counted("shares memory, failed", "alias", lambda j: j.accepted is False)
    yield counted("shares memory, said so", "alias", lambda j: j.flagged)
    yield [
        "no answer (time, memory)",
        *(str(sum(j.accepted is None for j in found.values())) for found in results.values()),
    ]
    yield ["diagnosis fits, of the caught", *(_fit(name, cases, found) for name, found in results.items())]
    yield ["seconds, all together", *(digits(sum(j.seconds for j in found.values())) for found in results.values())]
    yield ["a case: median", *(quantity(median(j.seconds for j in found.values())) for found in results.values())]
    yield ["a case: longest", *(quantity(max(j.seconds for j in found.values())) for found in results.values())]


def _fit(name: str, cases: Mapping[str, Case], found: Judgements) -> str:
    if name != OURS:
        return "none given"
    caught = [k for k, case in cases.items() if not acceptable(case) and found[k].accepted is False]
    return f"{sum(fits(cases[k], found[k].diagnosis) for k in caught)} of {len(caught)}"


def misjudged(ours: Judgements) -> str:
    """Every case that ours judges otherwise than its author, with the reason where it is on purpose."""
    lines = []
    for key, found in ours.items():
        case = all_cases()[key]
        if found.accepted is acceptable(case) and (case.kind != "alias" or found.flagged):
            continue
        argued = ARGUED.get(case.name)
        said = f"on purpose: {argued}" if argued else f"**not on purpose**: {found.said}"
        verdict = {True: "accepted", False: "failed", None: "no answer"}[found.accepted]
        lines.append(f"- {key} ({case.kind}), {verdict}; {said}")
    if not lines:
        return "Ours judges every case as its author does."
    return f"What ours judges otherwise than the cases' authors, {len(lines)}:\n\n" + "\n".join(lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * w if k == 0 else "-" * (w - 1) + ":" for k, w in enumerate(widths)]
    return "\n".join(
        f"| {' | '.join(c.rjust(w) if k else c.ljust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True)))} |"
        for line in (head, rule, *lines)
    )
