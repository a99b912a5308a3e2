"""What every op of the registry has to stand, and the small tools that the battery is made of.

An op brings its samples with it, so that registering an op registers its tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce.arrays import as_array
from tinygrad_ce.derivation import AUTODIFF, AssumptionError, Derivation
from tinygrad_ce.op import Op

SPECIAL: set[str] = set()
with suppress(ImportError):  # SciPy is an extra
    import tinygrad_ce.special

    SPECIAL = {x.name for x in vars(tinygrad_ce.special).values() if isinstance(x, Op)} - {"sigmoid_density", "softmax"}

# Ops that are known in floating point alone, not in numbers of other kinds: those of scipy.special, LAPACK and FFT,
# what is summed up in so many terms, and what asks for the bits of a number.
FLOATING = {
    *SPECIAL,
    *("cholesky", "cofactors", "det", "eigen", "eigen_symmetric", "eigenvalues_symmetric", "inv", "least_squares"),
    *("logdet", "orthogonal", "pinv", "second_cofactors", "singular", "singular_values", "solve", "undetermined"),
    *("fft", "ifft", "irfft", "rfft", "i0", "i0_derivative", "sinc", "sinc_derivative"),
    *("ldexp", "nextafter", "spacing"),
}
COMPLEX = {"real", "imag", "conjugate"}


@dataclass(frozen=True)
class Case:
    """One op at one sample."""

    op: Op
    number: int
    inputs: tuple[Any, ...]
    params: dict[str, Any]

    def __str__(self) -> str:
        shapes = "x".join(str(np.shape(x)) for x in self.inputs if x is not None)
        if isinstance(self.op, Written):
            return f"{self.op.name}-{self.number}-{shapes}"
        options = ",".join(f"{k}={v}" for k, v in self.params.items() if k != "key")
        return f"{self.op.name}-{self.number}-{shapes}-{options}"

    @property
    def moving(self) -> list[int]:
        """Positions of the inputs that have a gradient."""
        return [
            i
            for i, x in enumerate(self.inputs)
            if x is not None and i not in self.op.constants and np.asarray(x).dtype.kind in "fc"
        ]

    @property
    def options(self) -> dict[str, Any]:
        return {**self.op.defaults, **self.params}

    def forward(self, *moved: Any) -> Any:
        """The op beneath its validation, with the moving inputs replaced."""
        inputs = list(self.inputs)
        for i, x in zip(self.moving, moved, strict=True):
            inputs[i] = x
        return self.op.apply(tuple(inputs), self.options)

    def leaves(self) -> list[Any]:
        return [tg.Value(self.inputs[i]) for i in self.moving]

    def cotangent(self) -> Any:
        """Random, signed, of mixed magnitude, and of the output's shape."""
        out = np.asarray(self.forward(*[self.inputs[i] for i in self.moving]))
        rng = np.random.default_rng(7)
        signed = lambda: rng.choice([-1.0, 1.0], size=out.shape) * rng.uniform(0.5, 2.0, size=out.shape)
        return signed() + 1j * signed() if out.dtype.kind == "c" else signed()

    def gradients(self, derivation: str, cotangent: Any) -> list[Any]:
        leaves = self.leaves()
        out = self.forward(*leaves)
        if not out.requires_grad:
            return [np.zeros(x.shape) for x in leaves]
        out.backward(cotangent, derivation=None if derivation == "rule" else derivation)
        return [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]


def cases(op: Op) -> list[Case]:
    assert op.samples is not None, f"op {op.name} declares no samples: the battery cannot test it"
    return [
        Case(op, n, tuple(inputs), params) for n, (inputs, params) in enumerate(op.samples(np.random.default_rng(3)))
    ]


class Written:
    """A call of a NumPy function that is written in others, as an op of the float arrays in its arguments."""

    variadic = "arrays"
    decomposition = None
    constants: frozenset[int] = frozenset()

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.defaults: dict[str, Any] = {}
        self.derivations = {"rule": Derivation("rule", lambda *_: ())}
        self.function, self.args, self.kwargs = function, args, kwargs
        self.name = f"np.{function.__name__}"

    def arrays(self) -> tuple[Any, ...]:
        found: list[Any] = []
        self._replaced((self.args, self.kwargs), lambda x: found.append(x) or x)
        return tuple(found)

    def _replaced(self, x: Any, by: Any) -> Any:
        if isinstance(x, (tuple, list)):
            return type(x)([self._replaced(item, by) for item in x])
        if isinstance(x, dict):
            return {k: self._replaced(item, by) for k, item in x.items()}
        return by(x) if isinstance(x, np.ndarray) and x.dtype.kind in "fc" else x

    def apply(self, arrays: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return _one(self.whole(arrays))

    def whole(self, arrays: tuple[Any, ...], function: Any = None) -> Any:
        """All that the function (or a peer's of that name) returns, with these arrays in the call."""
        rest = iter(arrays)
        args, kwargs = self._replaced((self.args, self.kwargs), lambda x: next(rest))
        return (function or self.function)(*args, **kwargs)


def _one(out: Any) -> Any:
    """All floating results of a function in one array."""
    if not isinstance(out, (tuple, list)):
        return out
    floating = [x for x in out if as_array(tg.value.plain(x)).dtype.kind in "fc"]
    return np.concatenate([np.ravel(x) for x in floating])


def calls() -> list[Case]:
    """Every sample of the NumPy functions that are written in others."""
    found, seen = [], set()
    for function, composition in tg.registry().compositions.items():
        if composition.function in seen:
            continue
        seen.add(composition.function)
        for n, (args, kwargs) in enumerate(composition.samples(np.random.default_rng(3))):
            written = Written(function, tuple(args), kwargs)
            found.append(Case(written, n, written.arrays(), {}))
    return found


def derivations(case: Case) -> Iterator[str]:
    """The derivations whose assumptions hold here."""
    for d in case.op.derivations.values():
        try:
            d.require(case.op.name, case.inputs, case.options)
        except AssumptionError:
            continue
        yield d.name


def pairing(g: Any, t: Any) -> Any:
    """<g, t> of a cotangent and a tangent: the real part of Σ g t."""
    return np.sum(np.real(g * t))


def widened(x: Any) -> Any:
    return np.array(x, dtype=np.complex128 if np.asarray(x).dtype.kind == "c" else np.float64)


def central(f: Any, x: Any, h: float = 2e-4) -> Any:
    """df/dx entry by entry, f a number: central differences, extrapolated twice (error of order h⁶).

    In x + iy, the slope in x less i times the slope in y.
    """
    x = widened(x)
    if x.dtype.kind == "c":
        return central(lambda a: f(a + 1j * x.imag), x.real, h) - 1j * central(lambda b: f(x.real + 1j * b), x.imag, h)
    slope = np.zeros(x.shape)
    for i in np.ndindex(x.shape):

        def at(t: float, i: Any = i) -> float:
            moved = x.copy()
            moved[i] += t
            return float(f(moved))

        d = [(at(k * h) - at(-k * h)) / (2 * k * h) for k in (1, 2, 4)]
        first = (4 * d[0] - d[1]) / 3, (4 * d[1] - d[2]) / 3
        slope[i] = (16 * first[0] - first[1]) / 15
    return slope


def assert_close(found: Any, expected: Any, tolerance: float = 1e-7) -> None:
    """Relative to the largest entry: an error bar for differences, not for gradients' own accuracy."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    known = np.isfinite(expected)
    assert np.array_equal(found[~known], expected[~known], equal_nan=True)
    scale = np.max(np.abs(expected[known]), initial=1.0)
    assert np.all(np.abs(found[known] - expected[known]) <= tolerance * scale), f"{found} is not {expected}"


__all__ = ["AUTODIFF", "Case", "assert_close", "calls", "cases", "central", "derivations", "pairing", "widened"]
