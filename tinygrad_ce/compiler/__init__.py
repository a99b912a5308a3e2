"""Compile: a function captured once, and run at the speed of hand-written NumPy.

    fast = compile(f)

See compiled.py for what comes back; record.py, passes/, memory.py and source.py for how.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..tracer import NotCaptured
from .backends import BACKENDS
from .compiled import Compiled
from .jit import installed, require
from .passes import PASSES

__all__ = ["Compiled", "NotCaptured", "compile"]


def compile(
    f: Callable[..., Any],
    *,
    without: Collection[str] = (),
    in_place: bool = True,
    cache_size: int = 32,
    backend: str | None = None,
) -> Compiled:
    """A function that does what f does, as straight-line NumPy that is written down once.

    Parameters
    ----------
    f : callable
        Takes and returns Values, arrays and numbers, in nested containers if it likes. It may close over leaf Values,
        call `backward` and transforms, and step an optimiser.
    without : collection of str
        Passes to leave out: "levels", "opened ops", "fused losses", "constants", "algebra", "common", "joined pieces",
        "flat products", "transposed products", "dead code".
    in_place : bool
        Whether steps may write over operands that nobody needs any more.
    cache_size : int
        How many signatures are kept.
    backend : {None, "numpy", "numba"}
        What runs it. "numba" compiles loops when it is first called, which takes seconds, and finds them on disk the
        next time. None: NumPy, until the calls of a signature have taken about as long as compiling would; then both
        are measured on what a call was given, and the faster one goes on. `explain()` says which.

    Returns
    -------
    Compiled
        An op, to be called as f is. `.source` is its text, which `.save(path)` writes to a module that needs NumPy
        alone; `.explain()` tables steps, buffers, bytes and FLOPs after each pass; `.cache` holds a form for each
        signature: the shapes and dtypes of arrays, and everything else that f was given.

    Raises
    ------
    NotCaptured
        At a call, where f does what a list of steps cannot say: branch on data, float(v), shapes that depend on data,
        writing into arrays, setting anything but parameters and an optimiser's state. The message says what to write.
    TypeError
        If f is no function.
    ValueError
        If there is no such pass or backend.
    ImportError
        If numba is asked for and not installed: the message names the extra.

    Notes
    -----
    Leaf Values that f reaches are read at each call, and get gradients. An optimiser that f steps keeps its parameters
    in one vector, into which each call writes, as it does into the arrays of its state and into `.grad`; learning rate
    and step count are read at each call, as are buffers of modules. What a call that sets parameters or gradients
    returns has no graph. Random numbers are drawn from f's own Generators at each call. Whatever else f closes over is
    looked at again at each call; where it has changed, f is captured anew. Under `tg.trace()`, `tg.detect_anomaly()`
    and `tg.detect_mutation()`, on arrays of other libraries, and where the result is differentiated twice, f itself is
    run.

    Results are eager code's bit for bit, but for "opened ops", "fused losses", products whose sums may be taken in
    another order, and functions of single numbers as NumPy computes them ("levels"): a few units in the last place.
    `explain()` says which of them were made.

    Examples
    --------
    >>> import numpy as np, tinygrad_ce as tg
    >>> w = tg.Value(np.array([1.0, 2.0]), label="w")
    >>> fast = tg.compile(lambda x: (w * x).sum())
    >>> fast(np.array([3.0, 4.0])).backward()
    >>> w.grad.tolist()
    [3.0, 4.0]
    >>> bool(tg.compare_derivations(fast, np.array([3.0, 4.0])))
    True
    """
    if not callable(f):
        raise TypeError(f"compile(f): f is a function, not {f!r:.60}")
    unknown = set(without) - set(PASSES)
    if unknown:
        raise ValueError(f"there is no pass {', '.join(sorted(unknown))}; there are {', '.join(PASSES)}")
    if backend not in (None, *BACKENDS):
        known = ", ".join(map(repr, BACKENDS))
        raise ValueError(f"there is no backend {backend!r}; there are {known}, and None: whichever is faster")
    if backend == "numba" and not installed():
        require()
    return Compiled(f, {k: p for k, p in PASSES.items() if k not in without}, in_place, cache_size, backend)
