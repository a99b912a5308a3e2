"""The command line: python -m tinygrad_ce demo, and train, eval, predict, generate, export, check, draw, explore.

What is wrong with a user's input is said in one line on stderr that begins with "tinygrad_ce:".

    0      all went well
    1      it ran, and ended badly: training diverged, derivations disagree, a check failed, nobody reads the output
    2      bad input: arguments, data, a folder that cannot be written, a package that is missing
    130    Ctrl-C

Each command has a module here, with its arguments and what it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..data import DataError
from ..demo.settings import Missing, OutputError
from . import check, demo, draw, explore, export, train, using
from .asking import BadInput, Parser, complain, silence

COMMANDS: dict[str, Any] = {
    "demo": demo,
    "train": train,
    "eval": using.Eval,
    "predict": using.Predict,
    "generate": using.Generate,
    "export": export,
    "check": check,
    "draw": draw,
    "explore": explore,
}


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
        options = _parser().parse_args(arguments)
        return COMMANDS[options.command].run(options)
    except (BadInput, DataError, Missing, OutputError) as error:
        return complain(str(error), 2)
    except FloatingPointError as error:
        return complain(f"training diverged: {error}", 1)
    except MemoryError:
        return complain("not enough memory: try fewer rows, smaller batches or narrower layers", 2)
    except BrokenPipeError:
        silence(sys.stdout)
        return 1
    except OSError as error:
        silence(sys.stdout)
        return complain(str(error), 2)
    except KeyboardInterrupt:
        return complain("interrupted", 130)


def _parser() -> Parser:
    parser = Parser(
        prog="tinygrad_ce",
        description="An autograd micro-framework whose gradients come with a second opinion.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS.values():
        command.declare(commands)
    return parser
