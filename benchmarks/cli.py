"""The command: choose rows, measure them one after another, print and write what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from .apart import measured_apart
from .before import importable
from .machine import described, machine
from .model import Result, Row, matching
from .readme import README, rewrite
from .report import missed, notes, table
from .rows import AGAINST, PEERS, ROWS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every row was measured, 1 when one failed, 2 when there was nothing to do."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.readme and (options.only or options.against):
        parser.error("--readme is for the whole table: leave out --only and --against")
    every = AGAINST if options.against else ROWS
    rows = matching(every, options.only)
    if not rows:
        print(f"no row's name contains {options.only!r}; there are: {_names(every)}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{row.name}: {row.what}" for row in rows))
        return 0
    facts = machine(options.threads, PEERS)
    print(described(facts), flush=True)
    try:
        with importable(options.against) if options.against else nullcontext():
            results = _measured(rows, options.budget / len(rows), options.threads)
    except ValueError as error:
        parser.error(str(error))
    page = f"{described(facts)}\n\n{table(results)}\n\n{missed(results)}\n\n{notes(results)}\n"
    print(page.partition("\n\n")[2])
    if options.json:
        made = {"machine": facts, "budget": options.budget, "rows": [r.to_dict() for r in results]}
        options.json.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")
    if options.readme:
        README.write_text(rewrite(README.read_text(encoding="utf-8"), page), encoding="utf-8")
    return 1 if any(r.error for r in results) else 0


def _measured(rows: Sequence[Row], seconds: float, threads: int) -> list[Result]:
    results = []
    for number, row in enumerate(rows, 1):
        print(f"[{number}/{len(rows)}] {row.name}", file=sys.stderr, flush=True)
        results.append(measured_apart(row, seconds, threads))
    return results


def _names(rows: Sequence[Row]) -> str:
    return "; ".join(row.name for row in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure tinygrad_ce and its peers.")
    parser.add_argument("--budget", type=_positive, default=120.0, metavar="SECONDS", help="for all rows together")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows whose name contains it")
    parser.add_argument("--against", metavar="COMMIT", help="measure nodes and steps beside those of another commit")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for everyone (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--readme", action="store_true", help="rewrite the table in benchmarks/README.md")
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a positive number of seconds is wanted, not {text}")
    return value
