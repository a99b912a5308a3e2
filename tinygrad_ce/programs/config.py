"""What can be chosen when a preset is trained.

    Config.of("mlp", {"lr": 0.01}, {"epochs": 5})       a preset, changed by a file, changed by options

Each field says in one place what it means, how it is read from a command line, and what it may be.
"""

from __future__ import annotations

import os
import tomllib
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "mlp": {"data": "digits", "epochs": 40, "lr": 0.003, "dropout": 0.2, "hidden": (128, 64)},
    "cnn": {"data": "digits", "epochs": 30, "lr": 0.003, "dropout": 0.2, "channels": (32, 64), "dtype": "float32"},
    "gpt": {"data": "text", "epochs": 2, "lr": 0.003, "held_out": 0.1, "clip": 1.0, "dtype": "float32"},
}
OPTIMISERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "lion")


class ConfigError(ValueError):
    """A configuration that makes no sense: what is wrong with it, in one line."""


# -- kinds of values: text or TOML's types ↦ the value -----------------------------------------------------------


def _whole(least: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        try:
            number = int(given) if isinstance(given, str) else given
        except ValueError:
            number = None
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise ArgumentTypeError(f"an integer of at least {least}, not {given!r:.40}")
        return number

    return read


def _real(low: float, high: float = float("inf"), *, open_low: bool = False) -> Callable[[Any], float]:
    told = f"a number {'above' if open_low else 'from'} {low:g}"
    told += "" if high == float("inf") else f" and below {high:g}"

    def read(given: Any) -> float:
        try:
            number = float(given) if not isinstance(given, bool) else float("nan")
        except (TypeError, ValueError):
            number = float("nan")
        if not (low < number < high or (number == low and not open_low)):
            raise ArgumentTypeError(f"{told}, not {given!r:.40}")
        return number

    return read


def _widths(given: Any) -> tuple[int, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    try:
        found = tuple(_whole(1)(part) for part in parts)
    except (TypeError, ArgumentTypeError):
        found = ()
    if not found or max(found) > 10_000:
        raise ArgumentTypeError(f"numbers from 1 to 10,000, such as 64,32, not {given!r:.40}")
    return found


def _choice(*names: str) -> Callable[[Any], str]:
    def read(given: Any) -> str:
        if given not in names:
            raise ArgumentTypeError(f"one of {', '.join(names)}, not {given!r:.40}")
        return str(given)

    return read


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise ArgumentTypeError(f"a name or a path, not {given!r:.40}")
    return given


def _option(default: Any, read: Callable[[Any], Any], metavar: str, help: str) -> Any:
    return field(default=default, metadata={"read": read, "metavar": metavar, "help": help})


@dataclass(frozen=True)
class Config:
    """A preset and all that is chosen for it."""

    preset: str = _option("mlp", _choice(*PRESETS), "NAME", "mlp, cnn or gpt")
    data: str = _option("digits", _text, "NAME", "digits, iris, moons, …; a .csv, .npz or text file; a folder of IDX")
    target: str | None = _option(None, _text, "COLUMN", "the CSV column that holds the class (default: the last)")
    epochs: int = _option(20, _whole(1), "N", "passes over the data")
    batch: int = _option(32, _whole(1), "N", "rows in a batch")
    lr: float = _option(0.003, _real(0.0, open_low=True), "X", "the largest learning rate")
    optimiser: str = _option("adamw", _choice(*OPTIMISERS), "NAME", ", ".join(OPTIMISERS))
    weight_decay: float = _option(0.01, _real(0.0), "X", "how much weights are pulled to 0")
    schedule: str = _option("cosine", _choice("cosine", "constant"), "NAME", "cosine (with a warm-up) or constant")
    clip: float | None = _option(None, _real(0.0, open_low=True), "X", "the largest norm of the gradient")
    dropout: float = _option(0.0, _real(0.0, 1.0), "P", "how many activations are dropped in training")
    held_out: float = _option(0.2, _real(0.0, 1.0, open_low=True), "P", "the part held out for validation")
    seed: int = _option(0, _whole(0), "N", "of weights, batches and dropout; the split is the same for every seed")
    dtype: str = _option("float64", _choice("float32", "float64"), "NAME", "float32 or float64")
    hidden: tuple[int, ...] = _option((64,), _widths, "N,N", "mlp: widths of the hidden layers")
    channels: tuple[int, ...] = _option((16, 32), _widths, "N,N", "cnn: channels, halving the image after each")
    layers: int = _option(2, _whole(1), "N", "gpt: blocks")
    heads: int = _option(4, _whole(1), "N", "gpt: heads of attention in a block")
    width: int = _option(64, _whole(1), "N", "gpt: numbers that stand for a character")
    context: int = _option(64, _whole(1), "N", "gpt: characters that it sees")

    @classmethod
    def of(cls, preset: str | None, *choices: Mapping[str, Any]) -> Config:
        """A preset, changed by what is chosen; later choices win.

        Raises
        ------
        ConfigError
            If a name is unknown or a value makes no sense.

        Examples
        --------
        >>> Config.of("mlp", {"lr": 0.1}, {"hidden": "8,8"}).hidden
        (8, 8)
        >>> Config.of(None, {"epoch": 3})
        Traceback (most recent call last):
            ...
        tinygrad_ce.programs.config.ConfigError: there is no option 'epoch'; did you mean 'epochs'?
        """
        chosen: dict[str, Any] = {}
        for choice in choices:
            chosen |= {_known(name): value for name, value in choice.items()}
        name = preset or chosen.get("preset") or "mlp"
        values = {**PRESETS.get(name, {}), **chosen, "preset": name}
        config = cls(**{key: _read(key, value) for key, value in values.items() if value is not None})
        if config.preset == "gpt" and config.width % config.heads:
            raise ConfigError(f"width {config.width} is not divisible by heads {config.heads}")
        return config

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON and TOML."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def options() -> dict[str, Any]:
    """Every option by name, as `dataclasses.fields` has it."""
    return {f.name: f for f in fields(Config)}


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The choices in a TOML file: options by name at its top level.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no TOML.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from None
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{os.fspath(path)} is no TOML: {error}") from None


def _known(name: str) -> str:
    known = name.replace("-", "_")
    if known not in options():
        near = get_close_matches(known, options(), n=1)
        raise ConfigError(f"there is no option '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    return known


def _read(name: str, value: Any) -> Any:
    try:
        return options()[name].metadata["read"](value)
    except ArgumentTypeError as error:
        raise ConfigError(f"{name} is {error}") from None
