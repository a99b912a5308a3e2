"""Which backend runs a form, where nobody has said: numba, if it is there and found to be faster.

    Watch(captured)     counts calls; at the right time, tries

Compiling takes seconds, so it has to be worth it: a form is tried once its calls have taken as long as that will, and
sooner where this machine has compiled it before. Both backends are then run on what this call was given, with copies of
the parameters and of the optimiser's state, so nothing is changed by it; the faster one runs the form from then on.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import jit
from .backends import Draft, Form

if TYPE_CHECKING:
    from .captured import Captured, Instance

FIRST = 10  # calls before anything is measured
WORTH = 5.0  # seconds that a form's calls have taken before it is compiled
FOUND = 1.0  # the same, where it lies on disk
BETTER = 0.95  # of NumPy's time, at most
LONGEST = 5_000  # steps of a graph that is tried
_ROUNDS = 7


class Watch:
    """Counts the calls of a form that NumPy runs, and tries numba when it is worth it."""

    def __init__(self) -> None:
        self.calls, self.at = 0, FIRST
        self.seconds = 0.0  # of one call
        self.told = "numpy"

    def called(self, captured: Captured, data: Sequence[Any]) -> None:
        """Before a call with these data."""
        self.calls += 1
        if self.calls < self.at:
            return
        if not self.seconds:
            self.seconds = max(_seconds(captured, [captured.form], data, 3)[0], 1e-7)
            self.at = FIRST + int(FOUND / self.seconds)
            return
        self.at = 1 << 62
        if len(captured.graph.steps) > LONGEST:
            self.told = "numpy: too many steps for a compiler that takes its time with each"
            return
        draft = Draft(captured.layout)
        if not draft.worthwhile:
            self.told = "numpy: there are no loops to compile"
        elif jit.known(draft.kernels) or self.calls * self.seconds >= WORTH:
            self._try(captured, draft, data)
        else:
            self.at = FIRST + int(WORTH / self.seconds)

    def _try(self, captured: Captured, draft: Draft, data: Sequence[Any]) -> None:
        try:
            form = draft.form()
            ours, theirs = _seconds(captured, [captured.form, form], data, _ROUNDS)
        except Exception as error:  # NumPy runs it: what numba cannot do is no reason to stop
            warnings.warn(f"numba cannot compile {captured.name}: {error!s:.200}", RuntimeWarning, stacklevel=5)
            self.told = "numpy: numba cannot compile it"
            return
        self.told = f"numpy {1e6 * ours:.0f} µs, numba {1e6 * theirs:.0f} µs"
        if theirs < BETTER * ours:
            captured.use(form)


def _seconds(captured: Captured, forms: Sequence[Form], data: Sequence[Any], rounds: int) -> list[float]:
    """The least time of each form on these data, on copies of what it writes into."""
    instances: list[Instance] = []
    for form in forms:
        arrays = [np.array(x) for x in captured.bound_arrays()]
        instances.append(captured.instance_of(form, arrays))
    least = [float("inf")] * len(forms)
    with np.errstate(all="ignore"):
        for _ in range(rounds):
            for n, instance in enumerate(instances):
                start = perf_counter()
                made = instance.forward(*data)
                if instance.backward is not None:
                    instance.backward(made[-1], *captured.ones())
                least[n] = min(least[n], perf_counter() - start)
    return least
