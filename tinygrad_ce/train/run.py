"""A run: where training stands, and all that it takes to go on from there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..checkpoint import Checkpoint, Stateful, load, previous, save
from ..checkpoint.restoring import Generators
from ..nn import Module
from .callbacks import Callback, Stepping
from .evaluation import Batches, Model, Tally
from .history import History


class Optimiser(Protocol):
    """What `fit` asks of an optimiser."""

    @property
    def params(self) -> Sequence[Any]: ...
    def zero_grad(self) -> None: ...
    def step(self) -> None: ...


class Run:
    """A run of `fit`, as callbacks see it.

    Attributes
    ----------
    model, optimiser, loader
        As given to `fit`.
    history : History
    epoch, epochs : int
        The one that is going on, from 1, and how many are planned.
    batch, step : int
        Batches done in this epoch, and steps done in all.
    loss : float
        Of the last batch.
    tally : Tally
        What has been added up in this epoch.
    learnt : dict
        The optimiser's parameters by name.
    places : dict
        All that the model is: parameters and buffers by name, each with `data` to read and to set.
    before : dict
        The data of `places` before the last step.
    settled : bool
        Whether this is a moment between two steps, in which all parts belong together.
    failed : bool
        Whether an error has ended it.
    later : list of callables
        What a callback wants done at the next such moment.
    """

    def __init__(
        self, model: Model, optimiser: Optimiser, loader: Batches, epochs: int, callbacks: Sequence[Any], random: Any
    ) -> None:
        self.model, self.optimiser, self.loader = model, optimiser, loader
        self.epochs, self.callbacks = epochs, tuple(callbacks)
        self.history = History()
        self.epoch, self.batch, self.step = 1, 0, 0
        self.seconds, self.loss = 0.0, float("nan")
        self.tally: Tally | None = None
        self.settled, self.failed = True, False
        self.later: list[Callable[[], None]] = []
        self.saved_position: Any = None
        self._loader_epoch: int | None = None
        self._tallied: Mapping[str, Any] | None = None
        self._random = dict(random or {})
        own = dict(model._stateful()) if isinstance(model, Module) else {}
        met = {id(place) for place in own.values()}
        others = [p for p in optimiser.params if id(p) not in met]
        self._others = _named(others, own)
        self.places: dict[str, Any] = {**own, **self._others}
        by_id = {id(place): name for name, place in self.places.items()}
        self.learnt: dict[str, Any] = {by_id[id(p)]: p for p in optimiser.params}
        self.settle()

    # -- steps ----------------------------------------------------------------------------------------------

    def begin_epoch(self, tally: Tally) -> None:
        """An epoch begins, or goes on in its middle."""
        self.tally = tally
        if self._tallied is not None:
            tally.restore(self._tallied)
            self._tallied = None
        elif self.batch == 0:
            self.seconds = 0.0
        self._loader_epoch = getattr(self.loader, "epoch", None)

    def settle(self) -> None:
        """Remember the parameters and buffers: a whole step is done.

        Optimisers and layers put new arrays in the place of old ones, so to remember them takes no copy.
        """
        self.before = {name: place.data for name, place in self.places.items()}
        self.settled = True

    def flush(self) -> None:
        """Do what callbacks have left for a moment in which all parts belong together."""
        while self.later:
            self.later.pop(0)()

    def restore(self) -> None:
        """Go back to the last whole step."""
        if not self.settled:
            for name, place in self.places.items():
                place.data = self.before[name]

    def require_finite(self) -> None:
        for name, value in self.learnt.items():
            if not np.all(np.isfinite(value.data)):
                raise FloatingPointError(
                    f"parameter {name} is not finite after epoch {self.epoch}: try a smaller learning rate"
                )

    # -- checkpoints ----------------------------------------------------------------------------------------

    @property
    def position(self) -> tuple[int, int, bool]:
        return self.step, len(self.history), self.history.stopped

    def save(self, path: str | os.PathLike[str], meta: Mapping[str, Any], *, last: bool = True) -> None:
        """Write everything to a checkpoint; the last one has the one before kept beside it."""
        save(path, self.parts(), {**meta, "step": self.step, "epochs": len(self.history)}, keep_previous=last)
        if last:
            self.saved_position = self.position

    def resume(self, path: str | os.PathLike[str]) -> Checkpoint | None:
        """Take everything from a checkpoint, or from the one before where it is damaged; None where there is none.

        Raises
        ------
        ValueError
            If both are damaged, or of another run; nothing is changed.
        """
        try:
            return load(path, self.parts())
        except FileNotFoundError:
            if not previous(path).exists():
                return None
            return load(previous(path), self.parts())
        except ValueError:
            if not previous(path).exists() or not _damaged(path):
                raise
            return load(previous(path), self.parts())

    def parts(self) -> dict[str, Any]:
        """Everything that has a state, by name."""
        parts: dict[str, Any] = {"training": _Progress(self)}
        parts |= {"model": self.model} if isinstance(self.model, Module) else {}
        parts |= {"parameters": _Data(self._others)} if self._others else {}
        parts |= {"optimiser": self.optimiser} if isinstance(self.optimiser, Stateful) else {}
        parts |= {"random": Generators(found)} if (found := self._generators()) else {}
        for callback in self.callbacks:
            if isinstance(callback, Stateful):
                name = "schedule" if isinstance(callback, Stepping) else type(callback).__name__
                while name in parts:
                    name += "+"
                parts[name] = callback
        return parts

    def _generators(self) -> dict[str, np.random.Generator]:
        model = dict(self.model.named_generators()) if isinstance(self.model, Module) else {}
        return {**model, **self._random}

    def _told(self) -> dict[str, Any]:
        """Where training stands, as plain data."""
        middle = self.tally is not None
        at_start = self._loader_epoch if middle else getattr(self.loader, "epoch", None)
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "seconds": self.seconds,
            "loader_epoch": at_start,
            "tally": self.tally.state() if self.tally is not None else None,
        }

    def _take(self, told: Mapping[str, Any], history: History) -> None:
        self.epoch, self.batch, self.step = (int(told[key]) for key in ("epoch", "batch", "step"))
        self.seconds, self._tallied = float(told["seconds"]), told["tally"]
        if told["loader_epoch"] is not None:
            self.loader.epoch = told["loader_epoch"]  # type: ignore[attr-defined]
        self.history.reports[:] = history.reports
        self.history.stopped, self.history.interrupted = history.stopped, False
        self.tally = None
        self.settle()


class _Progress:
    """Where a run stands, as a state."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.run._told(), "history": self.run.history.to_dict()}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        try:
            self.run._take(state["position"], History.from_dict(state["history"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it does not say where training stood: {error}") from None


class _Data:
    """Parameters that are in no Module, as a state."""

    def __init__(self, places: Mapping[str, Any]) -> None:
        self.places = places

    def state_dict(self) -> dict[str, Any]:
        return {name: np.array(place.data) for name, place in self.places.items()}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        wrong = [
            name for name, p in self.places.items() if name not in state or np.shape(state[name]) != np.shape(p.data)
        ]
        if wrong or len(state) != len(self.places):
            raise ValueError(f"its parameters are not these: {', '.join(wrong) or 'there are others'}")
        for name, place in self.places.items():
            old = place.data
            place.data = float(state[name]) if type(old) is float else np.array(state[name], dtype=old.dtype)


def _named(params: Iterable[Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by label, or by number where there is none or it is taken."""
    named: dict[str, Any] = {}
    for i, param in enumerate(params):
        label = getattr(param, "label", "") or ""
        named[label if label and label not in named and label not in taken else f"number {i}"] = param
    return named


def _damaged(path: str | os.PathLike[str]) -> bool:
    try:
        load(path)
    except ValueError:
        return True
    return False


Callbacks = Callable[[Any], Any] | Callback | Sequence[Callback | Callable[[Any], Any]]
