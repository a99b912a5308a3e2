"""summary: a network as a table of layers, what they give and how many parameters they have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..transforms import no_grad
from ..value import Value
from .module import Module
from .parts import parts

_HEADS = ("layer", "what", "output", "parameters")


@dataclass(frozen=True)
class Row:
    """One layer: its name, what it is, the shape of what it gave last, its own parameters."""

    name: str
    kind: str
    output: str
    parameters: int


@dataclass(frozen=True)
class Summary:
    """What `summary` returns: prints as a table, in a notebook too."""

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    bytes: int

    @property
    def _totals(self) -> str:
        frozen = "" if self.trainable == self.parameters else f", {self.trainable:,} of them trainable"
        return f"{self.parameters:,} parameters{frozen}, {_in_bytes(self.bytes)}"

    def _cells(self) -> list[tuple[str, ...]]:
        return [(row.name, row.kind, row.output, f"{row.parameters:,}" if row.parameters else "") for row in self.rows]

    def __repr__(self) -> str:
        table = [_HEADS, *self._cells()]
        widths = [max(len(cells[i]) for cells in table) for i in range(len(_HEADS))]
        lines = [
            "  ".join(c.rjust(w) if i == 3 else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True)))
            for cells in table
        ]
        return "\n".join([*[line.rstrip() for line in lines], self._totals])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{h}</th>" for h in _HEADS)
        body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>" for cells in self._cells())
        return f"<table><tr>{head}</tr>{body}</table><p>{escape(self._totals)}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        rows = [dict(zip(_HEADS, (r.name, r.kind, r.output, r.parameters), strict=True)) for r in self.rows]
        totals = {"parameters": self.parameters, "trainable": self.trainable, "bytes": self.bytes}
        return {"layers": rows, **totals}


def summary(model: Module, *input_shapes: Sequence[int], dtype: DTypeLike | None = None) -> Summary:
    """A table of a network's layers, made by calling it once, in eval mode, on zeros.

    Parameters
    ----------
    model : Module
    *input_shapes : tuple of int
        One for each argument of the model, the batch's axis with it.
    dtype : dtype, optional
        Of the zeros: the parameters' by default; np.int64 for a model that takes indices.

    Examples
    --------
    >>> from tinygrad_ce.nn import MLP
    >>> summary(MLP([64, 32, 10]), (1, 64))
    layer     what               output   parameters
              MLP(64 → 32 → 10)  (1, 10)
    layers.0  Linear(64 → 32)    (1, 32)       2,080
    layers.1  Linear(32 → 10)    (1, 10)         330
    2,410 parameters, 18.8 KiB
    """
    parameters = model.parameters()
    kind = np.dtype(dtype) if dtype is not None else parameters[0].dtype if parameters else np.dtype(np.float64)
    outputs: dict[int, str] = {}
    modes = [(module, module.training) for module in model.modules()]
    with ExitStack() as stack:
        for module, _ in modes:
            note = lambda module, args, out: outputs.__setitem__(id(module), _shapes(out))
            stack.enter_context(module.register_forward_hook(note))
        try:
            with no_grad():
                model.eval()(*[np.zeros(tuple(shape), dtype=kind) for shape in input_shapes])
        finally:
            for module, training in modes:
                module.training = training
    return Summary(
        tuple(_rows(model, outputs)),
        sum(p.size for p in parameters),
        sum(p.size for p in parameters if p.requires_grad),
        sum(p.size * p.dtype.itemsize for p in parameters),
    )


def _rows(model: Module, outputs: dict[int, str]) -> list[Row]:
    counted: set[int] = set()
    rows = []
    for name, module in model.named_modules():
        own = [p for _, p in parts(module) if isinstance(p, Value) and id(p) not in counted]
        counted |= {id(p) for p in own}
        rows.append(Row(name, module._headline(), outputs.get(id(module), "not called"), sum(p.size for p in own)))
    return rows


def _shapes(out: Any) -> str:
    if isinstance(out, (tuple, list)):
        return ", ".join(_shapes(x) for x in out)
    return str(tuple(np.shape(out)))


def _in_bytes(n: int) -> str:
    size, units = float(n), ["B", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{n} B" if units[0] == "B" else f"{size:.1f} {units[0]}"
