"""An op is data: a name, a forward, and a list of derivations of its backward.

    Op            the record, and the door through which users define their own (`op` in registry.py)
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .derivation import AUTODIFF, Assumed, Assumption, Derivation, assumptions, normal
from .invariants import Invariant
from .node import Node, plain
from .signature import Signature, all_numbers

# Captures in progress (capture.py). While there are any, an op looks among its inputs for an array that is being
# traced, and leaves the work to its `__array_op__(op, inputs, params)`.
captures: list[Any] = []


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
    invariants : iterable of Invariant
        What every derivation's gradient obeys (see invariants.py), which the referee checks.
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
        invariants: Iterable[Invariant] = (),
    ) -> None:
        self.name = name or function.__name__.strip("_")
        self.module = function.__module__
        self.__doc__ = inspect.getdoc(function)
        self.__wrapped__ = function
        self.decomposition: Any = decomposition
        self.kernel: Callable[..., Any] = kernel or decomposition or function
        self.scalar = scalar
        self.samples = samples
        self.invariants = tuple(invariants)
        self.derivations: dict[str, Derivation] = {}
        self.shortcuts: list[Shortcut] = []
        self.default = AUTODIFF
        self.partials: tuple[Any, ...] | None = None
        self.pushforward: Callable[..., Any] | None = None
        self.short: Callable[[Any], Any] | None = None  # of one Node, where there is a shorter way (operators.py)
        self._guard: Callable[..., None] | None = None
        signature = Signature(self.name, function, constants, indices)
        self.signature = signature
        self.bind, self.input_name, self.describe = signature.bind, signature.input_name, signature.describe
        self.input_names, self.option_names = signature.input_names, signature.option_names
        self.defaults, self.constants, self.variadic = (
            signature.defaults,
            signature.constants,
            signature.variadic,
        )
        self.unary = len(self.input_names) == 1 and not self.option_names and self.variadic is None
        if decomposition is not None:
            formula = "the sweep through the decomposition"
            self.derivations[AUTODIFF] = Derivation(AUTODIFF, _no_rule, formula=formula, accurate=accurate)

    # -- calling ---------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.unary and len(args) == 1 and not kwargs and isinstance(args[0], Node):
            x = args[0]  # the commonest call, the short way
            return type(x).record(self, args, self.defaults) if self.short is None else self.short(x)
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
        if captures:
            for x in inputs:
                if hasattr(x, "__array_op__"):
                    return x.__array_op__(self, inputs, params)
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
        if type(out) is np.ndarray or type(out) is float:
            if type(out) is np.ndarray and not out.ndim and out.dtype.kind != "c" and all_numbers(inputs):
                return float(out)
            return out
        return self._one_array(out, inputs)

    def _one_array(self, out: Any, inputs: Sequence[Any]) -> Any:
        """A forward's result where it is not plainly an array: a number, a duck array, or an error."""
        if isinstance(out, Node):
            raise ValueError(
                f"{self.name}: its forward uses a Value that is not among its inputs; every array that an op uses "
                f"is an input"
            )
        if type(out) in (int, bool) or (isinstance(out, np.generic) and out.dtype.kind != "c" and all_numbers(inputs)):
            return float(out)
        if not hasattr(out, "dtype") or not hasattr(out, "shape"):
            raise TypeError(f"{self.name}: its forward returned a {type(out).__name__}; an op returns one array")
        return out

    def _located(self, error: Exception, inputs: Sequence[Any], params: Mapping[str, Any]) -> Exception:
        message = str(error)
        if "(inputs: " in message:
            return error  # an op inside this one has said it
        kind = next(k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
        message = message.removeprefix(f"{self.name}: ")  # NumPy names its ufuncs too
        return kind(f"{self.name}: {message} (inputs: {self.describe(inputs, params)})")

    # -- the door --------------------------------------------------------------------------------------------

    def forward(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """Give a faster or more exact forward on plain arrays; the decomposition stays."""
        self.kernel = kernel
        return kernel

    def guard(self, check: Callable[..., None]) -> Callable[..., None]:
        """Give a check of the arguments that calls run first, unless they say `validate=False`."""
        self._guard = check
        self.unary, self.short = False, None
        return check

    def derivation(
        self,
        name: str,
        *,
        order: int | None = None,
        assumes: Assumed = (),
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
        assumed = assumptions(assumes)
        inputs = len(self.input_names)

        def declare(vjp: Any) -> Any:
            if isinstance(vjp, tuple) and self.variadic is None and len(vjp) != inputs:
                raise ValueError(f"derivation '{name}' of {self.name}: {len(vjp)} functions for {inputs} inputs")
            rule = normal(vjp, f"derivation '{name}' of {self.name}", self.input_name)
            self.add(Derivation(name, rule, order, assumed, formula, accurate))
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

    @property
    def key(self) -> str:
        """Its name in the registry: plain for built-in ops, "module:name" for a user's."""
        own = self.module.partition(".")[0] == __name__.partition(".")[0]
        return self.name if own else f"{self.module}:{self.name}"


def _no_rule(*_: Any) -> Any:
    raise AssertionError("the sweep opens a decomposition itself")


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
        if not isinstance(node, Node) or node.op is not self.inner:
            return None
        # The rule knows the outer op's options only: the inner one's must be its defaults, and its axis the same.
        theirs = {**node.params}
        mine, its = params.get("axis"), theirs.pop("axis", params.get("axis"))
        ndim = len(np.shape(node.data))
        if mine != its and not (isinstance(mine, int) and isinstance(its, int) and ndim and mine % ndim == its % ndim):
            return None
        return node if all(v == self.inner.defaults.get(k) for k, v in theirs.items()) else None


def shortcut(
    inner: Op,
    outer: Op,
    *,
    name: str,
    order: int | None = None,
    assumes: Assumed = (),
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
    assumed = assumptions(assumes)

    def declare(vjp: Any) -> Any:
        rule = normal(vjp, f"shortcut '{name}' of {outer.name} over {inner.name}", lambda i: f"#{i}")
        derivation = Derivation(name, rule, order, assumed, formula, accurate)
        kept = [s for s in outer.shortcuts if (s.inner, s.derivation.name) != (inner, name)]
        outer.shortcuts = [*kept, Shortcut(inner, outer, derivation, forward)]
        return vjp

    return declare
