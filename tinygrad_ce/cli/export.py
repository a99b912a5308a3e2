"""tinygrad_ce export: a trained file as one that other programs run or read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .asking import BadInput, complain

if TYPE_CHECKING:
    from ..programs.kept import Kept


def declare(commands: Any) -> None:
    add = commands.add_parser(
        "export",
        help="write a trained model as ONNX",
        description="Writes a model that tinygrad_ce train has saved as an ONNX file, which takes rows as they are in "
        "the data (what they are standardised with goes into the file) and a batch of any size, and gives logits or "
        "quantities. The file is run in onnxruntime and compared with the model before it is kept.",
    ).add_argument
    add("file", type=Path, metavar="FILE", help="what tinygrad_ce train has saved")
    add("out", type=Path, metavar="ONNX", help="the file to write, such as model.onnx")
    add("--dtype", choices=["float32", "float64"], default="float32", help="of the file's numbers (default: float32)")


def run(options: argparse.Namespace) -> int:
    from .using import kept_in

    kept = kept_in(options.file)
    try:
        from ..export.onnx import difference, to_onnx
    except ImportError as error:
        raise BadInput(str(error)) from None
    if options.out.suffix != ".onnx":
        raise BadInput(f"{options.out} is no name for an ONNX file: end it in .onnx")
    try:
        made = to_onnx(_whole(kept), *_example(kept, 3), dtype=options.dtype)
        apart = difference(made, _whole(kept), *_example(kept, 8))
    except ValueError as error:
        raise BadInput(str(error)) from None
    if not apart < 1e-3:
        return complain(
            f"onnxruntime's answers differ from the model's by {apart:.1e}: {options.out} is not written", 1
        )
    _write(made, options.out)
    print(f"written: {options.out}, {len(made.graph.node)} nodes; onnxruntime's answers differ by {apart:.1e}")
    return 0


def _write(made: Any, path: Path) -> None:
    from ..atomic import replacing

    with replacing(path) as file:
        file.write(made.SerializeToString())


def _whole(kept: Kept) -> Any:
    """The model with what its inputs are standardised with before it."""
    facts, model = kept.facts, kept.model
    if facts.mean is None or facts.std is None:
        return model
    mean, std = (np.asarray(x, kept.config.dtype).reshape(facts.shape) for x in (facts.mean, facts.std))
    return lambda x: model((x - mean) / std)


def _example(kept: Kept, rows: int) -> list[Any]:
    rng, facts = np.random.default_rng(0), kept.facts
    if kept.config.preset == "gpt":
        return [rng.integers(0, facts.outputs, size=(rows, kept.config.context))]
    x = rng.normal(size=(rows, *facts.shape))
    if facts.mean is not None and facts.std is not None:
        x = x * np.reshape(facts.std, facts.shape) + np.reshape(facts.mean, facts.shape)
    return [x.astype(kept.config.dtype)]
