"""jacobian and hessian: one sweep for every row or column, into a result that is there from the start."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..value import Value
from .derivatives import along_gradient, chosen, named_after
from .run import Argnums, Function, Pushing, Run, require_real


def jacobian(
    f: Function,
    argnums: Argnums = 0,
    *,
    mode: Literal["forward", "reverse"] | None = None,
    has_aux: bool = False,
) -> Function:
    """The Jacobian of f, as a function of the same arguments.

    Parameters
    ----------
    f : callable
        Returns a Value of any shape, or a container of them.
    argnums : int, str or sequence of them
        As for `grad`.
    mode : "forward" or "reverse", optional
        Columns by forward sweeps, or rows by reverse sweeps; by default forward where the arguments hold fewer
        numbers than the result, else reverse.
    has_aux : bool
        Whether f returns (result, aux). The transformed function then returns (Jacobian, aux).

    Returns
    -------
    callable
        Its result has f's result's containers on the outside, the argument's within, and arrays of shape
        result.shape + argument.shape.

    Raises
    ------
    TypeError
        If arguments and result are complex: take real and imaginary parts apart. Complex results of real arguments
        are swept forward, real results of complex arguments in reverse, where a row is a gradient (by the convention
        of complex gradients).

    Notes
    -----
    f runs once. A block of the Jacobian is one row (reverse) or one column (forward); blocks are swept one after
    another and written into the result, so that beside f's graph and the result itself the memory is that of a
    single sweep. Where the result is to be differentiated in turn, all rows' graphs are held.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(lambda x: x * x[::-1])(np.array([1.0, 2.0])).tolist()
    [[2.0, 1.0], [2.0, 1.0]]
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f'mode is "forward" or "reverse", not {mode!r}')

    @named_after(f, "jacobian")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, kwargs, argnums, has_aux=has_aux)
        if (mode or _mode(run)) == "forward":
            blocks = _by_columns(Pushing(run.variables, run.outputs), run.keep)
        else:
            blocks = _by_rows(run)
        made = run.outwards([chosen(run.inwards(row), argnums) for row in blocks])
        return (made, run.aux) if has_aux else made

    return transformed


def hessian(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """The Hessian of f, a function of one number, as a function of the same arguments: forward over reverse.

    Returns
    -------
    callable
        Its result has the argument's containers (for several argnums a tuple of them) twice, one within the other,
        and arrays of shape argument.shape + other argument.shape; with `has_aux`, (Hessian, aux).

    Notes
    -----
    f and its gradient run once; then comes one forward sweep for each number in the arguments, each a block of one
    column, written into the result. Beside the gradient's graph and the result the memory is that of one sweep.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """

    @named_after(f, "hessian")
    def transformed(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, kwargs, argnums, has_aux=has_aux)
        for x in run.variables:
            require_real(x, "hessian")
        blocks = _by_columns(along_gradient(run, "hessian"), run.keep)
        made = chosen(run.inwards([chosen(run.inwards(row), argnums) for row in blocks]), argnums)
        return (made, run.aux) if has_aux else made

    return transformed


def _mode(run: Run) -> str:
    """Forward where the arguments hold fewer numbers than the result, if complex numbers do not decide."""
    intricate = [any(x.dtype.kind == "c" for x in values) for values in (run.variables, run.outputs)]
    if all(intricate):
        raise TypeError("jacobian of a complex function of complex numbers: take real and imaginary parts apart")
    if any(intricate):
        return "reverse" if intricate[0] else "forward"
    few = sum(x.size for x in run.variables) < sum(x.size for x in run.outputs)
    return "forward" if few else "reverse"


# -- blocks ----------------------------------------------------------------------------------------------------


def _by_rows(run: Run) -> list[list[Any]]:
    """For each result, its derivative in each variable: a reverse sweep for every number in the result."""
    table = []
    for i, out in enumerate(run.outputs):
        seeds: list[Any] = [None] * len(run.outputs)
        blocks = [_Block(out, x, run.keep) for x in run.variables]
        for k in range(out.size):
            seeds[i] = _basis(out, k)
            for block, row in zip(blocks, run.pull(seeds, run.keep), strict=True):
                block.put_row(k, row)
        table.append([block.made(rows=True) for block in blocks])
    return table


def _by_columns(sweeps: Pushing, keep: bool) -> list[list[Any]]:
    """For each root, its derivative in each variable: a forward sweep for every number in the variables."""
    columns = []
    for j, x in enumerate(sweeps.variables):
        tangents: list[Any] = [None] * len(sweeps.variables)
        blocks = [_Block(root, x, keep) for root in sweeps.roots]
        for k in range(x.size):
            tangents[j] = _basis(x, k)
            for block, column in zip(blocks, sweeps.push(tangents, keep), strict=True):
                block.put_column(k, column)
        columns.append([block.made(rows=False) for block in blocks])
    return [[column[i] for column in columns] for i in range(len(sweeps.roots))]


class _Block:
    """The derivative of one result in one variable, filled row by row or column by column."""

    def __init__(self, out: Value, x: Value, keep: bool) -> None:
        self.shape = out.shape + x.shape
        self.sizes = out.size, x.size
        self.inner = out.shape, x.shape
        self.scalars = type(out.data) is float and type(x.data) is float
        self.dtype = np.result_type(out.dtype, x.dtype)
        self.parts: list[Any] = []
        plain_arrays = isinstance(out.data, _PLAIN) and isinstance(x.data, _PLAIN)
        self.table = np.empty(self.sizes, self.dtype) if plain_arrays and not keep else None

    def put_row(self, k: int, row: Any) -> None:
        if self.table is None:
            self.parts.append(row)
        else:
            self.table[k] = np.ravel(row)

    def put_column(self, k: int, column: Any) -> None:
        if self.table is None:
            self.parts.append(column)
        else:
            self.table[:, k] = np.ravel(column)

    def made(self, rows: bool) -> Any:
        if self.scalars:
            return float(self.table[0, 0]) if self.table is not None else self.parts[0]
        if self.table is not None:
            return self.table.reshape(self.shape)[()]
        if not self.parts:
            return Value(np.zeros(self.shape, self.dtype), requires_grad=False)
        # Values, or arrays of another library, which nothing is written into
        ahead = len(self.inner[0])
        stacked = np.stack(self.parts, axis=0 if rows else ahead)
        return np.reshape(stacked, self.shape)


_PLAIN = (float, np.ndarray, np.generic)


def _basis(x: Value, k: int) -> Any:
    """The k-th unit vector, in x's shape."""
    if type(x.data) is float:
        return 1.0
    flat = np.zeros(x.size, x.dtype)
    flat[k] = 1.0
    return flat.reshape(x.shape)
