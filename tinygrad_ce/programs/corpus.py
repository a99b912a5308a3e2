"""Data by name, as a preset takes them; and what has to be kept of them to use the model again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import data
from ..data import DataError, Dataset, Standardiser, Text
from .config import Config

# The held-out part is the same for every seed, so that runs with different seeds can be compared.
_SPLIT_SEED = 0

NAMED: dict[str, Callable[[], Dataset]] = {
    "digits": data.digits,
    "iris": data.iris,
    "moons": partial(data.two_moons, 400),
    "circles": partial(data.circles, 400),
    "spirals": partial(data.spirals, 600),
    "blobs": partial(data.blobs, 300),
    "xor": partial(data.xor, 200, noise=0.1),
    "sine": partial(data.sine, 400),
}
_BETWEEN_0_AND_1 = ("digits",)


@dataclass(frozen=True)
class Facts:
    """What a model has to know of the data that it was trained on; plain data in a checkpoint.

    Attributes
    ----------
    shape : tuple of int
        Of one row of inputs.
    outputs : int
        Classes, or quantities to predict.
    class_names, feature_names : tuple of str
    mean, std : list of float or None
        What inputs are standardised with; None where they are not.
    vocabulary : str
        Of a text: its characters.
    """

    shape: tuple[int, ...] = ()
    outputs: int = 0
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    mean: list[float] | None = None
    std: list[float] | None = None
    vocabulary: str = ""

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Facts:
        """What `dataclasses.asdict` made of it."""
        lists = {key: tuple(told[key]) for key in ("shape", "class_names", "feature_names")}
        return cls(**{**told, **lists})

    def scaled(self, inputs: Any) -> NDArray[Any]:
        """Inputs of these features as the model takes them.

        Raises
        ------
        DataError
            If they have another number of features.
        """
        array = np.asarray(inputs, float)
        if array[0].size != int(np.prod(self.shape)):
            raise DataError(f"rows of {array[0].size} features, where the model takes {int(np.prod(self.shape))}")
        flat = array.reshape(len(array), -1)
        if self.mean is not None and self.std is not None:
            flat = (flat - np.array(self.mean)) / np.array(self.std)
        return flat.reshape(len(flat), *self.shape)


@dataclass(frozen=True)
class Corpus:
    """Data in two parts, one to learn from and one held out, and the facts about them."""

    train: Any
    test: Any
    facts: Facts
    name: str


def rows(config: Config) -> Corpus:
    """A table or images for the presets mlp and cnn.

    Raises
    ------
    DataError
        If anything is wrong with them.
    """
    train, test = _parts(config)
    whole = config.data in _BETWEEN_0_AND_1 or train.inputs.ndim > 2
    scale = None if whole else Standardiser.fit(train)
    if scale is not None:
        with np.errstate(all="ignore"):
            train, test = scale.apply(train), scale.apply(test)
    if not (np.all(np.isfinite(train.inputs)) and np.all(np.isfinite(test.inputs))):
        raise DataError(f"{config.data}: numbers too large to bring features to one scale")
    shape = _image(train.inputs.shape[1:]) if config.preset == "cnn" else (int(np.prod(train.inputs.shape[1:])),)
    train, test = (replace(d, inputs=d.inputs.reshape(len(d), *shape)) for d in (train, test))
    quantities = 1 if train.targets.ndim == 1 else int(np.prod(train.targets.shape[1:]))
    facts = Facts(
        shape,
        len(train.class_names) or quantities,
        tuple(train.class_names),
        tuple(train.feature_names),
        None if scale is None else np.ravel(scale.mean).tolist(),
        None if scale is None else np.ravel(scale.std).tolist(),
    )
    return Corpus(train, test, facts, train.name)


def characters(config: Config, vocabulary: str = "") -> Corpus:
    """A text for the preset gpt; an epoch sees each character some four times, at different places.

    Raises
    ------
    DataError
        If it cannot be read, or has a character that the vocabulary lacks.
    """
    if config.data in NAMED:
        raise DataError(f"{config.data} is a table, and gpt learns from text: name a text file, or text for Python's")
    found = data.text(None if config.data == "text" else config.data)
    if vocabulary:
        found = replace(found, vocabulary=tuple(vocabulary))
    train, test = found.split(config.held_out)
    facts = Facts((config.context,), len(found.vocabulary), vocabulary="".join(found.vocabulary))
    # An odd stride puts a character at every place of the window, now here, now there.
    learnt = train.windows(config.context, stride=(config.context // 4) | 1)
    return Corpus(learnt, test.windows(config.context, stride=config.context), facts, found.name)


def text_of(facts: Facts) -> Text:
    """A text of the model's vocabulary, to encode and decode with."""
    return Text(facts.vocabulary, tuple(facts.vocabulary))


def read_rows(name: str, target: str | None = None) -> Dataset:
    """A named data set, a CSV or NPZ file, or a folder of IDX files, as one data set."""
    parts = _read(name, target)
    if isinstance(parts, Dataset):
        return parts
    train, test = parts
    both = np.concatenate([train.inputs, test.inputs]), np.concatenate([train.targets, test.targets])
    return replace(train, inputs=both[0], targets=both[1])


# -- pieces -----------------------------------------------------------------------------------------------------


def _parts(config: Config) -> tuple[Dataset, Dataset]:
    found = _read(config.data, config.target)
    if not isinstance(found, Dataset):
        return found
    try:
        train, test = data.split(found, held_out=config.held_out, seed=_SPLIT_SEED)
    except DataError as error:
        raise DataError(f"{config.data}: {error}") from None
    return train, test


def _read(name: str, target: str | None) -> Dataset | tuple[Dataset, Dataset]:
    """A folder of IDX files comes in two parts already."""
    path = Path(name)
    if name in NAMED:
        if target is not None:
            raise DataError(f"a target names a column of a CSV file; {name} has its classes already")
        return NAMED[name]()
    if path.is_dir():
        return data.mnist(path)
    if path.suffix.lower() == ".npz":
        return data.read_npz(path)
    if path.suffix.lower() == ".txt":
        raise DataError(f"{name} is a text: train the preset gpt on it")
    if not path.suffix and not path.exists():
        raise DataError(f"no data called {name}: there are {', '.join(NAMED)}, and files and folders of yours")
    return data.read_csv(path, target)


def _image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A row as an image of (channels, height, width); pixels in a line as a square."""
    if len(shape) == 3:
        return shape
    if len(shape) == 2:
        return (1, *shape)
    side = round(float(np.sqrt(shape[0])))
    if side * side != shape[0]:
        raise DataError(f"{shape[0]} features are no square image, which is what cnn takes: train the preset mlp")
    return (1, side, side)
