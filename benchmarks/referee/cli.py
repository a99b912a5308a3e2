"""The command: judge the cases, print the tables, write them into the documentation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.referee import all_cases

from ..machine import described, machine
from ..measured import rewrite
from .checkers import CHECKERS, OURS, Checker, Judgement
from .cost import costs
from .tables import misjudged, tables
from .workers import judged_apart

PAGE = Path(__file__).resolve().parents[2] / "docs" / "referee.md"
START = "<!-- measured: python -m benchmarks.referee --doc rewrites all up to the next comment -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when ours judged every case as it is meant to, 1 when not, 2 when there was nothing to do."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.doc and (options.only or options.checker):
        parser.error("--doc is for the whole table: leave out --only and --checker")
    keys = [key for key in all_cases() if options.only.casefold() in key.casefold()]
    checkers = [c for c in CHECKERS if options.checker.casefold() in c.name.casefold()]
    if not keys or not checkers:
        print(f"no case's name contains {options.only!r}, or no checker's {options.checker!r}", file=sys.stderr)
        return 2
    present = [c for c in checkers if c.installed]
    earlier = known(options.peers) if options.peers else {}
    results = {c.name: earlier.get(c.name) or _judged(c, keys, options) for c in present}
    results = {name: {key: found[key] for key in keys} for name, found in results.items()}
    page = _page(results, options) if present else "None of these checkers is installed."
    print(page)
    if options.json:
        made = {name: {key: asdict(j) for key, j in found.items()} for name, found in results.items()}
        options.json.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.doc:
        PAGE.write_text(rewrite(PAGE.read_text(encoding="utf-8"), page, START), encoding="utf-8")
    return 1 if "**not on purpose**" in page else 0


def known(path: Path) -> dict[str, dict[str, Judgement]]:
    """The other checkers' judgements as an earlier --json has them: they do not change with ours."""
    made = json.loads(path.read_text(encoding="utf-8"))
    return {name: {key: Judgement(**j) for key, j in found.items()} for name, found in made.items() if name != OURS}


def _judged(checker: Checker, keys: Sequence[str], options: argparse.Namespace) -> dict[str, Judgement]:
    found = {}
    for number, (key, judgement) in enumerate(judged_apart(checker, keys, options.limit, options.jobs), 1):
        found[key] = judgement
        if sys.stderr.isatty() or number % 50 == 0:
            print(f"{checker.name}: {number} of {len(keys)}", file=sys.stderr, flush=True)
    return found


def _page(results: dict[str, dict[str, Judgement]], options: argparse.Namespace) -> str:
    peers = [c.needs for c in CHECKERS if c.name != OURS and "fast" not in c.name]
    facts = machine(1, [*peers, "scipy"])
    how = "\n".join(f"- {c.name}: {c.how}." for c in CHECKERS if c.name in results)
    first = f"{described(facts)} {options.jobs} processes; {options.limit:g} s a case at most."
    parts = [first + " The others' judgements are of an earlier run." * bool(options.peers), how, tables(results)]
    if OURS in results:
        parts.append(misjudged(results[OURS]))
    if not (options.only or options.no_cost):
        parts.append("What it costs:\n\n" + "\n".join(map(str, costs())))
    return "\n\n".join(parts) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.referee", description="The referee's cases through every gradient checker."
    )
    parser.add_argument("--only", default="", metavar="PATTERN", help="cases whose name contains it")
    parser.add_argument("--checker", default="", metavar="PATTERN", help="checkers whose name contains it")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at a time (default 2)")
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS", help="for one case")
    parser.add_argument("--no-cost", action="store_true", help="leave out what gradcheck takes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every judgement there")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="take the others' judgements from an earlier --json")
    parser.add_argument("--doc", action="store_true", help="rewrite the table in docs/referee.md")
    return parser
