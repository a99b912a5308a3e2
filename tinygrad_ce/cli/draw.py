"""tinygrad_ce draw mymodule:loss_fn -o graph.svg: the graph of what a function returns, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..draw import LIMIT, draw
from .asking import BadInput, count
from .importing import value_of


def declare(commands: Any) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser(
        "draw",
        help="draw the computation graph of a function's result",
        description="Calls a function without arguments that returns a Value, and draws the graph that led to it, with "
        "the local derivatives and what flows back. The module is imported from the current folder.",
    )
    add = parser.add_argument
    add("target", metavar="module:name", help="a function without arguments that returns a Value, or a Value")
    add("-o", "--out", type=Path, default=Path("graph.svg"), metavar="FILE", help=".svg, .png, .pdf or .dot")
    add("--expand", action="append", metavar="OP", help="open this composite op; 'all' opens all (may be repeated)")
    add("--depth", type=int, metavar="N", help="how many frames may stand inside each other; modules below are closed")
    add("--collapse", action="store_true", default=None, help="draw what repeats itself once, with × N")
    add("--backward", action="store_true", help="draw the reverse sweep instead")
    add("--both", action="store_true", help="draw forward and backward side by side")
    add("--no-gradients", action="store_true", help="no sweep: without what flows back")
    add("--derivation", metavar="NAME", help="the derivation to sweep with: autodiff, analytic, ...")
    add("--limit", type=count, default=LIMIT, metavar="N", help=f"draw larger graphs in summary (default: {LIMIT})")
    add("--rankdir", choices=("LR", "RL", "TB", "BT"), help="where the graph grows to")
    add("--theme", choices=("light", "dark"), default="light", help="(default: light)")


def run(options: argparse.Namespace) -> int:
    """Draw; the exit code."""
    from ..draw.render import RenderingError

    if options.no_gradients and (options.backward or options.both):
        raise BadInput("--no-gradients leaves nothing of --backward or --both: give one of them")
    v = value_of(options.target)
    expand = True if "all" in (options.expand or ()) else options.expand or False
    gradient = 1.0 if v.size == 1 and v.requires_grad and v.dtype.kind == "f" and not options.no_gradients else None
    try:
        drawing = draw(
            v,
            expand=expand,
            depth=options.depth,
            collapse=options.collapse,
            direction="backward" if options.backward else "forward",
            both=options.both,
            derivation=options.derivation,
            gradient=None if gradient is None else gradient + v.data * 0.0,  # of the Value's own dtype and shape
            limit=options.limit,
            rankdir=options.rankdir,
            theme=options.theme,
        )
        drawing.save_picture(options.out)
    except (ValueError, RenderingError) as error:
        raise BadInput(str(error)) from None
    print(f"written: {options.out} ({len(drawing.graph.nodes)} nodes)", flush=True)
    return 0
