"""tinygrad_ce check: every op of the registry, or those that are named, before the referee.

tinygrad_ce check                          the whole registry
tinygrad_ce check softmax exp              some of it
tinygrad_ce check mymodule:my_op           an op of one's own; the module is imported from the current folder
tinygrad_ce check mymodule                 every op that the module registers
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..op import Op
from ..terminal import console
from .asking import INTERRUPTED, BadInput, complain, count, seed
from .importing import imported, is_module

if TYPE_CHECKING:
    from ..check.opreport import RegistryReport
    from ..check.work import Outcome


def declare(commands: Any) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser(
        "check",
        help="check every derivation of every op: forward values, gradients, invariants, second order",
        description="Checks every derivation of the ops that are named, by default of all: forward values, gradients "
        "at the op's samples and at other points, invariants, the second order, forward mode. Exit code 1 on FAIL.",
    )
    add = parser.add_argument
    add("ops", nargs="*", metavar="op", help="softmax, or mymodule:my_op, or mymodule (default: the registry)")
    add("--derivation", metavar="NAME", help="only this derivation of each op")
    add("--order", type=int, choices=(1, 2), default=2, help="2: each gradient's own gradient too (default: 2)")
    add("--mutants", action="store_true", help="plant standard mistakes, and count how many are caught")
    add("--quick", action="store_true", help="at the ops' own samples only, not at other points")
    add("--full", action="store_true", help="at other points beside every sample, not a few")
    add("--seed", type=seed, default=0, metavar="N", help="of the samples (default: 0)")
    add("--jobs", type=count, default=1, metavar="N", help="processes (default: 1)")
    add("--html", type=Path, metavar="FILE", help="write the report as a page, with pictures of what failed")
    add("--json", type=Path, metavar="FILE", help="write the report as data")


def run(options: argparse.Namespace) -> int:
    """Run the check; the exit code."""
    if options.quick and options.full:
        raise BadInput("--quick tries no other points, --full tries them everywhere: give one of the two")
    for path, suffix in ((options.html, ".html"), (options.json, ".json")):
        if path is not None:
            _require_file(path, suffix)
    report = _planned(options)
    if not report.units:
        raise BadInput(f"{' and '.join(options.ops) or 'the registry'}: no derivation to check")
    stopped = _carry_out(report, options.jobs)
    _show(report, options)
    for path in (options.html, options.json):
        if path is not None:
            report.save(path)
            print(f"written: {path}", flush=True)
    if stopped:
        return complain(f"{stopped}; the report so far is kept", INTERRUPTED if stopped == "interrupted" else 2)
    return 0 if report else 1


# -- what is to be checked -------------------------------------------------------------------------------------


def _planned(options: argparse.Namespace) -> RegistryReport:
    from ..check.check_op import planned
    from ..check.ways import ways
    from ..registry import registry

    names: list[str] = options.ops
    chosen = [op for name in names for op in _named(name)] if names else list(registry.values())
    if options.derivation is not None and len(chosen) > 1:  # of several ops, those that have it
        chosen = [op for op in chosen if options.derivation in ways(op)]
    try:
        return planned(
            chosen,
            derivation=options.derivation,
            order=options.order,
            mutants=options.mutants,
            seed=options.seed,
            full=options.full,
            quick=options.quick,
        )
    except (ValueError, TypeError) as error:
        raise BadInput(str(error)) from None


def _named(name: str) -> list[Op]:
    """The ops that a name stands for."""
    from ..registry import registry

    if name in registry:
        return [registry[name]]
    module_name, colon, attribute = name.partition(":")
    if not colon and not is_module(module_name):
        near = get_close_matches(name, registry, n=1)
        raise BadInput(
            f"no op '{name}'" + (f"; did you mean '{near[0]}'?" if near else "; mymodule:my_op names your own")
        )
    module = imported(module_name)
    if not colon:
        found = [op for op in registry.values() if op.module == module.__name__]
        if not found:
            raise BadInput(f"module {module_name} registers no op")
        return found
    if name in registry:
        return [registry[name]]
    op = getattr(module, attribute, None)
    if isinstance(op, Op):
        return [op]
    if op is not None:
        raise BadInput(f"{name} is a {type(op).__name__}, and no op: put @tg.op on the function, or use tg.gradcheck")
    known = [key.partition(":")[2] for key in registry if key.startswith(f"{module_name}:")]
    raise BadInput(f"module {module_name} has no op '{attribute}'; it has {', '.join(known) or 'none'}")


def _require_file(path: Path, suffix: str) -> None:
    """Raise BadInput unless the report can be written there."""
    if path.suffix.lower() not in (suffix, suffix[:-1]):
        raise BadInput(f"--{suffix[1:]} writes a file that ends in {suffix}, not {path}")
    if path.is_dir():
        raise BadInput(f"cannot write {path}: it is a folder")
    if not path.resolve().parent.is_dir():
        raise BadInput(f"cannot write {path}: there is no folder {path.resolve().parent}")


# -- checking --------------------------------------------------------------------------------------------------


def _carry_out(report: RegistryReport, jobs: int) -> str:
    """Do what is planned. What stopped it, if anything did: the report then has what was done until then."""
    from ..check.check_op import carry_out

    with _progress(len(report.units)) as progress:
        try:
            with _pool(jobs) if jobs > 1 else nullcontext() as executor:
                carry_out(report, executor, lambda done, planned, outcome: progress(outcome))
        except BrokenProcessPool:
            report.interrupted = True
            return "a process of --jobs has died (of too little memory, or of an op that crashes Python)"
        except KeyboardInterrupt:
            report.interrupted = True
            return "interrupted"
    return ""


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # Each worker is a fresh interpreter: forking one whose BLAS has threads may hang.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _deaf)
    try:
        yield pool
    except BaseException:
        threading.excepthook = lambda args: None  # the pool's own thread finds its workers gone
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def _deaf() -> None:
    """In a worker: Ctrl-C is the parent's to hear, which keeps what is done and ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _progress(planned: int) -> Iterator[Callable[[Outcome], None]]:
    """Says how far it is: a bar on a terminal, a line for each op elsewhere."""
    if sys.stdout.isatty() and find_spec("rich") is not None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=console(), transient=True) as bar:
            task = bar.add_task("", total=planned)
            yield lambda outcome: bar.update(task, advance=1, description=str(outcome.unit))
        return
    yield _line_by_line()


def _line_by_line() -> Callable[[Outcome], None]:
    said: set[tuple[str, str]] = set()

    def say(outcome: Outcome) -> None:
        unit = outcome.unit
        failed = outcome.report is not None and outcome.report.verdict == "FAIL"
        if failed and (unit.key, unit.label) not in said:
            said.add((unit.key, unit.label))
            print(f"FAIL {unit}", flush=True)

    return say


# -- saying ----------------------------------------------------------------------------------------------------


def _show(report: RegistryReport, options: argparse.Namespace) -> None:
    """The table, what there is to say of each op, and a line at the end."""
    from ..check.opreport import COLUMNS, colour, told

    lines = list(report.lines())
    if find_spec("rich") is not None:
        from rich.table import Table
        from rich.text import Text

        table = Table("op", "derivation", *COLUMNS, box=None, pad_edge=False, header_style="bold")
        for row in lines:
            table.add_row(*[Text(cell, style="" if colour(cell) == "inherit" else colour(cell)) for cell in row])
        out = console()
        if not out.is_terminal:
            out.width = max(out.width, 140)  # a table that is not to be read in columns is no table
        out.print(table)
        for one in report.reports:
            for line in told(one):
                out.print(Text(line if line.startswith(" ") or not line else f"{one.name} {line}"), soft_wrap=True)
        out.print(Text(report.summary()), soft_wrap=True)
    else:
        print(report, flush=True)
