"""CSV tables read as data sets, with every doubt about a cell raised as an error that names its line."""

from __future__ import annotations

import os
import re
from array import array
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .delimited import Row, read_text, rows_of
from .errors import listed, quoted
from .reading import fail

_MISSING = frozenset({"", "?", "-", "na", "n/a", "none", "null"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
# More different classes than this, most of them seen once, are no classes: the first bound is for fractions.
_MOST_FRACTIONS, _MOST_CLASSES = 20, 100


def read_csv(path: str | os.PathLike[str], target: str | None = None, *, quantity: bool = False) -> Dataset:
    """Read a table of numbers with a class, or a quantity to predict, in each row.

    The file is UTF-8 text with commas, semicolons or tabs between cells, quoted where needed; blank lines
    and blanks around cells do not count. The first line is a header when one of its features is no number.

    Parameters
    ----------
    path : str or path-like
        The file.
    target : str, optional
        The header's name for the column that holds the class; without it, the last column.
    quantity : bool, optional
        That column holds a number to predict.

    Returns
    -------
    Dataset
        inputs (N, F), float64; targets (N,), int64, or (N, 1), float64, for a quantity. Classes are numbered in sorted
        order, by value where all labels are numbers ("1" and "1.0" are one class); feature names are empty without a
        header.

    Raises
    ------
    DataError
        When anything in the file is not so, or is doubtful: a file that cannot be read or is not text, rows
        of different lengths, cells that are empty, text, NaN or infinite, labels that are empty, all equal,
        or that look like a quantity to predict. The message is one line: file, line, column and remedy.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "fruit.csv")
    >>> _ = path.write_text("weight,width,fruit\\n120,6.5,pear\\n9,2.0,plum\\n131,6.9,pear\\n")
    >>> read_csv(path)
    Dataset('fruit': 3 rows of 2 features, 2 classes: 'pear', 'plum')
    >>> read_csv(path).targets
    array([0, 1, 0])
    """
    text, file = read_text(path)
    return parse_csv(text, file, target, quantity)


def parse_csv(text: str, file: str, target: str | None = None, quantity: bool = False) -> Dataset:
    """Read a table from text; `file` is what errors and the data set call it."""
    rows = rows_of(text, file)
    first = next(rows, None)
    if first is None:
        fail(file, "an empty file: it needs rows of numbers with a class in the last column")
    layout = _layout(first, file, target, quantity)
    numbers, quantities, labels, lines = array("d"), array("d"), list[str](), list[int]()
    for row in rows if layout.named else chain([first], rows):
        numbers.extend(_features(row, layout))
        if quantity:
            quantities.append(_quantity(row, layout))
        else:
            labels.append(_label(row, layout))
            lines.append(row.line_of(layout.target))
    rows_read = len(labels) or len(quantities)
    if not rows_read:
        fail(file, "only a header, and no rows below it: add rows", first.line)
    if target is None and not quantity:
        _refuse_doubtful_header(first, layout, labels)
    targets: NDArray[Any]
    targets, class_names = (np.array(quantities)[:, None], ()) if quantity else _classes(labels, lines, layout)
    return Dataset(
        inputs=np.array(numbers).reshape(rows_read, -1),
        targets=targets,
        class_names=class_names,
        feature_names=tuple(layout.features_of(first.cells)) if layout.named else (),
        name=Path(file).stem,
        source=f"the file {Path(file).name}",
    )


@dataclass(frozen=True)
class _Layout:
    """What the first line says about all of them."""

    file: str
    first: Row
    named: bool
    target: int

    def column(self, index: int) -> str:
        return quoted(self.first.cells[index]) if self.named else str(index + 1)

    def features_of(self, cells: list[str]) -> list[str]:
        return cells[: self.target] + cells[self.target + 1 :]

    def fail(self, what: str, row: Row, index: int) -> NoReturn:
        fail(self.file, what, row.line_of(index), self.column(index))


def _layout(first: Row, file: str, target: str | None, quantity: bool) -> _Layout:
    cells = first.cells
    if len(cells) < 2:
        what = "only one column: it needs features and a class, with comma, semicolon or tab between them"
        fail(file, what, first.line)
    named = target in cells or any(_is_text(cell) for cell in (cells if quantity else cells[:-1]))
    if target is not None and target not in cells:
        if not named:
            what = f"no header line, so no column {quoted(target)}: add one, or leave target out"
            fail(file, what, first.line)
        fail(file, f"no column {quoted(target)}: choose one of {listed(cells)}", first.line)
    if named:
        _check_names(first, file)
    return _Layout(file, first, named, len(cells) - 1 if target is None else cells.index(target))


def _check_names(header: Row, file: str) -> None:
    for index, name in enumerate(header.cells):
        line = header.line_of(index)
        if not name:
            what = "no name in the header: name it, or delete it if it only counts rows"
            fail(file, what, line, str(index + 1))
        before = header.cells.index(name)
        if before < index:
            what = f"the same name as column {before + 1}: rename one"
            fail(file, what, line, f"{quoted(name)} ({index + 1})")


def _refuse_doubtful_header(first: Row, layout: _Layout, labels: list[str]) -> None:
    """Refuse a first line that may be a header or data: either guess could be silently wrong."""
    label = first.cells[layout.target]
    if layout.named:
        if label in labels:
            why = next(quoted(cell) for cell in layout.features_of(first.cells) if _is_text(cell))
            what = f"read as a header because {why} is not a number, but {quoted(label)} is a class below"
            fail(layout.file, f"{what}: correct the number, or add a header", first.line)
        return
    others = Counter(labels[1:])
    counted = layout.features_of(first.cells) == [str(i) for i in range(len(first.cells) - 1)]
    lone = label not in others and min(others.values(), default=0) > 1
    odd = bool(others) and None not in map(_number, others)
    if _number(label) is None and (odd or (counted and lone and len(first.cells) > 3)):
        what = f"this line may be a header of numbers, or a row of class {quoted(label)}: "
        what += f"if a header, pass target={quoted(label)}; if not, add one above"
        fail(layout.file, what, first.line)


def _features(row: Row, layout: _Layout) -> list[float]:
    """The numbers of a row: fast where all is well, cell by cell where something is not."""
    if len(row.cells) != len(layout.first.cells):
        count = f"{len(row.cells)} cell{'s' * (len(row.cells) != 1)}"
        what = f"{count} where line {layout.first.line} has {len(layout.first.cells)}: "
        what += "give every row the same number, and quote cells that hold a delimiter"
        fail(layout.file, what, row.line)
    cells = layout.features_of(row.cells)
    try:
        numbers = list(map(float, cells))
    except ValueError:
        numbers = []
    if numbers and isfinite(sum(numbers)) and "_" not in "".join(cells):
        return numbers
    columns = (index for index in range(len(row.cells)) if index != layout.target)
    return [_checked(cell, row, index, layout) for cell, index in zip(cells, columns, strict=True)]


def _checked(cell: str, row: Row, index: int, layout: _Layout) -> float:
    number = _number(cell)
    if number is not None and isfinite(number):
        return number
    if not cell:
        what = "an empty cell: fill it in, or delete the row"
    elif number is not None or cell.lower() in _MISSING:
        what = f"{quoted(cell)} is not a finite number: fill it in, or delete the row"
    elif _DECIMAL_COMMA.fullmatch(cell):
        what = f"{quoted(cell)} is not a number: write the decimal comma as a point"
    else:
        what = f"{quoted(cell)} is not a number: correct it, or, if the class is in this column, "
        what += "pass its name as target" if layout.named else "add a header and pass its name as target"
    layout.fail(what, row, index)


def _label(row: Row, layout: _Layout) -> str:
    label = row.cells[layout.target]
    number = _number(label)
    if label and (number is None or isfinite(number)):
        return label
    what = f"{quoted(label)} is not a class" if label else "an empty class label"
    layout.fail(f"{what}: fill it in, or delete the row", row, layout.target)


def _quantity(row: Row, layout: _Layout) -> float:
    cell = row.cells[layout.target]
    number = _number(cell)
    if number is not None and isfinite(number):
        return number
    what = f"{quoted(cell)} is not a number to predict" if cell else "an empty cell, and no number to predict"
    layout.fail(f"{what}: fill it in, or delete the row", row, layout.target)


def _classes(labels: list[str], lines: list[int], layout: _Layout) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes in sorted order, by value where all labels are numbers."""
    column = layout.column(layout.target)
    texts = {label for label in set(labels) if _number(label) is None}
    if texts and all(label.lower() in _MISSING for label in texts) and len(texts) < len(set(labels)):
        row = next(row for row, label in enumerate(labels) if label in texts)
        what = f"{quoted(labels[row])} among classes that are numbers: fill it in, or delete the row"
        fail(layout.file, what, lines[row], column)
    values: dict[str, Any] = {label: label if texts else _value(label) for label in labels}
    classes = sorted(set(values.values()))
    if len(classes) == 1:
        fail(layout.file, f"every row has class {quoted(labels[0])}: at least two are needed", None, column)
    most = _MOST_FRACTIONS if any(isinstance(value, float) for value in classes) else _MOST_CLASSES
    if len(classes) > max(most, len(labels) / 2):
        what = f"{len(classes)} different labels in {len(labels)} rows: a quantity (regression) or row names, "
        fail(layout.file, what + "not classes; choose another column with target", None, column)
    number = {value: index for index, value in enumerate(classes)}
    targets = np.array([number[values[label]] for label in labels], dtype=np.int64)
    return targets, tuple(str(value) for value in classes)


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _value(label: str) -> int | float:
    """The number a label spells: an int where it is one, so that large ones stay apart."""
    try:
        return int(label)
    except ValueError:
        value = float(label)
        return int(value) if value.is_integer() else value


def _is_text(cell: str) -> bool:
    """Whether a feature cell looks like a name: a missing number is no sign of a header."""
    return _number(cell) is None and cell.lower() not in _MISSING
