"""Cases judged in other processes: what one rule remembers, leaks or breaks stays there.

A worker judges each case at most once, and is replaced when it has died or a case has taken too long.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from tests.referee import all_cases

from ..apart import THREADS
from .checkers import CHECKERS, Checker, Judgement, judged

MEMORY = 6 * 2**30  # bytes, for a worker
_SPAWN = multiprocessing.get_context("spawn")


def judged_apart(checker: Checker, keys: Sequence[str], limit: float, jobs: int) -> Iterator[tuple[str, Judgement]]:
    """Every case by one checker, in `jobs` processes, at most `limit` seconds each; in the order of the keys."""
    idle: SimpleQueue[_Worker] = SimpleQueue()
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read by a worker's linear algebra when it is loaded
    workers = [_Worker(checker) for _ in range(jobs)]
    for worker in workers:
        idle.put(worker)

    def judge(key: str) -> Judgement:
        worker = idle.get()
        try:
            return worker.judge(key, limit)
        finally:
            idle.put(worker)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield from zip(keys, pool.map(judge, keys), strict=True)
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    def __init__(self, checker: Checker) -> None:
        self.number = CHECKERS.index(checker)
        self.process: Any = None

    def judge(self, key: str, limit: float) -> Judgement:
        if self.process is None:
            self._start()
        self.pipe.send(key)
        start = perf_counter()
        if self.pipe.poll(limit):
            try:
                return self.pipe.recv()
            except EOFError:
                said = "the process died"
        else:
            said = f"no answer in {limit:g} s"
        self.stop()
        return Judgement(None, perf_counter() - start, said=said)

    def _start(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, self.number), daemon=True)
        self.process.start()
        theirs.close()
        self.pipe.recv()  # it has imported what it needs: no case is to bear that

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def _limit_memory() -> None:
    """A Jacobian of an array of 100,000 can take all there is; where the system allows, a worker may not."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def _serve(pipe: Connection, number: int) -> None:
    _limit_memory()
    checker, cases = CHECKERS[number], all_cases()
    __import__(checker.needs)
    pipe.send(None)
    with suppress(EOFError, OSError):  # the command has ended
        while True:
            case = cases[pipe.recv()]
            start = perf_counter()
            found = judged(checker, case)
            pipe.send(Judgement(seconds=perf_counter() - start, **found))
