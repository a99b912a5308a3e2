"""A kept model's answers for the rows of a table, with or without the true ones in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import DataError
from ..data.delimited import read_text, rows_of
from ..data.reading import fail
from ..train import predict
from .corpus import NAMED, Facts, read_rows
from .kept import Kept


def answers(kept: Kept, name: str, *, every: bool = False) -> list[list[Any]]:
    """A table: a header, then a row for each row of the data.

    Raises
    ------
    DataError
        If the data cannot be read, or have other features than the model takes.
    """
    facts = kept.facts
    if kept.config.preset == "gpt":
        raise DataError("predict answers for tables; a gpt writes text: tinygrad_ce generate")
    inputs = facts.scaled(_inputs(name, facts)).astype(kept.config.dtype)
    outputs = np.asarray(predict(kept.model, inputs), float)
    if not facts.class_names:
        head = ["prediction"] if outputs[0].size == 1 else [f"prediction_{i}" for i in range(outputs[0].size)]
        return [head, *[[repr(float(x)) for x in np.ravel(row)] for row in outputs]]
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    chances = shifted / shifted.sum(axis=-1, keepdims=True)
    told = [[facts.class_names[i], f"{row[i]:.6f}"] for row, i in zip(chances, chances.argmax(axis=-1), strict=True)]
    if every:
        told = [[*line, *[f"{p:.6f}" for p in row]] for line, row in zip(told, chances, strict=True)]
    return [["class", "probability", *[f"p({c})" for c in facts.class_names] * every], *told]


# -- pieces -----------------------------------------------------------------------------------------------------


def _inputs(name: str, facts: Facts) -> NDArray[Any]:
    path = Path(name)
    if name in NAMED or path.is_dir() or path.suffix.lower() == ".npz" or not (path.suffix or path.exists()):
        return read_rows(name).inputs
    return _columns(name, facts)


def _columns(name: str, facts: Facts) -> NDArray[Any]:
    """The features of a CSV file: by the header's names where it has them, else the first so many columns."""
    text, file = read_text(name)
    table = [(row.line, row.cells) for row in rows_of(text, file)]
    if not table:
        fail(file, "an empty file: it needs rows of numbers")
    wanted, head = int(np.prod(facts.shape)), table[0][1]
    named = any(not _is_number(cell) for cell in head[:wanted])
    if named and facts.feature_names:
        missing = [n for n in facts.feature_names if n not in head]
        if missing:
            fail(file, f"no column '{missing[0]}', which the model was trained on", table[0][0])
        places = [head.index(n) for n in facts.feature_names]
    else:
        places = list(range(wanted))
    rows = table[1:] if named else table
    if not rows:
        fail(file, "only a header, and no rows below it")
    return np.array([_numbers(file, line, cells, places) for line, cells in rows])


def _numbers(file: str, line: int, cells: list[str], places: list[int]) -> list[float]:
    if len(cells) <= max(places):
        fail(file, f"{len(cells)} cells, where the model takes {len(places)} features", line)
    found = []
    for place in places:
        if not _is_number(cells[place]):
            fail(file, f"'{cells[place]:.40}' is no number", line, str(place + 1))
        found.append(float(cells[place]))
    return found


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False
