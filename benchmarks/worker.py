"""One commit's part of one row, in a process that samples when it is told to.

python -m benchmarks.worker ROW      prints who takes part and their answers, and then, for each name it reads, a number
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from .apart import ROOT, command, environment, row_named


class Unable(Exception):
    """A commit that cannot do a row's work."""


class Worker:
    """The driver's end: a process that has the row ready, with the package that lies in a folder."""

    def __init__(self, row: str, package: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            command("worker", row),
            env=environment(threads, package),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver, which then ends this process
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def answers(self) -> dict[str, list[Any]]:
        """Our competitors' first answers, by name: arrays. To be asked for once, and first."""
        made = self._read()
        return {name: [np.array(part) for part in parts] for name, parts in made.items()}

    def sample(self, name: str) -> float:
        """Seconds (bytes) a unit."""
        assert self._process.stdin is not None
        try:
            print(name, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Unable("its process ended") from None
        return float(self._read())

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unable("its process ended")
        made = json.loads(line)
        if "error" in made:
            raise Unable(made["error"])
        return made["found"]


def main(name: str) -> None:
    """The process's end."""
    with _reserved_output() as said:
        for line in _said(name):
            print(json.dumps(line), file=said, flush=True)


def _said(name: str) -> Iterator[dict[str, Any]]:
    """What the process prints: a failure is said, and ends it."""
    from .timing import sampler, started

    try:
        row = row_named(name)
        row = replace(row, competitors=tuple(c for c in row.competitors if c.ours))
        runs, answers, absent = started(row)
        if not runs:
            raise LookupError("; ".join(f"{who}: {why}" for who, why in absent.items()) or "nobody of ours is in it")
        yield {"found": {who: [part.tolist() for part in parts] for who, parts in answers.items()}}
        sampled = sampler(row, runs)
        for line in sys.stdin:
            yield {"found": sampled(line.rstrip("\n"))}
    except Exception as error:
        yield {"error": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:100]}"}


@contextmanager
def _reserved_output() -> Iterator[Any]:
    """Standard output for us alone: what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as said:
        os.dup2(2, 1)
        yield said


if __name__ == "__main__":
    main(*sys.argv[1:])
