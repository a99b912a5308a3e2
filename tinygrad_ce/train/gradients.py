"""GradientStatistics: how large gradients and steps are, and which relus are dead."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import is_eager
from ..nn import Module
from ..node import Node, plain
from .callbacks import Callback
from .history import EpochReport

if TYPE_CHECKING:
    from ..nn.hooks import RemovableHandle
    from .run import Run


class GradientStatistics(Callback):
    """How large gradients and steps are, every so many steps; and in each epoch's report, which `tg.draw.curves` draws,
    the norm of each layer's gradient and the share of relu units that were 0 for every row.

    Parameters
    ----------
    every : int
        Steps from one look to the next. An epoch with fewer is looked at after its last step.

    Attributes
    ----------
    rows : list of dict
        step, parameter, gradient (the root mean square of its entries), ratio (that of the step to that of the
        parameter: about 1e-3 is usual), zeros (the share of gradient entries that are exactly 0).

    Notes
    -----
    `report.gradient_norms` has the norm of each layer's gradient, its mean over the epoch's looks; gradients are those
    that the step was taken along, so after clipping. `report.dead_relus` has, for each relu by the module that gives it
    or is given it, the share of its units (channels, of images) that were 0 for all rows of the epoch; relus in
    functions that no module ends or begins with are not seen, and none with `fit(compiled=True)`.
    """

    def __init__(self, every: int = 100) -> None:
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise ValueError(f"every is a number of steps, at least 1, not {every!r}")
        self.every = int(every)
        self.rows: list[dict[str, Any]] = []
        self._run: Run | None = None
        self._norms: dict[str, list[float]] = {}
        self._relus = _Relus()

    def begin(self, run: Run) -> None:
        self._run = run
        self._relus.watch(run.model)

    def step(self, run: Run) -> None:
        if run.step % self.every == 0:
            self.rows += _looked_at(run)
            self._note(run)

    def __call__(self, report: EpochReport) -> None:
        if self._run is not None and not self._norms:
            self._note(self._run)
        report.gradient_norms.update({layer: float(np.mean(norms)) for layer, norms in self._norms.items()})
        report.dead_relus.update(self._relus.shares())
        self._norms = {}
        self._relus.forget()

    def end(self, run: Run) -> None:
        self._relus.leave()

    def _note(self, run: Run) -> None:
        norms: dict[str, float] = {}
        for name, value in run.learnt.items():
            if value.grad is not None:
                layer = name.rpartition(".")[0] or name
                norms[layer] = hypot(norms.get(layer, 0.0), float(np.linalg.norm(np.ravel(plain(value.grad)))))
        for layer, norm in norms.items():
            self._norms.setdefault(layer, []).append(norm)

    def __repr__(self) -> str:
        last = [row for row in self.rows if row["step"] == self.rows[-1]["step"]] if self.rows else []
        width = max((len(row["parameter"]) for row in last), default=0)
        lines = [f"gradients after {last[0]['step']} steps:"] if last else ["no gradients seen"]
        lines += [
            f"  {row['parameter']:<{width}}  gradient {row['gradient']:.1e}  step/size {row['ratio']:.1e}"
            + (f"  {100 * row['zeros']:.0f} % zeros" if row["zeros"] else "")
            for row in last
        ]
        return "\n".join(lines)


def _looked_at(run: Run) -> list[dict[str, Any]]:
    """A row for each parameter that has a gradient."""
    rows = []
    for name, value in run.learnt.items():
        if value.grad is not None:
            gradient, old = np.asarray(plain(value.grad)), np.asarray(run.before[name])
            size = _rms(old)
            rows.append(
                {
                    "step": run.step,
                    "parameter": name,
                    "gradient": _rms(gradient),
                    "ratio": _rms(np.asarray(value.data) - old) / size if size else inf,
                    "zeros": float(np.mean(gradient == 0)) if gradient.size else 0.0,
                }
            )
    return rows


def _rms(array: Any) -> float:
    return float(np.sqrt(np.mean(np.square(array)))) if np.size(array) else 0.0


class _Relus:
    """Which units of a model's relus have not been 0 since they were forgotten last.

    Layers are listened to: a relu is what one gives, or is given.
    """

    def __init__(self) -> None:
        self.alive: dict[str, Any] = {}
        self._handles: list[RemovableHandle] = []
        self._last = 0

    def watch(self, model: Any) -> None:
        self.leave()
        for name, module in model.named_modules() if isinstance(model, Module) else ():
            self._handles.append(module.register_forward_pre_hook(self._entering(name)))
            self._handles.append(module.register_forward_hook(self._leaving(name)))

    def leave(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def forget(self) -> None:
        self.alive = {}

    def shares(self) -> dict[str, float]:
        """The share of dead units by relu."""
        return {name: float(np.mean(~alive)) for name, alive in self.alive.items() if alive.size}

    def _entering(self, name: str) -> Any:
        def hook(module: Module, args: Sequence[Any]) -> None:
            for arg in args:
                self._note(module, f"before {name}" if name else "inputs", arg)

        return hook

    def _leaving(self, name: str) -> Any:
        def hook(module: Module, args: Sequence[Any], out: Any) -> None:
            self._note(module, name or "outputs", out)

        return hook

    def _note(self, module: Module, name: str, out: Any) -> None:
        # Creation numbers rise: what is not newer was seen when the layer before it ended.
        if not module.training or not isinstance(out, Node) or out.op is None or out.op.name != "relu":
            return
        if out.number <= self._last or not is_eager(plain(out)):
            return
        self._last = out.number
        y = np.asarray(plain(out))
        if y.ndim < 2:
            return
        axes = (0, *range(2, y.ndim)) if y.ndim > 3 else tuple(range(y.ndim - 1))
        alive = np.any(y > 0, axis=axes)
        before = self.alive.get(name)
        self.alive[name] = alive if before is None or before.shape != alive.shape else before | alive
