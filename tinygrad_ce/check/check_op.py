"""check_op and check_registry: every derivation of an op, or of every op, against all that the referee knows.

At the op's own samples: forward values (kernel against decomposition) first, then each derivation's gradient as
`gradcheck` checks it, with families of other points at a few of them, then the op's invariants. What a derivation
assumes is tested inside and outside; shortcuts that end in the op are checked like derivations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from typing import Any

from ..op import Op
from ..registry import registry
from .opreport import OpReport, RegistryReport
from .work import Outcome, Unit, plan, run

Progress = Callable[[int, int, Outcome], None]


def check_op(
    op: Op,
    *,
    derivation: str | None = None,
    order: int = 2,
    mutants: bool = False,
    seed: int = 0,
    full: bool = False,
    quick: bool = False,
) -> OpReport:
    """Check every derivation of an op, or one.

    Parameters
    ----------
    op : Op
        As it stands in the registry. Its samples are the points; one that declares none is checked at ordinary numbers.
    derivation : str, optional
        Only this one; a shortcut goes by "softmax → analytic".
    order : 1 or 2
        2 checks each gradient's own gradient too, as far as the derivation declares to have one.
    mutants : bool
        Also plant standard mistakes in each rule, and count how many this check would have caught.
    seed : int
        For the op's samples.
    full : bool
        Try families of other points at every sample, not at a few.
    quick : bool
        Try none.

    Returns
    -------
    OpReport
        True when something was checked and nothing is wrong. Its repr is a table, derivation × check, with what is
        wrong, what derivations are off by where they assume something, and the mutation score.

    Raises
    ------
    TypeError
        If `op` is no op.
    ValueError
        If it has no such derivation, or no samples can be had.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> report = tg.check_op(tg.softmax, derivation="analytic", quick=True)
    >>> bool(report), report.cell("analytic", "invariants").verdict
    (True, 'PASS')
    """
    if not isinstance(op, Op):
        raise TypeError(
            f"check_op takes an op, not {op!r:.60}; of any other function there is tg.gradcheck(f, *inputs)"
        )
    _require(order, full, quick)
    registered = registry.get(op.key)
    if registered is not op:  # pieces of work name the op by its key
        raise ValueError(f"op '{op.key}' is not in the registry, or another one has taken its name since")
    units = plan(op, derivation=derivation, order=order, mutants=mutants, seed=seed, full=full, quick=quick)
    return OpReport(op.key, [run(unit) for unit in units])


def check_registry(
    ops: Iterable[Op | str] | None = None,
    *,
    executor: Executor | None = None,
    order: int = 2,
    mutants: bool = False,
    seed: int = 0,
    full: bool = False,
    quick: bool = False,
    progress: Progress | None = None,
) -> RegistryReport:
    """Check many ops, by default all that are registered, in pieces that an executor may spread.

    Parameters
    ----------
    ops : iterable of Op or str, optional
        Ops, or their keys in the registry.
    executor : concurrent.futures.Executor, optional
        Where the pieces are done: a pool of processes, `dask`'s `client.get_executor()`, … They carry names alone (op,
        derivation, sample number, seed); a worker must be able to import the modules of the ops. By default, here.
    order, mutants, seed, full, quick
        As for `check_op`.
    progress : callable, optional
        `progress(done, planned, outcome)` after every piece.

    Returns
    -------
    RegistryReport
        True when all passed. `.ops` has an OpReport by key.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> report = tg.check_registry(["exp", tg.relu], quick=True)
    >>> bool(report), list(report.ops)
    (True, ['exp', 'relu'])
    """
    _require(order, full, quick)
    report = planned(ops, order=order, mutants=mutants, seed=seed, full=full, quick=quick)
    carry_out(report, executor, progress)
    return report


def planned(ops: Iterable[Op | str] | None = None, **options: Any) -> RegistryReport:
    """An empty report of what is to be done."""
    chosen = list(registry.values()) if ops is None else [registry[o] if isinstance(o, str) else o for o in ops]
    return RegistryReport([unit for op in chosen for unit in plan(op, **options)])


def carry_out(report: RegistryReport, executor: Executor | None = None, progress: Progress | None = None) -> None:
    """Do what is planned, and add each outcome to the report as it comes: what is there when it is stopped is whole."""
    for outcome in _outcomes(report.units, executor):
        report.outcomes.append(outcome)
        if progress is not None:
            progress(len(report.outcomes), len(report.units), outcome)


def _outcomes(units: list[Unit], executor: Executor | None) -> Iterator[Outcome]:
    if executor is None:
        yield from map(run, units)
        return
    # The longest first: whoever is left with one at the end keeps all waiting.
    order = sorted(units, key=lambda u: (u.task != "mutants", not u.families))
    futures = [executor.submit(run, unit) for unit in order]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _require(order: int, full: bool, quick: bool) -> None:
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2, not {order!r}")
    if full and quick:
        raise ValueError("full=True tries other points at every sample, quick=True at none: give one of the two")
