"""Save and load: parameters in an .npz file that holds numbers and nothing that could run.

    save("model.npz", model, meta={"accuracy": 0.98})
    load("model.npz", model)                              the parameters, into a model of the same shape
    load("model.npz").meta                                what the file says, without a model

The file is a zip of .npy arrays named like the parameters, so that `numpy.load` reads it too; `meta` is JSON
in one more entry. It is written as a whole or not at all, and read as a whole before anything is changed.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing

_META = "__meta__"


class Stateful(Protocol):
    """What can be saved and loaded: a Module, an optimiser."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Checkpoint(NamedTuple):
    """What a file holds: arrays by name, and what was said about them."""

    state: dict[str, NDArray[Any]]
    meta: dict[str, Any]


def save(
    path: str | os.PathLike[str],
    model_or_state: Stateful | Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a model's parameters (or an optimiser's state) to a file, replacing it only when all is written.

    Parameters
    ----------
    path : str or path-like
        Taken as it is: no suffix is added.
    model_or_state : Module, optimiser, or mapping of names to arrays
    meta : mapping, optional
        What `load` gives back beside the arrays: anything that JSON can write.

    Raises
    ------
    TypeError
        If there is no state, or `meta` is not for JSON.
    ValueError
        If an array is not of numbers, or a name is no name for an array.
    OSError
        If the file cannot be written. Whatever is raised, a file that was there stays as it was.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tinygrad_ce.nn import Linear
    >>> path, layer = pathlib.Path(tempfile.mkdtemp(), "layer.npz"), Linear(3, 2)
    >>> save(path, layer, meta={"epochs": 5})
    >>> load(path, Linear(3, 2)).meta
    {'epochs': 5}
    """
    state = model_or_state if isinstance(model_or_state, Mapping) else _state_of(model_or_state)
    arrays = {name: _array(name, value) for name, value in state.items()}
    if meta:
        arrays[_META] = np.array(json.dumps(dict(meta)))
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def load(path: str | os.PathLike[str], model: Stateful | None = None) -> Checkpoint:
    """Read a file that `save` wrote, and give its parameters to `model`.

    Parameters
    ----------
    path : str or path-like
    model : Module or optimiser, optional
        Takes the parameters over.

    Returns
    -------
    Checkpoint
        (state, meta).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is cut short, damaged, something else, or holds Python objects (which are never loaded), or if
        its parameters are not those of `model`. The message names the file; the model is as it was.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tinygrad_ce.nn import Linear
    >>> path = pathlib.Path(tempfile.mkdtemp(), "notes.npz")
    >>> _ = path.write_text("not a model")
    >>> load(path, Linear(3, 2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: .../notes.npz is no file of saved parameters: File is not a zip file
    """
    name = os.fspath(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {name} to load") from None
    try:
        checkpoint = _parsed(content)
    except Exception as error:
        # Whatever a parser stumbles over in these bytes, it is the file that is at fault.
        reason = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"{name} is no file of saved parameters: {reason[0]}") from error
    if model is not None:
        try:
            model.load_state_dict(checkpoint.state)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return checkpoint


# -- pieces -------------------------------------------------------------------------------------------------


def _state_of(model: Stateful) -> Mapping[str, Any]:
    state_dict = getattr(model, "state_dict", None)
    if state_dict is None:
        raise TypeError(f"save() takes a model, an optimiser or a mapping to arrays, not {model!r:.60}")
    state: Mapping[str, Any] = state_dict()
    return state


def _array(name: str, value: Any) -> NDArray[Any]:
    if not isinstance(name, str) or not name or name == _META or "\0" in name:
        raise ValueError(f"{name!r} is no name for an array")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"'{name}' holds {array.dtype}: only arrays of real numbers are saved")
    return array


def _parsed(content: bytes) -> Checkpoint:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Reading a whole entry checks its sum, which reading an array's bytes out of it may not.
        entries = {name.removesuffix(".npy"): _entry(name, archive.read(name)) for name in archive.namelist()}
    meta = entries.pop(_META, None)
    about = {} if meta is None else json.loads(str(meta))
    if not isinstance(about, dict):
        raise ValueError(f"its {_META} is no mapping")
    return Checkpoint(entries, about)


def _entry(name: str, content: bytes) -> NDArray[Any]:
    if not name.endswith(".npy"):
        raise ValueError(f"it holds '{name}', which is no array")
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
