"""A function of arrays as a list of instructions, which can be run again in numbers of any kind.

    program = capture(f, x, y)              f is called once, on Values whose data are traced arrays
    program(x2, y2)                         the same instructions on other data, in NumPy: bit for bit what f gives
    program.run((x2, y2), LONGDOUBLE)       and in another arithmetic

A traced array is a NumPy duck array that has a shape and a dtype, and whose data nobody can look at: every op and
every NumPy function that meets it is written down, comparisons and masks among them, with or without a gradient,
backward sweeps inside f included. What would need its data (bool(v), float(v), np.asarray(v), writing into it) raises
`NotCaptured`, which says how to write it instead: nothing that depends on the inputs is ever frozen in silence.
Plain arrays and numbers that f brings along are constants.

    Program         inputs, constants, instructions, outputs
    Arithmetic      numbers to run it in: how arrays become such numbers, and kernels of their own where NumPy's fail
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from .identities import cast
from .node import plain
from .op import Op
from .tracer import NotCaptured, Tape
from .value import Value

__all__ = ["LONGDOUBLE", "Arithmetic", "Instruction", "NotCaptured", "Program", "capture"]


@dataclass(frozen=True)
class Instruction:
    """One step of a program: `slot` becomes `op` of the values in the slots `inputs`.

    `op` is an Op, or a NumPy function that is none (a comparison, `np.argmax`).
    """

    op: Any
    inputs: tuple[int, ...]
    params: Mapping[str, Any]
    slot: int

    @property
    def name(self) -> str:
        return self.op.name if isinstance(self.op, Op) else getattr(self.op, "__name__", repr(self.op))


@dataclass(frozen=True)
class Arithmetic:
    """Numbers that a program can be run in, beside NumPy's own.

    Attributes
    ----------
    dtype : dtype
        Of the arrays that hold them.
    lift : callable
        An array or number as an array of them.
    kernels : mapping
        What to run in place of an Op's kernel or a NumPy function.
    """

    dtype: np.dtype[Any]
    lift: Callable[[Any], Any]
    kernels: Mapping[Any, Callable[..., Any]] = field(default_factory=dict)

    def enter(self, x: Any) -> Any:
        """A number or float array as this arithmetic's; indices, masks and None as they are."""
        kind = "f" if type(x) is float else getattr(getattr(x, "dtype", None), "kind", "")
        if kind == "c":
            raise NotCaptured("complex numbers cannot be run in this arithmetic")
        return self.lift(x) if kind == "f" or kind == "O" else x

    def call(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """`op` of these inputs."""
        kernel = self.kernels.get(op) or (op.kernel if isinstance(op, Op) else op)
        out = kernel(*inputs, **params)
        dtype = getattr(out, "dtype", None)
        if dtype is None:
            return out if isinstance(out, bool) else self.lift(out)
        if dtype.kind == "f" and dtype != self.dtype:  # of integers and masks alone, and so rounded by NumPy
            out = kernel(*[x if x is None else self.lift(x) for x in inputs], **params)
            computed = getattr(out, "dtype", self.dtype)
            if computed is not None and computed.kind == "f" and computed != self.dtype:
                name = getattr(op, "name", None) or op.__name__
                raise NotCaptured(f"{name} cannot be run in this arithmetic: it computes in {computed}")
        return self.enter(out)


@dataclass(frozen=True)
class Program:
    """A captured function. Slots number its values: inputs, constants, and what each instruction makes.

    Attributes
    ----------
    name : str
    inputs : tuple of int
        The slots of the arrays and numbers among f's arguments, containers flattened.
    constants : mapping of int to data
        What f brought along, as it was then.
    instructions : tuple of Instruction
    outputs : tuple of int
        The slots of f's results, containers flattened.
    """

    name: str
    inputs: tuple[int, ...]
    constants: Mapping[int, Any]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    _arguments: Callable[[Any], list[Any]]
    _results: Callable[[list[Any]], Any]
    _kinds: Mapping[int, Any]

    def __call__(self, *args: Any) -> Any:
        """f's result on other data of the same shapes, as plain arrays in f's containers."""
        return self.run(args)

    def run(
        self, args: Sequence[Any], arithmetic: Arithmetic | None = None, held: Mapping[int, Any] | None = None
    ) -> Any:
        """The result in any arithmetic; `held` gives the values of slots that are not to be computed."""
        values = self.values(args, arithmetic, held)
        return self._results([values[s] for s in self.outputs])

    def values(
        self, args: Sequence[Any], arithmetic: Arithmetic | None = None, held: Mapping[int, Any] | None = None
    ) -> dict[int, Any]:
        """The value of every slot.

        Raises
        ------
        TypeError
            If the arguments are not those that were captured.
        NotCaptured
            If an instruction has no kernel in this arithmetic.
        """
        given = dict(zip(self.inputs, self._arguments(list(args)), strict=True))
        found = {s: plain(x) for s, x in (*given.items(), *self.constants.items())}
        if arithmetic is not None:
            found = {s: arithmetic.enter(x) for s, x in found.items()}
        found.update(held or {})
        with np.errstate(all="ignore"):
            for step in self.instructions:
                if held and step.slot in held:
                    continue
                inputs = [found[s] for s in step.inputs]
                if arithmetic is None:
                    found[step.slot] = perform(step.op, inputs, step.params)
                    continue
                try:
                    found[step.slot] = arithmetic.call(step.op, inputs, step.params)
                except (TypeError, AttributeError) as error:
                    raise NotCaptured(f"{step.name} cannot be run in this arithmetic: {error}") from error
        return found

    def __repr__(self) -> str:
        lines = [f"captured {self.name}: {len(self.instructions)} instructions"]
        lines += [f"  v{s} = {self._kinds[s]}, input" for s in self.inputs]
        shown = {s: repr(x) for s, x in self.constants.items() if np.ndim(x) == 0}
        lines += [f"  v{s} = {self._kinds[s]}, constant" for s in self.constants if s not in shown]
        for step in self.instructions:
            parts = [shown.get(s, f"v{s}") for s in step.inputs]
            parts += [f"{k}={v!r}" for k, v in step.params.items()]
            lines.append(f"  v{step.slot} = {step.name}({', '.join(parts)})".ljust(44) + f"{self._kinds[step.slot]}")
        return "\n".join([*lines, f"  return {', '.join(shown.get(s, f'v{s}') for s in self.outputs)}"])


def perform(op: Any, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """One instruction in NumPy, as eager code runs it."""
    return op.evaluate(inputs, params) if isinstance(op, Op) else op(*inputs, **params)


def capture(f: Callable[..., Any], *inputs: Any, opened: bool | Collection[Op] = False, values: bool = True) -> Program:
    """The instructions by which f computes its result from arrays like these.

    Parameters
    ----------
    f : callable
        Takes and returns Values or arrays, in nested lists, tuples and dicts if it likes.
    *inputs : arrays, floats or Values
        Float and complex arrays and Python floats reach f as Values, arrays of integers and masks as traced arrays;
        all else (integers, strings, None) as it is. Their data is of no consequence, only shapes and dtypes.
    opened : bool or collection of Op
        Composite ops to replace by their decompositions, all the way down; otherwise a composite is one instruction.
    values : bool
        False hands f traced arrays in place of Values, which some functions written for ndarrays prefer.

    Raises
    ------
    NotCaptured
        If f looks at the data, which only a run has.

    Notes
    -----
    f is called once, here. Values that it closes over are constants, as are their data; a `backward()` inside f should
    reach no others than its own, for on those it would leave traced gradients.

    Examples
    --------
    >>> program = capture(lambda x: np.where(x > 0, x, np.expm1(x)).sum(), np.zeros(3))
    >>> program
    captured <lambda>: 4 instructions
      v0 = float64 (3,), input
      v2 = greater(v0, 0)                       bool (3,)
      v3 = expm1(v0)                            float64 (3,)
      v4 = where(v2, v0, v3)                    float64 (3,)
      v5 = sum(v4, axis=None, keepdims=False)   float64 ()
      return v5
    >>> float(program(np.array([1.0, 2.0, 3.0])))
    6.0
    >>> capture(lambda x: x if x > 0 else -x, 1.0)
    Traceback (most recent call last):
    ...
    tinygrad_ce.tracer.NotCaptured: bool() of a traced value: ...
    """
    leaves, rebuild, flat = _tree(list(inputs))
    tape = Tape(opened)
    slots: dict[int, int] = {}  # of the arrays and numbers, by position
    try:
        for i, x in enumerate(leaves):
            x = np.asarray(plain(x)) if isinstance(plain(x), np.generic) else plain(x)
            if type(x) is float or (hasattr(x, "dtype") and hasattr(x, "shape")):
                traced = tape.input(x)
                slots[i] = traced.slot
                leaves[i] = Value(traced) if values and traced.dtype.kind in "fc" else traced
        with np.errstate(all="ignore"):
            out = f(*rebuild(leaves))
        results, pack, _ = _tree(out)
        outputs = tuple([tape.slot_of(plain(x)) for x in results])
    except (TypeError, ValueError) as error:  # NumPy's own, where it could not write a traced value into an array
        if isinstance(error.__cause__, NotCaptured):
            raise error.__cause__ from None
        raise
    finally:
        tape.close()
    return Program(
        name=getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__,
        inputs=tuple(slots.values()),
        constants=MappingProxyType(tape.constants),
        instructions=tuple([Instruction(*step) for step in tape.steps]),
        outputs=outputs,
        _arguments=lambda args: [x for i, x in enumerate(flat(args)) if i in slots],
        _results=pack,
        _kinds=tape.kinds,
    )


def _tree(x: Any) -> tuple[list[Any], Callable[[list[Any]], Any], Callable[[Any], list[Any]]]:
    """The leaves of nested lists, tuples and dicts; how to put them back; how to take an equal structure apart."""
    if type(x) in (list, tuple):
        parts = [_tree(item) for item in x]
        keys: Sequence[Any] = range(len(x))
    elif type(x) is dict:
        parts, keys = [_tree(item) for item in x.values()], list(x)
    else:
        return [x], lambda leaves: leaves[0], lambda y: [y]
    sizes = [len(leaves) for leaves, _, _ in parts]

    def rebuild(leaves: list[Any]) -> Any:
        items, start = [], 0
        for (_, build, _), n in zip(parts, sizes, strict=True):
            items.append(build(leaves[start : start + n]))
            start += n
        return dict(zip(keys, items, strict=True)) if type(x) is dict else type(x)(items)

    def flatten(y: Any) -> list[Any]:
        if type(y) is not type(x) or len(y) != len(x) or (type(x) is dict and list(y) != keys):
            raise TypeError(f"captured with arguments {_outline(x)}, run with {_outline(y)}")
        return [leaf for k, (_, _, flat) in zip(keys, parts, strict=True) for leaf in flat(y[k])]

    return [leaf for leaves, _, _ in parts for leaf in leaves], rebuild, flatten


def _outline(x: Any) -> str:
    return f"{type(x).__name__} of {len(x)}" if type(x) in (list, tuple, dict) else type(x).__name__


# -- NumPy's widest numbers ------------------------------------------------------------------------------------


def uncast(x: Any, *, dtype: Any) -> Any:
    """`cast` where there is but one kind of real number: between floats it changes nothing."""
    x = np.asarray(x)
    if dtype is not float and np.dtype(dtype).kind != "f":
        return x.astype(dtype)
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


LONGDOUBLE = Arithmetic(
    np.dtype(np.longdouble), lambda x: np.asarray(x).astype(np.longdouble), MappingProxyType({cast: uncast})
)
