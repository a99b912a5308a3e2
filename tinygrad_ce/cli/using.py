"""tinygrad_ce eval, predict, generate: what a trained file is good for. It holds its own configuration."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import replacing
from .asking import BadInput, count, seed

if TYPE_CHECKING:
    from ..programs.kept import Kept


class Eval:
    """How well a trained model does on data."""

    @staticmethod
    def declare(commands: Any) -> None:
        add = commands.add_parser(
            "eval",
            help="judge a trained model on data",
            description="Loss, accuracy and other metrics of a trained model: on what was held out of its own data, or "
            "on data that are named.",
        ).add_argument
        add("file", type=Path, metavar="FILE", help="what tinygrad_ce train has saved")
        add("--data", metavar="NAME", help="other data, all of them (default: the held-out part of its own)")
        add("--target", metavar="COLUMN", help="the CSV column that holds the class (default: the last)")
        add("--json", type=Path, metavar="FILE", help="write the numbers as data")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        from ..programs.evaluating import judged

        kept = kept_in(options.file)
        found, matrix = judged(kept, options.data, options.target)
        for name, value in found.items():
            print(f"{name:<12} {value:.6g}")
        if matrix is not None and len(matrix) <= 20:
            _show_matrix(matrix, kept.facts.class_names)
        if options.json is not None:
            data = {**found, "confusion": None if matrix is None else matrix.tolist()}
            with replacing(options.json) as file:
                file.write(json.dumps(data, indent=1).encode())
        return 0


class Predict:
    """What a trained model says of rows."""

    @staticmethod
    def declare(commands: Any) -> None:
        add = commands.add_parser(
            "predict",
            help="let a trained model answer for rows of a table",
            description="Writes a line for each row of a CSV file (with or without the column of the answers), an NPZ "
            "file or a named data set: the class and its probability, or the quantities.",
        ).add_argument
        add("file", type=Path, metavar="FILE", help="what tinygrad_ce train has saved")
        add("data", metavar="DATA", help="a .csv or .npz file, or digits, iris, moons, …")
        add("--out", type=Path, metavar="CSV", help="write there (default: standard output)")
        add("--probabilities", action="store_true", help="of every class, a column each")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        from ..programs.predicting import answers

        if options.out is not None and options.out.resolve() == Path(options.data).resolve():
            raise BadInput(f"{options.out} is what is read: name another file for the answers")
        rows = answers(kept_in(options.file), options.data, every=options.probabilities)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        if options.out is None:
            print(text.getvalue(), end="")
            return 0
        with replacing(options.out) as file:
            file.write(text.getvalue().encode())
        print(f"written: {options.out}, {len(rows) - 1:,} rows")
        return 0


class Generate:
    """Text from a trained GPT."""

    @staticmethod
    def declare(commands: Any) -> None:
        add = commands.add_parser(
            "generate",
            help="write text with a trained gpt",
            description="Writes what a trained gpt would, character by character.",
        ).add_argument
        add("file", type=Path, metavar="FILE", help="what tinygrad_ce train --preset gpt has saved")
        add("--prompt", metavar="TEXT", help="what comes before (default: a new line, where its text had some)")
        add("--length", type=count, default=500, metavar="N", help="how many characters (default: 500)")
        add("--temperature", type=_temperature, default=0.8, metavar="X", help="0 surest, 1 as learnt (default: 0.8)")
        add("--top-k", type=count, metavar="N", help="draw from the N likeliest characters only")
        add("--seed", type=seed, default=0, metavar="N", help="(default: 0)")

    @staticmethod
    def run(options: argparse.Namespace) -> int:
        from ..programs.generating import generate, opening

        kept = kept_in(options.file)
        if kept.config.preset != "gpt":
            raise BadInput(f"{options.file} is of the preset {kept.config.preset}: text comes from a gpt")
        drawn = {name: getattr(options, name) for name in ("length", "temperature", "top_k", "seed")}
        prompt = opening(kept.facts) if options.prompt is None else options.prompt
        characters = generate(kept.model, kept.facts, prompt, **drawn)
        first = next(characters)  # an error in the prompt is said before it is shown
        print((prompt.strip() if options.prompt is None else prompt.lstrip("\n")) + first, end="")
        for character in characters:
            print(character, end="", flush=sys.stdout.isatty())
        print()
        return 0


# -- pieces ----------------------------------------------------------------------------------------------------


def kept_in(path: Path) -> Kept:
    from ..programs.kept import load_model

    try:
        return load_model(path)
    except (ValueError, ImportError) as error:
        raise BadInput(str(error)) from None


def _temperature(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"a number from 0, not {text!r:.40}")
    return found


def _show_matrix(matrix: np.ndarray, names: tuple[str, ...]) -> None:
    """The confusion matrix: rows are true, columns are given."""
    width = max(max(len(name) for name in names[: len(matrix)]), len(str(matrix.max())), 2) + 2
    width = min(width, 14)
    print("\ntrue \\ given".ljust(width) + "".join(f"{name[: width - 2]:>{width}}" for name in names))
    for name, row in zip(names, matrix, strict=True):
        print(f"{name[:12]:<12}" + "".join(f"{n or '·':>{width}}" for n in row))
