"""What the demo is asked to do, and whether it can be done: checked before anything is trained or written."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..data import DataError, Dataset, Standardiser, digits, iris, read_csv, split
from ..draw.render import has_dot

FILES = {
    "report.html": "all of it on one page",
    "graph.html": "the loss's computation graph, to walk about in",
    "graph.svg": "the loss's computation graph, with its gradients",
    "curves.png": "loss and accuracy, epoch by epoch",
    "derivations.json": "both comparisons, entry by entry",
    "model.npz": "what was learnt",
}

_EXTRAS = {"rich": "cli", "matplotlib": "plot"}
_BUNDLED = {"digits": digits, "iris": iris}

# The held-out fifth is the same for every seed, so that runs with different seeds can be compared.
_SPLIT_SEED = 0


class Missing(Exception):
    """A package that the demo needs is not installed."""


class OutputError(Exception):
    """The folder for the demo's files cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The demo's options.

    Attributes
    ----------
    data : "digits", "iris" or the path of a CSV file
    target : str or None
        The CSV column that holds the class.
    epochs : int or None
        None is as many as 1,350 steps take, from 10 to 200.
    seed : int
    hidden : tuple of int
    batch : int
    lr : float
    out : Path
    """

    data: str = "digits"
    target: str | None = None
    epochs: int | None = None
    seed: int = 0
    hidden: tuple[int, ...] = (64,)
    batch: int = 32
    lr: float = 0.01
    out: Path = Path("runs/demo")


@dataclass(frozen=True)
class Prepared:
    """Data as the network sees them: a part to learn from and a part held out; and how they were scaled."""

    train: Dataset
    test: Dataset
    scale: Standardiser | None

    @property
    def rows(self) -> int:
        return len(self.train) + len(self.test)


def require_packages() -> None:
    """Raise Missing, with the command that helps, where a package that the demo needs is not there."""
    for package, extra in _EXTRAS.items():
        if find_spec(package) is None:
            raise Missing(f"the demo needs {package}: pip install 'tinygrad_ce[{extra}]'")
    if not has_dot() and find_spec("pygraphviz") is None:
        raise Missing("the demo draws with Graphviz: pip install 'tinygrad_ce[render]'")


def prepare(settings: Settings) -> Prepared:
    """Read, split and scale the data.

    Raises
    ------
    DataError
        If anything is wrong with them.
    """
    if not settings.data:
        raise DataError("--data is digits, iris or the path of a CSV file, not nothing")
    bundled = _BUNDLED.get(settings.data)
    if bundled is not None and settings.target is not None:
        raise DataError(f"--target names a column of a CSV file; {settings.data} has its classes already")
    data = read_csv(settings.data, settings.target) if bundled is None else bundled()
    try:
        train, test = split(data, held_out=0.2, seed=_SPLIT_SEED)
    except DataError as error:
        raise DataError(f"{settings.data}: {error}") from None
    if settings.data == "digits":
        return Prepared(train, test, None)
    with np.errstate(all="ignore"):
        scale = Standardiser.fit(train)
        train, test = scale.apply(train), scale.apply(test)
    if not (np.all(np.isfinite(train.inputs)) and np.all(np.isfinite(test.inputs))):
        raise DataError(f"{settings.data}: numbers too large to bring features to one scale")
    return Prepared(train, test, scale)


def require_folder(folder: Path) -> None:
    """Raise OutputError unless the demo's files can be written there; leave no trace."""
    where = folder
    while not os.path.lexists(where) and where != where.parent:
        where = where.parent
    if not where.is_dir():
        raise OutputError(f"cannot write to {folder}: {where} is not a folder")
    try:
        tempfile.TemporaryDirectory(dir=where, prefix=".tinygrad_ce-").cleanup()
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    for name in FILES:
        if (folder / name).is_dir():
            raise OutputError(f"cannot write {folder / name}: it is a folder")
