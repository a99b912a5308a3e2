"""to_onnx: the forward of a model as an ONNX file, and how far a runtime's answers are from ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..atomic import replacing
from ..capture import NotCaptured, Program, capture
from ..node import plain
from ..op import Op

try:
    import onnx
except ImportError as error:
    raise ImportError("export to ONNX needs the package onnx: pip install 'tinygrad_ce[onnx]'") from error

from . import arrays, elementwise, layers  # noqa: F401  (rules)
from .constants import Constants
from .dims import BATCHES, Irregular, unified
from .graph import Graph, Operand
from .rules import RULES, NoRule, Step


def to_onnx(
    model: Callable[..., Any],
    *inputs: Any,
    path: str | os.PathLike[str] | None = None,
    dtype: DTypeLike = np.float32,
    batch: bool = True,
    names: Sequence[str] = (),
) -> onnx.ModelProto:
    """The forward of `model` as an ONNX model, written to `path` if there is one.

    Parameters
    ----------
    model : Module or callable
        Put in evaluation mode while it is looked at, and back afterwards. Dropout is then nothing, and batch
        normalisation uses its running statistics.
    *inputs : arrays
        An example of what `model` takes; only shapes and dtypes matter, as do the values of integers that are
        indices, which must be in range.
    path : path-like, optional
        Written as a whole or not at all.
    dtype : dtype, optional
        float32 or float64: that of all the file's floats, inputs too. Runtimes know every operator in float32;
        onnxruntime has no Conv, for one, in float64.
    batch : bool, optional
        Whether the first axis of every input is a batch of any size. Otherwise all sizes are those of the example.
    names : sequence of str, optional
        Of the inputs; by default "input", or "input_0", "input_1", …

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        If the package onnx is missing (the extra `onnx`).
    ValueError
        If the model does something that ONNX has no operator for, or that depends on the batch size in a way no file
        can say. The message names the op.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import MLP
    >>> made = to_onnx(MLP([4, 8, 3], rng=0), np.zeros((5, 4)))
    >>> [node.op_type for node in made.graph.node]
    ['MatMul', 'Add', 'Relu', 'MatMul', 'Add']
    """
    float_type = np.dtype(dtype)
    if float_type not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is float32 or float64, not {float_type}")
    examples = [np.asarray(plain(x)) for x in inputs]
    if not examples:
        raise ValueError("an example input is missing: to_onnx(model, x)")
    if batch and any(x.ndim == 0 or x.shape[0] == 0 for x in examples):
        raise ValueError("an input has no rows to be a batch; give an example with some, or batch=False")
    names = tuple(names) or tuple([f"input_{i}" if len(examples) > 1 else "input" for i in range(len(examples))])
    if len(names) != len(examples):
        raise ValueError(f"{len(names)} names for {len(examples)} inputs")
    with _evaluating(model):
        views = _opened(model, _batches(examples) if batch else [examples])
    made = _written(views, float_type, names, _names(model), getattr(model, "__name__", type(model).__name__))
    onnx.checker.check_model(made, full_check=True)
    if path is not None:
        with replacing(path) as file:
            file.write(made.SerializeToString())
    return made


def difference(made: onnx.ModelProto, model: Callable[..., Any], *inputs: Any) -> float:
    """The largest difference between onnxruntime's outputs and ours, relative to the largest output.

    Raises
    ------
    ImportError
        If onnxruntime is missing (the extra `onnx`).
    ValueError
        If onnxruntime has no code for an operator in the file's dtype.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("running ONNX needs onnxruntime: pip install 'tinygrad_ce[onnx]'") from error
    try:
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        reason = str(error).partition("NOT_IMPLEMENTED : ")[2] or str(error)
        raise ValueError(f"onnxruntime cannot run the file ({reason}); in float32 it knows every operator") from error
    types = {x.name: onnx.helper.tensor_dtype_to_np_dtype(x.type.tensor_type.elem_type) for x in made.graph.input}
    fed = {name: np.asarray(plain(x)).astype(types[name]) for name, x in zip(types, inputs, strict=True)}
    theirs = session.run(None, fed)
    with _evaluating(model):
        ours = _flat(model(*[plain(x) for x in inputs]))
    worst = 0.0
    for a, b in zip(theirs, ours, strict=True):
        if a.shape != np.shape(b):
            raise ValueError(f"onnxruntime's output has shape {a.shape}, ours {np.shape(b)}")
        scale = max(float(np.max(np.abs(b), initial=0.0)), 1.0)
        worst = max(worst, float(np.max(np.abs(a - b), initial=0.0)) / scale)
    return worst


# -- looking at the model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """The model as it is at one batch size."""

    rows: int
    program: Program
    values: dict[int, Any]


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """In evaluation mode, each module back to its own mode afterwards."""
    modes = [(m, m.training) for m in model.modules()] if hasattr(model, "modules") else []
    if modes:
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _batches(examples: list[Any]) -> list[list[Any]]:
    return [[np.resize(x, (n, *x.shape[1:])) for x in examples] for n in BATCHES]


def _opened(model: Callable[..., Any], batches: list[list[Any]]) -> list[View]:
    """Captured at each batch size, with the composites opened that have no rule."""
    opened: set[Op] = set()
    while True:
        try:
            program = capture(model, *batches[0], opened=opened)
        except NotCaptured as error:
            raise ValueError(f"the model cannot be written down: {error}") from error
        lacking = {step.op for step in program.instructions if step.name not in RULES}
        closed = {op for op in lacking if isinstance(op, Op) and op.decomposition is not None}
        if lacking - closed:
            missing = sorted({step.name for step in program.instructions if step.op in lacking - closed})
            raise NoRule(f"ONNX has no operator for {', '.join(missing)}, or none that is known here")
        if not closed:
            break
        opened |= closed
    programs = [program, *[capture(model, *rows, opened=opened) for rows in batches[1:]]]
    return [
        View(len(rows[0]) if len(batches) > 1 else 0, program, program.values(rows))
        for program, rows in zip(programs, batches, strict=True)
    ]


def _names(model: Any) -> dict[str, Any]:
    return model.state_dict() if hasattr(model, "state_dict") else {}


def _flat(out: Any) -> list[Any]:
    if isinstance(out, dict):
        out = list(out.values())
    return [y for x in out for y in _flat(x)] if isinstance(out, (list, tuple)) else [plain(out)]


# -- writing it ------------------------------------------------------------------------------------------------


def _written(
    views: list[View], dtype: np.dtype[Any], names: Sequence[str], state: dict[str, Any], title: str
) -> onnx.ModelProto:
    graph, rows = Graph(dtype), [v.rows for v in views]
    graph.batch_source = names[0]
    first = views[0].program
    steps = [v.program.instructions for v in views]
    if any([(s.name, s.inputs) for s in other] != [(s.name, s.inputs) for s in steps[0]] for other in steps):
        raise Irregular("the model does other things for other batch sizes; export one size, with batch=False")

    def described(slot: int, name: str) -> Operand:
        found = [v.values[slot] for v in views]
        dtype = np.asarray(found[0]).dtype
        return Operand(name, unified([np.shape(x) for x in found], rows), dtype)

    constants = Constants(graph, state, rows)
    operands = {slot: described(slot, name) for slot, name in zip(first.inputs, names, strict=True)}
    for slot in first.constants:
        operands[slot] = constants.operand([v.program.constants[slot] for v in views])
    for several in zip(*steps, strict=True):
        one = several[0]
        try:
            params = {k: unified([_regular(s.params[k]) for s in several], rows) for k in one.params}
            out = described(one.slot, "")
            step = Step(graph, one.name, tuple([operands[s] for s in one.inputs]), params, out, constants.name)
            operands[one.slot] = Operand(RULES[one.name](step), out.shape, out.dtype)
        except (NoRule, Irregular) as error:
            raise type(error)(f"{one.name} cannot be exported: {error}") from None
    outputs = []
    for i, slot in enumerate(first.outputs):
        x = operands[slot]
        name = "output" if len(first.outputs) == 1 else f"output_{i}"
        graph.nodes.append(onnx.helper.make_node("Identity", [constants.name(x)], [name], name=name))
        outputs.append(Operand(name, x.shape, x.dtype))
    _renamed(graph, outputs)
    return graph.proto(title, [operands[s] for s in first.inputs], outputs)


def _renamed(graph: Graph, outputs: list[Operand]) -> None:
    """Take away an Identity that only gives a node's result the output's name."""
    for out in outputs:
        last = next(n for n in graph.nodes if n.output[0] == out.name)
        makers = [n for n in graph.nodes if last.input[0] in n.output]
        readers = [n for n in graph.nodes if last.input[0] in n.input]
        if makers and len(readers) == 1:
            maker = makers[0]
            maker.output[list(maker.output).index(last.input[0])] = out.name
            graph.nodes.remove(last)


def _regular(param: Any) -> Any:
    """Lists as tuples and NumPy's integers as Python's, so that sizes are found in them."""
    if isinstance(param, (list, tuple)):
        return tuple([_regular(p) for p in param])
    return int(param) if isinstance(param, np.integer) else param
