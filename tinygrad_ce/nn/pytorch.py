"""Weights from PyTorch and back, by the names of `state_dict`.

    from_torch(model, torch_model)                  or its state_dict, or a .pt, .pth, .safetensors or .npz file
    torch_model.load_state_dict(to_torch(model))

A .pt file is read with `weights_only=True`: nothing in it is run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint import load
from ..extras import extra
from .module import Module

_PICKLES = (".pt", ".pth", ".bin", ".ckpt")
# Counts that PyTorch keeps beside what a layer computes with.
_COUNTS = "num_batches_tracked"

Renaming = Mapping[str, str] | Callable[[str], str]


def from_torch(model: Module, source: Any, *, rename: Renaming | None = None) -> None:
    """Give a model the weights of one in PyTorch: all of them, or none.

    Parameters
    ----------
    model : Module
        Its own dtypes are kept.
    source : torch.nn.Module, mapping of names to tensors, or path
        A path ends in .pt, .pth, .bin or .ckpt (read through PyTorch, which must be installed), .safetensors or .npz.
    rename : mapping or callable, optional
        PyTorch's name ↦ ours, where they differ; a mapping leaves the names that it lacks.

    Raises
    ------
    ValueError
        If names are missing or unknown, or a shape differs, all listed; or the file is damaged or holds more than
        weights.
    ImportError
        If PyTorch is needed and not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import Linear
    >>> layer = Linear(2, 1)
    >>> from_torch(layer, {"fc.weight": np.ones((1, 2)), "fc.bias": [0.5]}, rename=lambda name: name[3:])
    >>> float(layer([1.0, 1.0]).data[0])
    2.5
    """
    if isinstance(source, str | os.PathLike):
        try:
            state = _read(source)
            _give(model, state, rename)
        except ValueError as error:
            raise ValueError(f"{os.fspath(source)}: {error}".replace(f"{os.fspath(source)}: " * 2, "")) from None
        return
    _give(model, source if isinstance(source, Mapping) else source.state_dict(), rename)


def to_torch(model: Module, *, rename: Renaming | None = None) -> dict[str, Any]:
    """The model's parameters and buffers as tensors, for `load_state_dict` of a model in PyTorch.

    Parameters
    ----------
    model : Module
    rename : mapping or callable, optional
        Our name ↦ PyTorch's.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    torch = _torch("tensors")
    return {_renamed(name, rename): torch.as_tensor(array) for name, array in model.state_dict().items()}


# -- pieces -------------------------------------------------------------------------------------------------


def _give(model: Module, state: Mapping[str, Any], rename: Renaming | None) -> None:
    named = {_renamed(str(name), rename): tensor for name, tensor in state.items()}
    if len(named) < len(state):
        raise ValueError("rename gives two tensors one name")
    own = model.state_dict()
    wanted = {k: t for k, t in named.items() if k in own or not k.endswith(_COUNTS)}
    # A file that lacks the counts is a whole one all the same.
    counts = {k: own[k] for k in own if k not in wanted and k.endswith(_COUNTS)}
    model.load_state_dict({**{name: _array(tensor) for name, tensor in wanted.items()}, **counts})


def _renamed(name: str, rename: Renaming | None) -> str:
    if rename is None:
        return name
    return rename.get(name, name) if isinstance(rename, Mapping) else rename(name)


def _array(tensor: Any) -> NDArray[Any]:
    """A tensor's numbers, wherever they are kept; what NumPy has no dtype for, as float32."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and str(tensor.dtype) not in ("torch.float16", "torch.float32", "torch.float64"):
            tensor = tensor.float()
        tensor = tensor.numpy()
    return np.asarray(tensor)


def _read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    if Path(path).suffix.lower() not in _PICKLES:
        return load(path).state
    torch = _torch(f"{Path(path).suffix} files")
    if not Path(path).exists():
        raise FileNotFoundError(f"no file {os.fspath(path)} to load")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"it holds no weights alone, or is damaged: {reason}") from None
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(inner, Mapping) or not all(hasattr(tensor, "numpy") for tensor in inner.values()):
        raise ValueError("it is no state_dict: save torch_model.state_dict()")
    return inner


def _torch(what: str) -> Any:
    try:
        return extra("torch")
    except ImportError:
        raise ImportError(f"{what} need PyTorch: pip install torch") from None
