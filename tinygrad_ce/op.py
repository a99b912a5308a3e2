"""An op is data: a name, a forward, and a list of derivations of its backward.

    Op            the record, and the door through which users define their own
    Derivation    one way to compute the gradient: a rule, its order, its assumptions, its formula
    Assumption    a condition in words and as a predicate
    Shortcut      a derivation over two ops: from the outer one straight to the inner one's inputs

An op of one's own is a function written in other ops or in NumPy. Its positional arguments are arrays, its
keyword-only arguments are options. That function is the op's *decomposition*, and the reverse sweep through it
is its "autodiff" derivation; closed forms are added by name, and may be compared with it:

    @op
    def swish(x, *, beta=1.0):
        return x / (1 + np.exp(-beta * x))

    @swish.derivation("analytic", formula="g (s + β x s (1 − s)), s = σ(βx)")
    def _(g, out, x, *, beta):
        s = 1 / (1 + np.exp(-beta * x))
        return g * (s + beta * x * s * (1 - s))

An op gives back what it is given: arrays in, array out; any Value in, Value out. That is why rules need no
second version: called with arrays they are fast, called with Values their result can be differentiated again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .node import Node, plain

Rule = Callable[[Any, Any, tuple[Any, ...], dict[str, Any], Sequence[int]], Sequence[Any]]
AUTODIFF = "autodiff"


class AssumptionError(ValueError):
    """A derivation was asked for by name where what it assumes does not hold."""


@dataclass(frozen=True)
class Assumption:
    """A condition on an op's inputs, in words and as a test.

    `predicate(*inputs, **params)` returns True where it holds, and False or a sentence that says what fails.
    """

    text: str
    predicate: Callable[..., bool | str]

    def failure(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> str | None:
        """None where the assumption holds, else a sentence."""
        verdict = self.predicate(*[plain(x) for x in inputs], **params)
        if isinstance(verdict, str):
            return verdict
        return None if verdict else f"{self.text} does not hold"


@dataclass(frozen=True)
class Derivation:
    """One way to compute an op's vector-Jacobian product.

    Attributes
    ----------
    name : str
    rule : callable
        `rule(g, out, inputs, params, needed)` returns a sequence with a gradient for each input whose
        position is in `needed`. `whole` makes one of the friendlier `vjp(g, out, *inputs, **params)`.
    order : int or None
        How often the op may be differentiated through this rule; None is "any number of times".
    assumes : tuple of Assumption
    formula : str
    accurate : Assumption or None
        Where the rule keeps its digits; outside, the referee reports digits lost as declared.
    """

    name: str
    rule: Rule
    order: int | None = None
    assumes: tuple[Assumption, ...] = ()
    formula: str = ""
    accurate: Assumption | None = None

    def require(self, where: str, inputs: Sequence[Any], params: Mapping[str, Any]) -> None:
        """Raise AssumptionError unless every assumption holds of these inputs."""
        for assumption in self.assumes:
            failure = assumption.failure(inputs, params)
            if failure is not None:
                raise AssumptionError(
                    f"derivation '{self.name}' of {where} assumes {assumption.text}, but {failure}; "
                    f"use another derivation, or leave the choice to the default"
                )


class Op:
    """A named function with a forward and any number of derivations. See the module's docstring.

    Parameters
    ----------
    function : callable
        Gives the signature (positional: array inputs; keyword-only: options) and the documentation.
    decomposition : callable, optional
        The same function written in other ops.
    kernel : callable, optional
        The forward on plain arrays; the decomposition by default.
    scalar : callable, optional
        The forward on Python floats.
    constants : iterable of str
        Names of inputs that have no gradient (indices, masks).
    indices : iterable of str
        Names of inputs in which a Python integer is an index, and so stays one.
    samples : callable, optional
        `samples(rng)` yields `(inputs, params)` pairs that the test battery and the referee may use.
    accurate : Assumption, optional
        Where "autodiff" keeps its digits.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        decomposition: Callable[..., Any] | None = None,
        kernel: Callable[..., Any] | None = None,
        scalar: Callable[..., Any] | None = None,
        constants: Iterable[str] = (),
        indices: Iterable[str] = (),
        samples: Callable[[np.random.Generator], Iterable[Any]] | None = None,
        accurate: Assumption | None = None,
    ) -> None:
        self.name = name or function.__name__.strip("_")
        self.module = function.__module__
        self.__doc__ = inspect.getdoc(function)
        self.__wrapped__ = function
        self.decomposition = decomposition
        self.kernel: Callable[..., Any] = kernel or decomposition or function
        self.scalar = scalar
        self.samples = samples
        self.derivations: dict[str, Derivation] = {}
        self.shortcuts: list[Shortcut] = []
        self.default = AUTODIFF
        self.partials: tuple[Any, ...] | None = None
        self.pushforward: Callable[..., Any] | None = None
        self._guard: Callable[..., None] | None = None
        self._seen: dict[Any, dict[str, Any]] = {}  # options sorted before
        self._read_signature(function)
        self.constants = self._places("constants", constants)
        self.indices = self.constants | self._places("indices", indices)
        if decomposition is not None:
            formula = "the sweep through the decomposition"
            self.derivations[AUTODIFF] = Derivation(AUTODIFF, _no_rule, formula=formula, accurate=accurate)

    def _read_signature(self, function: Callable[..., Any]) -> None:
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

    def _places(self, what: str, names: Iterable[str]) -> frozenset[int]:
        unknown = set(names) - set(self.input_names)
        if unknown:
            raise TypeError(f"op '{self.name}': {what}={sorted(unknown)} are not among its inputs")
        return frozenset(i for i, n in enumerate(self.input_names) if n in set(names))

    # -- calling ---------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        guard = self._guard
        if guard is not None:
            validate = kwargs.pop("validate", True)
            inputs, params = self.bind(args, kwargs)
            if validate:
                guard(*[plain(x) for x in inputs], **params)
        else:
            inputs, params = self.bind(args, kwargs)
        return self.apply(inputs, params)

    def apply(self, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The op beneath its validation: arrays in, array out; any Node in, Node out."""
        for x in inputs:
            if isinstance(x, Node):
                return type(x).record(self, inputs, params)
        return self.evaluate(inputs, params)

    def evaluate(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The forward on plain data. Python floats in, Python float out."""
        if self.scalar is not None:
            for x in inputs:
                if type(x) is not float:
                    break
            else:
                return self.scalar(*inputs)
        try:
            out = self.kernel(*inputs, **params)
        except (ValueError, TypeError, IndexError) as error:
            raise self._located(error, inputs, params) from error
        if not getattr(out, "ndim", 0) and _all_numbers(inputs):
            return float(out)
        return out

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort arguments into array inputs and options, converted and checked."""
        names = self.input_names
        if self.variadic is None and (kwargs or len(args) != len(names)):
            args, kwargs = self._bind_by_name(args, kwargs)
        inputs = args
        for i, x in enumerate(args):
            if not (type(x) in _READY or isinstance(x, Node)):
                inputs = tuple([self._ready(i, x) for i, x in enumerate(args)])
                break
        if not kwargs and len(self.defaults) == len(self.option_names):
            return inputs, self.defaults
        try:
            return inputs, self._seen[tuple(kwargs.items())]
        except (KeyError, TypeError):
            return inputs, self._options(kwargs)

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
            self._seen[tuple(kwargs.items())] = params
        return params

    def _ready(self, position: int, x: Any) -> Any:
        """An input as the engine wants it: a Node, an array, a Python float, or None."""
        kind = type(x)
        if kind in _READY or isinstance(x, Node):
            return x
        if kind is bool or kind is int:
            return x if position in self.indices else float(x)
        if isinstance(x, (list, tuple)):
            if any(isinstance(item, Node) for item in x):
                raise TypeError(
                    f"{self.name}(): argument '{self.input_name(position)}' is a {kind.__name__} of Values; "
                    f"make one Value of it with np.stack"
                )
            x = np.asarray(x)
        if isinstance(x, (np.ndarray, np.generic)):
            if x.dtype.kind not in "fiub":
                raise TypeError(
                    f"{self.name}(): argument '{self.input_name(position)}' has dtype {x.dtype}; "
                    f"real numbers are differentiated here"
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

    def _located(self, error: Exception, inputs: Sequence[Any], params: Mapping[str, Any]) -> Exception:
        message = str(error)
        if "(inputs: " in message:
            return error  # an op inside this one has said it
        kind = next(k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
        return kind(f"{self.name}: {message} (inputs: {self.describe(inputs, params)})")

    # -- the door --------------------------------------------------------------------------------------------

    def forward(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Give a faster or more exact forward on plain arrays; the decomposition stays."""
        self.kernel = kernel
        return kernel

    def guard(self, check: Callable[..., None]) -> Callable[..., None]:
        """Give a check of the arguments that calls run first, unless they say `validate=False`."""
        self._guard = check
        return check

    def derivation(
        self,
        name: str,
        *,
        order: int | None = None,
        assumes: Iterable[Assumption | tuple[str, Callable[..., bool | str]]] = (),
        formula: str = "",
        accurate: Assumption | None = None,
    ) -> Callable[[Any], Any]:
        """Declare a rule `vjp(g, out, *inputs, **params)`: a gradient for each input, None where there is none.

        Or give a tuple of such functions, one for each input, of which only those needed will run.

        The first derivation without assumptions becomes the op's default: an op's default holds on its whole
        domain.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"op '{self.name}': write @{self.name}.derivation(\"name\"), with the derivation's name")
        if name == AUTODIFF:
            raise ValueError(f"op '{self.name}': 'autodiff' names the sweep through the decomposition; choose another")
        assumptions = tuple(a if isinstance(a, Assumption) else Assumption(*a) for a in assumes)

        def declare(vjp: Any) -> Any:
            where = f"derivation '{name}' of {self.name}"
            rule = each(vjp) if isinstance(vjp, tuple) else whole(vjp, where, self)
            self.add(Derivation(name, rule, order, assumptions, formula, accurate))
            return vjp

        return declare

    def add(self, derivation: Derivation) -> None:
        """Add a derivation in its normal form."""
        self.derivations[derivation.name] = derivation
        if self.default == AUTODIFF and not derivation.assumes and derivation.name != AUTODIFF:
            self.default = derivation.name

    def __repr__(self) -> str:
        names = ", ".join(f"{n} (default)" if n == self.default else n for n in self.derivations)
        return f"<op {self.name}: {names or 'no derivative'}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return _find, (registry.key(self),)


@dataclass(frozen=True)
class Shortcut:
    """A derivation over a chain of two ops: from `outer` to the inputs of `inner`, its first input.

    `rule` is in normal form over `inner`'s inputs followed by `outer`'s inputs after the first. `forward`, where
    there is one, computes `outer`'s value from the same inputs.
    """

    inner: Op
    outer: Op
    derivation: Derivation
    forward: Callable[..., Any] | None = None

    def reaches(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> Node | None:
        """The inner node that this shortcut jumps over, where `outer` stands on one along the same axis."""
        node = inputs[0]
        if isinstance(node, Node) and node.op is self.inner and node.params.get("axis") == params.get("axis"):
            return node
        return None


def shortcut(
    inner: Op,
    outer: Op,
    *,
    name: str,
    order: int | None = None,
    assumes: Iterable[Assumption | tuple[str, Callable[..., bool | str]]] = (),
    formula: str = "",
    accurate: Assumption | None = None,
    forward: Callable[..., Any] | None = None,
) -> Callable[[Any], Any]:
    """Declare `vjp(g, out, *inner_inputs, *other_outer_inputs, **outer_params)` for `outer(inner(...), ...)`.

    A shortcut without assumptions is taken by default; any is taken when asked for by name.
    """
    for joined in (inner, outer):
        if not isinstance(joined, Op):
            raise TypeError(f"shortcut() joins two ops; {joined!r:.60} is none")
    assumptions = tuple(a if isinstance(a, Assumption) else Assumption(*a) for a in assumes)

    def declare(vjp: Any) -> Any:
        where = f"shortcut '{name}' of {outer.name} over {inner.name}"
        rule = each(vjp) if isinstance(vjp, tuple) else whole(vjp, where, None)
        derivation = Derivation(name, rule, order, assumptions, formula, accurate)
        kept = [s for s in outer.shortcuts if (s.inner, s.derivation.name) != (inner, name)]
        outer.shortcuts = [*kept, Shortcut(inner, outer, derivation, forward)]
        return vjp

    return declare


def whole(vjp: Callable[..., Any], where: str, op: Op | None) -> Rule:
    """The normal form of a rule that returns a gradient for each input at once."""

    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
        gradients = vjp(g, out, *inputs, **params)
        if not isinstance(gradients, (tuple, list)):
            gradients = (gradients,)
        if len(gradients) != len(inputs):
            names = [op.input_name(i) for i in range(len(inputs))] if op else [f"#{i}" for i in range(len(inputs))]
            raise ValueError(
                f"{where} returned {len(gradients)} gradient{'s' * (len(gradients) != 1)} for {len(inputs)} inputs "
                f"({', '.join(names)}); return one for each, None where there is none"
            )
        return gradients

    return rule


def each(vjps: Sequence[Callable[..., Any] | None]) -> Rule:
    """The normal form of one `vjp(g, out, *inputs, **params)` for each input, None where there is no gradient."""

    def rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
        gradients: list[Any] = [None] * len(inputs)
        for i in needed:
            vjp = vjps[i]
            if vjp is not None:
                gradients[i] = vjp(g, out, *inputs, **params)
        return gradients

    return rule


def _no_rule(*_: Any) -> Any:
    raise AssertionError("the sweep opens a decomposition itself")


# -- the registry ----------------------------------------------------------------------------------------------


@dataclass
class Registry(Mapping[str, Op]):
    """Every op by name, and what each NumPy function does when it meets a Value.

    Built-in ops go by their name, a user's by "module:name"; defining one again replaces it.
    """

    ops: dict[str, Op] = field(default_factory=dict)
    numpy: dict[Any, Callable[..., Any]] = field(default_factory=dict)

    def key(self, op: Op) -> str:
        own = op.module.partition(".")[0] == __name__.partition(".")[0]
        return op.name if own else f"{op.module}:{op.name}"

    def add(self, op: Op) -> Op:
        self.ops[self.key(op)] = op
        return op

    def __getitem__(self, name: str) -> Op:
        return self.ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ops)

    def __len__(self) -> int:
        return len(self.ops)

    def __hash__(self) -> int:
        return id(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: for every op its derivations with order, assumptions and formula, and its shortcuts."""
        return {
            name: {
                "default": op.default,
                "derivations": {d.name: _facts(d) for d in op.derivations.values()},
                "shortcuts": {f"{s.inner.name} → {s.derivation.name}": _facts(s.derivation) for s in op.shortcuts},
            }
            for name, op in self.ops.items()
        }

    def __repr__(self) -> str:
        width = max(map(len, self.ops), default=0)
        return "\n".join(f"{name:<{width}}  {', '.join(op.derivations)}" for name, op in sorted(self.ops.items()))


def _facts(d: Derivation) -> dict[str, Any]:
    return {"order": d.order, "assumes": [a.text for a in d.assumes], "formula": d.formula}


registry = Registry()


def _find(key: str) -> Op:
    return registry[key]


def op(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Register a function written in other ops, or in NumPy, as an op. See the module's docstring.

    Usable bare (`@op`) or with options (`@op(constants=["index"], samples=...)`), which `Op` documents.
    """
    if function is None:
        return lambda f: op(f, **options)
    if not callable(function):
        raise TypeError(f"@op stands on a function; {function!r:.60} is none")
    return registry.add(Op(function, decomposition=function, **options))


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what these NumPy functions do when an argument is a Value."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            registry.numpy[function] = handler
        return handler

    return declare


# -- small print -----------------------------------------------------------------------------------------------

_READY = {np.ndarray, float, type(None), np.float64, np.float32}
_NUMBERS = {float, int, bool, type(None)}
_SIMPLE = {int, bool, str, tuple, type(None)}


def _all_numbers(inputs: Sequence[Any]) -> bool:
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
