"""An op's arguments: which are arrays, which are options, and how a call is sorted into the two.

Positional parameters of an op's function are its array inputs, keyword-only ones its options:

    def clip_norm(x, limit=None, *, axis=-1)        inputs x and limit, option axis

Options are hashable constants. They may follow the inputs by position, as NumPy lets one write np.sum(x, 0).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .arrays import NUMERIC
from .node import Node, plain


class Signature:
    """The arguments of one op.

    Parameters
    ----------
    name : str
        The op's, for messages.
    function : callable
    constants : iterable of str
        Inputs that have no gradient.
    indices : iterable of str
        Inputs in which a Python integer is an index, not a number.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        constants: Iterable[str] = (),
        indices: Iterable[str] = (),
    ) -> None:
        self.name = name
        parameters = inspect.signature(function).parameters.values()
        arrays = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        options = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        if not arrays and self.variadic is None:
            raise TypeError(f"op '{self.name}' has no positional argument: those are its array inputs")
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise TypeError(f"op '{self.name}' takes **keywords: name its options, keyword-only, instead")
        self.input_names = tuple(p.name for p in arrays)
        self.input_defaults = {p.name: p.default for p in arrays if p.default is not p.empty}
        self.defaults = {p.name: p.default for p in options if p.default is not p.empty}
        self.option_names = tuple(p.name for p in options)
        self.constants = self._places("constants", constants)
        self.indices = self.constants | self._places("indices", indices)
        self._last_defaults = tuple(self.input_defaults.values())
        self._seen: dict[Any, dict[str, Any]] = {}  # options sorted before

    def _places(self, what: str, names: Iterable[str]) -> frozenset[int]:
        unknown = set(names) - set(self.input_names)
        if unknown:
            raise TypeError(f"op '{self.name}': {what}={sorted(unknown)} are not among its inputs")
        return frozenset(i for i, n in enumerate(self.input_names) if n in set(names))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort arguments into array inputs and options, converted and checked."""
        params = self._sorted_before(kwargs) if kwargs else None
        if len(args) == len(self.input_names) - len(self._last_defaults) and (params is not None or not kwargs):
            args += self._last_defaults  # the optional inputs, left out
        if self.variadic is None and (len(args) != len(self.input_names) or (kwargs and params is None)):
            args, kwargs = self._bind_by_name(args, kwargs)
            params = None
        inputs = args
        for i, x in enumerate(args):
            if not (type(x) in _READY or isinstance(x, Node)) or (
                type(x) is np.ndarray and x.dtype.kind not in NUMERIC
            ):
                inputs = tuple([self._ready(i, x) for i, x in enumerate(args)])
                inputs = _weakened(args, inputs) if complex in map(type, args) else inputs
                break
        if params is None:
            bare = not kwargs and len(self.defaults) == len(self.option_names)
            params = self.defaults if bare else self._options(kwargs)
        return inputs, params

    def _sorted_before(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self._seen.get(_key(kwargs))
        except TypeError:
            return None  # unhashable: _options says so

    def _bind_by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # As NumPy lets one write np.sum(x, 0): options may follow the arrays by position.
        names, options = self.input_names, self.option_names
        n = len(names)
        if len(args) > n + len(options):
            raise TypeError(f"{self.name}() takes at most {n + len(options)} arguments, {len(args)} given")
        given = dict(zip(names, args, strict=False))
        rest = dict(zip(options, args[n:], strict=False))
        for key, value in kwargs.items():
            if key in given or key in rest:
                raise TypeError(f"{self.name}() got two values for argument '{key}'")
            (given if key in names else rest)[key] = value
        missing = [x for x in names if x not in given and x not in self.input_defaults]
        if missing:
            raise TypeError(f"{self.name}() misses argument{'s' * (len(missing) > 1)} {', '.join(missing)}")
        return tuple([given.get(x, self.input_defaults.get(x)) for x in names]), rest

    def _options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        unknown = [k for k in kwargs if k not in self.option_names]
        if unknown:
            known = ", ".join((*self.input_names, *self.option_names))
            raise TypeError(f"{self.name}() has no argument '{unknown[0]}'; it takes {known}")
        params = {**self.defaults, **{k: _hashable(self.name, k, v) for k, v in kwargs.items()}}
        missing = [k for k in self.option_names if k not in params]
        if missing:
            raise TypeError(f"{self.name}() misses option {', '.join(missing)}")
        if len(self._seen) >= 64:
            self._seen.clear()
        if all(type(v) in _SIMPLE for v in kwargs.values()):
            self._seen[_key(kwargs)] = params
        return params

    def _ready(self, position: int, x: Any) -> Any:
        """An input as the engine wants it: a Node, an array, a Python float, or None."""
        kind = type(x)
        if isinstance(x, Node) or (kind in _READY and kind is not np.ndarray):
            return x
        if kind is bool or kind is int:
            return x if position in self.indices else float(x)
        if kind is complex:
            return np.complex128(x)
        if isinstance(x, (list, tuple)):
            if any(isinstance(item, Node) for item in x):
                raise TypeError(
                    f"{self.name}(): argument '{self.input_name(position)}' is a {kind.__name__} of Values; "
                    f"make one Value of it with np.stack or tg.array"
                )
            x = np.asarray(x)
        if isinstance(x, (np.matrix, np.ma.MaskedArray)):
            raise TypeError(f"{self.name}() takes plain arrays, not {kind.__name__}; write np.asarray(...) of it")
        if isinstance(x, (np.ndarray, np.generic)):
            if x.dtype.kind not in NUMERIC:
                raise TypeError(
                    f"{self.name}(): argument '{self.input_name(position)}' has dtype {x.dtype}; "
                    f"numbers are differentiated here"
                )
            return x
        if hasattr(x, "__array_ufunc__") or hasattr(x, "__array_function__"):
            return x
        raise TypeError(
            f"{self.name}(): argument '{self.input_name(position)}' is {kind.__name__} {x!r:.60}; "
            f"a number, an array or a Value is wanted"
        )

    def input_name(self, position: int) -> str:
        """The name of an input, as messages call it."""
        if position < len(self.input_names):
            return self.input_names[position]
        return f"{self.variadic}[{position - len(self.input_names)}]"

    def describe(self, inputs: Sequence[Any], params: Mapping[str, Any] | None = None) -> str:
        """Shapes and dtypes of the inputs, and the options, for messages."""
        parts = [f"{self.input_name(i)} {_shape_and_dtype(x)}" for i, x in enumerate(inputs) if x is not None]
        parts += [f"{k}={v!r}" for k, v in (params or {}).items() if v != self.defaults.get(k)]
        return ", ".join(parts)


_READY = {np.ndarray, float, type(None), np.float64, np.float32}
_NUMBERS = {float, int, bool, type(None)}
_SIMPLE = {int, bool, str, tuple, type(None)}


def _key(kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple([(k, type(v), v) for k, v in kwargs.items()])  # 1, 1.0 and True are equal, and not the same


def _weakened(args: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Python's complex numbers in the precision of the arrays beside them, as NumPy takes them."""
    others = [plain(x) for x, given in zip(inputs, args, strict=True) if type(given) is not complex]
    dtypes = [x.dtype for x in others if hasattr(x, "dtype")]
    dtype = np.result_type(1j, *dtypes) if dtypes else np.dtype(complex)
    return tuple([dtype.type(x) if type(given) is complex else x for x, given in zip(inputs, args, strict=True)])


def all_numbers(inputs: Sequence[Any]) -> bool:
    return all(type(x) in _NUMBERS for x in inputs)


def _hashable(op: str, name: str, value: Any) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, tuple):
        value = tuple([int(x) if isinstance(x, np.integer) else x for x in value])
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"{op}(): option '{name}' is a {type(value).__name__}; options are constants, arrays are inputs"
        ) from None
    if isinstance(value, Node):
        raise TypeError(f"{op}(): option '{name}' is a Value; options are constants, arrays are inputs")
    return value


def _shape_and_dtype(x: Any) -> str:
    x = plain(x)
    if type(x) in _NUMBERS:
        return type(x).__name__
    return f"{getattr(x, 'shape', '')} {getattr(x, 'dtype', type(x).__name__)}".strip()
