"""The samples of every NumPy function that has a rule, as calls that other libraries can make too.

A peer is compared where it has the function and takes the call; what is compared is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg

from ..battery import Written

KINDS = ("forward", "vjp", "jvp", "hvp")


def path(function: Any) -> str:
    """np.linalg.norm as "linalg.norm"."""
    module = getattr(function, "__module__", None) or "numpy"
    prefix = module.removeprefix("numpy").removeprefix(".")
    return f"{prefix}.{function.__name__}" if prefix in ("linalg", "fft") else function.__name__


def calls() -> dict[str, list[Written]]:
    """The sample calls of each function, by its path."""
    found: dict[str, list[Written]] = {}
    for name, call in _calls():
        if call.arrays():
            found.setdefault(name, []).append(call)
    return found


def _calls() -> Iterator[tuple[str, Written]]:
    registry = tg.registry()
    rng = np.random.default_rng(12)
    for function, composition in registry.compositions.items():
        for args, kwargs in composition.samples(np.random.default_rng(5)):
            kind = OfSymmetric if path(function) in ("linalg.cholesky", "linalg.eigh", "linalg.eigvalsh") else Written
            yield path(function), kind(function, tuple(args), kwargs)
    for function, op in registry.numpy.items():
        if getattr(op, "variadic", "") is not None or function in registry.compositions:
            continue
        samples = list(op.samples(np.random.default_rng(5)))
        if isinstance(function, np.ufunc):
            samples += [_reshaped(sample, rng) for sample in samples[:1] for _ in range(3)]
        for inputs, params in samples:
            yield path(function), Written(function, inputs, params)
    for name, function in (("concatenate", np.concatenate), ("stack", np.stack)):
        for inputs, params in registry[name].samples(np.random.default_rng(5)):
            yield name, Written(function, (list(inputs),), params)


class OfSymmetric(Written):
    """A call of a function of the symmetric part of its argument; of what else is there, libraries disagree."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(function, tuple([self._symmetric(x) for x in args]), kwargs)

    def whole(self, arrays: tuple[Any, ...], function: Any = None) -> Any:
        return super().whole(tuple([self._symmetric(x) for x in arrays]), function)

    @staticmethod
    def _symmetric(x: Any) -> Any:
        return (x + x.swapaxes(-1, -2)) * 0.5


def _reshaped(sample: Any, rng: np.random.Generator) -> Any:
    """A sample of an elementwise function in random shapes that broadcast."""
    inputs, params = sample
    shape = tuple(rng.integers(1, 4, size=rng.integers(0, 4)))
    moved = []
    for x in inputs:
        own = tuple(1 if rng.random() < 0.3 else n for n in shape)[int(rng.integers(0, len(shape) + 1)) :]
        moved.append(np.resize(rng.permutation(np.ravel(x)), own) if np.size(x) else x)
    return tuple(moved), params


class Tally:
    """What was compared with a peer, and why the rest was not."""

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()
        self.functions: set[str] = set()
        self.seen: set[str] = set()
        self.left_out: dict[str, str] = {}

    def compare(self, name: str, call: Written, theirs: Callable[..., dict[str, Any]], function: Any) -> None:
        """Ours against what the peer gives for whatever it can do."""
        self.seen.add(name)
        if function is None:
            self.left_out[name] = "not there"
            return
        try:
            expected = theirs(call, function)
        except Exception as error:  # whatever a peer says where it cannot do a call
            self.left_out.setdefault(name, f"{type(error).__name__}: {error}".splitlines()[0][:100])
            return
        found = ours(call)
        self.functions.add(name)
        for kind in expected:
            assert agree(found[kind], expected[kind]), (kind, call.args, call.kwargs, found[kind], expected[kind])
            self.compared[kind] += 1

    def require(self, share: float) -> None:
        """Fail unless so much of this process's part was compared: tests that run side by side have a part each."""
        if len(self.seen) < 40:
            pytest.skip(f"this process was given {len(self.seen)} functions only")
        assert len(self.functions) > share * len(self.seen), self
        assert min(self.compared[kind] for kind in KINDS) > 2 * len(self.functions), self

    def __str__(self) -> str:
        return f"{len(self.functions)} of {len(self.seen)} functions, {dict(self.compared)}; left out: {self.left_out}"


def find(name: str, *modules: Any) -> Any:
    """A peer's function of that path in the first module that has it, or None."""
    for module in modules:
        for part in name.split("."):
            module = getattr(module, part, None)
        if module is not None:
            return module
    return None


def outputs(out: Any) -> list[Any]:
    parts = out if isinstance(out, (tuple, list)) else [out]
    return [x for x in parts if np.asarray(tg.value.plain(x)).dtype.kind in "fc"]


def ours(call: Written) -> dict[str, Any]:
    """Value, vjp, jvp and Hessian-vector product of <g, call>, with g and directions that depend on shapes only."""
    arrays = call.arrays()
    plain = outputs(call.function(*call.args, **call.kwargs))
    cotangents, directions = [direction(x) for x in plain], [direction(x) for x in arrays]

    def loss(*xs: Any) -> Any:
        out = outputs(call.whole(xs))
        return sum(np.real(np.sum(g * y * y)) for g, y in zip(cotangents, out, strict=True))

    out, slope = tg.jvp(loss, arrays, directions)
    _, pullback = tg.vjp(loss, *arrays)
    return {
        "forward": plain,
        "vjp": pullback(1.0 if type(out) is float else np.ones_like(out)),
        "jvp": [slope],
        "hvp": tg.hvp(loss, arrays, directions),
    }


def direction(x: Any) -> Any:
    rng = np.random.default_rng(np.size(x))
    t = rng.uniform(0.5, 1.5, size=np.shape(x))
    return t + 1j * rng.uniform(0.5, 1.5, size=np.shape(x)) if np.asarray(x).dtype.kind == "c" else t


def agree(found: Any, expected: Any, tolerance: float = 1e-7) -> bool:
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            return False
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=1.0)
        if not np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True):
            return False
    return True


__all__ = ["KINDS", "Tally", "calls", "direction", "find", "ours", "outputs"]
