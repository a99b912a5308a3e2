"""The command: choose rows, measure them one after another, print and write what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from .apart import measured_apart
from .docs import DOCS, IMAGE, JSON, PAGE, page
from .machine import described, machine
from .measured import rewrite
from .model import Result, Row, matching
from .rows import PEERS, ROWS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every row was measured, 1 when one failed, 2 when there was nothing to do."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.docs and options.only:
        parser.error("--docs is for every row: leave out --only")
    if options.docs:
        options.json, options.plot = options.json or DOCS / JSON, options.plot or DOCS / IMAGE
    if options.plot and find_spec("matplotlib") is None:
        parser.error("the plot is drawn by matplotlib: pip install 'tinygrad_ce[plot]'")
    rows = matching(ROWS, options.only)
    if not rows:
        print(f"no row's name contains {options.only!r}; there are: {_names(ROWS)}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{row.name}: {row.what}" for row in rows))
        return 0
    facts = machine(options.threads, PEERS)
    print(described(facts), flush=True)
    results = _measured(rows, options.budget / len(rows), options.threads, options.slow)
    _written(options, facts, results)
    return 1 if any(r.error for r in results) else 0


def _written(options: argparse.Namespace, facts: dict[str, object], results: list[Result]) -> None:
    """Print the page, and write what was asked for."""
    text = page(facts, results)
    print(text.partition("\n\n")[2])
    if options.json:
        made = {"machine": facts, "budget": options.budget, "rows": [r.to_dict() for r in results]}
        options.json.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.plot:
        from .plot import drawn

        drawn(results, options.plot)
    if options.docs:
        kept = (DOCS / PAGE).read_text(encoding="utf-8")
        (DOCS / PAGE).write_text(rewrite(kept, f"![Ratios]({IMAGE})\n\n{text}"), encoding="utf-8")


def _measured(rows: Sequence[Row], seconds: float, threads: int, slow: bool) -> list[Result]:
    results = []
    for number, row in enumerate(rows, 1):
        print(f"[{number}/{len(rows)}] {row.name}", end="", file=sys.stderr, flush=True)
        start = perf_counter()
        results.append(measured_apart(row, seconds, threads, slow))
        print(f": {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return results


def _names(rows: Sequence[Row]) -> str:
    return "; ".join(row.name for row in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure tinygrad_ce and its peers.")
    parser.add_argument("--budget", type=positive, default=120.0, metavar="SECONDS", help="for all rows together")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows whose name contains it")
    parser.add_argument(
        "--slow", action="store_true", help="torch.compile, too, which takes ten seconds a row to start"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for everyone (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios there (needs matplotlib)")
    parser.add_argument("--docs", action="store_true", help="rewrite docs/benchmarks.md, .json and .png")
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    return parser


def positive(text: str) -> float:
    """A positive number of seconds, of an argument."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a positive number of seconds is wanted, not {text}")
    return value
