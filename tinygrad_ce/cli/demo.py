"""tinygrad_ce demo: its arguments (what it does is in tinygrad_ce/demo)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..demo.settings import Settings
from .asking import count, rate, seed, widths


def declare(commands: Any) -> None:
    """Add the command to a parser's."""
    add = commands.add_parser(
        "demo",
        help="train a classifier, compare the derivations of its gradient, draw its graph",
        description="Trains a classifier, judges it on rows held out, compares the derivations of its gradient, "
        "shows where they part, and writes the graph, the curves, the comparison and the model.",
    ).add_argument
    add("--data", default="digits", metavar="NAME", help="digits, iris, or a CSV file (default: digits)")
    add("--target", metavar="COLUMN", help="the CSV column that holds the class (default: the last)")
    add("--epochs", type=count, metavar="N", help="passes over the data (default: enough for 1350 steps)")
    add("--seed", type=seed, default=0, metavar="N", help="of weights and batches, not of the split (default: 0)")
    add("--hidden", type=widths, default=(64,), metavar="N,N", help="widths of the hidden layers (default: 64)")
    add("--batch", type=count, default=32, metavar="N", help="rows in a batch (default: 32)")
    add("--lr", type=rate, default=0.01, metavar="X", help="Adam's learning rate at the start (default: 0.01)")
    add("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="where to write (default: runs/demo)")


def run(options: argparse.Namespace) -> int:
    """Run the demo; the exit code."""
    from ..demo import run

    chosen = {k: v for k, v in vars(options).items() if k != "command"}
    return run(Settings(**chosen))
