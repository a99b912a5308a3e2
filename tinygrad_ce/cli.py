"""The command line: python -m tinygrad_ce demo.

What is wrong with a user's input is said in one line on stderr that begins with "tinygrad_ce:".

    0      all went well
    1      it ran, and ended badly: training diverged, two derivations disagree, nobody reads the output
    2      bad input: arguments, data, a folder that cannot be written, a package that is missing
    130    Ctrl-C
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import NoReturn

from .data import DataError
from .demo.settings import Missing, OutputError, Settings

_WIDEST = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; by default those of this process.

    Returns
    -------
    int
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        # In a terminal that does not speak UTF-8, a ? is better than a traceback.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return _demo(_parser().parse_args(arguments))
    except (DataError, Missing, OutputError) as error:
        return _complain(str(error), 2)
    except FloatingPointError as error:
        return _complain(f"training diverged: {error}", 1)
    except MemoryError:
        return _complain("not enough memory: try fewer rows, smaller batches or narrower layers", 2)
    except BrokenPipeError:
        _silence(sys.stdout)
        return 1
    except OSError as error:
        _silence(sys.stdout)
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)


def _demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(
        Settings(
            data=options.data,
            target=options.target,
            epochs=options.epochs,
            seed=options.seed,
            hidden=options.hidden,
            batch=options.batch,
            lr=options.lr,
            out=options.out,
        )
    )


# -- what was asked for ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse, with errors in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_complain(f"{message}; {self.prog} --help explains", 2))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tinygrad_ce",
        description="An autograd micro-framework whose gradients come with a second opinion.",
    )
    demo = parser.add_subparsers(dest="command", required=True, metavar="command").add_parser(
        "demo",
        help="train a classifier, compare the derivations of its gradient, draw its graph",
        description="Trains a classifier, judges it on rows held out, compares the derivations of its gradient, "
        "shows where they part, and writes the graph, the curves, the comparison and the model.",
    )
    add = demo.add_argument
    add("--data", default="digits", metavar="NAME", help="digits, iris, or a CSV file (default: digits)")
    add("--target", metavar="COLUMN", help="the CSV column that holds the class (default: the last)")
    add("--epochs", type=_count, metavar="N", help="passes over the data (default: enough for 1350 steps)")
    add(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of weights and batches, not of the split (default: 0)",
    )
    add(
        "--hidden",
        type=_widths,
        default=(64,),
        metavar="N,N",
        help="widths of the hidden layers (default: 64)",
    )
    add("--batch", type=_count, default=32, metavar="N", help="rows in a batch (default: 32)")
    add(
        "--lr",
        type=_rate,
        default=0.01,
        metavar="X",
        help="Adam's learning rate at the start (default: 0.01)",
    )
    add(
        "--out",
        type=Path,
        default=Path("runs/demo"),
        metavar="DIR",
        help="where to write (default: runs/demo)",
    )
    return parser


def _count(text: str) -> int:
    number = _integer(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {text!r:.40}")
    return number


def _seed(text: str) -> int:
    number = _integer(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"at least 0, not {text!r:.40}")
    return number


def _widths(text: str) -> tuple[int, ...]:
    try:
        widths = tuple(map(int, text.split(",")))
    except ValueError:
        widths = (0,)
    if not all(1 <= width <= _WIDEST for width in widths):
        raise argparse.ArgumentTypeError(f"numbers from 1 to {_WIDEST:,}, such as 64,32, not {text!r:.40}")
    return widths


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not (rate > 0 and isfinite(rate)):
        raise argparse.ArgumentTypeError(f"a number above 0, not {text!r:.40}")
    return rate


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"an integer, not {text!r:.40}") from None


# -- what is said ----------------------------------------------------------------------------------------


def _complain(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"tinygrad_ce: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def _silence(stream: object) -> None:
    """Send what a stream still holds nowhere: its reader is gone, and Python would complain at exit."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
