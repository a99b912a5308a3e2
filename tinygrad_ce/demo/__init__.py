"""The demo: one graph, several derivations, a classifier trained and checked.

    python -m tinygrad_ce demo

trains a network on real data, judges it on rows that it has not seen, compares the derivations of its gradient,
shows where two of them part, and writes what there is to keep.
"""

from __future__ import annotations

import numpy as np

from ..check import compare_derivations
from ..data import Dataset
from ..draw import draw
from ..draw.page import explore
from ..nn import MLP
from ..ops import softmax_cross_entropy
from ..terminal import console
from ..train.evaluation import confusion
from ..train.history import History
from ..transforms import no_grad
from ..value import Value
from .keeping import keep_comparisons, keep_model, meta
from .parting import part
from .report import Told, save_report
from .settings import FILES, Prepared, Settings, prepare, require_folder, require_packages
from .texts import PARTING, ROUNDING, aside, introduction
from .training import build, planned_epochs, train

_DERIVATIONS = ("chain", "jacobian", "analytic", "stable")


def run(settings: Settings) -> int:
    """Run the demo.

    Returns
    -------
    int
        0; 1 where two derivations disagree; 130 after Ctrl-C, with what was learnt so far saved.

    Raises
    ------
    Missing, DataError, OutputError
        If it cannot be run as asked; nothing has then been written.
    FloatingPointError
        If training diverges.
    """
    require_packages()
    data = prepare(settings)
    require_folder(settings.out)
    demo = _Demo(settings, data)
    history = demo.train()
    if history.interrupted:
        demo.keep_interrupted(history)
        return 130
    demo.judge(history)
    agreed = demo.compare(history)
    demo.list_files()
    return 0 if agreed else 1


class _Demo:
    """The parts of the demo; each writes its files as soon as there are any."""

    def __init__(self, settings: Settings, data: Prepared) -> None:
        self.settings, self.data = settings, data
        self.model: MLP = build(data, settings)
        self.console = console()

    def train(self) -> History:
        from .tables import shown

        named = f"[bold]{shown(self.data.train.name, 60)}[/]: "
        parameters = sum(value.size for value in self.model.parameters())
        self.console.print(named + introduction(self.data, self.settings, parameters))
        self.console.print(f"[dim]{shown(self.data.train.source)}[/]")
        self._heading(1, "training")
        return train(self.model, self.data, self.settings, self.console)

    def judge(self, history: History) -> None:
        from .tables import confusion_table

        self.matrix = matrix = confusion(self.model, self.data.test)
        self.about = meta(self.data, self.settings, history, matrix)
        keep_model(self.settings, self.model, history, self.about)
        right, rows = int(np.trace(matrix)), int(matrix.sum())
        self._heading(2, "test, on rows that took no part in training")
        self.console.print(f"accuracy [bold]{100 * right / rows:.2f} %[/]: {right:,} of {rows:,} right")
        self.console.print(confusion_table(matrix, self.data.test.class_names, self.console.width))

    def compare(self, history: History) -> bool:
        from .tables import comparison_table, parting_table

        loss = self._loss()
        comparison = compare_derivations(loss, derivations=_DERIVATIONS, reference="autodiff")
        with no_grad():
            logits = self.model(self.data.test.inputs)
        parting = part(logits.numpy(), self.data.test.targets)
        loss.backward()
        graph = draw(loss).save_picture(self.settings.out / "graph.svg")
        explore(loss, self.settings.out / "graph.html", title=f"Loss of {self.data.test.name}")
        keep_comparisons(self.settings, history, self.about, comparison, parting)
        told = Told(self.settings, self.data, self.model, history, self.matrix, comparison, parting)
        save_report(self.settings.out / "report.html", told, graph)

        self._heading(3, "one gradient, five derivations")
        self.console.print(ROUNDING.format(rows=len(self._batch())))
        self.console.print(comparison_table(comparison))
        self._heading(4, "where two of them part")
        self.console.print(PARTING)
        self.console.print(parting_table(parting))
        self.console.print(aside(parting))
        return bool(comparison) and bool(parting.comparison)

    def list_files(self) -> None:
        self._heading(5, "written")
        for name, what in FILES.items():
            self._show_path(name, what)

    def keep_interrupted(self, history: History) -> None:
        """Save what was learnt so far, and say so."""
        about = meta(self.data, self.settings, history, confusion(self.model, self.data.test))
        written = keep_model(self.settings, self.model, history, about)
        done, planned = len(history), planned_epochs(self.data, self.settings)
        self.console.print(f"\ninterrupted after {done} of {planned} epochs; what was learnt so far is kept:")
        for name in written:
            self._show_path(name, FILES[name])
        stale = [name for name in FILES if name not in written and (self.settings.out / name).exists()]
        if stale:
            self.console.print(f"[dim]({' and '.join(stale)} there: of an earlier run)[/]")

    # -- pieces ------------------------------------------------------------------------------------------

    def _batch(self) -> Dataset:
        return self.data.test[: self.settings.batch]

    def _loss(self) -> Value:
        """The trained network's loss on one batch of the test rows, every Value of note named."""
        rows = self._batch()
        logits: Value = self.model(Value(rows.inputs, requires_grad=False, label="inputs"))
        loss: Value = softmax_cross_entropy(logits, Value(rows.targets, requires_grad=False, label="targets"))
        logits.label, loss.label = "logits", "loss"
        self.model.zero_grad()
        return loss

    def _heading(self, number: int, text: str) -> None:
        self.console.print(f"\n[bold cyan]{number}  {text}[/]")

    def _show_path(self, name: str, what: str) -> None:
        from .tables import shown

        longest = max(map(len, FILES))
        path = shown(str(self.settings.out / name), 4096)
        self.console.print(f"{path}{' ' * (longest - len(name))}  [dim]{what}[/]", soft_wrap=True)
