"""How training goes, shown: a bar on a terminal, a table in a notebook, lines elsewhere; and curves that grow.

fit(..., progress=True)                                 where one is
fit(..., callbacks=[LivePlot("curves.svg")])            a picture, written anew after each epoch
"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Sized
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from ..atomic import replacing, require_writable
from .callbacks import Callback
from .curve import history_html, history_svgs
from .history import EpochReport

if TYPE_CHECKING:
    from .run import Run

_LINES = 20


class Progress(Callback):
    """A line for each epoch, or for some twenty of many; on a terminal, with rich, a bar beneath them.

    In a notebook a table that grows in place.

    Parameters
    ----------
    stream : text file, optional
        Where to print; by default standard output as it is when training begins.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self._shown: _Lines | _Bar | _Table | None = None

    def begin(self, run: Run) -> None:
        stream = self.stream or sys.stdout
        if self.stream is None and in_notebook():
            self._shown = _Table(run)
        elif stream.isatty() and find_spec("rich") is not None:
            self._shown = _Bar(run, stream)
        else:
            self._shown = _Lines(run, stream)

    def step(self, run: Run) -> None:
        if self._shown is not None:
            self._shown.step(run)

    def __call__(self, report: EpochReport) -> None:
        if self._shown is not None:
            self._shown.report(report)

    def end(self, run: Run) -> None:
        if self._shown is not None:
            self._shown.end(run)
            self._shown = None


class LivePlot(Callback):
    """Curves of loss and accuracy that grow: in a notebook in place, else in a file.

    Parameters
    ----------
    path : str or path-like, optional
        `.svg` or `.html`, written anew after each epoch; needed outside a notebook.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is None and not in_notebook():
            raise ValueError("outside a notebook LivePlot wants a file to draw to: LivePlot('curves.html')")
        if path is not None and not os.fspath(path).lower().endswith((".svg", ".html")):
            raise ValueError(f"LivePlot draws .svg or .html, not {os.fspath(path)}")
        self.path = path
        self._run: Run | None = None
        self._display: Any = None

    def begin(self, run: Run) -> None:
        self._run = run
        if self.path is not None:
            require_writable(self.path)
        else:
            self._display = _Display()

    def __call__(self, report: EpochReport) -> None:
        assert self._run is not None
        history = self._run.history
        if self._display is not None:
            self._display.show(history_html(history))
        if self.path is not None:
            drawn = history_svgs(history)
            page = os.fspath(self.path).lower().endswith(".html")
            text = _page(history_html(history), report) if page else _beside(drawn)
            with replacing(self.path) as file:
                file.write(text.encode())


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def told(report: EpochReport) -> str:
    """A report in a line.

    >>> print(told(EpochReport(3, 20, 0.5, 0.75, None, None, 0.125)))
    epoch  3/20  loss 0.5000  accuracy 75.00 %  0.1 s
    """
    width = len(str(report.epochs))
    text = "  ".join(f"{name} {_number(name, value)}" for name, value in _learnt(report).items())
    line = f"epoch {report.epoch:>{width}}/{report.epochs}  {text}"
    judged = "  ".join(f"{name} {_number(name, value)}" for name, value in _judged(report).items())
    return line + (f"   validation: {judged}" if judged else "") + f"  {report.seconds:.1f} s"


# -- the three ways -----------------------------------------------------------------------------------------


class _Lines:
    def __init__(self, run: Run, stream: TextIO) -> None:
        self.stream, self.epochs = stream, run.epochs
        every = max(1, round(run.epochs / _LINES))
        self.milestones = {1, run.epochs, *range(every, run.epochs + 1, every)}
        self.last: EpochReport | None = None
        self.printed = 0

    def step(self, run: Run) -> None:
        pass

    def report(self, report: EpochReport) -> None:
        self.last = report
        if report.epoch in self.milestones:
            self.print(told(report))
            self.printed = report.epoch

    def end(self, run: Run) -> None:
        if self.last is not None and self.last.epoch != self.printed:
            self.print(told(self.last))
        if run.history.interrupted:
            self.print(f"interrupted in epoch {min(run.epoch, run.epochs)}, after {run.step} steps")

    def print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class _Bar(_Lines):
    """Lines, and a bar beneath them that moves with every batch."""

    def __init__(self, run: Run, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(run, stream)
        self.console = Console(file=stream, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TimeRemainingColumn())
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.batches = len(run.loader) if isinstance(run.loader, Sized) else 0
        done = (run.epoch - 1) * self.batches + run.batch
        self.task = self.bar.add_task("", total=run.epochs * self.batches or None, completed=done)
        self.moved = 0.0
        self.bar.start()

    def step(self, run: Run) -> None:
        now = perf_counter()
        if now - self.moved > 0.05:
            self.moved = now
            place = f"epoch {run.epoch}/{run.epochs}  step {run.step:,}  loss {run.loss:.4f}"
            self.bar.update(self.task, description=place, completed=(run.epoch - 1) * self.batches + run.batch)

    def end(self, run: Run) -> None:
        self.bar.stop()
        super().end(run)

    def print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


class _Table:
    """A table in a notebook: the last epochs, and where it stands."""

    def __init__(self, run: Run) -> None:
        self.run, self.display = run, _Display()
        self.shown = 0.0

    def step(self, run: Run) -> None:
        now = perf_counter()
        if now - self.shown > 0.5:
            self.shown = now
            self.display.show(self._html(f"epoch {run.epoch}/{run.epochs}, step {run.step:,}, loss {run.loss:.4f}"))

    def report(self, report: EpochReport) -> None:
        self.display.show(self._html(f"epoch {report.epoch}/{report.epochs}"))

    def end(self, run: Run) -> None:
        self.display.show(self._html(repr(run.history)))

    def _html(self, line: str) -> str:
        rows = self.run.history.reports
        kept = rows if len(rows) <= _LINES else [*rows[:: -(-len(rows) // _LINES)], rows[-1]]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("epoch", *(kept[0].numbers() if kept else ())))
        body = "".join(
            f"<tr><td>{report.epoch}</td>"
            + "".join(f"<td>{_number(name, value)}</td>" for name, value in report.numbers().items())
            + "</tr>"
            for report in kept
        )
        done = 100 * (self.run.epoch - 1) / self.run.epochs
        bar = f"<progress max='100' value='{done:.0f}'></progress> {html.escape(line)}"
        return f"<p>{bar}</p><table><tr>{head}</tr>{body}</table>"


class _Display:
    """A cell's output that is replaced."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, text: str) -> None:
        ipython: Any = import_module("IPython.display")
        if self.handle is None:
            self.handle = ipython.display(ipython.HTML(text), display_id=True)
        else:
            self.handle.update(ipython.HTML(text))


# -- pieces -------------------------------------------------------------------------------------------------


def _learnt(report: EpochReport) -> dict[str, float]:
    return {name: value for name, value in report.numbers().items() if not name.startswith("validation_")}


def _judged(report: EpochReport) -> dict[str, float]:
    prefix = "validation_"
    return {n.removeprefix(prefix): value for n, value in report.numbers().items() if n.startswith(prefix)}


def _number(name: str, value: float) -> str:
    if name.endswith(("accuracy", "f1")) or "top" in name:
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


def _beside(pictures: list[str]) -> str:
    """Several pictures as one."""
    width = 430 * len(pictures)
    inner = "".join(f'<g transform="translate({430 * i} 0)">{picture}</g>' for i, picture in enumerate(pictures))
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="250" color="#24292f">{inner}</svg>\n'


def _page(inside: str, report: EpochReport) -> str:
    again = "" if report.epoch == report.epochs else "<meta http-equiv='refresh' content='2'>"
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{again}<title>training</title>"
        f"<style>:root {{ color-scheme: light dark }} body {{ font: 14px system-ui; margin: 2rem }}</style></head>"
        f"<body>{inside}</body></html>\n"
    )
