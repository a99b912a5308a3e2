"""What commands have in common: reading arguments, and complaining in one line."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from math import isfinite
from typing import Any, NoReturn

_WIDEST = 10_000
INTERRUPTED = 130


class BadInput(Exception):
    """The user's input is at fault: what is wrong with it, in one line."""


class Parser(argparse.ArgumentParser):
    """argparse, with errors in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(complain(f"{message}; {self.prog} --help explains", 2))


def complain(message: str, code: int) -> int:
    """Say what is wrong, in one line on stderr; the exit code comes back."""
    with suppress(OSError):
        print(f"tinygrad_ce: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def silence(stream: Any) -> None:
    """Send what a stream still holds nowhere: its reader is gone, and Python would complain at exit."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# -- kinds of arguments ----------------------------------------------------------------------------------------


def count(text: str) -> int:
    """A whole number from 1."""
    number = _integer(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {text!r:.40}")
    return number


def seed(text: str) -> int:
    """A whole number from 0."""
    number = _integer(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"at least 0, not {text!r:.40}")
    return number


def widths(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    try:
        found = tuple(map(int, text.split(",")))
    except ValueError:
        found = (0,)
    if not all(1 <= width <= _WIDEST for width in found):
        raise argparse.ArgumentTypeError(f"numbers from 1 to {_WIDEST:,}, such as 64,32, not {text!r:.40}")
    return found


def rate(text: str) -> float:
    """A finite number above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not (found > 0 and isfinite(found)):
        raise argparse.ArgumentTypeError(f"a number above 0, not {text!r:.40}")
    return found


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"an integer, not {text!r:.40}") from None
