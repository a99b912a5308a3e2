"""A data set in batches, epoch after epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import index as as_index
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

Batch = tuple[NDArray[Any], NDArray[Any]]
# (inputs of a batch, generator) ↦ inputs.
Transform = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]


class Rows(Protocol):
    """What a loader makes batches of: a Dataset, or windows of a text."""

    @property
    def inputs(self) -> NDArray[Any]: ...
    @property
    def targets(self) -> NDArray[Any]: ...
    def __len__(self) -> int: ...


class DataLoader:
    """Iterate over a data set in batches; each pass is one epoch.

    Epoch e visits the rows in the order ``np.random.default_rng([seed, e]).permutation(N)``, and batch b of it is
    transformed with ``np.random.default_rng([seed, e, b])``: nothing depends on what was drawn before, nor on
    `prefetch`, so a run resumed in the middle of an epoch goes on exactly.

    Parameters
    ----------
    dataset : Dataset or Windows
        N ≥ 1 rows.
    batch_size : int, optional
        Rows in a batch; the last one of an epoch may have fewer.
    shuffle : bool, optional
        A new order each epoch; False keeps the rows as they are.
    seed : int, optional
        Non-negative; with the epoch, it determines the order.
    drop_last : bool, optional
        Leave a smaller last batch out.
    transform : callable, or sequence of callables, optional
        Each maps the inputs of a batch and a Generator to inputs, as those of `tinygrad_ce.data.augment`; applied in
        order.
    prefetch : int, optional
        Batches made ready ahead, in a thread; 0 makes each when it is asked for.

    Attributes
    ----------
    epoch : int
        The number of the next pass, from 0.

    Yields
    ------
    inputs : ndarray, shape (B, features...)
    targets : ndarray, shape (B, ...)
        New arrays, free to be written to.

    Raises
    ------
    DataError
        When the data set is empty, or the options would give no batch at all. What a transform raises comes out of the
        loop, with a note that says in which batch.

    Examples
    --------
    >>> from tinygrad_ce.data import iris
    >>> loader = DataLoader(iris(), batch_size=64)
    >>> len(loader), [inputs.shape for inputs, targets in loader]
    (3, [(64, 4), (64, 4), (22, 4)])
    """

    # The next pass and the batch it begins with; the pass begun last and the batches it has given.
    _next: int
    _skip: int
    _pass: int
    _given: int

    def __init__(
        self,
        dataset: Rows,
        batch_size: int = 32,
        *,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        transform: Transform | Sequence[Transform] = (),
        prefetch: int = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = _integer("batch_size", batch_size, least=1)
        self.shuffle = shuffle
        self.seed = _integer("seed", seed, least=0)
        self.drop_last = drop_last
        self.transforms = (transform,) if callable(transform) else tuple(transform)
        self.prefetch = _integer("prefetch", prefetch, least=0)
        self._begin(0, 0)
        if not all(hasattr(dataset, name) for name in ("inputs", "targets", "__len__")):
            raise DataError(f"a loader makes batches of a Dataset, not of a {type(dataset).__name__}: make one of it")
        if len(dataset) == 0:
            raise DataError(f"{dataset!r} has no rows to make batches of")
        if len(self) == 0:
            raise DataError(
                f"batch_size={batch_size} with drop_last leaves no batch of {len(dataset)} rows: make it smaller"
            )

    @property
    def epoch(self) -> int:
        return self._next

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._begin(_integer("epoch", epoch, least=0), 0)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        rows = len(self.dataset)
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        # Not a generator itself: the epoch is taken when the pass is asked for, not at its first batch,
        # so that two passes begun together are two epochs.
        epoch, first = self._next, self._skip
        self._next, self._skip = epoch + 1, 0
        self._pass, self._given = epoch, first
        rows = np.arange(len(self.dataset))
        if self.shuffle:
            rows = np.random.default_rng([self.seed, epoch]).permutation(rows)
        return self._batches(rows, epoch, first)

    def state_dict(self) -> dict[str, int]:
        """Return where the pass begun last stands: whole numbers by name.

        Batches that were prefetched but not given out do not count. Kept after a step of training and loaded into a
        loader of the same data, options and transforms, it makes the next pass begin with the batch after that step.

        Examples
        --------
        >>> from tinygrad_ce.data import iris
        >>> loader, again = DataLoader(iris(), 64), DataLoader(iris(), 64)
        >>> batches = iter(loader)
        >>> _ = next(batches)
        >>> again.load_state_dict(loader.state_dict())
        >>> bool(np.all(next(iter(again))[0] == next(batches)[0]))
        True
        """
        over = self._given == len(self)
        return {
            "seed": self.seed,
            "epoch": self._pass + over,
            "batch": 0 if over else self._given,
            "batch_size": self.batch_size,
            "rows": len(self.dataset),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave.

        Raises
        ------
        DataError
            When an entry is missing, unknown or no such number, or the state is in the middle of an epoch of other
            batches; the loader is then as before.
        """
        here = self.state_dict()
        odd = sorted(here.keys() ^ set(state))
        if odd:
            raise DataError(f"not a state of a loader: {', '.join(map(repr, odd))} missing or unknown")
        loaded = {name: _integer(name, np.asarray(state[name]).item(), least=0) for name in here}
        same = all(loaded[name] == here[name] for name in ("batch_size", "rows"))
        if loaded["batch"] and not (same and loaded["batch"] < len(self)):
            raise DataError(
                f"the state is within an epoch of {loaded['rows']} rows in batches of {loaded['batch_size']}, not of "
                f"{here['rows']} in batches of {here['batch_size']}: take the same, or begin an epoch"
            )
        self.seed = loaded["seed"]
        self._begin(loaded["epoch"], loaded["batch"])

    def _begin(self, epoch: int, batch: int) -> None:
        """Let the next pass be this epoch, from this batch on."""
        self._next = self._pass = epoch
        self._skip = self._given = batch

    def _batches(self, rows: NDArray[np.intp], epoch: int, first: int) -> Iterator[Batch]:
        def made(number: int) -> Batch:
            return self._made(rows, epoch, number)

        numbers = range(first, len(self))
        for number, batch in enumerate(_ahead(made, numbers, self.prefetch), first + 1):
            if self._pass == epoch:
                self._given = number
            yield batch

    def _made(self, rows: NDArray[np.intp], epoch: int, number: int) -> Batch:
        chosen = rows[number * self.batch_size : (number + 1) * self.batch_size]
        try:
            inputs, targets = self.dataset.inputs[chosen], self.dataset.targets[chosen]
            rng = np.random.default_rng([self.seed, epoch, number]) if self.transforms else None
            for transform in self.transforms:
                assert rng is not None
                inputs = transform(inputs, rng)
            return inputs, targets
        except Exception as error:
            error.add_note(f"in batch {number} of epoch {epoch}, counted from 0, as {type(self).__name__} made it")
            raise

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self.dataset!r}, {len(self)} batches of {self.batch_size}, next epoch {self.epoch})"


# The name it had first.
Loader = DataLoader


def _ahead(made: Callable[[int], Batch], numbers: range, ahead: int) -> Iterator[Batch]:
    """Make the batches one after another, up to so many before they are asked for."""
    if not ahead:
        yield from map(made, numbers)
        return
    # One worker, so that batches are made in order. However the loop is left, it ends with it.
    with ThreadPoolExecutor(1, "tinygrad_ce prefetch") as worker:
        waiting, ready = iter(numbers), deque[Future[Batch]]()
        try:
            for number in waiting:
                ready.append(worker.submit(made, number))
                if len(ready) > ahead:
                    yield ready.popleft().result()
            while ready:
                yield ready.popleft().result()
        finally:
            for future in ready:
                future.cancel()


def _integer(name: str, value: int, least: int) -> int:
    try:
        number = as_index(value)
    except TypeError:
        raise DataError(f"{name} is an integer, not {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise DataError(f"{name} is an integer of at least {least}, not {value!r}")
    return number
