"""L-BFGS: steps by an approximate inverse Hessian, made of the last few gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, pairwise
from math import inf, isfinite
from typing import Any

import numpy as np

from .entries import written
from .group import State
from .line_search import Point, strong_wolfe
from .memory import Memory
from .optimizer import Optimizer
from .options import Option, count, nonnegative
from .parameters import gradient


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal, 1980; Liu and Nocedal, 1989), with or without a line search.

    With gradients g at points x, and the pairs s = x₊ − x, y = g₊ − g of the last steps, the direction is −H g, where H
    is the BFGS update by those pairs of (sᵀy / yᵀy) I. All parameters together are one vector.

    One `step` is up to `max_iter` iterations, so it is given a closure that computes the loss and its gradients again.

    Parameters
    ----------
    params : iterable of parameters
        One group. Those without a gradient, and frozen ones, stay where they are.
    lr : float, optional
        The length of a step, for the line search that of the first trial.
    max_iter : int, optional
        Iterations in a step.
    max_eval : int, optional
        Evaluations of the closure in a step; 1.25 · max_iter by default.
    tolerance_grad : float, optional
        Stop where no entry of the gradient is greater.
    tolerance_change : float, optional
        Stop where no parameter, or the loss, changes by more.
    history_size : int, optional
        Pairs (s, y) kept.
    line_search_fn : {None, "strong_wolfe"}, optional

    Raises
    ------
    ValueError
        For options out of range, or more than one parameter group.
    TypeError
        As `Optimizer`; from `step`, where the closure returns no number.

    Notes
    -----
    Names, defaults, order of arguments and iterates are those of ``torch.optim.LBFGS``. A step of the line search to
    where the loss is NaN or infinite counts as one too long.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> w = tg.Value([-1.2, 1.0])
    >>> optimizer = LBFGS([w], max_iter=50, tolerance_change=1e-14, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item().__round__(1)
    24.2
    >>> bool(np.allclose(w.data, [1.0, 1.0]))
    True
    """

    max_iter = Option(count)
    max_eval = Option(count)
    tolerance_grad = Option(nonnegative)
    tolerance_change = Option(nonnegative)
    history_size = Option(count)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn is 'strong_wolfe' or None, not {line_search_fn!r}")
        self.line_search_fn = line_search_fn
        super().__init__(
            params,
            lr,
            max_iter=max_iter,
            max_eval=max(max_iter * 5 // 4, 1) if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
        )
        self._memory = Memory()

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Refused, where there is a group already: L-BFGS steps all parameters as one vector."""
        if self.param_groups:
            raise ValueError("LBFGS has one parameter group, whose parameters it steps as one vector")
        super().add_param_group(group)

    def initial_state(self, params: Any, options: Mapping[str, Any] | None = None) -> State:
        """Return an empty dict: what is remembered belongs to all parameters together."""
        return {}

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """Refused: an iteration takes more than one gradient. `step` is given a closure."""
        raise TypeError("L-BFGS has no update from one gradient: call step(closure)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to `max_iter` iterations.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss and its gradients, and returns it.

        Returns
        -------
        What `closure` returned first: the loss before the step.
        """
        if closure is None:
            raise TypeError("LBFGS.step needs a closure that computes the loss and its gradients, and returns it")
        options, line = self._options(0), _Line(self, closure)
        first = closure()
        loss, grad = _number(first), line.gradient()
        if _largest(grad) <= options["tolerance_grad"]:
            return first
        evaluations = 1
        for iteration in range(1, options["max_iter"] + 1):
            before, lr = self._memory, options["lr"]
            memory = before.extended(grad, options["history_size"])
            length = lr if before.iterations else min(1.0, 1.0 / float(np.sum(np.abs(grad)))) * lr
            slope = float(grad @ memory.direction)
            if slope > -options["tolerance_change"]:
                self._memory = memory.walked(grad, length)
                break
            here = Point(0.0, loss, grad, slope)
            left, last = options["max_eval"] - evaluations, iteration == options["max_iter"]
            there, used = self._move(line, here, memory.direction, length, left, last)
            self._memory = memory.walked(grad, there.length)
            evaluations += used
            change = abs(there.loss - loss)
            loss, grad = there.loss, there.gradient
            if (
                evaluations >= options["max_eval"]
                or _largest(grad) <= options["tolerance_grad"]
                or _largest(memory.direction) * there.length <= options["tolerance_change"]
                or change < options["tolerance_change"]
            ):
                break
        return first

    def _move(
        self, line: _Line, here: Point, direction: Any, length: float, most: int, last: bool
    ) -> tuple[Point, int]:
        """Go along the direction: where one arrives, and how many evaluations that took."""
        line.begin(direction)
        if self.line_search_fn:
            there, used = strong_wolfe(line.evaluate, here, length, _largest(direction), most=most)
            line.go(there.length)
            return there, used
        if last:
            # Nobody asks for the loss at the end of the step.
            line.go(length)
            return Point(length, here.loss, here.gradient, here.slope), 0
        return line.evaluate(length), 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state as copies: the options, and what is remembered of all parameters as one vector.

        The keys are those of the options, ``"iterations"``, and once there was one ``"length"``, the last step's,
        ``"gradient"`` before it, its ``"direction"``, ``"scale"`` (sᵀy / yᵀy), and ``"steps"`` and ``"changes"``, the
        pairs s and y as rows.
        """
        return {**super().state_dict(), **{key: written(value) for key, value in self._memory.entries().items()}}

    def load_state_dict(self, entries: Mapping[str, Any]) -> None:
        given = {key: entries[key] for key in Memory.names if key in entries}
        memory = Memory.loaded(given, sum(int(np.size(param.data)) for param in self.params))
        super().load_state_dict({key: entries[key] for key in entries if key not in given})
        self._memory = memory


class _Line:
    """The parameters along a direction from where they are: all of them as one vector."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.params, self.closure = optimizer.params, closure
        self.data = [param.data for param in self.params]
        sizes = [int(np.size(data)) for data in self.data]
        self.cuts = list(pairwise(accumulate(sizes, initial=0)))
        dtypes = [np.float64 if type(data) is float else data.dtype for data in self.data]
        self.dtype = np.result_type(*dtypes)
        self.start = self.direction = np.zeros(0)

    def begin(self, direction: Any) -> None:
        self.start = np.concatenate([param.data for param in self.params], axis=None, dtype=self.dtype)
        self.direction = direction

    def go(self, length: float) -> None:
        """Put the parameters where a step of that length leads."""
        place = self.start + length * self.direction
        for param, like, (begin, end) in zip(self.params, self.data, self.cuts, strict=True):
            part = place[begin:end]
            if type(like) is float:
                param.data = float(part[0])
            else:
                param.data = part.reshape(like.shape).astype(like.dtype)

    def evaluate(self, length: float) -> Point:
        self.go(length)
        loss = _number(self.closure())
        grad = self.gradient()
        return Point(length, loss if isfinite(loss) else inf, grad, float(grad @ self.direction))

    def gradient(self) -> Any:
        """The gradient as one vector, 0 for parameters that have none."""
        grads = [gradient(param) for param in self.params]
        parts = [
            np.zeros(np.size(data)) if grad is None else getattr(grad, "data", grad) if hasattr(grad, "grad") else grad
            for data, grad in zip(self.data, grads, strict=True)
        ]
        return np.concatenate(parts, axis=None, dtype=self.dtype, casting="same_kind")


def _largest(vector: Any) -> float:
    return float(np.max(np.abs(vector), initial=0.0))


def _number(loss: Any) -> float:
    try:
        return float(loss.item() if hasattr(loss, "item") else loss)
    except (TypeError, ValueError):
        raise TypeError(f"the closure returned {type(loss).__name__}, not the loss as one number") from None
