"""tinygrad_ce explore mymodule:loss_fn -o graph.html: the graph of what a function returns, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .asking import BadInput, count
from .importing import value_of


def declare(commands: Any) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser(
        "explore",
        help="the computation graph of a function's result as a page for the browser",
        description="Calls a function without arguments that returns a Value, and writes a page in which its graph can "
        "be walked about: one file, which needs no network. The module is imported from the current folder.",
    )
    add = parser.add_argument
    add("target", metavar="module:name", help="a function without arguments that returns a Value, or a Value")
    add("-o", "--out", type=Path, default=Path("graph.html"), metavar="FILE", help="(default: graph.html)")
    add("--derivation", action="append", metavar="NAME", help="show this one (may be repeated; default: all)")
    add("--title", metavar="TEXT", help="of the page (default: the result's label)")
    add("--limit", type=count, default=5000, metavar="N", help="the largest number of nodes (default: 5000)")


def run(options: argparse.Namespace) -> int:
    """Write the page; the exit code."""
    from ..draw.page import explore
    from ..observe import trace

    with trace():  # the page says where in the user's code each node was made
        v = value_of(options.target)
    try:
        found = explore(
            v, options.out, derivations=options.derivation, title=options.title or None, limit=options.limit
        )
    except ValueError as error:
        raise BadInput(str(error)) from None
    print(f"written: {options.out} ({len(found.data['nodes'])} nodes)", flush=True)
    return 0
