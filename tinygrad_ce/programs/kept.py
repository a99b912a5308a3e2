"""A saved file as a model again: it holds its own configuration, so nothing else is needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..checkpoint import Checkpoint, load
from ..nn import Module
from .config import Config, ConfigError
from .corpus import Facts
from .models import build


@dataclass(frozen=True)
class Kept:
    """What `tinygrad_ce train` has saved.

    Attributes
    ----------
    config : Config
    facts : Facts
    model : Module
        In eval mode.
    meta : dict
    """

    config: Config
    facts: Facts
    model: Module
    meta: dict[str, Any]


def load_model(path: str | os.PathLike[str]) -> Kept:
    """Read a file that `tinygrad_ce train` wrote, and build its network.

    Raises
    ------
    ValueError
        If it is damaged, or says no preset.
    FileNotFoundError
        If there is none.
    """
    checkpoint = load(path)
    config, facts = _told(checkpoint, os.fspath(path))
    model = build(config, facts)
    load(path, {"model": model})
    return Kept(config, facts, model.eval(), checkpoint.meta)


def _told(checkpoint: Checkpoint, path: str) -> tuple[Config, Facts]:
    try:
        config = Config.of(None, checkpoint.meta["config"])
        return config, Facts.from_dict(checkpoint.meta["facts"])
    except (KeyError, TypeError, ConfigError) as error:
        told = f"{path} does not say which preset it is of: was it saved by tinygrad_ce train?"
        raise ValueError(f"{told} ({error})") from None
